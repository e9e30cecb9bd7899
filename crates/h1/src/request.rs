//! Request heads (RFC 9112 §3): the request line, the fields, and what follows from them.

use crate::fault::{Fault, RequestError};
use crate::field::{Field, Underscore};
use crate::framing::{self, BodyLength};
use crate::known::Known;
use crate::limits::Limits;
use crate::lines::{self, Progress, VERSION_BYTES};
use crate::scan::{NOT_TOKEN, TOKEN};
use crate::span::Span;
use crate::target;
use crate::{Parsed, Version};

/// A request head, as offsets into the bytes it was parsed from. Reuse one value: its field table is allocated once.
///
/// The public fields mean something after [`Parsed::Complete`] only.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// A token of 1 to 32 bytes; never CONNECT or TRACE.
    pub method: Span,
    /// The target as it was written.
    pub target: Span,
    /// Which form the target has.
    pub form: Form,
    /// The path, still encoded: begins with `/`, or is `*` in asterisk-form. An absolute-form target without a path gets
    /// `/`; then this span lies before the authority, so write path and query one by one, not as one range.
    pub path: Span,
    /// What follows the first `?`; may be empty.
    pub query: Option<Span>,
    /// The target's authority in absolute-form, else the value of Host: a valid `host[:port]`. Empty only when HTTP/1.0
    /// came without Host.
    pub authority: Span,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields in the order they came.
    pub fields: Vec<Field>,
    /// Bytes of the head, the empty line and skipped leading line ends included: the body begins here.
    pub length: usize,
    /// How the body ends.
    pub body: BodyLength,
    /// Whether the client wants the connection to go on after this exchange.
    pub keep_alive: bool,
    /// A GET over HTTP/1.1 without a body, with `Connection: upgrade` and an `Upgrade` to what is not HTTP itself (`h2c`,
    /// `TLS/1.0`). Without it, `Upgrade` is just another field that is not forwarded.
    pub upgrade: bool,
    /// The client waits for `100 Continue` before it sends its body.
    pub expect_continue: bool,
    /// `TE: trailers`: the client reads trailers behind a chunked answer.
    pub takes_trailers: bool,
    /// Bit i: `fields[i]` is named by Connection and must not be forwarded. Never set for Host, Content-Length, Via,
    /// Forwarded, the X-Forwarded family and X-Request-Id, which no client can make a gateway drop.
    pub connection_named: u128,
    progress: Progress,
}

/// The form of a request target (RFC 9112 §3.2); authority-form belongs to CONNECT, which is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`, as sent to proxies. Its authority replaces Host, which must agree.
    Absolute,
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// Empty lines skipped before a request line (RFC 9112 §2.2 asks for at least one).
const LEADING_EMPTY_LINES: usize = 2;
/// The longest method; registered ones have at most 17 bytes.
const METHOD_BYTES_MAX: usize = 32;

impl RequestHead {
    /// Reads a head from the start of `bytes`. After `Partial`, call again with the same bytes and more behind them;
    /// after `Complete` or an error the next call begins a new message. Bytes behind the head are not looked at.
    ///
    /// # Errors
    /// Whatever could be read in two ways, is too large, or is no HTTP/1.x request. The answer's status is in the error;
    /// close the connection after it.
    pub fn parse(&mut self, bytes: &[u8], limits: &Limits) -> Result<Parsed, RequestError> {
        let limit = limits.head_bytes();
        let window = &bytes[..bytes.len().min(limit)];
        match self.read(window, limits) {
            Ok(Parsed::Complete) => {
                self.progress = Progress::default();
                Ok(Parsed::Complete)
            }
            Ok(Parsed::Partial) if window.len() < limit => Ok(Parsed::Partial),
            Ok(Parsed::Partial) => {
                self.clear();
                Err(RequestError(Fault::HeadTooLarge))
            }
            Err(fault) => {
                self.clear();
                Err(RequestError(fault))
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
    /// [`RequestHead::fields_known`] is cheaper.
    pub fn fields_named<'a>(&'a self, bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(bytes, name))
    }

    // Not inlined: `window` then has a length of its own, not one derived from the limits at every check.
    #[inline(never)]
    fn read(&mut self, window: &[u8], limits: &Limits) -> Result<Parsed, Fault> {
        if !self.progress.is_fresh() {
            let line = LEADING_EMPTY_LINES * 2 + METHOD_BYTES_MAX + limits.target_bytes + VERSION_BYTES + 4;
            if !self.progress.can_go_on(window, line, limits.head_bytes()) {
                return Ok(Parsed::Partial);
            }
        }
        let at = match self.progress.fields_from() {
            Some(at) => at,
            None => {
                self.fields.clear();
                match self.read_request_line(window, limits)? {
                    Some(next) => next,
                    None => {
                        self.progress.stop_in_first_line(window);
                        return Ok(Parsed::Partial);
                    }
                }
            }
        };
        let Some((end, underscore)) = self.progress.read_fields(window, at, &mut self.fields, limits.fields())? else {
            return Ok(Parsed::Partial);
        };
        self.length = end;
        self.conclude(window, underscore)?;
        Ok(Parsed::Complete)
    }

    /// `method SP target SP version CRLF` (RFC 9112 §3), single spaces only. Returns where the fields begin.
    #[inline(always)]
    fn read_request_line(&mut self, window: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
        let Some(start) = skip_empty_lines(window)? else { return Ok(None) };
        let Some(space) = method_end(window, start)? else { return Ok(None) };
        let method = &window[start..space];
        match method {
            b"CONNECT" => return Err(Fault::MethodConnect),
            b"TRACE" => return Err(Fault::MethodTrace),
            _ => {}
        }
        let target = space + 1;
        let Some(extent) = target::extent(&window[target..], limits.target_bytes)? else { return Ok(None) };
        let rest = &window[target + extent.end + 1..];
        let Some(version) = lines::version(rest)? else { return Ok(None) };
        match rest.get(VERSION_BYTES..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(Fault::LineEnd),
            _ => return Err(Fault::Version),
        }
        let parts = target::take_apart(window, target, &extent, method)?;
        self.method = Span::new(start, space);
        self.target = Span::new(target, target + extent.end);
        self.version = version;
        self.form = parts.form;
        self.path = parts.path;
        self.query = parts.query;
        self.authority = parts.authority.unwrap_or_default();
        Ok(Some(target + extent.end + 1 + VERSION_BYTES + 2))
    }

    /// What needs all fields: framing, Host, names that imitate others.
    #[inline(always)]
    fn conclude(&mut self, window: &[u8], underscore: Underscore) -> Result<(), Fault> {
        if underscore == Underscore::Yes {
            refuse_lookalikes(window, &self.fields)?;
        }
        let framing = framing::of_request(window, &self.fields, self.version, self.method.of(window))?;
        self.body = framing.body;
        self.keep_alive = framing.keep_alive;
        self.upgrade = framing.upgrade;
        self.expect_continue = framing.expect_continue;
        self.takes_trailers = framing.takes_trailers;
        self.connection_named = framing.connection_named;

        // RFC 9112 §3.2: exactly one valid Host; HTTP/1.0 may leave it out.
        let Some(host) = framing.host else {
            return if self.version == Version::Http10 { Ok(()) } else { Err(Fault::HostMissing) };
        };
        let host = self.fields[host].value;
        if !target::is_authority(host.of(window)) {
            return Err(Fault::HostInvalid);
        }
        if self.form == Form::Absolute {
            // RFC 9112 §3.2.2: the target's authority wins and Host is ignored; the next hop may do it the other way
            // around, so they must agree.
            let default: &[u8] = match self.target.of(window) {
                [_, _, _, _, b's' | b'S', ..] => b"443",
                _ => b"80",
            };
            if !target::same_authority(self.authority.of(window), host.of(window), default) {
                return Err(Fault::HostDiffers);
            }
        } else {
            self.authority = host;
        }
        Ok(())
    }
}

/// Where the request line begins (RFC 9112 §2.2); `None` when that cannot be said yet.
#[inline]
fn skip_empty_lines(window: &[u8]) -> Result<Option<usize>, Fault> {
    let mut at = 0;
    for _ in 0..=LEADING_EMPTY_LINES {
        match &window[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(Fault::LineEnd),
            _ => return Ok(Some(at)),
        }
    }
    Err(Fault::Method)
}

/// The offset of the space after the method that begins at `start`.
#[inline]
fn method_end(window: &[u8], start: usize) -> Result<Option<usize>, Fault> {
    let rest = &window[start..];
    if rest.starts_with(b"GET ") {
        return Ok(Some(start + 3));
    }
    for (length, &byte) in rest.iter().enumerate() {
        if byte == b' ' && length > 0 {
            return Ok(Some(start + length));
        }
        if TOKEN[byte as usize] & NOT_TOKEN != 0 {
            return Err(Fault::Method);
        }
        if length == METHOD_BYTES_MAX {
            return Err(Fault::MethodLong);
        }
    }
    Ok(None)
}

#[cold]
fn refuse_lookalikes(window: &[u8], fields: &[Field]) -> Result<(), Fault> {
    let imitates = |field: &Field| {
        field.known == Known::Other && {
            let name = field.name.of(window);
            name.contains(&b'_') && Known::imitated_by(name).is_some()
        }
    };
    if fields.iter().any(imitates) { Err(Fault::FieldLookalike) } else { Ok(()) }
}
