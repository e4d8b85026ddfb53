//! Under axum, over loopback.

use std::{future::Future, net::SocketAddr};

use axum::Router;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

/// Here time is real.
async fn shortly<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it should have ended")
}

/// Serves until it is told to end, and then for as long as connections are open.
async fn serve(
    router: Router,
    stream: HystrixStream,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel();
    let server = tokio::spawn(async move {
        let signal = async move {
            let _ = ended.await;
            stream.shut_down();
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(signal);
        serving.await.unwrap();
    });
    (address, end, server)
}

async fn get(address: SocketAddr, path: &str) -> TcpStream {
    let mut connection = shortly(TcpStream::connect(address)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    shortly(connection.write_all(request.as_bytes()))
        .await
        .unwrap();
    connection
}

/// Reads until a text has come so often.
async fn read_until(connection: &mut TcpStream, text: &str, times: usize) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = shortly(connection.read(&mut chunk)).await.unwrap();
        assert_ne!(length, 0, "the stream goes on");
        read.extend_from_slice(&chunk[..length]);
        let so_far = String::from_utf8_lossy(&read);
        if so_far.matches(text).count() >= times {
            return so_far.into_owned();
        }
    }
}

fn registry() -> Registry {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    registry
}

#[tokio::test]
async fn the_stream_ends_when_a_server_ends_gracefully() {
    let registry = registry();
    let stream = HystrixStream::new(&registry);
    let router = Router::new().route_service("/hystrix.stream", stream.clone());
    let (address, end, server) = serve(router, stream.clone()).await;
    let mut connection = get(address, "/hystrix.stream").await;
    let head = read_until(&mut connection, "data: {\"type\":\"HystrixCommand\"", 1).await;
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 200"));
    for header in [
        "content-type: text/event-stream;charset=utf-8\r\n",
        "cache-control: no-cache, no-store, max-age=0, must-revalidate\r\n",
        "pragma: no-cache\r\n",
    ] {
        assert!(head.contains(header), "{header}");
    }

    end.send(()).unwrap();
    let mut rest = Vec::new();
    shortly(connection.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the body is whole");
    shortly(server).await.unwrap();
}

#[tokio::test]
async fn it_works_under_a_prefix_and_under_several_names() {
    let registry = registry();
    let stream = with(&registry, Settings::default().interval(ms(100)));
    let hystrix = Router::new()
        .route_service("/hystrix.stream", stream.clone())
        .route_service("/proxy.stream", stream.clone());
    let router = Router::new().nest("/ops", hystrix);
    let (address, end, server) = serve(router, stream.clone()).await;
    let mut one = get(address, "/ops/hystrix.stream").await;
    let mut other = get(address, "/ops/proxy.stream?origin=http%3A%2F%2Flocal").await;
    read_until(&mut one, "\"name\":\"inventory\"", 3).await;
    read_until(&mut other, "\"name\":\"inventory\"", 3).await;
    assert_eq!(stream.subscribers(), 2);
    end.send(()).unwrap();
    drop((one, other));
    shortly(server).await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let registry = registry();
    let settings = Settings::default().interval(ms(100)).subscribers(1);
    let stream = with(&registry, settings);
    let router = Router::new().route_service("/", stream.clone());
    let (address, end, server) = serve(router, stream.clone()).await;
    let mut connection = get(address, "/").await;
    read_until(&mut connection, "data: ", 1).await;
    let mut refused = get(address, "/").await;
    let answer = read_until(&mut refused, "\r\n\r\n", 1).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");

    drop(connection);
    shortly(async {
        while stream.subscribers() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut connection = get(address, "/").await;
    read_until(&mut connection, "data: ", 1).await;
    drop((connection, refused));
    end.send(()).unwrap();
    shortly(server).await.unwrap();
}

#[tokio::test]
async fn streams_of_http_2_end_each_by_itself_and_all_at_a_shutdown() {
    let registry = registry();
    let stream = with(&registry, Settings::default().interval(ms(100)));
    let router = Router::new().route_service("/", stream.clone());
    let (address, end, server) = serve(router, stream.clone()).await;
    let connection = shortly(TcpStream::connect(address)).await.unwrap();
    let (mut requests, connection) = shortly(h2::client::handshake(connection)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let request = Request::get("http://localhost/").body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        let answer = shortly(answer).await.unwrap();
        assert_eq!(answer.status(), 200);
        bodies.push(answer.into_body());
    }
    for body in &mut bodies {
        let first = shortly(body.data()).await.expect("a text").unwrap();
        assert!(first.starts_with(b"data: {"));
    }

    drop(bodies.pop());
    shortly(async {
        while stream.subscribers() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut body = bodies.remove(0);
    drop(shortly(body.data()).await.expect("another text").unwrap());
    end.send(()).unwrap();
    while let Some(chunk) = shortly(body.data()).await {
        chunk.expect("it is not cut off");
    }
    drop((body, requests));
    shortly(server).await.unwrap();
    shortly(connection).await.unwrap().unwrap();
}
