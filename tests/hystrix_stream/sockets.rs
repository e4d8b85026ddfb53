//! Over loopback, with clients that never read. Time is moved by hand.

use std::{future::Future, net::SocketAddr, ops::RangeInclusive, sync::mpsc};

use axum::Router;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
};

use super::*;

const SUBSCRIBERS: usize = 20;
const SILENT: usize = 6;
/// So many that their text is longer than what sockets hold.
const PIPELINES: usize = 100;
const LAST: &[u8] = br#""name":"upstream:99""#;
/// In bytes; the kernel doubles it. By itself it would come to megabytes.
const SOCKET_BUFFER: u32 = 32 << 10;
const TICK: Duration = ms(100);

/// A runtime whose time does not move by itself, unless a test hangs for 30 seconds: then [`soon`] ends it.
struct StoppedTime {
    /// Dropped first, which lets the runtime end.
    _end: mpsc::Sender<()>,
    runtime: Runtime,
}

impl StoppedTime {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let (end, ended) = mpsc::channel();
        // Paused time does not move by itself while something blocks.
        runtime.spawn_blocking(move || ended.recv_timeout(Duration::from_secs(30)));
        Self { _end: end, runtime }
    }

    fn run<F: Future>(&self, test: F) -> F::Output {
        self.runtime.block_on(test)
    }
}

/// All subscribers of a stream.
struct Crowd {
    stream: HystrixStream,
    address: SocketAddr,
    /// In bytes.
    text: i64,
    readers: Vec<Reader>,
    silent: Vec<TcpStream>,
}

struct Reader {
    connection: TcpStream,
    chunk: Box<[u8]>,
    /// What may be the beginning of the last name of a text.
    tail: Vec<u8>,
    texts: usize,
}

impl Reader {
    fn new(connection: TcpStream) -> Self {
        let chunk = vec![0; 64 << 10].into();
        let tail = Vec::with_capacity(LAST.len() + (64 << 10));
        Self {
            connection,
            chunk,
            tail,
            texts: 0,
        }
    }

    async fn read(&mut self) {
        let length = soon(self.connection.read(&mut self.chunk)).await.unwrap();
        assert_ne!(length, 0, "the connection is kept");
        self.tail.extend_from_slice(&self.chunk[..length]);
        let names = self.tail.windows(LAST.len());
        self.texts += names.filter(|name| *name == LAST).count();
        let done = self.tail.len().saturating_sub(LAST.len() - 1);
        self.tail.drain(..done);
    }

    async fn read_until(&mut self, texts: usize) {
        while self.texts < texts {
            self.read().await;
        }
        assert_eq!(self.texts, texts);
    }
}

impl Crowd {
    async fn gather() -> Self {
        let registry = Registry::new();
        for n in 0..PIPELINES {
            let builder = Pipeline::builder(format!("upstream:{n:02}"));
            registry.register(builder).unwrap();
        }
        let settings = Settings::default().interval(TICK).subscribers(SUBSCRIBERS);
        let stream = with(&registry, settings);
        let text = read(&mut subscribe(&stream)).await.len();
        let socket = TcpSocket::new_v4().unwrap();
        // As have those that it accepts.
        socket.set_send_buffer_size(SOCKET_BUFFER).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(128).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route_service("/", stream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut crowd = Self {
            stream,
            address,
            text: text.try_into().unwrap(),
            readers: Vec::new(),
            silent: Vec::new(),
        };
        for _ in 0..SILENT {
            let connection = crowd.get().await;
            crowd.silent.push(connection);
        }
        for _ in SILENT..SUBSCRIBERS {
            let reader = Reader::new(crowd.get().await);
            crowd.readers.push(reader);
        }
        crowd.all_read(1).await;
        crowd.until_there_are(SUBSCRIBERS).await;
        // From here on each tick comes between two steps.
        tokio::time::advance(TICK / 2).await;
        crowd
    }

    async fn get(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        let mut connection = soon(socket.connect(self.address)).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        soon(connection.write_all(request)).await.unwrap();
        connection
    }

    async fn all_read(&mut self, texts: usize) {
        for reader in &mut self.readers {
            reader.read_until(texts).await;
        }
    }

    /// Has all who read get the text of each tick before the next one comes.
    async fn pass(&mut self, ticks: RangeInclusive<usize>) {
        for tick in ticks {
            tokio::time::advance(TICK).await;
            self.all_read(tick).await;
        }
    }

    async fn until_there_are(&self, subscribers: usize) {
        // A deadline would not come while this turns.
        for _ in 0..1_000_000 {
            if self.stream.subscribers() == subscribers {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("there are {} subscribers", self.stream.subscribers());
    }
}

#[test]
fn who_never_reads_grows_nothing_and_delays_nobody() {
    let time = StoppedTime::new();
    let mut crowd = time.run(Crowd::gather());
    assert!(crowd.text > 4 * i64::from(SOCKET_BUFFER), "{}", crowd.text);
    time.run(crowd.pass(2..=5));
    let memory = allocation_counter::measure(|| time.run(crowd.pass(6..=45)));
    assert!(memory.bytes_current < crowd.text, "{memory:?}");
    // One text is made while another is there.
    assert!(memory.bytes_max < 3 * crowd.text as u64, "{memory:?}");
    assert_eq!(crowd.stream.subscribers(), SUBSCRIBERS);
}

#[test]
fn who_never_reads_has_a_place_until_the_socket_is_closed() {
    let time = StoppedTime::new();
    let mut crowd = time.run(Crowd::gather());
    time.run(async {
        crowd.pass(2..=3).await;
        crowd.silent.pop();
        crowd.until_there_are(SUBSCRIBERS - 1).await;
        let mut next = Reader::new(crowd.get().await);
        next.read_until(1).await;
        crowd.pass(4..=5).await;
    });
}

#[test]
fn a_shutdown_ends_all_who_read_and_the_silent_when_they_are_cut_off() {
    let time = StoppedTime::new();
    let mut crowd = time.run(Crowd::gather());
    time.run(async {
        crowd.pass(2..=3).await;
        crowd.stream.shut_down();
        for reader in &mut crowd.readers {
            // The body is whole then, and the connection may be asked for another.
            while !reader.tail.ends_with(b"\r\n0\r\n\r\n") {
                reader.read().await;
            }
        }
        crowd.until_there_are(SILENT).await;
        crowd.silent.clear();
        crowd.until_there_are(0).await;
    });
}
