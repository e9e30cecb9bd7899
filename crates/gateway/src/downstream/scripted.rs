//! A client that is not HTTP/1: its requests and bodies are values, its answers are events.
//!
//! It exists to prove that the life of a request knows no protocol, and stands where HTTP/2 will.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use madang_h1::{Limits, Parsed};

use super::{After, Arrival};
use crate::exchange::{Body, Exchange};
use crate::message::{Flowing, ReadFault};

/// One request of a script.
#[derive(Default)]
pub(crate) struct Play {
    /// The head, rendered as every protocol renders it.
    pub(crate) head: &'static str,
    pub(crate) body: Vec<&'static str>,
    pub(crate) trailers: &'static str,
    /// The body stalls after its pieces instead of ending.
    pub(crate) stalls: bool,
    /// What is sent once the answer is an upgrade.
    pub(crate) tunnel: Vec<&'static str>,
}

/// What the client saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Informational(u16),
    Head(u16),
    Data(String),
    End { trailers: String },
}

#[derive(Default)]
pub(crate) struct Scripted {
    script: VecDeque<Play>,
    now: Play,
    pieces: VecDeque<&'static str>,
    pub(crate) saw: Vec<Saw>,
}

impl Scripted {
    pub(crate) fn new(script: Vec<Play>) -> Self {
        Self { script: script.into(), ..Self::default() }
    }

    pub(crate) fn poll_request(
        &mut self,
        _cx: &mut Context<'_>,
        exchange: &mut Exchange,
        limits: &Limits,
    ) -> Poll<io::Result<Arrival>> {
        let Some(mut play) = self.script.pop_front() else { return Poll::Ready(Ok(Arrival::Closed)) };
        let request = &mut exchange.request;
        assert_eq!(request.head.parse(play.head.as_bytes(), limits), Ok(Parsed::Complete));
        request.take_head(play.head.as_bytes());
        self.pieces = std::mem::take(&mut play.body).into();
        self.now = play;
        Poll::Ready(Ok(Arrival::Request))
    }

    pub(crate) fn is_idle(&self) -> bool {
        true
    }

    pub(crate) fn poll_body(
        &mut self,
        _cx: &mut Context<'_>,
        _room: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Flowing, ReadFault>> {
        match self.pieces.pop_front() {
            Some(piece) => sink(piece.as_bytes()),
            None if self.now.stalls => return Poll::Pending,
            None => return Poll::Ready(Ok(Flowing::End)),
        }
        Poll::Ready(Ok(Flowing::More))
    }

    pub(crate) fn is_body_done(&self) -> bool {
        self.pieces.is_empty() && !self.now.stalls
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        self.now.trailers.as_bytes()
    }

    pub(crate) fn poll_gone(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    pub(crate) fn inform(&mut self, exchange: &Exchange) {
        self.saw.push(Saw::Informational(exchange.response.head.status));
    }

    pub(crate) fn proceed(&mut self) {
        self.saw.push(Saw::Informational(100));
    }

    pub(crate) fn begin(&mut self, exchange: &Exchange, _after: After) {
        let response = &exchange.response;
        self.saw.push(Saw::Head(response.head.status));
        match &response.body {
            Body::Buffered(data) => self.push(data),
            Body::Tunnel => self.pieces = std::mem::take(&mut self.now.tunnel).into(),
            _ => {}
        }
    }

    pub(crate) fn room(&self) -> usize {
        1024
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        let text = String::from_utf8(data.to_vec()).unwrap();
        match self.saw.last_mut() {
            Some(Saw::Data(before)) => before.push_str(&text),
            _ => self.saw.push(Saw::Data(text)),
        }
    }

    pub(crate) fn end(&mut self, trailers: &[u8]) {
        self.saw.push(Saw::End { trailers: String::from_utf8(trailers.to_vec()).unwrap() });
    }

    pub(crate) fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    pub(crate) fn after(&self) -> After {
        After::KeepAlive
    }

    pub(crate) fn cut(&mut self) {}

    pub(crate) fn poll_linger(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
