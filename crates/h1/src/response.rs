//! Response heads (RFC 9112 §4): the status line, the fields, and what follows from them.

use crate::fault::{Fault, ResponseError};
use crate::field::Field;
use crate::framing::{self, BodyLength};
use crate::known::Known;
use crate::limits::Limits;
use crate::lines::{self, Progress, VERSION_BYTES};
use crate::scan;
use crate::span::Span;
use crate::{Parsed, Version};

/// A response head, as offsets into the bytes it was parsed from. Reuse one value: its field table is allocated once.
///
/// The public fields mean something after [`Parsed::Complete`] only.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields in the order they came.
    pub fields: Vec<Field>,
    /// Bytes of the head, the empty line included: the body begins here.
    pub length: usize,
    /// How the body ends. `None` for 1xx, 204, 304, answers to HEAD, and where a tunnel begins (101, 2xx to CONNECT).
    pub body: BodyLength,
    /// Whether another request may be sent on this connection after the body. False where a tunnel begins.
    pub keep_alive: bool,
    /// Bit i: `fields[i]` is named by Connection and must not be forwarded; see `RequestHead::connection_named`.
    pub connection_named: u128,
    progress: Progress,
}

/// What the request was, as far as the answer's framing depends on it (RFC 9112 §6.3 rules 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// HEAD: the answer has no body whatever its fields say.
    Head,
    /// CONNECT: a 2xx answer begins a tunnel.
    Connect,
    /// Every other method.
    Other,
}

impl ResponseHead {
    /// Reads a head from the start of `bytes`; called again after `Partial` as `RequestHead::parse` is. Whether a 101 is
    /// welcome is for the caller: it knows if it asked.
    ///
    /// # Errors
    /// Whatever could be read in two ways, is too large, or is no HTTP/1.x response. Drop the connection.
    pub fn parse(&mut self, bytes: &[u8], limits: &Limits, asked: Asked) -> Result<Parsed, ResponseError> {
        let limit = limits.head_bytes();
        let window = &bytes[..bytes.len().min(limit)];
        match self.read(window, limits, asked) {
            Ok(Parsed::Complete) => {
                self.progress = Progress::default();
                Ok(Parsed::Complete)
            }
            Ok(Parsed::Partial) if window.len() < limit => Ok(Parsed::Partial),
            Ok(Parsed::Partial) => {
                self.clear();
                Err(ResponseError(Fault::HeadTooLarge))
            }
            Err(fault) => {
                self.clear();
                Err(ResponseError(fault))
            }
        }
    }

    /// Forgets everything, also an unfinished head; keeps the allocation.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// The fields with a well-known name, in order.
    pub fn fields_known(&self, known: Known) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.known == known)
    }

    /// The fields named `name` in any case, in order; `bytes` are those the head was parsed from. For well-known names
    /// [`ResponseHead::fields_known`] is cheaper.
    pub fn fields_named<'a>(&'a self, bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(bytes, name))
    }

    // Not inlined: `window` then has a length of its own, not one derived from the limits at every check.
    #[inline(never)]
    fn read(&mut self, window: &[u8], limits: &Limits, asked: Asked) -> Result<Parsed, Fault> {
        if !self.progress.is_fresh() {
            let limit = limits.head_bytes();
            if !self.progress.can_go_on(window, limit, limit) {
                return Ok(Parsed::Partial);
            }
        }
        let at = match self.progress.fields_from() {
            Some(at) => at,
            None => {
                self.fields.clear();
                match self.read_status_line(window)? {
                    Some(next) => next,
                    None => {
                        self.progress.stop_in_first_line(window);
                        return Ok(Parsed::Partial);
                    }
                }
            }
        };
        // Names that imitate others with `_` are no danger on the way to a client.
        let Some((end, _)) = self.progress.read_fields(window, at, &mut self.fields, limits.fields())? else {
            return Ok(Parsed::Partial);
        };
        self.length = end;
        let framing = framing::of_response(window, &self.fields, self.version, self.status, asked)?;
        self.body = framing.body;
        self.keep_alive = framing.keep_alive;
        self.connection_named = framing.connection_named;
        Ok(Parsed::Complete)
    }

    /// `version SP status SP [reason] CRLF` (RFC 9112 §4). The second space may be missing when there is no reason: it
    /// often is, and nothing can be read into it. No empty lines are skipped: bytes before an answer belong to no answer.
    #[inline(always)]
    fn read_status_line(&mut self, window: &[u8]) -> Result<Option<usize>, Fault> {
        let version = match lines::version(window) {
            Ok(Some(version)) => version,
            Ok(None) => return Ok(None),
            Err(Fault::Version) => return Err(Fault::Status),
            Err(fault) => return Err(fault),
        };
        let rest = &window[VERSION_BYTES..];
        let status = match rest {
            [b' ', a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ' | b'\r' | b'\n', ..] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            [] | [b' '] | [b' ', b'1'..=b'5'] | [b' ', b'1'..=b'5', b'0'..=b'9'] => return Ok(None),
            [b' ', b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => return Ok(None),
            _ => return Err(Fault::Status),
        };
        let after = VERSION_BYTES + 4;
        let reason = if window[after] == b' ' { after + 1 } else { after };
        let ending = scan::behind_value(&window[reason..]);
        match ending {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(Fault::LineEnd),
            _ => return Err(Fault::Status),
        }
        self.version = version;
        self.status = status;
        let end = window.len() - ending.len();
        self.reason = Span::new(reason, end);
        Ok(Some(end + 2))
    }
}
