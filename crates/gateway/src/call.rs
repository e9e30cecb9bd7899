//! The service's side of an exchange: one attempt, its request going out and its answer coming in.

use std::io;
use std::task::{Context, Poll, ready};

use madang_base::Moment;
use madang_h1::{Asked, BodyLength, Limits, Parsed, ResponseError};
use madang_upstream::{Attempt, Verdict};

use crate::exchange::{Body, Exchange};
use crate::forward;
use crate::message::{Flowing, Framing, ReadFault, Reader, Writer};

/// A head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// 1xx: another one follows.
    Informational,
    /// The answer itself, or 101 which ends HTTP on the connection.
    Final,
}

/// How a service failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallFault {
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("its answer is not valid HTTP/1.1: {0}")]
    Invalid(#[from] ResponseError),
    #[error("it switched to a protocol that nobody asked for")]
    Unasked,
    #[error("it sent informational answers without end")]
    Endless,
    #[error("the body of its answer: {0}")]
    Body(ReadFault),
}

pub(crate) struct Call {
    attempt: Attempt,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    limits: Limits,
    /// Bytes of the request that the kernel took for this attempt.
    pub(crate) written: u64,
    /// A byte of the answer came.
    pub(crate) answering: bool,
    /// Bytes of informational answers; all of them together may be as long as one head.
    informed: usize,
}

impl Call {
    /// A call whose head and `held` body bytes wait to be sent.
    pub(crate) fn new(attempt: Attempt, exchange: &Exchange, held: &[u8], limits: &Limits) -> Self {
        let mut writer = Writer::new();
        forward::write_request(writer.outbox.data(), exchange, &attempt.endpoint().authority);
        writer.begin(match &exchange.request.body {
            Body::Empty | Body::Tunnel | Body::UntilClose => Framing::Length(0),
            Body::Length(count) => Framing::Length(*count),
            Body::Buffered(data) => Framing::Length(data.len() as u64),
            Body::Chunked => Framing::Chunked,
        });
        if !held.is_empty() {
            writer.push(held);
        }
        Self { attempt, reader: Reader::new(), writer, limits: *limits, written: 0, answering: false, informed: 0 }
    }

    pub(crate) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Sends what waits. Cancel-safe.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let flushed = self.writer.poll_flush(&mut self.attempt.connection().stream, cx);
        if let Poll::Ready(Ok(count)) = &flushed {
            self.written += *count as u64;
        } else if self.writer.outbox.has_sent() {
            self.written = self.written.max(1);
        }
        flushed
    }

    /// The next head of the answer, into `exchange.response`. Cancel-safe.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
    ) -> Poll<Result<HeadKind, CallFault>> {
        let asked = match exchange.request.method_bytes() {
            b"HEAD" => Asked::Head,
            _ => Asked::Other,
        };
        loop {
            let arrived = self.reader.inbox.bytes();
            if !arrived.is_empty() {
                self.answering = true;
                let response = &mut exchange.response;
                if response.head.parse(arrived, &self.limits, asked)? == Parsed::Complete {
                    response.take_head(arrived);
                    self.reader.inbox.consume(response.head.length);
                    return Poll::Ready(match response.head.status {
                        101 if !exchange.request.head.upgrade => Err(CallFault::Unasked),
                        101 if !forward::switches_as_asked(&exchange.request, response) => Err(CallFault::Unasked),
                        101 => {
                            self.tunnel();
                            Ok(HeadKind::Final)
                        }
                        100..=199 => {
                            self.informed += response.head.length;
                            let is_endless = self.informed > self.limits.head_bytes;
                            if is_endless { Err(CallFault::Endless) } else { Ok(HeadKind::Informational) }
                        }
                        _ => {
                            self.reader.begin(response.head.body, &self.limits);
                            Ok(HeadKind::Final)
                        }
                    });
                }
            }
            let stream = &mut self.attempt.connection().stream;
            if ready!(self.reader.inbox.poll_fill(stream, cx, self.limits.head_bytes + 1))? == 0 {
                return Poll::Ready(Err(CallFault::Closed));
            }
        }
    }

    fn tunnel(&mut self) {
        self.reader.begin(BodyLength::UntilClose, &self.limits);
        self.writer.begin(Framing::UntilClose);
    }

    /// Bytes of the answer's body, into `sink`.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Flowing, ReadFault>> {
        self.reader.poll_body(&mut self.attempt.connection().stream, cx, room, sink)
    }

    /// The answer was relayed to its end. The connection is kept when nothing is left over on it.
    pub(crate) fn succeed(self, exchange: &Exchange, answered: Moment, now: Moment, request_is_sent: bool) {
        let head = &exchange.response.head;
        let clean = self.reader.is_done() && self.reader.inbox.is_empty() && self.writer.outbox.is_empty();
        let mut verdict = Verdict::success(answered);
        let is_last = exchange.request.is_last_on_connection();
        if clean && request_is_sent && head.keep_alive && head.status != 101 && !is_last {
            verdict = verdict.reusable(now);
        }
        self.attempt.finish(verdict);
    }

    /// The service failed, or answered something that is to be tried elsewhere.
    pub(crate) fn fail(self) {
        self.attempt.finish(Verdict::failure(madang_runtime::now()));
    }
}
