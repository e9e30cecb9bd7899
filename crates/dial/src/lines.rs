//! An answer read line by line for as long as it lasts: `madang logs -f`.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};

use crate::error::{DialError, Failure, Step};
use crate::exchange::Wire;

/// The most of an unsuccessful answer that is kept, in bytes; a larger one is [`Failure::TooLarge`].
const MAX_REFUSAL: usize = 64 * 1024;

/// What came back.
#[derive(Debug)]
pub enum Stream {
    /// A success: lines as they come.
    Lines(Lines),
    /// Any other status, with its body: the reason.
    Refused(Response<Bytes>),
}

/// Lines of one answer.
pub struct Lines {
    address: SocketAddr,
    wire: Wire,
    body: Incoming,
    splitter: Splitter,
    ended: bool,
}

/// Sends `request` and gives the answer's lines as they come.
///
/// `timeout` is for the answer's head; lines may then be as far apart as they like. A line longer than `max_line` bytes
/// is cut there, and the rest of it dropped.
///
/// # Errors
/// [`DialError`] when no head came.
pub async fn stream_lines(
    address: SocketAddr,
    request: Request<Bytes>,
    timeout: Duration,
    max_line: usize,
) -> Result<Stream, DialError> {
    let begin = async {
        let mut wire = Wire::open(address, timeout).await?;
        let response = wire.send(address, request).await?;
        if !response.status().is_success() {
            return Ok(Stream::Refused(wire.collect(response, MAX_REFUSAL).await?));
        }
        let body = response.into_body();
        Ok(Stream::Lines(Lines { address, wire, body, splitter: Splitter::new(max_line), ended: false }))
    };
    match tokio::time::timeout(timeout, begin).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Timeout { step: Step::Answer, after: timeout }),
    }
    .map_err(|failure| failure.at(address))
}

impl Lines {
    /// The next line without its line end, invalid UTF-8 replaced; `None` after the last.
    ///
    /// Cancel safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// [`DialError`] when the connection broke before the answer's end; after it there is nothing more.
    pub async fn next(&mut self) -> Option<Result<String, DialError>> {
        poll_fn(|ctx| {
            loop {
                if let Some(line) = self.splitter.line() {
                    return Poll::Ready(Some(Ok(line)));
                }
                if self.ended {
                    return Poll::Ready(self.splitter.rest().map(Ok));
                }
                self.wire.poll_connection(ctx);
                match ready!(Pin::new(&mut self.body).poll_frame(ctx)) {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            self.splitter.push(data);
                        }
                    }
                    Some(Err(error)) => {
                        self.ended = true;
                        self.splitter.clear();
                        return Poll::Ready(Some(Err(Failure::from(error).at(self.address))));
                    }
                    None => self.ended = true,
                }
            }
        })
        .await
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Cuts chunks into lines. Holds one chunk as it came and at most `max` bytes of an unfinished line.
struct Splitter {
    max: usize,
    chunk: Bytes,
    line: Vec<u8>,
    /// Whether `line` is a line begun: an empty one counts too.
    begun: bool,
}

impl Splitter {
    fn new(max: usize) -> Self {
        Self { max, chunk: Bytes::new(), line: Vec::new(), begun: false }
    }

    /// Takes the next chunk; the one before is used up.
    fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "lines are taken until there is none before more is read");
        self.chunk = chunk;
    }

    /// The next whole line.
    fn line(&mut self) -> Option<String> {
        if self.chunk.is_empty() {
            return None;
        }
        let end = self.chunk.iter().position(|byte| *byte == b'\n');
        let part = self.chunk.split_to(end.unwrap_or(self.chunk.len()));
        let room = self.max - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        self.begun = true;
        end?;
        let _ = self.chunk.split_to(1);
        self.rest()
    }

    /// What follows the last line end, if anything.
    fn rest(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.begun) {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Some(String::from_utf8_lossy(line).into_owned())
    }

    fn clear(&mut self) {
        *self = Self::new(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_lines_wherever_they_are_cut() {
        let max = 8;
        for (chunks, expected) in [
            (vec!["one\ntwo\r\n"], vec!["one", "two"]),
            (vec!["on", "e\nt", "wo", "\n"], vec!["one", "two"]),
            (vec!["\n\n", "x"], vec!["", "", "x"]),
            (vec!["12345678", "9\nnext\n"], vec!["12345678", "next"]),
            (vec!["123456789abc\r\nz"], vec!["12345678", "z"]),
            (vec![], vec![]),
        ] {
            let mut splitter = Splitter::new(max);
            let mut lines = Vec::new();
            for chunk in &chunks {
                splitter.push(Bytes::copy_from_slice(chunk.as_bytes()));
                while let Some(line) = splitter.line() {
                    lines.push(line);
                }
            }
            lines.extend(splitter.rest());
            assert_eq!(lines, expected, "{chunks:?}");
        }
    }
}
