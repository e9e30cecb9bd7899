//! HTTP/1.1 for people and tools: axum routers on hyper, with limits on everything a client can make large or slow.
//!
//! The gateway does not come this way. Every request passes the [`Guard`] first; its body is collected before the router
//! sees it, so a handler never waits for a client.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use madang_runtime::Scope;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::codes;
use crate::guard::Guard;
use crate::problem::Problem;

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
    let server = Arc::new(Server { router, guard, limits, scope: scope.clone() });
    scope.spawn("accept", server.accept(listener));
    Ok(address)
}

struct Server {
    router: TowerToHyperService<Router>,
    guard: Guard,
    limits: Limits,
    scope: Scope,
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
        let service = service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request, peer, local.ip()).await) }
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head_timeout)
                .max_buf_size(self.limits.head_bytes)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = match self.scope.until_cancelled(connection.as_mut()).await {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(self.limits.drain, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return debug!(%peer, "connection closed with a request running"),
                }
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "connection ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr, local: IpAddr) -> Response {
        if let Err(refusal) = self.guard.check(request.uri(), request.headers(), local) {
            debug!(%peer, %refusal, "request refused");
            return refusal.into_response();
        }
        let (head, body) = request.into_parts();
        let body = match self.collect(body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let mut request = Request::from_parts(head, Body::from(body));
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, Response> {
        let limit = self.limits.body_bytes;
        let too_large = || {
            let most = madang_base::format_size(limit as u64);
            let detail = format!("the body is larger than {most}, the most this takes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, &codes::BODY_TOO_LARGE, detail).into_response()
        };
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(self.limits.body_timeout, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => {
                let detail = format!("the body cannot be read: {error}");
                Err(Problem::new(StatusCode::BAD_REQUEST, &codes::REQUEST_INVALID, detail).into_response())
            }
            Err(_) => {
                let after = madang_base::format_duration(self.limits.body_timeout);
                let detail = format!("the body did not arrive within {after}");
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, &codes::BODY_TIMEOUT, detail).into_response())
            }
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
