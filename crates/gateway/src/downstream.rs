//! The client's side of an exchange, whatever protocol it speaks.
//!
//! This is the only place that tells protocols apart. Each way in renders request heads to the same bytes and
//! offsets, hands over body bytes as they come, and takes an answer apart again.

mod h1;
#[cfg(test)]
pub(crate) mod scripted;

use std::io;
use std::task::{Context, Poll};

use madang_h1::{Limits, RequestError};

use crate::exchange::Exchange;
use crate::message::{Flowing, ReadFault};

pub(crate) use h1::H1;

/// What a client sent, or did.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A request; its head is in the exchange.
    Request,
    /// Something that is not a request we take. It gets an answer, then the connection ends.
    Refused(RequestError),
    /// Nothing more will come.
    Closed,
}

/// Whether the connection may carry another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It may.
    KeepAlive,
    /// It ends once everything is sent.
    Close,
    /// It ends in the middle of an answer, so that the client cannot take it for whole.
    Cut,
}

/// One client. Every poll function is cancel-safe: what it consumed is in the exchange or in here.
pub(crate) enum Downstream {
    /// HTTP/1.0 and 1.1.
    H1(H1),
    /// A client that is not HTTP/1, played by a test.
    #[cfg(test)]
    Scripted(scripted::Scripted),
}

/// Passes a call on to the protocol in use.
macro_rules! each {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self {
            Downstream::H1($inner) => $call,
            #[cfg(test)]
            Downstream::Scripted($inner) => $call,
        }
    };
}

impl Downstream {
    /// The next request. Its head replaces the one in `exchange`.
    pub(crate) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        limits: &Limits,
    ) -> Poll<io::Result<Arrival>> {
        each!(self, inner => inner.poll_request(cx, exchange, limits))
    }

    /// No byte of a next request has arrived: closing now loses nothing.
    pub(crate) fn is_idle(&self) -> bool {
        each!(self, inner => inner.is_idle())
    }

    /// Hands bytes of the request's body to `sink`, about `room` at most.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Flowing, ReadFault>> {
        each!(self, inner => inner.poll_body(cx, room, sink))
    }

    /// The request's body has been taken to its end.
    pub(crate) fn is_body_done(&self) -> bool {
        each!(self, inner => inner.is_body_done())
    }

    /// Trailer lines of the request, once its body is done.
    pub(crate) fn trailers(&self) -> &[u8] {
        each!(self, inner => inner.trailers())
    }

    /// Ready when the client went away while it waits for its answer.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, inner => inner.poll_gone(cx))
    }

    /// Sends the head in `exchange.response` on as an informational answer (1xx); the final one follows.
    pub(crate) fn inform(&mut self, exchange: &Exchange) {
        each!(self, inner => inner.inform(exchange))
    }

    /// Asks a client that waits for leave (`Expect`) to send its body.
    pub(crate) fn proceed(&mut self) {
        each!(self, inner => inner.proceed())
    }

    /// Starts the answer in `exchange.response`; a buffered body is sent with it and needs no `end`.
    pub(crate) fn begin(&mut self, exchange: &Exchange, after: After) {
        each!(self, inner => inner.begin(exchange, after))
    }

    /// Bytes of body that are welcome now.
    pub(crate) fn room(&self) -> usize {
        each!(self, inner => inner.room())
    }

    /// Appends body bytes.
    pub(crate) fn push(&mut self, data: &[u8]) {
        each!(self, inner => inner.push(data))
    }

    /// Ends the body.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        each!(self, inner => inner.end(trailers))
    }

    /// Sends what is waiting; `Ok(count)` bytes went out in this call.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        each!(self, inner => inner.poll_flush(cx))
    }

    /// After the answer: may the connection carry on?
    pub(crate) fn after(&self) -> After {
        each!(self, inner => inner.after())
    }

    /// Makes the end of the connection look like the accident it is.
    pub(crate) fn cut(&mut self) {
        each!(self, inner => inner.cut());
    }

    /// Before closing on a client that may still be sending: says that nothing follows, then reads what is on its
    /// way. Without it the kernel would answer those bytes with a reset, and the client might lose our answer.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, inner => inner.poll_linger(cx))
    }
}
