//! Bodies (RFC 9112 §6, §7): tells which of the incoming bytes are data, so that a caller can pass them on uncopied.
//!
//! The same decoder serves both directions. It copies nothing but trailer lines.

use crate::chunk::Chunk;
use crate::fault::{BodyError, Fault};
use crate::field::{self, Field, Place, Underscore};
use crate::framing::BodyLength;
use crate::known::Known;
use crate::limits::Limits;
use crate::scan;

/// Follows one message body through however many pieces of input.
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
    /// Bytes of chunk extensions the message may still have.
    extensions: usize,
    /// Bytes and fields of trailers the message may still have.
    trailer_bytes: usize,
    trailer_fields: usize,
    /// The lines kept so far, and behind `line` the unfinished one.
    trailers: Vec<u8>,
    line: usize,
}

/// What the decoder found at the start of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// `skip` bytes of framing, then `length` (at least one) bytes of data. Consume `skip + length`.
    Data {
        /// Framing bytes before the data.
        skip: usize,
        /// Data bytes.
        length: usize,
    },
    /// So many bytes of framing and nothing else: the whole input. Consume them and read more.
    Skip(usize),
    /// The input was empty and the body has not ended.
    NeedMore,
    /// The body ended `consumed` bytes into the input; what follows is another message. Said again at every later call,
    /// with 0.
    End {
        /// Framing bytes that belong to the body.
        consumed: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At least one byte is left.
    Length(u64),
    UntilClose,
    Chunked(Chunk),
    Done,
    Failed(Fault),
}

impl BodyDecoder {
    /// A decoder for a body that ends as `length` says.
    #[must_use]
    pub fn new(length: BodyLength, limits: &Limits) -> Self {
        Self {
            state: match length {
                BodyLength::None | BodyLength::Length(0) => State::Done,
                BodyLength::Length(left) => State::Length(left),
                BodyLength::Chunked => State::Chunked(Chunk::START),
                BodyLength::UntilClose => State::UntilClose,
            },
            extensions: limits.extension_bytes,
            trailer_bytes: limits.trailer_bytes,
            trailer_fields: limits.fields(),
            trailers: Vec::new(),
            line: 0,
        }
    }

    /// Reads from the start of `input`. The caller consumes what the piece says before it calls again; bytes not
    /// consumed are given again. However the input is cut, the data is the same.
    ///
    /// # Errors
    /// Broken chunk framing, a malformed trailer, or a limit. The same error comes again at every later call.
    #[inline]
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        match self.state {
            State::Done => Ok(Piece::End { consumed: 0 }),
            State::Failed(fault) => Err(BodyError(fault)),
            _ if input.is_empty() => Ok(Piece::NeedMore),
            State::UntilClose => Ok(Piece::Data { skip: 0, length: input.len() }),
            State::Length(left) => {
                let length = at_most(left, input.len());
                let left = left - length as u64;
                self.state = if left == 0 { State::Done } else { State::Length(left) };
                Ok(Piece::Data { skip: 0, length })
            }
            State::Chunked(chunk) => match self.next_chunked(chunk, input) {
                Ok(piece) => Ok(piece),
                Err(fault) => {
                    self.state = State::Failed(fault);
                    Err(BodyError(fault))
                }
            },
        }
    }

    /// Whether the body has ended; no input is needed for it any more.
    #[must_use]
    #[inline]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The peer has closed its side: ends a body that ends with the connection.
    ///
    /// # Errors
    /// When the body had not ended; then it must not be passed on as if it had (RFC 9112 §8).
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(fault) => Err(BodyError(fault)),
            State::Length(_) | State::Chunked(_) => {
                self.state = State::Failed(Fault::BodyTruncated);
                Err(BodyError(Fault::BodyTruncated))
            }
        }
    }

    /// The trailer fields once the body has ended: whole lines with CR LF, made for `write_last_chunk`. Fields that frame,
    /// route, authorize or describe a message are left out: in a trailer they come too late to be trusted
    /// (RFC 9110 §6.5.1).
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        if self.is_done() { &self.trailers } else { &[] }
    }

    fn next_chunked(&mut self, mut chunk: Chunk, input: &[u8]) -> Result<Piece, Fault> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match chunk {
                Chunk::Data { left } => {
                    let length = at_most(left, input.len() - at);
                    let left = left - length as u64;
                    self.state = State::Chunked(if left == 0 { Chunk::DataCr } else { Chunk::Data { left } });
                    return Ok(Piece::Data { skip: at, length });
                }
                Chunk::Trailers => {
                    at += self.read_trailer(&input[at..])?;
                    if self.is_done() {
                        return Ok(Piece::End { consumed: at });
                    }
                }
                framing => match framing.whole_line(&input[at..]) {
                    Some((next, length)) => (chunk, at) = (next, at + length),
                    None => (chunk, at) = (framing.step(byte, &mut self.extensions)?, at + 1),
                },
            }
        }
        self.state = State::Chunked(chunk);
        Ok(Piece::Skip(at))
    }

    /// Takes one trailer line (RFC 9112 §7.1.2), or as much of it as is there. Returns the bytes taken.
    fn read_trailer(&mut self, input: &[u8]) -> Result<usize, Fault> {
        // Most messages have none; then nothing is allocated.
        if self.line == self.trailers.len() && input.starts_with(b"\r\n") {
            self.state = State::Done;
            return Ok(2);
        }
        let end = scan::split_before(input, b'\n').map(|(line, _)| line.len() + 1);
        let part = &input[..end.unwrap_or(input.len())];
        self.trailers.extend_from_slice(part);
        let line = &self.trailers[self.line..];
        // The empty line at the end is free, in one piece or in two: the verdict is the same however the line is cut.
        if line.len() > self.trailer_bytes && !b"\r\n".starts_with(line) {
            return Err(Fault::TrailersLarge);
        }
        if end.is_some() {
            self.trailer_bytes = self.trailer_bytes.saturating_sub(line.len());
            self.end_trailer_line()?;
        }
        Ok(part.len())
    }

    /// Judges the line at the end of `trailers`, and keeps or drops it.
    #[cold]
    fn end_trailer_line(&mut self) -> Result<(), Fault> {
        let line = &self.trailers[self.line..];
        if line == b"\r\n" {
            self.trailers.truncate(self.line);
            self.state = State::Done;
            return Ok(());
        }
        self.trailer_fields = self.trailer_fields.checked_sub(1).ok_or(Fault::TooManyFields)?;
        let mut forbidden = false;
        let judge = |field: Field, underscore| {
            let name = field.name.of(line);
            let imitates = underscore == Underscore::Yes && Known::imitated_by(name).is_some();
            forbidden = field.known != Known::Other || imitates || is_forbidden(name);
        };
        field::read(line, 0, Place::Later, judge)?.ok_or(Fault::LineEnd)?;
        if forbidden {
            self.trailers.truncate(self.line);
        }
        self.line = self.trailers.len();
        Ok(())
    }
}

/// Whether a field may not come in a trailer (RFC 9110 §6.5.1), beside the [`Known`] ones, which all may not.
fn is_forbidden(name: &[u8]) -> bool {
    const NAMES: [&str; 16] = [
        "age",
        "authorization",
        "authentication-info",
        "cache-control",
        "content-range",
        "expires",
        "pragma",
        "range",
        "retry-after",
        "set-cookie2",
        "strict-transport-security",
        "vary",
        "warning",
        "www-authenticate",
        "x-real-ip",
        "http2-settings",
    ];
    const FAMILIES: [&str; 6] = ["access-control-", "accept-", "if-", "proxy-", "sec-", "x-forwarded-"];
    NAMES.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
        || FAMILIES
            .iter()
            .any(|family| name.get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family.as_bytes())))
}

/// The smaller of `left` and `available`.
#[inline]
fn at_most(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}
