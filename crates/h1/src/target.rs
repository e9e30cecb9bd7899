//! Request targets (RFC 9112 §3.2) and hosts (RFC 3986 §3.2.2): which forms and bytes pass.

use std::net::Ipv6Addr;

use crate::fault::Fault;
use crate::request::Form;
use crate::scan::{self, ESCAPE, QUERY, STOP, TARGET};
use crate::span::Span;

/// Where a target ends and where its first `?` is, counted from its start.
pub(crate) struct Extent {
    pub(crate) end: usize,
    pub(crate) query: Option<usize>,
}

/// Finds the space that ends the target `rest` begins with; `None` when it is not there yet.
#[inline(always)]
pub(crate) fn extent(rest: &[u8], limit: usize) -> Result<Option<Extent>, Fault> {
    let (mut at, mut query) = (0, None);
    loop {
        let mut tail = &rest[at..];
        // Eight ordinary bytes at a time.
        while let Some((chunk, next)) = tail.split_first_chunk::<8>()
            && scan::classes_in_word(chunk, &TARGET) == 0
        {
            tail = next;
        }
        let ordinary = tail.iter().position(|&byte| TARGET[byte as usize] != 0).unwrap_or(tail.len());
        at = rest.len() - tail.len() + ordinary;
        let class = rest.get(at).map(|&byte| TARGET[byte as usize]);
        // RFC 9112 §3: 414. Judged before the byte that was found, so that the verdict is the same for a cut target.
        if at > limit {
            return Err(Fault::TargetLong);
        }
        match class {
            None => return Ok(None),
            Some(STOP) => break,
            Some(QUERY) => query = query.or(Some(at)),
            // An escape that crosses the limit is not judged: that target is too long.
            Some(ESCAPE) if query.is_none() && at + 3 <= limit => escape(&rest[at + 1..])?,
            Some(_) => {}
        }
        at += 1;
    }
    match rest[at] {
        b' ' if at == 0 => Err(Fault::TargetMissing),
        b' ' => Ok(Some(Extent { end: at, query })),
        // HTTP/0.9: a line that ends after the target.
        b'\r' | b'\n' if at == 0 => Err(Fault::TargetMissing),
        b'\r' | b'\n' => Err(Fault::Version),
        _ => Err(Fault::TargetByte),
    }
}

/// Refuses an escape in the path that some decoders end a string or a line at. Whether other escapes are well formed is
/// for who decodes them (`route::canonical`). In a query CR and LF are ordinary: forms encode line breaks so.
#[inline]
fn escape(digits: &[u8]) -> Result<(), Fault> {
    match digits {
        [b'0', b'0' | b'a' | b'A' | b'd' | b'D', ..] => Err(Fault::TargetEscape),
        _ => Ok(()),
    }
}

/// A target taken apart.
pub(crate) struct Target {
    pub(crate) form: Form,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    /// The authority of an absolute-form target.
    pub(crate) authority: Option<Span>,
}

/// Takes the target `start..start + extent.end` of `window` apart.
#[inline(always)]
pub(crate) fn take_apart(window: &[u8], start: usize, extent: &Extent, method: &[u8]) -> Result<Target, Fault> {
    let end = start + extent.end;
    let query = extent.query.map(|at| Span::new(start + at + 1, end));
    let path_end = extent.query.map_or(end, |at| start + at);
    if window[start] == b'/' {
        return Ok(Target { form: Form::Origin, path: Span::new(start, path_end), query, authority: None });
    }
    let target = &window[start..end];
    if target == b"*" && method == b"OPTIONS" {
        // RFC 9112 §3.2.4: only for OPTIONS.
        return Ok(Target { form: Form::Asterisk, path: Span::new(start, end), query: None, authority: None });
    }
    // RFC 9112 §3.2.2. Authority-form (§3.2.3) is for CONNECT only, which never comes here.
    let scheme = match target {
        [b'h' | b'H', b't' | b'T', b't' | b'T', b'p' | b'P', b':', b'/', b'/', ..] => "http://".len(),
        [b'h' | b'H', b't' | b'T', b't' | b'T', b'p' | b'P', b's' | b'S', b':', b'/', b'/', ..] => "https://".len(),
        _ => return Err(Fault::TargetForm),
    };
    let authority = start + scheme;
    let path = window[authority..path_end].iter().position(|&byte| byte == b'/').map_or(path_end, |at| authority + at);
    if !is_authority(&window[authority..path]) {
        return Err(Fault::HostInvalid);
    }
    // RFC 9110 §4.2.3: an empty path is `/`. The slash before the authority is the one at hand.
    let path_span = if path == path_end { Span::new(authority - 1, authority) } else { Span::new(path, path_end) };
    Ok(Target { form: Form::Absolute, path: path_span, query, authority: Some(Span::new(authority, path)) })
}

/// Letters, digits, `-`, `.`, `_`, `~`: what registered names are made of. RFC 3986 also allows escapes and `!$&'()*+,;=`
/// there; no real name has them, and readers disagree about them.
const HOST: scan::Classes = {
    let mut table = [1; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~') {
            table[byte] = 0;
        }
        byte += 1;
    }
    table
};

/// Longest host we accept; DNS names have at most 253 bytes.
const HOST_BYTES_MAX: usize = 255;

/// Whether `authority` is `name[:port]`, `1.2.3.4[:port]` or `[v6][:port]`: no userinfo, no empty name or port, no zone.
#[inline]
pub(crate) fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = split_port(authority);
    port.is_none_or(is_port)
        && match host {
            [b'[', address @ .., b']'] => is_v6(address),
            _ => !host.is_empty() && host.len() <= HOST_BYTES_MAX && scan::classes_in(host, &HOST) == 0,
        }
}

/// Splits at a colon that only digits follow. What is no port stays with the host, where a colon is not allowed.
#[inline]
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match authority.split_at(authority.len() - digits) {
        // `::1` without brackets has a colon in the rest as well, and that is refused; `[::1` is too.
        ([host @ .., b':'], port) if digits > 0 => (host, Some(port)),
        _ => (authority, None),
    }
}

#[inline]
fn is_port(port: &[u8]) -> bool {
    port.len() <= 5 && port.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')) <= u32::from(u16::MAX)
}

#[cold]
fn is_v6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Whether two valid authorities name the same host and port, where `default` is the port of the scheme.
pub(crate) fn same_authority(a: &[u8], b: &[u8], default: &[u8]) -> bool {
    let ((a_host, a_port), (b_host, b_port)) = (split_port(a), split_port(b));
    a_host.eq_ignore_ascii_case(b_host) && a_port.unwrap_or(default) == b_port.unwrap_or(default)
}
