//! A server that leaves without failing anybody. First it says that it is not ready, and still answers, until the
//! balancers have noticed; then it accepts nothing more; then what is under way may end, by a deadline.
//!
//! ```text
//! cargo run --example graceful_shutdown
//! cargo run --example graceful_shutdown -- --serve
//! ```
//!
//! The first plays it through and ends by itself, the second serves until Ctrl-C.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use portcullis::{
    axum::{liveness, readiness, respond},
    health::{Health, StillBusy},
    http::ByStatus,
    pipeline::Pipeline,
    rejection::BoxError,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// As long as balancers take to notice: in production as long as they take for some checks of readiness.
const NOTICE: Duration = Duration::from_millis(200);
/// What those under way may take. Orchestrators kill a process some time after they told it to leave, Kubernetes
/// after 30 s, and the notice is part of that.
const DEADLINE: Duration = Duration::from_secs(1);

/// Keeps reports busy until the example lets them end.
type Work = Arc<Semaphore>;

struct Server {
    url: String,
    health: Health,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::args().any(|argument| argument == "--serve") {
        let server = Server::start(Work::new(Semaphore::new(1_000))).await?;
        println!("{}/report, until Ctrl-C", server.url);
        tokio::signal::ctrl_c().await?;
        return Ok(server.leave().await?);
    }
    everybody_is_answered().await?;
    those_who_take_too_long_are_left().await
}

impl Server {
    async fn start(work: Work) -> Result<Self, BoxError> {
        let reports = Pipeline::builder("reports")
            .timeout(None)
            .classify(ByStatus::default())
            .reject_with(respond)
            .build()?;
        let health = Health::new().watching(reports.control());
        let app = Router::new()
            .route("/report", get(report))
            .route_layer(reports.layer())
            .route_service("/live", liveness())
            .route_service("/ready", readiness(&health))
            .with_state(work);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let serving =
            axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
        Ok(Self {
            url,
            health,
            stop,
            task: tokio::spawn(async { serving.await }),
        })
    }

    async fn leave(self) -> Result<(), StillBusy> {
        self.health.drain();
        sleep(NOTICE).await;
        let _ = self.stop.send(());
        self.health.drained(DEADLINE).await?;
        // The last answers are on their way. A connection that is still open then has somebody at its other end who
        // does not read.
        let _ = timeout(NOTICE, self.task).await;
        Ok(())
    }
}

async fn report(State(work): State<Work>) -> &'static str {
    if let Ok(permit) = work.acquire().await {
        permit.forget();
    }
    "report"
}

async fn everybody_is_answered() -> Result<(), BoxError> {
    let work = Work::new(Semaphore::new(0));
    let server = Server::start(work.clone()).await?;
    let (url, health) = (server.url.clone(), server.health.clone());
    assert_eq!(status(format!("{url}/ready")).await?, 200);
    let busy = tokio::spawn(status(format!("{url}/report")));
    until_busy(&health, 1).await;

    let leaving = tokio::spawn(server.leave());
    while !health.is_draining() {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(format!("{url}/ready")).await?, 503);
    let live = status(format!("{url}/live")).await?;
    assert_eq!(live, 200, "it is not to be killed");
    // Not all have noticed.
    let late = tokio::spawn(status(format!("{url}/report")));
    until_busy(&health, 2).await;
    sleep(2 * NOTICE).await;
    let refused = status(format!("{url}/ready")).await;
    assert!(refused.is_err(), "it is closed");

    work.add_permits(2);
    assert_eq!((busy.await??, late.await??), (200, 200));
    leaving.await??;
    println!("all calls were answered, and the server has left");
    Ok(())
}

async fn those_who_take_too_long_are_left() -> Result<(), BoxError> {
    let server = Server::start(Work::new(Semaphore::new(0))).await?;
    let health = server.health.clone();
    let endless = tokio::spawn(status(format!("{}/report", server.url)));
    until_busy(&health, 1).await;

    let left = server.leave().await.expect_err("somebody is busy");
    assert_eq!(left.in_flight, 1);
    println!("after {DEADLINE:?}: {left}; it leaves all the same");
    endless.abort();
    Ok(())
}

async fn until_busy(health: &Health, calls: u32) {
    while health.details().pipelines[0].in_flight < calls {
        tokio::task::yield_now().await;
    }
}

/// Asks over a connection of its own.
async fn status(url: String) -> Result<u16, BoxError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    Ok(client.get(url).send().await?.status().as_u16())
}
