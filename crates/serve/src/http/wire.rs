//! The bytes of one connection: what has come and is not read yet, and the deadline that counts.
//!
//! Nothing is kept for reading while nothing comes: bytes arrive on the stack, and only those that came are kept.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use madang_base::Moment;
use madang_runtime::{Timer, now};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of one read.
const PIECE: usize = 16 * 1024;

/// How long, and for how many bytes, a client is listened to that was refused in the middle of its request: closing on
/// unread bytes is a reset, and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A client's socket.
pub(super) struct Wire {
    stream: TcpStream,
    /// Bytes that came and were not read. Whoever fills it limits it.
    pub(super) inbox: Vec<u8>,
    timer: Timer,
}

/// Why nothing came.
#[derive(Debug)]
pub(super) enum Nothing {
    /// The client has closed its side, or the socket failed.
    Gone,
    /// Not in time.
    Late,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, inbox: Vec::new(), timer: Timer::new() }
    }

    /// Waits for more bytes in the inbox. `ends` is asked at every turn whether there is still a reason to wait.
    pub(super) async fn fill(&mut self, deadline: Moment, ends: impl Fn() -> bool) -> Result<(), Nothing> {
        poll_fn(|cx| {
            if ends() {
                return Poll::Ready(Err(Nothing::Late));
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => Poll::Ready(Ok(())),
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Nothing::Gone)),
                Poll::Pending => self.timer.poll(cx, deadline).map(|()| Err(Nothing::Late)),
            }
        })
        .await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        self.inbox.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Ready when the client has left. One that ends its side before the answer is taken to be gone, as nginx and
    /// Envoy do: work for it should stop. Requests that come early wait in the inbox, up to `most` bytes of them.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        while self.inbox.len() < most {
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Sends all of it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends both, in one call where the system takes it.
    pub(super) async fn write_both(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        self.stream.write_all_buf(&mut first.chain(second)).await
    }

    /// Lets the client finish its sentence, so that it reads the answer.
    pub(super) async fn linger(&mut self) {
        let (until, mut left) = (now() + LINGER, LINGER_BYTES);
        if self.stream.shutdown().await.is_err() {
            return;
        }
        self.inbox.clear();
        while left > 0 && self.fill(until, || false).await.is_ok() {
            left = left.saturating_sub(self.inbox.len());
            self.inbox.clear();
        }
    }
}
