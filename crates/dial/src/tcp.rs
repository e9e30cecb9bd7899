//! TCP connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::error::{DialError, Failure, Step};

/// Connects to `address`, with Nagle's delay off: heads and bodies are written whole.
///
/// # Errors
/// [`Failure::Timeout`] after `timeout`, else what the system says.
pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<TcpStream, DialError> {
    open(address, timeout).await.map_err(|failure| failure.at(address))
}

pub(crate) async fn open(address: SocketAddr, timeout: Duration) -> Result<TcpStream, Failure> {
    let stream = tokio::time::timeout(timeout, TcpStream::connect(address))
        .await
        .map_err(|_| Failure::Timeout { step: Step::Connect, after: timeout })??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_connection_has_no_delay() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect(listener.local_addr().unwrap(), PATIENCE).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_port_nobody_listens_on_refuses() {
        // Bound without listening, so that nobody else takes the port meanwhile.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let error = connect(address, PATIENCE).await.unwrap_err();
        assert!(error.is_refused());
        assert_eq!(error.to_string(), format!("{address} refused the connection"));
    }
}
