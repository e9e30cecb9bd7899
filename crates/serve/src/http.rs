//! HTTP/1.1 for people and tools: axum routers on `madang-h1`, with limits on everything a client can make large or slow.
//!
//! The gateway does not come this way. Every request passes the [`Guard`] first; its body is collected before the router
//! sees it, so a handler never waits for a client. `connection` goes from one request to the next, `request` and
//! `answer` are one message each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper_util::service::TowerToHyperService;
use madang_runtime::Scope;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use self::answer::Date;
use crate::guard::Guard;

mod answer;
mod connection;
mod request;
mod wire;

/// How long accepting rests after an error of the system, such as "too many open files".
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What a client may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once: 512. At the limit no more are accepted; they wait in the kernel's queue
    /// ([`BACKLOG`](crate::BACKLOG)) until one ends.
    pub connections: usize,
    /// Time for a request's head, and the longest rest between two requests: 10 s. Then the connection is closed.
    pub head_timeout: Duration,
    /// Bytes of a request's head: 64 KiB, and 100 header fields. Above: 431 and the connection is closed.
    pub head_bytes: usize,
    /// Bytes of a request's body: 1 MiB. Above: 413 (MD0103), the handler is not called.
    pub body_bytes: usize,
    /// Time for a request's body: 30 s. Then 408 (MD0111), the handler is not called, the connection is closed.
    pub body_timeout: Duration,
    /// Time for running requests once the scope is told to end: 5 s. Then their connections are closed.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head_timeout: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// Serves `router` on `listener` until `scope` is told to end, with the default [`Limits`]. Gives the address.
///
/// # Errors
/// What the system says when the listener cannot be watched.
///
/// # Panics
/// Outside a tokio runtime.
pub fn serve(listener: std::net::TcpListener, router: Router, guard: Guard, scope: &Scope) -> io::Result<SocketAddr> {
    serve_within(listener, router, guard, Limits::default(), scope)
}

/// The same with limits of your own.
///
/// When `scope` is told to end the listener closes, idle connections close, and running requests have
/// [`Limits::drain`].
///
/// # Errors
/// As [`serve`].
///
/// # Panics
/// As [`serve`].
pub fn serve_within(
    listener: std::net::TcpListener,
    router: Router,
    guard: Guard,
    limits: Limits,
    scope: &Scope,
) -> io::Result<SocketAddr> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    // The body is limited here, before any extractor sees it.
    let router = TowerToHyperService::new(router.layer(DefaultBodyLimit::disable()));
    let server = Arc::new(Server { router, guard, limits, scope: scope.clone(), date: Date::default() });
    scope.spawn("accept", server.accept(listener));
    Ok(address)
}

struct Server {
    router: TowerToHyperService<Router>,
    guard: Guard,
    limits: Limits,
    scope: Scope,
    date: Date,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            // The semaphore is never closed.
            let Some(Ok(slot)) = self.scope.until_cancelled(Arc::clone(&slots).acquire_owned()).await else { return };
            match self.scope.until_cancelled(listener.accept()).await {
                None => return,
                Some(Ok((stream, peer))) => {
                    self.scope.spawn("connection", Arc::clone(&self).connection(stream, peer, slot));
                }
                Some(Err(error)) if is_of_one_connection(&error) => debug!(%error, "connection lost before accept"),
                Some(Err(error)) => {
                    warn!(%error, "cannot accept connections");
                    let _ = self.scope.until_cancelled(tokio::time::sleep(ACCEPT_REST)).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        let Ok(local) = stream.local_addr() else { return };
        // Answers are written whole.
        let _ = stream.set_nodelay(true);
        let mut serving = std::pin::pin!(connection::serve(&self, stream, local.ip()));
        let ended = match self.scope.until_cancelled(serving.as_mut()).await {
            Some(ended) => ended,
            // It sees that the scope has ended, and rests no more.
            None => match tokio::time::timeout(self.limits.drain, serving).await {
                Ok(ended) => ended,
                Err(_) => return debug!(%peer, "connection closed with a request running"),
            },
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "connection ended early");
        }
    }
}

/// Errors that belong to the connection that would have been accepted: the next one may be fine (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
