//! Bytes in and out of sockets. Every socket call of the gateway stands here.
//!
//! Buffers come from a free list of the thread and go back as soon as they are empty, so a connection that waits
//! holds no buffer. A read that came back short does not try again: the runtime then waits for the next event
//! without asking the kernel, which is what keeps a request at four system calls.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// What one read asks for, and the size a buffer starts with.
const READ_SIZE: usize = 16 * 1024;

/// Bytes a [`Outbox`] takes before its filler has to wait for the peer to read.
pub(crate) const OUTBOX_LIMIT: usize = 64 * 1024;

/// Buffers a thread keeps for reuse; more are freed.
const SPARE_BUFFERS: usize = 256;

thread_local! {
    /// Whole buffers, initialized, for reading into.
    static INBOXES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    /// Empty vectors with capacity, for filling.
    static OUTBOXES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that arrived and were not used yet.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Either empty or wholly initialized.
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            self.release();
        }
    }

    /// Reads once, growing up to `limit` bytes held. `Ok(0)` is the end of the stream.
    ///
    /// Call it only while fewer than `limit` bytes are held. Cancel-safe: bytes are either in here or still in the
    /// socket.
    pub(crate) fn poll_fill(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        if self.data.is_empty() {
            // Waiting costs no buffer: take one only when there is something to read.
            ready!(stream.poll_read_ready(cx))?;
            self.data = INBOXES.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; READ_SIZE]);
        }
        self.make_room(limit);
        let mut buffer = ReadBuf::new(&mut self.data[self.end..]);
        let read = Pin::new(stream).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        self.end += count;
        if self.is_empty() {
            self.release();
        }
        ready!(read)?;
        Poll::Ready(Ok(count))
    }

    fn make_room(&mut self, limit: usize) {
        if self.end < self.data.len() {
            return;
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            self.data.resize((self.data.len() * 2).clamp(READ_SIZE, limit.max(self.data.len() + 1)), 0);
        }
    }

    fn release(&mut self) {
        (self.start, self.end) = (0, 0);
        let data = std::mem::take(&mut self.data);
        let reusable = data.len() == READ_SIZE;
        keep(&INBOXES, data, reusable);
    }
}

/// Bytes on their way out.
#[derive(Default)]
pub(crate) struct Outbox {
    data: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Where to append. What is appended past [`OUTBOX_LIMIT`] is the caller's to bound.
    pub(crate) fn data(&mut self) -> &mut Vec<u8> {
        if self.data.capacity() == 0 {
            self.data = OUTBOXES.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(READ_SIZE));
        }
        &mut self.data
    }

    pub(crate) fn room(&self) -> usize {
        OUTBOX_LIMIT.saturating_sub(self.data.len() - self.sent)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Part of what is in here is out already.
    pub(crate) const fn has_sent(&self) -> bool {
        self.sent > 0
    }

    /// Writes until everything is out. `Ok(count)` is what this call wrote before it was ready.
    ///
    /// Cancel-safe: what was written is forgotten at once.
    pub(crate) fn poll_flush(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.sent;
        while self.sent < self.data.len() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &self.data[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        let count = self.sent - before;
        if !self.data.is_empty() {
            self.clear();
        }
        Poll::Ready(Ok(count))
    }

    /// Forgets what was not sent.
    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.sent = 0;
        let reusable = self.data.capacity() <= 2 * OUTBOX_LIMIT;
        keep(&OUTBOXES, std::mem::take(&mut self.data), reusable);
    }
}

/// Tells the peer that nothing follows.
pub(crate) fn poll_shutdown(stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    Pin::new(stream).poll_shutdown(cx)
}

fn keep(list: &'static std::thread::LocalKey<RefCell<Vec<Vec<u8>>>>, buffer: Vec<u8>, reusable: bool) {
    if reusable && buffer.capacity() > 0 {
        list.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS {
                spare.push(buffer);
            }
        });
    }
}
