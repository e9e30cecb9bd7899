//! One HTTP/1.1 exchange on a fresh connection.
//!
//! The connection is driven by the same future that waits for the answer: nothing is spawned, so dropping the future
//! ends everything.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::{DialError, Failure, Step};
use crate::tcp::open;

/// The largest response head, in bytes; a larger one is [`Failure::Protocol`].
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// Sends `request` to `address` and collects the answer, whatever its status; follows no redirect.
///
/// `Host` is the address unless the request has one. `timeout` is for all of it, from the connection to the last byte.
/// A body above `max_body` bytes is [`Failure::TooLarge`].
///
/// # Errors
/// [`DialError`] when there is no complete answer.
pub async fn request(
    address: SocketAddr,
    request: Request<Bytes>,
    timeout: Duration,
    max_body: usize,
) -> Result<Response<Bytes>, DialError> {
    let exchange = async {
        let mut wire = Wire::open(address, timeout).await?;
        let response = wire.send(address, request).await?;
        wire.collect(response, max_body).await
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Timeout { step: Step::Answer, after: timeout }),
    }
    .map_err(|failure| failure.at(address))
}

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// One connection: hyper's handle, and its driver while it has something to do.
pub(crate) struct Wire {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Option<Pin<Box<Connection>>>,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr, timeout: Duration) -> Result<Self, Failure> {
        let stream = open(address, timeout).await?;
        let (sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Sends the request and waits for the response's head.
    ///
    /// Without `Connection: close`, so that it is our side that closes first and waits out TIME_WAIT: a service that
    /// binds without `SO_REUSEADDR` could not start again on a port that holds such a remainder.
    pub(crate) async fn send(
        &mut self,
        to: SocketAddr,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, Failure> {
        let (mut head, body) = request.into_parts();
        if !head.headers.contains_key(HOST) {
            let host = HeaderValue::try_from(to.to_string()).map_err(|error| Failure::Protocol(error.to_string()))?;
            head.headers.insert(HOST, host);
        }
        if head.uri.scheme().is_some() {
            // RFC 9112 §3.2.1: a request to an origin names the path alone.
            head.uri = head.uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
        }
        let answer = self.sender.send_request(Request::from_parts(head, Full::new(body)));
        drive(&mut self.connection, answer).await.map_err(Failure::from)
    }

    /// Reads the whole body, up to `max_body` bytes.
    pub(crate) async fn collect(
        &mut self,
        response: Response<Incoming>,
        max: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let (head, body) = response.into_parts();
        let body = drive(&mut self.connection, Limited::new(body, max).collect()).await;
        let body = body.map_err(|error| Failure::of_body(error, max))?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Lets the connection do what it can, for callers with a poll function of their own.
    pub(crate) fn poll_connection(&mut self, ctx: &mut Context<'_>) {
        step(&mut self.connection, ctx);
    }
}

/// Runs `work` while the connection does its part.
async fn drive<F: Future>(connection: &mut Option<Pin<Box<Connection>>>, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    poll_fn(|ctx| {
        step(connection, ctx);
        work.as_mut().poll(ctx)
    })
    .await
}

fn step(connection: &mut Option<Pin<Box<Connection>>>, ctx: &mut Context<'_>) {
    if let Some(driver) = connection
        && let Poll::Ready(_) = driver.as_mut().poll(ctx)
    {
        // How it ended reaches the waiting side through hyper's channel.
        *connection = None;
    }
}
