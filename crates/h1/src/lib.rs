//! HTTP/1.1 heads and message framing, strict and in place, without I/O.
//!
//! Bytes come in, offsets come out: a head is a table of [`Span`]s over the bytes as they arrived, so that what
//! nobody edits is forwarded by one copy. Where a body ends is decided in one place (`framing`), which refuses
//! whatever two parsers could read differently (RFC 9112, RFC 9110); a gateway that guesses is a gateway that smuggles.
//!
//! ```
//! use madang_h1::{BodyDecoder, BodyLength, Limits, Parsed, Piece, RequestHead};
//!
//! let bytes = b"POST /orders?x=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";
//! let (mut head, limits) = (RequestHead::default(), Limits::default());
//! assert_eq!(head.parse(bytes, &limits)?, Parsed::Complete);
//! assert_eq!(head.path.of(bytes), b"/orders");
//! assert_eq!(head.body, BodyLength::Length(5));
//!
//! let mut body = BodyDecoder::new(head.body, &limits);
//! let piece = body.next(&bytes[head.length..]).expect("five bytes are there");
//! assert_eq!(piece, Piece::Data { skip: 0, length: 5 });
//! assert!(body.is_done());
//! # Ok::<(), madang_h1::RequestError>(())
//! ```
//!
//! # Heads that arrive in parts
//! `parse` on an incomplete head returns [`Parsed::Partial`]; call it again on the same head value when the buffer has
//! grown (it may have moved, but must still begin with the same bytes). Whole lines are read once; of an unfinished line
//! only the new bytes are searched for its end. Work is linear in the bytes however they are cut, and so is the verdict the
//! same; a fault in an unfinished line may be reported as late as the line's end. A head value given up half-way needs
//! [`RequestHead::clear`] before the next message.

mod known;
mod limits;
mod span;

mod fault;
mod scan;

mod field;
mod framing;
mod lines;
mod request;
mod response;
mod target;

mod body;
mod chunk;

mod edits;
mod encode;
mod status;

pub use body::{BodyDecoder, Piece};
pub use edits::{EditError, Edits};
pub use encode::{
    write_chunk, write_chunk_start, write_fields, write_last_chunk, write_number, write_request_line, write_status_line,
};
pub use fault::{BodyError, Fault, RequestError, ResponseError};
pub use field::{Field, fields_in};
pub use framing::BodyLength;
pub use known::{Known, KnownSet};
pub use limits::Limits;
pub use request::{Form, RequestHead};
pub use response::{Asked, ResponseHead};
pub use span::Span;
pub use status::reason_phrase;

/// Whether a head ends within the bytes given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Every field of the head value is set.
    Complete,
    /// More bytes are needed; only the head value's private progress is meaningful.
    Partial,
}

/// The protocol version of a message (RFC 9112 §2.3); all others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// `HTTP/1.0`: no chunked coding, no 1xx, connections close unless `keep-alive` is asked for.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}
