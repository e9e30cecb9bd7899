//! One client's connection, request after request.
//!
//! Between two requests it is a socket, a timer and an empty buffer: ten thousand clients that wait cost little more
//! than their sockets.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use hyper_util::service::TowerToHyperService;
use madang_base::Moment;
use madang_h1::Version;
use madang_runtime::now;
use tokio::net::TcpStream;
use tracing::debug;

use super::Server;
use super::answer::{self, Asked};
use super::request::{self, Unread};
use super::wire::Wire;

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    KeepAlive,
    Close,
    /// Close, but a part of the request was not read.
    Linger,
}

/// Serves until the client or we want no more. `local` is the address it came in on.
///
/// # Errors
/// The connection ended in the middle of something.
pub(super) async fn serve(server: &Server, stream: TcpStream, local: IpAddr) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    loop {
        let deadline = now() + server.limits.head_timeout;
        // A request may have come with the one before.
        if wire.inbox.is_empty() && wire.fill(deadline, || server.scope.is_cancelled()).await.is_err() {
            return Ok(());
        }
        // What a request needs is not kept while the connection rests.
        match Box::pin(exchange(server, &mut wire, local, deadline)).await? {
            After::KeepAlive => {}
            After::Close => return Ok(()),
            After::Linger => {
                wire.linger().await;
                return Ok(());
            }
        }
    }
}

async fn exchange(server: &Server, wire: &mut Wire, local: IpAddr, deadline: Moment) -> io::Result<After> {
    let limits = &server.limits;
    // As long as nothing else is known.
    let mut asked = Asked { is_head: false, version: Version::Http11, keep_alive: false };
    let request = match read(server, wire, local, deadline, &mut asked).await {
        Ok(request) => request,
        Err(Unread::Gone) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(Unread::Refused(response)) => {
            asked.keep_alive = false;
            answer::send(wire, *response, asked, &server.date, limits).await?;
            return Ok(After::Linger);
        }
    };
    let Some(response) = call(&server.router, request, wire, limits.head_bytes).await else {
        return Err(io::ErrorKind::ConnectionReset.into());
    };
    asked.keep_alive &= !server.scope.is_cancelled();
    let goes_on = answer::send(wire, response, asked, &server.date, limits).await?;
    Ok(if goes_on { After::KeepAlive } else { After::Close })
}

/// A whole request that is for us.
async fn read(
    server: &Server,
    wire: &mut Wire,
    local: IpAddr,
    deadline: Moment,
    asked: &mut Asked,
) -> Result<Request, Unread> {
    let head = request::head(wire, &server.limits, deadline).await?;
    (asked.version, asked.keep_alive) = (head.version, head.keep_alive);
    // Whatever comes of it, the bytes leave the inbox.
    let bytes = Bytes::from(std::mem::take(&mut wire.inbox));
    let request = request::opened(&head, &bytes)?;
    asked.is_head = request.method() == http::Method::HEAD;
    if let Err(refusal) = server.guard.check(request.uri(), request.headers(), local) {
        debug!(%refusal, "request refused");
        return Err(Unread::refused(refusal));
    }
    let body = request::body(wire, &head, bytes, &server.limits).await?;
    Ok(request.map(|()| Body::from(body)))
}

/// The router's answer; `None` when the client left before it.
async fn call(
    router: &TowerToHyperService<axum::Router>,
    request: Request,
    wire: &mut Wire,
    most: usize,
) -> Option<Response> {
    let mut answering = pin!(hyper::service::Service::call(router, request));
    poll_fn(|cx| match answering.as_mut().poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => wire.poll_gone(cx, most).map(|()| None),
    })
    .await
}
