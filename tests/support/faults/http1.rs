//! HTTP/1, byte for byte, as no library would let one do it wrong. Requests have no bodies.

use std::{
    fmt::Write,
    future::{Future, pending},
    io,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Shared,
    fault::{Break, Head, Headers, Step},
};

/// Whether there may be another request.
#[derive(PartialEq)]
enum Next {
    Request,
    Close,
}

pub(super) async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    while let Some(path) = next_request(&mut stream).await? {
        shared.saw(|seen| &mut seen.requests);
        let _at_work = shared.gauge(|seen| &mut seen.at_work);
        if answer(&mut stream, shared, &shared.script_for(&path)).await? == Next::Close {
            break;
        }
    }
    Ok(())
}

/// Reads the head of a request and returns its path.
async fn next_request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // No client sends its next request before this one has been answered.
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).map(str::to_owned))
}

async fn answer(stream: &mut TcpStream, shared: &Shared, script: &[Step]) -> io::Result<Next> {
    let mut chunked = false;
    let mut trailers: Headers = &[];
    for step in script {
        match *step {
            Step::Wait => unless_gone(stream, shared.step()).await?,
            Step::Hang => unless_gone(stream, pending()).await?,
            Step::Head(head) => {
                chunked = head.length.is_none();
                stream.write_all(written(&head).as_bytes()).await?;
            }
            Step::Body(length) => {
                let bytes = "x".repeat(length);
                let bytes = match chunked {
                    true => format!("{length:x}\r\n{bytes}\r\n"),
                    false => bytes,
                };
                stream.write_all(bytes.as_bytes()).await?;
            }
            Step::Trailers(those) => trailers = those,
            Step::Farewell => {
                shared.saw(|seen| &mut seen.answers);
                return Ok(Next::Close);
            }
            Step::Break(Break::Close | Break::GoAway(_)) => return Ok(Next::Close),
            Step::Break(Break::Reset(_)) => {
                stream.set_zero_linger()?;
                return Ok(Next::Close);
            }
        }
    }
    if chunked {
        let end = format!("0\r\n{}\r\n", lines(trailers));
        stream.write_all(end.as_bytes()).await?;
    }
    shared.saw(|seen| &mut seen.answers);
    Ok(Next::Request)
}

fn written(head: &Head) -> String {
    let length = match head.length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let headers = lines(head.headers);
    format!("HTTP/1.1 {} \r\n{length}\r\n{headers}\r\n", head.status)
}

fn lines(headers: Headers) -> String {
    headers
        .iter()
        .fold(String::new(), |mut lines, (name, value)| {
            write!(lines, "{name}: {value}\r\n").unwrap();
            lines
        })
}

async fn unless_gone<F: Future>(stream: &TcpStream, wait: F) -> io::Result<F::Output> {
    let mut next = [0; 1];
    tokio::select! {
        output = wait => Ok(output),
        gone = stream.peek(&mut next) => Err(gone.err().unwrap_or(io::ErrorKind::BrokenPipe.into())),
    }
}
