//! HTTP/2, for clients that know it.

use std::{
    future::{Future, pending, poll_fn},
    io,
    sync::Arc,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    server::{Connection, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

use super::{
    Shared,
    fault::{Break, Head, Headers, Step},
};

/// How a connection is to end.
enum End {
    Gracefully,
    Now(Reason),
}

pub(super) async fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let connection = h2::server::handshake(stream).await;
    serve_requests(connection.map_err(io::Error::other)?, shared)
        .await
        .map_err(io::Error::other)
}

async fn serve_requests(
    mut connection: Connection<TcpStream, Bytes>,
    shared: &Arc<Shared>,
) -> Result<(), h2::Error> {
    let (end, mut ends) = mpsc::unbounded_channel();
    // With the connection they go.
    let mut exchanges = JoinSet::new();
    loop {
        tokio::select! {
            request = connection.accept() => {
                let Some(request) = request else { return Ok(()) };
                let (request, respond) = request?;
                shared.saw(|seen| &mut seen.requests);
                let exchange = Exchange { answer: Answer::Begin(respond), end: end.clone() };
                exchanges.spawn(exchange.run(request, Arc::clone(shared)));
            },
            Some(how) = ends.recv() => match how {
                End::Gracefully => connection.graceful_shutdown(),
                End::Now(reason) => connection.abrupt_shutdown(reason),
            },
            Some(ended) = exchanges.join_next() => ended.unwrap(),
        }
    }
}

/// Says that no request was looked at, as soon as there is one. Frame by frame, as h2's server would take
/// the request for looked at.
pub(super) async fn turn_away(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    const HEADERS: u8 = 1;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // The last stream that was looked at is 0, and the reason is no error.
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    stream.write_all(&SETTINGS).await?;
    stream.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    shared.saw(|seen| &mut seen.requests);
    stream.write_all(&GOAWAY).await
}

/// One request and its answer.
struct Exchange {
    answer: Answer,
    end: mpsc::UnboundedSender<End>,
}

enum Answer {
    Begin(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
}

impl Exchange {
    async fn run(mut self, request: Request<RecvStream>, shared: Arc<Shared>) {
        let _at_work = shared.gauge(|seen| &mut seen.at_work);
        let script = shared.script_for(request.uri().path());
        // An error is a client that has gone away.
        if let Ok(true) = self.play(&script, &shared).await {
            shared.saw(|seen| &mut seen.answers);
        }
    }

    /// Returns whether the answer came to its end.
    async fn play(&mut self, script: &[Step], shared: &Shared) -> Result<bool, h2::Error> {
        for (number, step) in script.iter().enumerate() {
            let is_last = number + 1 == script.len();
            match *step {
                Step::Wait => self.unless_gone(shared.step()).await?,
                Step::Hang => self.unless_gone(pending()).await?,
                Step::Head(head) => self.head(&head, is_last)?,
                Step::Body(length) => self.send(length, is_last)?,
                Step::Trailers(those) => self.body().send_trailers(map(those))?,
                Step::Farewell => {
                    self.send(0, true)?;
                    let _ = self.end.send(End::Gracefully);
                }
                Step::Break(how) => {
                    self.stop(how).await?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn head(&mut self, head: &Head, is_last: bool) -> Result<(), h2::Error> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(head.status).unwrap();
        *response.headers_mut() = map(head.headers);
        if let Some(length) = head.length {
            let headers = response.headers_mut();
            headers.insert("content-length", length.into());
        }
        let Answer::Begin(respond) = &mut self.answer else {
            panic!("a second head");
        };
        self.answer = Answer::Body(respond.send_response(response, is_last)?);
        Ok(())
    }

    fn send(&mut self, length: usize, is_last: bool) -> Result<(), h2::Error> {
        let bytes = Bytes::from("x".repeat(length));
        self.body().send_data(bytes, is_last)
    }

    fn body(&mut self) -> &mut SendStream<Bytes> {
        match &mut self.answer {
            Answer::Body(body) => body,
            Answer::Begin(_) => panic!("a body without a head"),
        }
    }

    async fn stop(&mut self, how: Break) -> Result<(), h2::Error> {
        let reason = match how {
            Break::Close => Reason::INTERNAL_ERROR,
            Break::Reset(reason) => reason,
            Break::GoAway(reason) => {
                let _ = self.end.send(End::Now(reason));
                // A stream that is dropped is reset, which is not what was asked for.
                return self.unless_gone(pending()).await;
            }
        };
        match &mut self.answer {
            Answer::Begin(respond) => respond.send_reset(reason),
            Answer::Body(body) => body.send_reset(reason),
        }
        Ok(())
    }

    async fn unless_gone<F: Future>(&mut self, wait: F) -> Result<F::Output, h2::Error> {
        let gone = poll_fn(|cx| {
            let gone = match &mut self.answer {
                Answer::Begin(respond) => respond.poll_reset(cx),
                Answer::Body(body) => body.poll_reset(cx),
            };
            gone.map(|reason| match reason {
                Ok(reason) => h2::Error::from(reason),
                Err(error) => error,
            })
        });
        tokio::select! {
            output = wait => Ok(output),
            error = gone => Err(error),
        }
    }
}

fn map(headers: Headers) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect()
}
