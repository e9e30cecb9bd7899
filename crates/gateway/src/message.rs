//! The body of one HTTP/1 message, coming in and going out. The same two types serve both sides of the gateway.

use std::io;
use std::task::{Context, Poll, ready};

use madang_h1::{BodyDecoder, BodyError, BodyLength, Limits, Piece, write_chunk, write_last_chunk};
use tokio::net::TcpStream;

use crate::socket::{Inbox, Outbox, poll_shutdown};

/// Bytes of a body that wait unread in an [`Inbox`] at most.
const INBOX_LIMIT: usize = 64 * 1024;

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFault {
    /// The peer went away in the middle.
    #[error("the connection closed in the middle of the body")]
    Closed,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The framing is broken.
    #[error(transparent)]
    Framing(#[from] BodyError),
}

/// What a poll for body bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flowing {
    /// Some bytes were handed over; there may be more.
    More,
    /// The body is complete; nothing was handed over by this call.
    End,
}

/// Receives one message body after another.
pub(crate) struct Reader {
    pub(crate) inbox: Inbox,
    body: BodyDecoder,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { inbox: Inbox::default(), body: BodyDecoder::new(BodyLength::None, &Limits::default()) }
    }

    /// From here on the bytes are a body of this length.
    pub(crate) fn begin(&mut self, length: BodyLength, limits: &Limits) {
        self.body = BodyDecoder::new(length, limits);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Trailer lines of a complete chunked body.
    pub(crate) fn trailers(&self) -> &[u8] {
        self.body.trailers()
    }

    /// Hands bytes of the body to `sink`: what is here, until `room` is reached or passed by the last piece, so by
    /// less than [`INBOX_LIMIT`].
    ///
    /// Cancel-safe: what was handed over is consumed, the rest stays.
    pub(crate) fn poll_body(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        room: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Flowing, ReadFault>> {
        let mut handed = 0;
        loop {
            if self.body.is_done() {
                return Poll::Ready(Ok(if handed > 0 { Flowing::More } else { Flowing::End }));
            }
            if handed >= room {
                return Poll::Ready(Ok(Flowing::More));
            }
            match self.body.next(self.inbox.bytes())? {
                Piece::Data { skip, length } => {
                    sink(&self.inbox.bytes()[skip..skip + length]);
                    handed += length;
                    self.inbox.consume(skip + length);
                }
                Piece::Skip(count) => self.inbox.consume(count),
                Piece::End { consumed } => self.inbox.consume(consumed),
                Piece::NeedMore if handed > 0 => return Poll::Ready(Ok(Flowing::More)),
                Piece::NeedMore => {
                    if ready!(self.inbox.poll_fill(stream, cx, INBOX_LIMIT))? == 0 {
                        self.body.end_of_input().map_err(|_| ReadFault::Closed)?;
                    }
                }
            }
        }
    }
}

/// How the body on its way out is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As announced in the head; the number of bytes still to come.
    Length(u64),
    /// In chunks.
    Chunked,
    /// By the end of the stream.
    UntilClose,
}

/// Sends one message after another.
pub(crate) struct Writer {
    pub(crate) outbox: Outbox,
    framing: Framing,
    /// The stream's end is part of the message and still to be sent.
    closing: bool,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { outbox: Outbox::default(), framing: Framing::Length(0), closing: false }
    }

    pub(crate) fn begin(&mut self, framing: Framing) {
        self.framing = framing;
    }

    pub(crate) fn room(&self) -> usize {
        self.outbox.room()
    }

    /// Appends body bytes. More than announced is cut: the peer must not read it as another message.
    pub(crate) fn push(&mut self, data: &[u8]) {
        match &mut self.framing {
            Framing::Length(left) => {
                let count = data.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                self.outbox.data().extend_from_slice(&data[..count]);
            }
            Framing::Chunked if data.is_empty() => {} // an empty chunk would end the body
            Framing::Chunked => write_chunk(self.outbox.data(), data),
            Framing::UntilClose => self.outbox.data().extend_from_slice(data),
        }
    }

    /// Ends the body.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        match self.framing {
            Framing::Length(_) => {}
            Framing::Chunked => write_last_chunk(self.outbox.data(), trailers),
            Framing::UntilClose => self.closing = true,
        }
    }

    pub(crate) fn ends_with_stream(&self) -> bool {
        self.framing == Framing::UntilClose
    }

    /// Nothing waits to be sent.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && !self.closing
    }

    /// The announced bytes were all pushed.
    pub(crate) const fn is_whole(&self) -> bool {
        !matches!(self.framing, Framing::Length(1..))
    }

    /// Sends what is waiting. `Ok(count)` says how many bytes this call wrote. Cancel-safe.
    pub(crate) fn poll_flush(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(self.outbox.poll_flush(stream, cx))?;
        if self.closing {
            ready!(poll_shutdown(stream, cx))?;
            self.closing = false;
        }
        Poll::Ready(Ok(count))
    }
}
