//! Where a body ends and whether the connection lives on: the one place that decides, and refuses by default.
//!
//! The order is that of RFC 9112 §6.3. A message that two parsers could cut differently is refused even where the RFC
//! lets a recipient repair it: both lengths, a repeated length, leading zeros, any coding but one `chunked`, tabs around
//! these values.

use crate::Version;
use crate::fault::Fault;
use crate::field::Field;
use crate::known::{Known, KnownSet, Pattern};
use crate::response::Asked;
use crate::scan;

/// How the end of a message's body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// Exactly so many bytes; may be 0. At most `i64::MAX`, because others count signed.
    Length(u64),
    /// Chunks say where it ends.
    Chunked,
    /// It ends with the connection (responses only).
    UntilClose,
}

const CHUNKED: Pattern = Pattern::of(b"chunked");
const CLOSE: Pattern = Pattern::of(b"close");
const KEEP_ALIVE: Pattern = Pattern::of(b"keep-alive");
const UPGRADE: Pattern = Pattern::of(b"upgrade");
const TRAILERS: Pattern = Pattern::of(b"trailers");

/// The fields that decide; the loops below step over all others at once.
const RESPONSE_FIELDS: KnownSet = KnownSet::of(&[Known::ContentLength, Known::TransferEncoding, Known::Connection]);
const REQUEST_FIELDS: KnownSet =
    RESPONSE_FIELDS.and(KnownSet::of(&[Known::Host, Known::Upgrade, Known::Expect, Known::Te]));

/// What a request head says about its body and connection.
pub(crate) struct RequestFraming {
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) expect_continue: bool,
    pub(crate) takes_trailers: bool,
    pub(crate) connection_named: u128,
    /// The number of the Host field.
    pub(crate) host: Option<usize>,
}

/// Decides for a request; `method` matters to upgrades only.
#[inline]
pub(crate) fn of_request(
    bytes: &[u8],
    fields: &[Field],
    version: Version,
    method: &[u8],
) -> Result<RequestFraming, Fault> {
    let mut length = None;
    let mut coding = None;
    let mut host = None;
    let mut connections = 0_u128;
    let mut upgrade = Upgrade::default();
    let mut expect = false;
    let mut trailers = false;
    for (at, field) in fields.iter().enumerate() {
        if !REQUEST_FIELDS.contains(field.known) {
            continue;
        }
        match field.known {
            Known::Host if host.is_some() => return Err(Fault::HostRepeated),
            Known::Host => host = Some(at),
            Known::ContentLength if length.is_some() => return Err(Fault::ContentLengthRepeated),
            Known::ContentLength => length = Some(content_length(bytes, field)?),
            Known::TransferEncoding if coding.is_some() => return Err(Fault::TransferEncodingRepeated),
            Known::TransferEncoding => coding = Some(field),
            Known::Connection => connections |= 1 << at,
            Known::Upgrade => upgrade.read(field.value.of(bytes)),
            Known::Te => trailers |= has_trailers(field.value.of(bytes)),
            Known::Expect if version == Version::Http11 => {
                // RFC 9110 §10.1.1: ignored in HTTP/1.0; `100-continue` is the only one, case does not matter.
                if !field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") {
                    return Err(Fault::ExpectUnknown);
                }
                expect = true;
            }
            _ => {}
        }
    }
    let connection = Connection::read(bytes, fields, connections)?;
    let body = match (coding, length) {
        // §6.3 rule 3: likely an attack; §6.1: a server may refuse.
        (Some(_), Some(_)) => return Err(Fault::LengthAndCoding),
        (Some(field), None) => chunked(bytes, field, version)?,
        (None, Some(length)) => BodyLength::Length(length),
        // §6.3 rule 7.
        (None, None) => BodyLength::None,
    };
    Ok(RequestFraming {
        body,
        keep_alive: connection.keeps(version),
        // RFC 9110 §7.8: never from HTTP/1.0, never without the connection option. A body would have to be read before
        // the protocol changes and everybody does that differently: then, or with another method, it is a plain request.
        upgrade: upgrade.is_welcome()
            && connection.upgrade
            && version == Version::Http11
            && method == b"GET"
            && matches!(body, BodyLength::None | BodyLength::Length(0)),
        // Without a body there is nothing to wait for.
        expect_continue: expect && !matches!(body, BodyLength::None | BodyLength::Length(0)),
        takes_trailers: trailers,
        connection_named: connection.named,
        host,
    })
}

/// Whether a TE line says that trailers are read (RFC 9110 §10.1.4).
#[cold]
fn has_trailers(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|coding| TRAILERS.matches(scan::trim(coding)))
}

/// The protocols that the Upgrade lines of a request ask for (RFC 9110 §7.8).
#[derive(Default)]
struct Upgrade {
    asked: bool,
    to_http: bool,
}

impl Upgrade {
    fn read(&mut self, value: &[u8]) {
        for protocol in value.split(|&byte| byte == b',').map(scan::trim) {
            self.asked |= !protocol.is_empty();
            let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
            self.to_http |= [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
        }
    }

    /// Behind an upgrade to another version of HTTP there are more requests, which nobody in between would see: no
    /// route, no filter, no log. A gateway never takes part in that.
    fn is_welcome(&self) -> bool {
        self.asked && !self.to_http
    }
}

/// What a response head says about its body and connection.
pub(crate) struct ResponseFraming {
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    pub(crate) connection_named: u128,
}

/// Decides for a response with `status` to a request that asked for `asked`.
#[inline]
pub(crate) fn of_response(
    bytes: &[u8],
    fields: &[Field],
    version: Version,
    status: u16,
    asked: Asked,
) -> Result<ResponseFraming, Fault> {
    let mut length = None;
    let mut coding = None;
    let mut connections = 0_u128;
    for (at, field) in fields.iter().enumerate() {
        if !RESPONSE_FIELDS.contains(field.known) {
            continue;
        }
        match field.known {
            Known::ContentLength if length.is_some() => return Err(Fault::ContentLengthRepeated),
            Known::ContentLength => length = Some(content_length(bytes, field)?),
            Known::TransferEncoding if coding.is_some() => return Err(Fault::TransferEncodingRepeated),
            Known::TransferEncoding => coding = Some(field),
            Known::Connection => connections |= 1 << at,
            _ => {}
        }
    }
    let connection = Connection::read(bytes, fields, connections)?;
    let announced = match (coding, length) {
        (Some(_), Some(_)) => return Err(Fault::LengthAndCoding),
        // §6.3 rule 4 would read until close when `chunked` is not last. We never offer another coding (TE), so that a
        // response that has one is wrong.
        (Some(field), None) => chunked(bytes, field, version)?,
        (None, Some(length)) => BodyLength::Length(length),
        // §6.3 rule 8.
        (None, None) => BodyLength::UntilClose,
    };
    let silent = matches!(announced, BodyLength::UntilClose | BodyLength::Length(0));
    let (body, ends) = match (status, asked) {
        // §6.1, RFC 9110 §8.6: a 1xx response and a 2xx to CONNECT carry neither field, and the connection goes on right
        // behind the head: with another response, or as a tunnel.
        (100..=199, _) | (200..=299, Asked::Connect) if !silent => return Err(Fault::StatusBody),
        // §6.3 rule 2; RFC 9110 §15.2.2: what follows is not HTTP/1.1.
        (101, _) | (200..=299, Asked::Connect) => (BodyLength::None, true),
        // §6.3 rule 1. 204 carries neither field, but servers are known to send both. The rule is clear about the body,
        // not about what such a server writes behind the head: the connection is not used again.
        (204, _) => (BodyLength::None, !silent),
        (100..=199 | 304, _) | (_, Asked::Head) => (BodyLength::None, false),
        _ => (announced, announced == BodyLength::UntilClose),
    };
    Ok(ResponseFraming { body, keep_alive: connection.keeps(version) && !ends, connection_named: connection.named })
}

/// The value of a Content-Length line (RFC 9110 §8.6): digits alone. No sign, no list, no leading zero (read as octal by
/// some), nothing above `i64::MAX`.
#[inline]
fn content_length(bytes: &[u8], field: &Field) -> Result<u64, Fault> {
    const DIGITS_MAX: usize = 19;
    let digits = field.value.of(bytes);
    let plain = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() <= DIGITS_MAX && !has_tab(bytes, field);
    if !plain {
        return Err(Fault::ContentLength);
    }
    // 19 digits fit into 64 bits.
    let mut number = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Fault::ContentLength);
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    if number > i64::MAX as u64 { Err(Fault::ContentLength) } else { Ok(number) }
}

/// Accepts a Transfer-Encoding that is exactly `chunked` (RFC 9112 §6.1, §7; codings ignore case).
#[inline]
fn chunked(bytes: &[u8], field: &Field, version: Version) -> Result<BodyLength, Fault> {
    // §6.1: in HTTP/1.0 it is faulty framing.
    if version == Version::Http10 {
        return Err(Fault::TransferEncodingVersion);
    }
    let value = field.value.of(bytes);
    if CHUNKED.matches(value) && !has_tab(bytes, field) {
        return Ok(BodyLength::Chunked);
    }
    Err(other_coding(value))
}

/// 501 for a well-formed list of real codings with `chunked` at its end (RFC 9112 §6.1), 400 for everything else.
#[cold]
fn other_coding(value: &[u8]) -> Fault {
    const REAL: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
    let mut codings = value.rsplit(|&byte| byte == b',').map(scan::trim);
    let ends_chunked = codings.next().is_some_and(|last| CHUNKED.matches(last));
    let mut others = codings.peekable();
    let known =
        others.peek().is_some() && others.all(|coding| REAL.iter().any(|real| coding.eq_ignore_ascii_case(real)));
    if ends_chunked && known { Fault::TransferEncodingUnknown } else { Fault::TransferEncoding }
}

/// Whether a tab stands beside the value. It is legal white space, but readers disagree, and nobody sends it in earnest.
#[inline]
fn has_tab(bytes: &[u8], field: &Field) -> bool {
    let (name, value, line) = (field.name, field.value, field.line);
    bytes[name.end as usize..value.start as usize].contains(&b'\t')
        || bytes[value.end as usize..line.end as usize].contains(&b'\t')
}

/// The Connection lines of a head (RFC 9110 §7.6.1), read as one list.
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    named: u128,
}

impl Connection {
    /// Each option is looked up among the fields, so that their number is limited.
    const OPTIONS_MAX: usize = 32;

    /// Fields that Connection cannot take away: what frames and routes a message, and what gateways write.
    const KEPT: KnownSet = KnownSet::of(&[
        Known::Host,
        Known::ContentLength,
        Known::Via,
        Known::Forwarded,
        Known::XForwardedFor,
        Known::XForwardedProto,
        Known::XForwardedHost,
        Known::XForwardedPort,
        Known::XForwardedPrefix,
        Known::XRequestId,
    ]);

    /// Reads the lines whose bit is set in `lines`.
    #[inline]
    fn read(bytes: &[u8], fields: &[Field], mut lines: u128) -> Result<Self, Fault> {
        let mut connection = Self::default();
        let mut options = 0;
        while lines != 0 {
            let value = fields[lines.trailing_zeros() as usize].value.of(bytes);
            lines &= lines - 1;
            // By far the most frequent value.
            if KEEP_ALIVE.matches(value) {
                connection.keep_alive = true;
                continue;
            }
            for option in value.split(|&byte| byte == b',') {
                connection.add(scan::trim(option), bytes, fields, &mut options)?;
            }
        }
        Ok(connection)
    }

    fn add(&mut self, option: &[u8], bytes: &[u8], fields: &[Field], options: &mut usize) -> Result<(), Fault> {
        // `keep-alive` also names the field `Keep-Alive`, but that one is hop by hop by itself.
        if KEEP_ALIVE.matches(option) {
            self.keep_alive = true;
            return Ok(());
        }
        if CLOSE.matches(option) {
            self.close = true;
            return Ok(());
        }
        // RFC 9110 §5.6.1.2: empty elements are tolerated.
        if option.is_empty() {
            return Ok(());
        }
        *options += 1;
        if !scan::is_token(option) || *options > Self::OPTIONS_MAX {
            return Err(Fault::Connection);
        }
        self.upgrade |= UPGRADE.matches(option);
        for (at, field) in fields.iter().enumerate() {
            if field.name.len() == option.len()
                && field.name.of(bytes).eq_ignore_ascii_case(option)
                && !Self::KEPT.contains(field.known)
            {
                self.named |= 1 << at;
            }
        }
        Ok(())
    }

    /// RFC 9112 §9.3: `close` wins; HTTP/1.0 needs to ask for `keep-alive`.
    #[inline]
    fn keeps(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}
