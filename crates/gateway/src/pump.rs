//! Moves an exchange's bytes, both ways at once.
//!
//! One state machine, polled: a read, a write and the next read happen in one go when bytes are there, without a
//! task, a channel or an allocation in between. All state is in the parts it is handed, so that a poll that is
//! never repeated loses nothing but the connection.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll};

use madang_base::Moment;
use madang_h1::BodyError;

use crate::call::{Call, CallFault, HeadKind};
use crate::downstream::Downstream;
use crate::exchange::{Body, Direction, Exchange};
use crate::filter::{Filter, Part, Transforms};
use crate::message::{Flowing, ReadFault};

/// Bytes of a request's body kept to send it again, per request. A longer body is sent once.
const HELD_LIMIT: usize = 64 * 1024;

/// Bytes kept by all requests of a worker together. Beyond it bodies are sent once.
const HELD_BY_ALL: usize = 32 * 1024 * 1024;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Why an exchange stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The client left. Nobody is there to be told.
    #[error("the client went away")]
    ClientGone,
    /// The client's body is broken.
    #[error(transparent)]
    ClientBody(BodyError),
    /// The client's body is longer than allowed.
    #[error("the request body is longer than {0} bytes")]
    BodyTooLarge(u64),
    /// The service failed.
    #[error(transparent)]
    Call(#[from] CallFault),
}

/// Where the bytes of one exchange stand; lives across the attempts of it.
pub(crate) struct Pump {
    request_steps: Transforms,
    response_steps: Transforms,
    held: Held,
    /// Body bytes taken from the client.
    pub(crate) taken: u64,
    /// Body bytes the client may send.
    most: u64,
    /// The request is wholly in the call's outbox.
    sent: bool,
    /// The service stopped reading; its answer may still come.
    refused: bool,
    /// The answer is wholly in the client's outbox.
    received: bool,
    /// Body bytes handed on to the client.
    pub(crate) returned: u64,
    /// When a byte last moved.
    pub(crate) moved: Moment,
}

impl Pump {
    pub(crate) fn new(filters: &[impl std::ops::Deref<Target = dyn Filter>], most: u64, now: Moment) -> Self {
        Self {
            request_steps: Transforms::collect(filters.iter().map(|filter| &**filter), Direction::Request),
            response_steps: Transforms::collect(filters.iter().rev().map(|filter| &**filter), Direction::Response),
            held: Held::default(),
            taken: 0,
            most,
            sent: false,
            refused: false,
            received: false,
            returned: 0,
            moved: now,
        }
    }

    pub(crate) const fn changes_request(&self) -> bool {
        !self.request_steps.is_empty()
    }

    pub(crate) const fn changes_response(&self) -> bool {
        !self.response_steps.is_empty()
    }

    /// What was taken from the client so far; `None` when it is not all there.
    pub(crate) fn held(&self) -> Option<&[u8]> {
        self.held.bytes.as_deref()
    }

    /// The request was sent to its end.
    pub(crate) const fn is_sent(&self) -> bool {
        self.sent && !self.refused
    }

    /// Another call takes over from the start.
    pub(crate) fn restart(&mut self) {
        self.sent = false;
        self.refused = false;
    }

    /// Takes the whole request body, for a filter that wants to see it. Cancel-safe.
    pub(crate) fn poll_collect(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Downstream,
        body: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<(), Fault>> {
        if let Poll::Ready(Err(_)) = downstream.poll_flush(cx) {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        loop {
            match downstream.poll_body(cx, most, &mut |data| body.extend_from_slice(data)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(client_fault(fault))),
                Poll::Ready(Ok(_)) if body.len() > most => {
                    return Poll::Ready(Err(Fault::BodyTooLarge(most as u64)));
                }
                Poll::Ready(Ok(Flowing::More)) => self.moved = madang_runtime::now(),
                Poll::Ready(Ok(Flowing::End)) => {
                    self.taken = body.len() as u64;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Sends the request until the head of the answer is in `exchange.response`. Cancel-safe.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Downstream,
        call: &mut Call,
        exchange: &mut Exchange,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let moved = self.send(cx, downstream, call, exchange)?;
            match call.poll_head(cx, exchange) {
                Poll::Ready(Ok(HeadKind::Final)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(HeadKind::Informational)) => {
                    // RFC 9110 §15.2: all are passed on. `Expect` went to the service, so its 100 is for the client.
                    downstream.inform(exchange);
                    continue;
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault.into())),
                Poll::Pending => {}
            }
            if let Poll::Ready(Err(_)) = downstream.poll_flush(cx) {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            if downstream.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            // With the request out there is nothing left that could move before the service speaks.
            if !moved || (self.sent && call.writer.is_flushed()) {
                return Poll::Pending;
            }
        }
    }

    /// Relays the rest: the answer's body, and what is left of the request. Ends when the answer is out, or, after
    /// an upgrade, when both directions ended. Cancel-safe.
    pub(crate) fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Downstream,
        call: &mut Call,
        exchange: &Exchange,
    ) -> Poll<Result<(), Fault>> {
        let tunnel = exchange.response.body == Body::Tunnel;
        loop {
            let mut moved = self.send(cx, downstream, call, exchange)?;
            moved |= self.receive(cx, downstream, call)?;
            let flushed = match downstream.poll_flush(cx) {
                Poll::Ready(Ok(count)) => {
                    moved |= count > 0;
                    true
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Fault::ClientGone)),
                Poll::Pending => false,
            };
            if self.received && flushed && (!tunnel || self.refused || (self.sent && call.writer.is_flushed())) {
                return Poll::Ready(Ok(()));
            }
            if !tunnel && downstream.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            if !moved {
                return Poll::Pending;
            }
            self.moved = madang_runtime::now();
        }
    }

    /// After a 101: what the client sends from now on is no message anymore.
    pub(crate) fn open_tunnel(&mut self) {
        self.sent = false;
        self.held.give_up();
        self.most = u64::MAX;
    }

    /// Client to service, as far as both allow now. Says whether anything moved.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Downstream,
        call: &mut Call,
        exchange: &Exchange,
    ) -> Result<bool, Fault> {
        if self.refused {
            return Ok(false);
        }
        let mut moved = false;
        while !self.sent && call.writer.room() > 0 {
            if let Body::Buffered(data) = &exchange.request.body {
                call.writer.push(data);
                self.finish_sending(downstream, call);
                continue;
            }
            let Self { request_steps, held, taken, .. } = self;
            let room = call.writer.room();
            let mut pass = |data: &[u8]| {
                held.add(data);
                call.writer.push(data);
            };
            let flowing = downstream.poll_body(cx, room, &mut |data| {
                *taken += data.len() as u64;
                request_steps.push(data, Part::Middle, &mut pass);
            });
            match flowing {
                Poll::Pending => break,
                Poll::Ready(Err(fault)) => return Err(client_fault(fault)),
                Poll::Ready(Ok(Flowing::More)) => moved = true,
                Poll::Ready(Ok(Flowing::End)) => {
                    if !request_steps.is_empty() {
                        request_steps.push(&[], Part::Last, &mut pass);
                    }
                    self.finish_sending(downstream, call);
                    moved = true;
                }
            }
            if self.taken > self.most {
                return Err(Fault::BodyTooLarge(self.most));
            }
        }
        match call.poll_flush(cx) {
            Poll::Ready(Ok(count)) => moved |= count > 0,
            Poll::Ready(Err(error)) => self.refuse(call, error)?,
            Poll::Pending => {}
        }
        Ok(moved)
    }

    fn finish_sending(&mut self, downstream: &Downstream, call: &mut Call) {
        call.writer.end(downstream.trailers());
        self.sent = true;
    }

    /// The service does not take the request. It may have said why before it closed, so its answer is awaited;
    /// when nothing at all was taken, the call simply did not happen.
    fn refuse(&mut self, call: &mut Call, error: io::Error) -> Result<(), Fault> {
        call.writer.outbox.clear();
        self.refused = true;
        if call.written == 0 { Err(CallFault::Broken(error).into()) } else { Ok(()) }
    }

    /// Service to client, as far as both allow now. Says whether anything moved.
    fn receive(&mut self, cx: &mut Context<'_>, downstream: &mut Downstream, call: &mut Call) -> Result<bool, Fault> {
        let mut moved = false;
        while !self.received && downstream.room() > 0 {
            let Self { response_steps, returned, .. } = self;
            let room = downstream.room();
            let mut pass = |data: &[u8]| {
                *returned += data.len() as u64;
                downstream.push(data);
            };
            match call.poll_body(cx, room, &mut |data| response_steps.push(data, Part::Middle, &mut pass)) {
                Poll::Pending => break,
                Poll::Ready(Err(fault)) => return Err(CallFault::Body(fault).into()),
                Poll::Ready(Ok(Flowing::More)) => moved = true,
                Poll::Ready(Ok(Flowing::End)) => {
                    if !response_steps.is_empty() {
                        response_steps.push(&[], Part::Last, &mut pass);
                    }
                    downstream.end(call.reader.trailers());
                    self.received = true;
                    moved = true;
                }
            }
        }
        Ok(moved)
    }
}

/// The beginning of a request's body, as it went to the service, so that it can go to another one.
struct Held {
    /// `None` once not all of it is here.
    bytes: Option<Vec<u8>>,
}

impl Default for Held {
    fn default() -> Self {
        Self { bytes: Some(Vec::new()) }
    }
}

impl Held {
    fn add(&mut self, data: &[u8]) {
        let Some(bytes) = &mut self.bytes else { return };
        if bytes.len() + data.len() > HELD_LIMIT || HELD.get() + data.len() > HELD_BY_ALL {
            return self.give_up();
        }
        HELD.set(HELD.get() + data.len());
        bytes.extend_from_slice(data);
    }

    fn give_up(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            HELD.set(HELD.get() - bytes.len());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn client_fault(fault: ReadFault) -> Fault {
    match fault {
        ReadFault::Closed | ReadFault::Io(_) => Fault::ClientGone,
        ReadFault::Framing(fault) => Fault::ClientBody(fault),
    }
}
