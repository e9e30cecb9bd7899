//! One request from the wire: its head, then its whole body.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use madang_base::Moment;
use madang_h1::{BodyDecoder, BodyLength, Fault, Parsed, Piece, RequestError, RequestHead, Span};
use madang_runtime::now;

use super::Limits;
use super::wire::{Nothing, Wire};
use crate::codes;
use crate::guard::Refusal;
use crate::problem::Problem;

/// Why there is no request.
pub(super) enum Unread {
    /// The client has left.
    Gone,
    /// What to say about it; the rest of the request is not read.
    Refused(Box<Response>),
}

impl Unread {
    pub(super) fn refused(answer: impl IntoResponse) -> Self {
        Self::Refused(Box::new(answer.into_response()))
    }

    fn problem(status: StatusCode, code: &'static madang_base::Code, detail: String) -> Self {
        Self::refused(Problem::new(status, code, detail))
    }

    fn of_head(error: RequestError) -> Self {
        match error.fault() {
            Fault::HostMissing | Fault::HostRepeated => Self::refused(Refusal::NoHost),
            _ => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
                Self::problem(status, &codes::REQUEST_INVALID, error.to_string())
            }
        }
    }
}

fn strict(limits: &Limits) -> madang_h1::Limits {
    // A long target is as good as any other long head.
    madang_h1::Limits { head_bytes: limits.head_bytes, target_bytes: limits.head_bytes, ..madang_h1::Limits::default() }
}

/// Reads a head to its end; its bytes stay in the inbox. The client has until `deadline`.
pub(super) async fn head(wire: &mut Wire, limits: &Limits, deadline: Moment) -> Result<RequestHead, Unread> {
    let (mut head, strict) = (RequestHead::default(), strict(limits));
    loop {
        match head.parse(&wire.inbox, &strict) {
            Ok(Parsed::Complete) => return Ok(head),
            Ok(Parsed::Partial) => {}
            Err(error) => return Err(Unread::of_head(error)),
        }
        match wire.fill(deadline, || false).await {
            Ok(()) => {}
            Err(Nothing::Gone) => return Err(Unread::Gone),
            Err(Nothing::Late) => {
                let after = madang_base::format_duration(limits.head_timeout);
                let detail = format!("the head of the request did not arrive within {after}");
                return Err(Unread::problem(StatusCode::REQUEST_TIMEOUT, &codes::REQUEST_INVALID, detail));
            }
        }
    }
}

/// The request without its body. Texts share the bytes they came in.
pub(super) fn opened(head: &RequestHead, bytes: &Bytes) -> Result<Request<()>, Unread> {
    let part = |span: Span| bytes.slice(span.start as usize..span.end as usize);
    let made = || {
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(head.method.of(bytes)).ok()?;
        *request.uri_mut() = Uri::from_maybe_shared(part(head.target)).ok()?;
        if head.version == madang_h1::Version::Http10 {
            *request.version_mut() = Version::HTTP_10;
        }
        let fields = request.headers_mut();
        fields.reserve(head.fields.len());
        for field in &head.fields {
            let name = HeaderName::from_bytes(field.name.of(bytes)).ok()?;
            fields.append(name, HeaderValue::from_maybe_shared(part(field.value)).ok()?);
        }
        Some(request)
    };
    made().ok_or_else(|| {
        let detail = "the head has bytes that no request may have; percent-encode the target".to_owned();
        Unread::problem(StatusCode::BAD_REQUEST, &codes::REQUEST_INVALID, detail)
    })
}

/// The whole body. `bytes` are what came with the head, and what is behind the body is in the inbox again.
pub(super) async fn body(wire: &mut Wire, head: &RequestHead, bytes: Bytes, limits: &Limits) -> Result<Bytes, Unread> {
    let came = bytes.slice(head.length..);
    let length = match head.body {
        BodyLength::None => Some(0),
        BodyLength::Length(length) => usize::try_from(length).ok().filter(|length| *length <= came.len()),
        BodyLength::Chunked | BodyLength::UntilClose => None,
    };
    match length {
        // Nearly always it came in one piece with the head.
        Some(length) if length <= limits.body_bytes => {
            if length < came.len() {
                wire.inbox = came[length..].to_vec();
            }
            Ok(came.slice(..length))
        }
        _ => {
            wire.inbox = came.to_vec();
            collect(wire, head, limits).await.map(Bytes::from)
        }
    }
}

async fn collect(wire: &mut Wire, head: &RequestHead, limits: &Limits) -> Result<Vec<u8>, Unread> {
    let most = limits.body_bytes;
    let too_large = || {
        let detail = format!("the body is larger than {}, the most this takes", madang_base::format_size(most as u64));
        Unread::problem(StatusCode::PAYLOAD_TOO_LARGE, &codes::BODY_TOO_LARGE, detail)
    };
    if matches!(head.body, BodyLength::Length(length) if length > most as u64) {
        return Err(too_large());
    }
    if head.expect_continue && wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
        return Err(Unread::Gone);
    }
    let (mut decoder, deadline) = (BodyDecoder::new(head.body, &strict(limits)), now() + limits.body_timeout);
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = wire.inbox.get(at..).unwrap_or_default();
        match decoder.next(rest) {
            Ok(Piece::Data { length, .. }) if body.len() + length > most => return Err(too_large()),
            Ok(Piece::Data { skip, length }) => {
                body.extend_from_slice(rest.get(skip..skip + length).unwrap_or_default());
                at += skip + length;
            }
            Ok(Piece::Skip(count)) => at += count,
            Ok(Piece::End { consumed }) => {
                wire.inbox.drain(..at + consumed);
                return Ok(body);
            }
            Ok(Piece::NeedMore) => {
                wire.inbox.clear();
                at = 0;
                match wire.fill(deadline, || false).await {
                    Ok(()) => {}
                    Err(Nothing::Gone) => return Err(Unread::Gone),
                    Err(Nothing::Late) => {
                        let after = madang_base::format_duration(limits.body_timeout);
                        let detail = format!("the body did not arrive within {after}");
                        return Err(Unread::problem(StatusCode::REQUEST_TIMEOUT, &codes::BODY_TIMEOUT, detail));
                    }
                }
            }
            Err(error) => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
                let detail = format!("the body cannot be read: {error}");
                return Err(Unread::problem(status, &codes::REQUEST_INVALID, detail));
            }
        }
    }
}
