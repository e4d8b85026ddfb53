//! A server on loopback that misbehaves as it is told, over HTTP/1 and HTTP/2 alike.
//!
//! What it does is said by the path of the request, or for `/` by its handle while it runs. What is slow
//! waits for [`release`](FaultServer::release), and what hangs ends when the client goes away: nothing
//! here takes time.

#![allow(dead_code, reason = "each binary uses a part of it")]

mod fault;
mod http1;
mod http2;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

pub(crate) use self::fault::Fault;
use self::fault::{Step, script};

/// A server that misbehaves, until it is dropped.
#[derive(Debug)]
pub(crate) struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What a server has seen, and what it is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    /// Answers that were sent to their end.
    pub(crate) answers: usize,
    /// Connections that are open now.
    pub(crate) connected: usize,
    /// Requests whose answer has not ended yet.
    pub(crate) at_work: usize,
    /// Answers that wait to be released.
    pub(crate) waiting: usize,
}

/// A port that refuses connections, and that nobody else gets meanwhile.
#[derive(Debug)]
pub(crate) struct ClosedPort(TcpSocket);

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap())
    }

    /// Lets a server have the port.
    pub(crate) fn open(self) -> FaultServer {
        FaultServer::on(self.0.listen(BACKLOG).unwrap())
    }
}

/// Room for everybody who calls at once.
const BACKLOG: u32 = 4096;

impl FaultServer {
    pub(crate) fn start() -> Self {
        ClosedPort::new().open()
    }

    fn on(listener: TcpListener) -> Self {
        let shared = Arc::new(Shared::default());
        Self {
            address: listener.local_addr().unwrap(),
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where `fault` is what happens.
    pub(crate) fn url(&self, fault: Fault) -> String {
        format!("{}{}", self.live_url(), fault.name())
    }

    /// Returns where happens what was [`set`](Self::set) last: nothing, at first.
    pub(crate) fn live_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.shared.live.lock().unwrap() = fault;
    }

    /// Lets slow answers take so many steps, whoever comes first.
    pub(crate) fn release(&self, steps: usize) {
        self.shared.steps.add_permits(steps);
    }

    /// Lets a slow answer take a step as soon as one waits.
    pub(crate) async fn release_next(&self) {
        self.saw(|seen| seen.waiting > 0).await;
        self.release(1);
    }

    /// Lets each answer that waits now take a step.
    pub(crate) fn release_waiting(&self) {
        self.release(self.seen().waiting);
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.shared.seen.borrow()
    }

    /// Waits until the server has seen something.
    pub(crate) async fn saw(&self, what: impl FnMut(&Seen) -> bool) -> Seen {
        *self.shared.seen.subscribe().wait_for(what).await.unwrap()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        // With it go the connections, which are its own.
        self.accepting.abort();
    }
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    live: Mutex<Fault>,
    seen: watch::Sender<Seen>,
    steps: Semaphore,
    turns: AtomicU32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            live: Mutex::new(Fault::Healthy),
            seen: watch::Sender::default(),
            steps: Semaphore::new(0),
            turns: AtomicU32::new(0),
        }
    }
}

impl Shared {
    fn live(&self) -> Fault {
        *self.live.lock().unwrap()
    }

    /// Returns what is to happen at `path`.
    fn script_for(&self, path: &str) -> Vec<Step> {
        let fault = match path.trim_start_matches('/') {
            "" => self.live(),
            name => Fault::named(name),
        };
        let turn = match fault {
            Fault::EveryOther => self.turns.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        script(fault, turn)
    }

    fn saw(&self, what: fn(&mut Seen) -> &mut usize) {
        self.seen.send_modify(|seen| *what(seen) += 1);
    }

    /// Counts something for as long as it is going on.
    fn gauge(&self, what: fn(&mut Seen) -> &mut usize) -> Gauge<'_> {
        self.saw(what);
        Gauge { shared: self, what }
    }

    async fn step(&self) {
        let _waiting = self.gauge(|seen| &mut seen.waiting);
        self.steps.acquire().await.unwrap().forget();
    }
}

struct Gauge<'a> {
    shared: &'a Shared,
    what: fn(&mut Seen) -> &mut usize,
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.shared.seen.send_modify(|seen| *(self.what)(seen) -= 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, Arc::clone(&shared)));
            },
            Some(ended) = connections.join_next() => ended.unwrap(),
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    shared.saw(|seen| &mut seen.connections);
    let _open = shared.gauge(|seen| &mut seen.connected);
    // Clients that go away in the middle are what this is for.
    let _ = serve(stream, &shared).await;
}

async fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    // Each piece of an answer is to arrive when it is sent.
    stream.set_nodelay(true)?;
    let mut first = [0; 1];
    stream.peek(&mut first).await?;
    // HTTP/2 begins with "PRI * HTTP/2.0"; no method of HTTP/1 that is used here does.
    match &first {
        b"P" if shared.live() == Fault::GoAwayUnseen => http2::turn_away(stream, shared).await,
        b"P" => http2::serve(stream, shared).await,
        _ => http1::serve(stream, shared).await,
    }
}
