//! A server behind the gateway, which breaks on command.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use portcullis::rejection::BoxError;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    time::sleep,
};

use crate::{
    groups::Group,
    phase::Phase,
    port::{BACKLOG, bind},
};

/// How long the answers of the slow phase take, in turn. The guard waits 250 ms.
const SLOW_ANSWERS: [Duration; 4] = [
    Duration::from_millis(60),
    Duration::from_millis(120),
    Duration::from_millis(180),
    Duration::from_millis(400),
];

/// Longer than any caller waits.
const NEVER: Duration = Duration::from_secs(30);

/// An upstream on a port of its own.
pub(crate) struct Upstream {
    address: SocketAddr,
    faults: Faults,
    door: Door,
}

enum Door {
    /// Listening, until the sender is dropped.
    Open(oneshot::Sender<()>),
    /// Bound but not listening: connections are refused, and the port stays ours meanwhile.
    Shut(TcpSocket),
    /// Only while one becomes the other.
    Ajar,
}

#[derive(Clone)]
struct Faults {
    group: &'static Group,
    phase: watch::Sender<Phase>,
    turn: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start(group: &'static Group) -> Result<Self, BoxError> {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let faults = Faults {
            group,
            phase: watch::Sender::new(Phase::Healthy),
            turn: Arc::default(),
        };
        Ok(Self {
            address: socket.local_addr()?,
            door: Door::Open(serve(socket.listen(BACKLOG)?, faults.clone())),
            faults,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), BoxError> {
        self.faults.phase.send_replace(phase);
        self.door = match std::mem::replace(&mut self.door, Door::Ajar) {
            // Closes idle connections as well, and leaves hanging requests hanging.
            Door::Open(stop) if phase == Phase::Refused => {
                drop(stop);
                Door::Shut(bind(self.address).await?)
            }
            Door::Shut(socket) if phase != Phase::Refused => {
                Door::Open(serve(socket.listen(BACKLOG)?, self.faults.clone()))
            }
            door => door,
        };
        Ok(())
    }
}

fn serve(listener: TcpListener, faults: Faults) -> oneshot::Sender<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    let routes = faults.group.routes.iter();
    let app = routes.fold(Router::new(), |router, route| {
        router.route(&format!("/{route}/{{id}}"), get(answer))
    });
    let app = app.with_state(faults);
    tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async { drop(stopped.await) })
            .await
    });
    stop
}

async fn answer(
    State(faults): State<Faults>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let phase = *faults.phase.borrow();
    match phase {
        Phase::Healthy => sleep(faults.group.takes).await,
        Phase::Slow => {
            let turn = faults.turn.fetch_add(1, Ordering::Relaxed);
            sleep(SLOW_ANSWERS[turn % SLOW_ANSWERS.len()]).await;
        }
        Phase::Hanging => sleep(NEVER).await,
        // Refused: a request that was on its way when the door shut.
        Phase::Failing | Phase::Refused => {
            return Err((StatusCode::INTERNAL_SERVER_ERROR, "out of order"));
        }
    }
    Ok(Json(
        json!({"id": id, "of": faults.group.name, "value": id % 50}),
    ))
}
