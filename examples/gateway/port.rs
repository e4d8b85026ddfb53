//! The port of an upstream, which comes and goes.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::TcpSocket, time::sleep};

/// Room for everybody who calls while the gateway opens a connection for each hanging request.
pub(crate) const BACKLOG: u32 = 1024;

/// Binds as soon as the listener that had the address before is gone.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    const TRIES: u32 = 1000;
    let mut tries = 0;
    loop {
        let socket = TcpSocket::new_v4()?;
        // Old connections may still linger on the port.
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return Ok(socket),
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        sleep(Duration::from_millis(5)).await;
    }
}
