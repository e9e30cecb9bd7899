//! One answer to the wire: its head, and its body as it comes.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use axum::body::HttpBody;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use madang_base::Moment;
use madang_h1::{
    Version, reason_phrase, write_chunk, write_chunk_start, write_last_chunk, write_number, write_status_line,
};
use madang_runtime::now;

use super::Limits;
use super::wire::Wire;

/// Pieces of a body up to this size are copied behind what is to be sent; larger ones are sent from where they are.
const COPIED: usize = 8 * 1024;

/// The `Date` field is renewed when it is this old.
const DATE_AGE: Duration = Duration::from_millis(500);

/// The time as HTTP writes it (RFC 9110 §5.6.7).
#[derive(Default)]
pub(super) struct Date(Mutex<(Moment, String)>);

impl Date {
    fn write(&self, out: &mut Vec<u8>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = now();
        if known.1.is_empty() || moment.since(known.0) > DATE_AGE {
            *known = (moment, httpdate::fmt_http_date(SystemTime::now()));
        }
        line(out, b"date", known.1.as_bytes());
    }
}

/// What of the request decides how the answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The answer to HEAD has no body.
    pub(super) is_head: bool,
    pub(super) version: Version,
    /// Whether client and server want to go on.
    pub(super) keep_alive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The status has none, whatever the handler gave.
    None,
    /// There would be one.
    Unsent,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// RFC 9112 §6.3, rules 1, 7 and 8.
    fn of(status: StatusCode, body: &impl HttpBody, asked: Asked) -> Self {
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            return Self::None;
        }
        if asked.is_head || status == StatusCode::NOT_MODIFIED {
            return Self::Unsent;
        }
        match (body.size_hint().exact(), asked.version) {
            (Some(length), _) => Self::Length(length),
            (None, Version::Http11) => Self::Chunked,
            (None, Version::Http10) => Self::UntilClose,
        }
    }
}

/// Sends the answer. Whether the connection goes on after it.
///
/// # Errors
/// The connection is to be cut: the client left, or the body broke off.
pub(super) async fn send(
    wire: &mut Wire,
    response: Response,
    asked: Asked,
    date: &Date,
    limits: &Limits,
) -> io::Result<bool> {
    let (head, body) = response.into_parts();
    let framing = Framing::of(head.status, &body, asked);
    let keep_alive = asked.keep_alive && framing != Framing::UntilClose;
    let mut out = Vec::with_capacity(512);
    write_status_line(&mut out, head.status.as_u16(), reason_phrase(head.status.as_u16()).as_bytes());
    write_fields(&mut out, &head.headers, framing);
    if !head.headers.contains_key(DATE) {
        date.write(&mut out);
    }
    match (keep_alive, asked.version) {
        (false, _) => line(&mut out, b"connection", b"close"),
        (true, Version::Http10) => line(&mut out, b"connection", b"keep-alive"),
        (true, Version::Http11) => {}
    }
    out.extend_from_slice(b"\r\n");
    if matches!(framing, Framing::None | Framing::Unsent) {
        wire.write(&out).await?;
    } else {
        send_body(wire, body, framing, out, limits).await?;
    }
    Ok(keep_alive)
}

/// Those of the handler, but for how the message ends, which is ours to say.
fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap, framing: Framing) {
    for (name, value) in fields {
        // Of an answer to HEAD, or "not modified", it is the length of the body there would be (RFC 9110 §8.6).
        let is_length = name == CONTENT_LENGTH && framing != Framing::Unsent;
        if !is_length && name != TRANSFER_ENCODING && name != CONNECTION {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    match framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => line(out, b"transfer-encoding", b"chunked"),
        Framing::None | Framing::Unsent | Framing::UntilClose => {}
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Sends `out`, the head, and the body behind it. A body that is not ready yet does not hold back what is.
async fn send_body(
    wire: &mut Wire,
    body: axum::body::Body,
    framing: Framing,
    mut out: Vec<u8>,
    limits: &Limits,
) -> io::Result<()> {
    enum Next<T> {
        Frame(T),
        Flush,
        Gone,
    }
    let (mut body, mut sent) = (pin!(body), 0_u64);
    loop {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Next::Frame(frame)),
            Poll::Pending if !out.is_empty() => Poll::Ready(Next::Flush),
            Poll::Pending => wire.poll_gone(cx, limits.head_bytes).map(|()| Next::Gone),
        });
        let data = match next.await {
            Next::Frame(Some(frame)) => match frame.map_err(io::Error::other)?.into_data() {
                Ok(data) => data,
                // Trailers; we have none to send.
                Err(_) => continue,
            },
            Next::Frame(None) => break,
            Next::Flush => {
                wire.write(&out).await?;
                out.clear();
                continue;
            }
            Next::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
        };
        sent += data.len() as u64;
        if matches!(framing, Framing::Length(length) if sent > length) {
            return Err(io::Error::other("the body is longer than announced"));
        }
        let is_chunk = framing == Framing::Chunked;
        if out.len() + data.len() <= COPIED {
            if is_chunk { write_chunk(&mut out, &data) } else { out.extend_from_slice(&data) }
        } else if !data.is_empty() {
            if is_chunk {
                write_chunk_start(&mut out, data.len());
            }
            wire.write_both(&out, &data).await?;
            out.clear();
            if is_chunk {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    if framing == Framing::Chunked {
        write_last_chunk(&mut out, b"");
    }
    if matches!(framing, Framing::Length(length) if sent < length) {
        return Err(io::Error::other("the body is shorter than announced"));
    }
    if out.is_empty() { Ok(()) } else { wire.write(&out).await }
}
