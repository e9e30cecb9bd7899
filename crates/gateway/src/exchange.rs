//! One request and its answer, as filters see and change them.
//!
//! Heads stay the bytes that arrived, with a table of offsets; changes are a list over them. Nothing here knows
//! which protocol the client speaks: another protocol renders its heads to the same form.

use madang_base::Moment;
use madang_h1::{BodyLength, Edits, Field, Form, Known, RequestHead, ResponseHead, Span};

use crate::forward::Client;
use crate::journal::Journal;

/// The body of a request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Body {
    /// None.
    #[default]
    Empty,
    /// That many bytes, streamed.
    Length(u64),
    /// Streamed, length unknown; trailers may follow.
    Chunked,
    /// Streamed until the stream ends.
    UntilClose,
    /// Whole, in hand.
    Buffered(Vec<u8>),
    /// No message anymore: bytes both ways after an upgrade.
    Tunnel,
}

impl From<BodyLength> for Body {
    fn from(length: BodyLength) -> Self {
        match length {
            BodyLength::None => Self::Empty,
            BodyLength::Length(count) => Self::Length(count),
            BodyLength::Chunked => Self::Chunked,
            BodyLength::UntilClose => Self::UntilClose,
        }
    }
}

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the service.
    Request,
    /// From the service to the client.
    Response,
}

/// A request, its answer, and what the gateway knows about them. Reused for the next one on the connection.
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// The peer of the connection.
    pub(crate) client: Client,
    /// The request's id, as sent on and answered.
    pub(crate) id: RequestId,
    /// When the head was complete.
    pub(crate) started: Moment,
    /// Place of the service that called among those of the egress side, if it said who it is.
    pub(crate) caller: Option<usize>,
    /// Bytes of the request's body that were taken, once it ended.
    pub(crate) taken: u64,
    /// Its calls, when they are worth noting.
    pub(crate) journal: Journal,
}

#[derive(Default)]
pub(crate) struct Request {
    /// The head as it came.
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: RequestHead,
    pub(crate) edits: Edits,
    /// Path and query to send instead of those in `bytes`.
    target: Option<String>,
    /// Host to send instead of the endpoint's.
    host: Option<String>,
    /// Bytes of the path as it came that only say who calls: `/@orders`.
    named: usize,
    /// Path prefix taken away, told to the service as `X-Forwarded-Prefix`.
    pub(crate) stripped: String,
    pub(crate) body: Body,
}

#[derive(Default)]
pub(crate) struct Response {
    /// The head as it came, or as the gateway made it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: ResponseHead,
    pub(crate) edits: Edits,
    pub(crate) body: Body,
}

/// 16 characters, unique enough to find one request among a day's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    text: [u8; Self::LONGEST],
    length: u8,
}

impl RequestId {
    /// An id that a trusted peer sent is kept up to this length.
    const LONGEST: usize = 64;

    pub(crate) fn from_random(mut bits: u64) -> Self {
        let mut text = [0; Self::LONGEST];
        for digit in &mut text[..16] {
            *digit = b"0123456789abcdef"[(bits & 15) as usize];
            bits >>= 4;
        }
        Self { text, length: 16 }
    }

    /// An id from outside: visible ASCII without quotes, so that it can stand anywhere.
    pub(crate) fn from_peer(value: &[u8]) -> Option<Self> {
        let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        if value.is_empty() || value.len() > Self::LONGEST || !value.iter().all(fine) {
            return None;
        }
        let mut text = [0; Self::LONGEST];
        text[..value.len()].copy_from_slice(value);
        Some(Self { text, length: value.len() as u8 })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    pub(crate) fn as_str(&self) -> &str {
        text(self.as_bytes())
    }
}

impl Exchange {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            request: Request::default(),
            response: Response::default(),
            client,
            id: RequestId::from_random(0),
            started: Moment::default(),
            caller: None,
            taken: 0,
            journal: Journal::default(),
        }
    }

    /// Ready for the head that was just put into `request`.
    pub(crate) fn begin(&mut self, id: RequestId, now: Moment) {
        self.id = id;
        self.started = now;
        self.caller = None;
        self.taken = 0;
        self.journal.begin();
        self.request.edits.clear();
        self.request.target = None;
        self.request.host = None;
        self.request.named = 0;
        self.request.stripped.clear();
        self.request.body = self.request.head.body.into();
        if self.request.head.form == Form::Absolute {
            self.request.complete_target();
        }
        self.response.bytes.clear();
        self.response.edits.clear();
        self.response.body = Body::Empty;
        if self.client.keeps_id
            && let Some(from_peer) = self.request.id()
        {
            self.id = from_peer;
        }
    }
}

impl Request {
    /// Takes over a complete head: the first `self.head.length` bytes of `bytes`.
    pub(crate) fn take_head(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&bytes[..self.head.length]);
    }

    /// `http://host?query` has no path: the slash that stands for it is not where the path would be.
    fn complete_target(&mut self) {
        if self.head.path.start > self.head.authority.start {
            return;
        }
        // RFC 9112 §3.2.4: without path and query OPTIONS is about the whole server.
        let is_about_all = self.method_bytes() == b"OPTIONS" && self.head.query.is_none();
        self.set_path(if is_about_all { "*" } else { "/" });
    }

    pub(crate) fn method(&self) -> &str {
        text(self.method_bytes())
    }

    /// The method where it is only compared or copied: checking it to be text costs more than either.
    pub(crate) fn method_bytes(&self) -> &[u8] {
        self.head.method.of(&self.bytes)
    }

    /// The path as it goes to the service.
    pub(crate) fn path(&self) -> &str {
        match &self.target {
            Some(target) => target.split_once('?').map_or(target, |(path, _)| path),
            None => text(self.head.path.of(&self.bytes)),
        }
    }

    /// The path as the client sent it.
    pub(crate) fn original_path(&self) -> &str {
        text(self.head.path.of(&self.bytes))
    }

    /// The same without what only says who calls.
    pub(crate) fn asked_path(&self) -> &str {
        match self.original_path().get(self.named..) {
            Some("") | None => "/",
            Some(path) => path,
        }
    }

    /// The query as the client sent it.
    pub(crate) fn original_query(&self) -> Option<&str> {
        self.head.query.map(|query| text(query.of(&self.bytes)))
    }

    /// Takes `/@orders` off the front of the path and gives `orders`, if it is there. The service sees it as a part of
    /// `X-Forwarded-Prefix`: links it makes lead back the same way.
    pub(crate) fn take_caller(&mut self) -> Option<String> {
        let path = self.path();
        // Some clients escape what needs no escape.
        let start = ["/@", "/%40"].into_iter().find(|start| path.starts_with(start))?.len();
        let end = path[start..].find('/').map_or(path.len(), |length| start + length);
        let name = path[start..end].to_ascii_lowercase();
        let (prefix, rest) = (path[..end].to_owned(), path[end..].to_owned());
        self.set_path(if rest.is_empty() { "/" } else { &rest });
        self.stripped.push_str(&prefix);
        self.named = end;
        Some(name)
    }

    pub(crate) fn query(&self) -> Option<&str> {
        match &self.target {
            Some(target) => target.split_once('?').map(|(_, query)| query),
            None => self.head.query.map(|query| text(query.of(&self.bytes))),
        }
    }

    /// Path and query as they go to the service.
    pub(crate) fn target(&self) -> &[u8] {
        match &self.target {
            Some(target) => target.as_bytes(),
            None => {
                let end = self.head.query.map_or(self.head.path.end, |query| query.end);
                Span { start: self.head.path.start, end }.of(&self.bytes)
            }
        }
    }

    pub(crate) fn set_path(&mut self, path: &str) {
        let mut target = path.to_owned();
        if let Some(query) = self.query() {
            target.push('?');
            target.push_str(query);
        }
        self.target = Some(target);
    }

    /// The host the client asked for, with its port if it named one.
    pub(crate) fn authority(&self) -> &str {
        text(self.authority_bytes())
    }

    pub(crate) fn authority_bytes(&self) -> &[u8] {
        self.head.authority.of(&self.bytes)
    }

    pub(crate) fn host_override(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// RFC 9110 §9.2.2: sending it twice has the effect of sending it once.
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.method_bytes(), b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS")
    }

    /// The service is asked whether it wants the body. Not when the body is here already: then the gateway has asked for
    /// it.
    pub(crate) const fn expects_continue(&self) -> bool {
        self.head.expect_continue && !matches!(self.body, Body::Buffered(_))
    }

    /// The service's connection is not used again after this request, because services are known that read its body to
    /// another end than we do, or not at all, and would take what is left of it for a next request: chunks (servers that
    /// know HTTP/1.0 only), the body of a method that has none by habit, a body that waits for leave.
    pub(crate) fn is_last_on_connection(&self) -> bool {
        match &self.body {
            Body::Empty | Body::Length(0) | Body::UntilClose | Body::Tunnel => false,
            Body::Chunked => true,
            Body::Length(_) | Body::Buffered(_) => {
                self.head.expect_continue || matches!(self.method_bytes(), b"GET" | b"HEAD" | b"DELETE" | b"OPTIONS")
            }
        }
    }

    /// Replaces every field of that name, or adds it.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("host") {
            self.host = Some(value.to_owned());
            return;
        }
        self.remove_header(name);
        self.add_header(name, value);
    }

    pub(crate) fn add_header(&mut self, name: &str, value: &str) {
        // Names and values were checked with the settings; one that is refused here changes nothing.
        let _ = self.edits.add(name, value.as_bytes());
    }

    pub(crate) fn remove_header(&mut self, name: &str) {
        remove(&mut self.edits, &self.head.fields, &self.bytes, name);
    }

    /// The id the peer gave the request.
    fn id(&self) -> Option<RequestId> {
        let field = self.head.fields.iter().find(|field| field.known == Known::XRequestId)?;
        RequestId::from_peer(field.value.of(&self.bytes))
    }
}

impl Response {
    /// Takes over a complete head: the first `self.head.length` bytes of `bytes`.
    pub(crate) fn take_head(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&bytes[..self.head.length]);
        self.edits.clear();
        self.body = if self.head.status == 101 { Body::Tunnel } else { self.head.body.into() };
    }

    /// Server-sent events, an answer without an end (HTML, "Server-sent events").
    pub(crate) fn is_event_stream(&self) -> bool {
        let mut types = self.head.fields.iter().filter(|field| field.known == Known::ContentType);
        types.any(|field| {
            let value = field.value.of(&self.bytes);
            value.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
        })
    }

    /// Replaces every field of that name, or adds it.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.remove_header(name);
        self.add_header(name, value);
    }

    pub(crate) fn add_header(&mut self, name: &str, value: &str) {
        // As in `Request::add_header`.
        let _ = self.edits.add(name, value.as_bytes());
    }

    pub(crate) fn remove_header(&mut self, name: &str) {
        remove(&mut self.edits, &self.head.fields, &self.bytes, name);
    }
}

/// Drops every field of that name, those that came and those that were added.
fn remove(edits: &mut Edits, fields: &[Field], bytes: &[u8], name: &str) {
    for (index, field) in fields.iter().enumerate() {
        if reads_as(field.name.of(bytes), name) {
            edits.drop_field(index);
        }
    }
    edits.drop_added(name);
}

/// Whether somebody may take a field for the one of that name: in any case, and with `_` for `-` (CGI, WSGI, Rack).
fn reads_as(field: &[u8], name: &str) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    field.iter().map(plain).eq(name.as_bytes().iter().map(plain))
}

/// A head's bytes as text. Heads are checked to be visible ASCII where this is used.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
