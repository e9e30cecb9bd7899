//! What a gateway must change in a head it passes on: hop-by-hop fields, forwarded fields, Via (RFC 9110 §7.6).

use std::net::{IpAddr, SocketAddr};

use madang_h1::{Field, Known, KnownSet, Version, fields_in, write_fields, write_request_line};

use crate::exchange::{Body, Exchange, Request, Response};
use crate::reply::Reply;

/// Requests that came through a Madang more often than this are going in circles.
const MOST_PASSES: usize = 8;

/// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed. Nobody by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted(Vec<(IpAddr, u8)>);

impl Trusted {
    /// Reads `10.0.0.0/8`, `::1`, …
    ///
    /// # Errors
    /// The text that is neither an address nor a network.
    pub fn parse(networks: &[String]) -> Result<Self, String> {
        let parse = |text: &String| {
            let (address, bits) = text.split_once('/').unwrap_or((text, ""));
            let address: IpAddr = address.parse().map_err(|_| text.clone())?;
            let widest = if address.is_ipv4() { 32 } else { 128 };
            let bits = if bits.is_empty() { widest } else { bits.parse().map_err(|_| text.clone())? };
            if bits > widest { Err(text.clone()) } else { Ok((address, bits)) }
        };
        networks.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|&(network, bits)| match (network, peer.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                same_prefix(network.to_bits().into(), peer.to_bits().into(), 96 + bits)
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => same_prefix(network.to_bits(), peer.to_bits(), bits),
            _ => false,
        })
    }
}

const fn same_prefix(a: u128, b: u128, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (128 - bits) == 0
}

/// What every request of one connection says about its client, rendered once.
pub(crate) struct Client {
    pub(crate) address: String,
    pub(crate) trusted: bool,
    /// The id it gives a request is kept.
    pub(crate) keeps_id: bool,
    scheme: &'static str,
    port: u16,
    /// Everything but the host, for a peer that is not trusted.
    lines: Vec<u8>,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, scheme: &'static str, port: u16, trusted: &Trusted) -> Self {
        let address = peer.ip().to_canonical().to_string();
        let lines =
            format!("X-Forwarded-For: {address}\r\nX-Forwarded-Proto: {scheme}\r\nX-Forwarded-Port: {port}\r\n");
        let trusted = trusted.contains(peer.ip());
        Self { trusted, keeps_id: trusted, address, scheme, port, lines: lines.into_bytes() }
    }

    /// The same for a service of ours: the id it passes on stays the request's, so that one id finds all hops. Nothing
    /// else it says about where a request came from is believed.
    pub(crate) fn passing_ids_on(self) -> Self {
        Self { keeps_id: true, ..self }
    }
}

/// Fields of a request that never go on as they came: those of this hop alone, and those the gateway writes itself.
const WRITTEN_ANEW: KnownSet =
    KnownSet::HOP_BY_HOP.and(KnownSet::of(&[Known::Host, Known::XRequestId, Known::XForwardedFor]));

/// What a peer says about where a request came from; believed of trusted ones only.
const HEARSAY: KnownSet = KnownSet::of(&[
    Known::Forwarded,
    Known::XForwardedProto,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedPrefix,
]);

/// A request that passed through here again and again.
pub(crate) fn is_circling(request: &Request) -> bool {
    let passes = |field: &Field| {
        let via = field.value.of(&request.bytes);
        via.split(|byte| *byte == b',').filter(|hop| hop.trim_ascii().ends_with(b" madang")).count()
    };
    let via = request.head.fields.iter().filter(|field| field.known == Known::Via);
    via.map(passes).sum::<usize>() > MOST_PASSES
}

/// Counts a hop on an OPTIONS that names how many it may take (RFC 9110 §7.6.2). The answer when this is the last one.
pub(crate) fn count_down(request: &mut Request) -> Option<Reply> {
    let field = *request.head.fields.iter().find(|field| field.known == Known::MaxForwards)?;
    // What is no number is nobody's count; the service may say so.
    let left: u32 = std::str::from_utf8(field.value.of(&request.bytes)).ok()?.parse().ok()?;
    match left.checked_sub(1) {
        None => Some(Reply::quiet(200, "max_forwards").header("Allow", ALLOWED)),
        Some(left) => {
            request.set_header("Max-Forwards", &left.to_string());
            None
        }
    }
}

/// Methods that go on to services; every other but CONNECT and TRACE does too, but nobody can list those.
pub(crate) const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Appends the head for the service at `authority`, ready to send.
pub(crate) fn write_request(out: &mut Vec<u8>, exchange: &Exchange, authority: &str) {
    let request = &exchange.request;
    let client = &exchange.client;
    let fields = &request.head.fields;

    write_request_line(out, request.method_bytes(), request.target());
    line(out, "Host", request.host_override().unwrap_or(authority).as_bytes());

    let trusted = client.trusted;
    let mut ending = if trusted { WRITTEN_ANEW } else { WRITTEN_ANEW.and(HEARSAY) };
    if !matches!(request.body, Body::Length(_) | Body::Empty) {
        ending = ending.and(KnownSet::of(&[Known::ContentLength]));
    }
    if !matches!(request.body, Body::Chunked) {
        // The trailers it announces cannot follow.
        ending = ending.and(KnownSet::of(&[Known::Trailer]));
    }
    if !request.expects_continue() {
        // RFC 9110 §10.1.1: it means nothing without a body to wait for, and nothing in HTTP/1.0.
        ending = ending.and(KnownSet::of(&[Known::Expect]));
    }
    let dropped = request.edits.dropped | request.head.connection_named | fields_in(fields, ending);
    write_fields(out, &request.bytes, fields, dropped);
    out.extend_from_slice(request.edits.added());

    if trusted {
        write_forwarded_by_trusted_peer(out, exchange);
    } else {
        out.extend_from_slice(&client.lines);
        out.extend_from_slice(via(request));
        line(out, "X-Forwarded-Host", request.authority_bytes());
    }
    if !request.stripped.is_empty() {
        line(out, "X-Forwarded-Prefix", request.stripped.as_bytes());
    }
    line(out, "X-Request-Id", exchange.id.as_bytes());
    match &request.body {
        Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Body::Buffered(data) => line(out, "Content-Length", data.len().to_string().as_bytes()),
        Body::Empty | Body::Length(_) | Body::UntilClose | Body::Tunnel => {}
    }
    write_connection(out, request);
    out.extend_from_slice(b"\r\n");
}

/// The received version and our name (RFC 9110 §7.6.3).
const fn via(request: &Request) -> &'static [u8] {
    match request.head.version {
        Version::Http11 => b"Via: 1.1 madang\r\n",
        Version::Http10 => b"Via: 1.0 madang\r\n",
    }
}

/// What concerns the connection to the service alone, and the fields it goes with (RFC 9110 §7.6.1).
fn write_connection(out: &mut Vec<u8>, request: &Request) {
    let (upgrade, trailers, close) =
        (request.head.upgrade, request.head.takes_trailers, request.is_last_on_connection());
    if !(upgrade || trailers || close) {
        return;
    }
    // `close` first and alone in its line: Python's `http.server` (3.11) looks at the first line only, and for that word.
    let options = [(close, "close"), (upgrade, "Upgrade"), (trailers, "TE")];
    for (_, option) in options.iter().filter(|(wanted, _)| *wanted) {
        line(out, "Connection", option.as_bytes());
    }
    if trailers {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    if upgrade {
        // The client's own wish, written anew because both fields are hop-by-hop.
        for field in request.head.fields.iter().filter(|field| field.known == Known::Upgrade) {
            line(out, "Upgrade", field.value.of(&request.bytes));
        }
    }
}

/// Whether an answer switches to a protocol that the request asked for, and says so (RFC 9110 §7.8).
pub(crate) fn switches_as_asked(request: &Request, response: &Response) -> bool {
    let asked: Vec<&[u8]> = protocols(&request.bytes, &request.head.fields).collect();
    let mut given = protocols(&response.bytes, &response.head.fields).peekable();
    given.peek().is_some() && given.all(|given| asked.iter().any(|asked| asked.eq_ignore_ascii_case(given)))
}

/// The elements of all Upgrade lines.
fn protocols<'a>(bytes: &'a [u8], fields: &'a [Field]) -> impl Iterator<Item = &'a [u8]> {
    let lines = fields.iter().filter(|field| field.known == Known::Upgrade);
    let elements = lines.flat_map(|field| field.value.of(bytes).split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|protocol| !protocol.is_empty())
}

/// A trusted peer's word stands; we append ourselves and fill what it left out.
fn write_forwarded_by_trusted_peer(out: &mut Vec<u8>, exchange: &Exchange) {
    let (request, client) = (&exchange.request, &exchange.client);
    let has = |known| request.head.fields.iter().any(|field| field.known == known);
    out.extend_from_slice(b"X-Forwarded-For: ");
    for field in request.head.fields.iter().filter(|field| field.known == Known::XForwardedFor) {
        out.extend_from_slice(field.value.of(&request.bytes));
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(client.address.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(via(request));
    if !has(Known::XForwardedProto) {
        line(out, "X-Forwarded-Proto", client.scheme.as_bytes());
    }
    if !has(Known::XForwardedPort) {
        line(out, "X-Forwarded-Port", client.port.to_string().as_bytes());
    }
    if !has(Known::XForwardedHost) {
        line(out, "X-Forwarded-Host", request.authority_bytes());
    }
}

/// Bits of the answer's fields that the client must not see.
pub(crate) fn response_dropped(response: &Response) -> u128 {
    let keeps_length = match response.body {
        Body::Length(_) => true,
        // An answer to HEAD and a 304 say how long the body would be; 204 and 1xx must not (RFC 9110 §8.6).
        Body::Empty => response.head.status >= 200 && response.head.status != 204,
        Body::Chunked | Body::UntilClose | Body::Buffered(_) | Body::Tunnel => false,
    };
    let without_length = KnownSet::HOP_BY_HOP.and(KnownSet::of(&[Known::ContentLength]));
    let ending = if keeps_length { KnownSet::HOP_BY_HOP } else { without_length };
    response.edits.dropped | response.head.connection_named | fields_in(&response.head.fields, ending)
}

/// Adds what every answer carries: `Date` when the service sent none (RFC 9110 §6.6.1), `Via`, the request id.
pub(crate) fn finish_response(exchange: &mut Exchange, date: &str) {
    let response = &mut exchange.response;
    let mut dropped = 0;
    let mut dated = false;
    for (index, field) in response.head.fields.iter().enumerate() {
        match field.known {
            Known::Date => dated = true,
            Known::XRequestId => dropped |= 1 << index,
            _ => {}
        }
    }
    response.edits.dropped |= dropped;
    if !dated {
        response.edits.add_lines(&[b"Date: ", date.as_bytes(), b"\r\n"]);
    }
    response.edits.add_lines(&[b"Via: 1.1 madang\r\nX-Request-Id: ", exchange.id.as_bytes(), b"\r\n"]);
}

/// Appends `name: value` and the line's end.
pub(crate) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_cover_their_addresses_and_no_others() {
        let trusted = Trusted::parse(&["10.0.0.0/8".into(), "::1".into(), "192.168.1.7".into()]).unwrap();
        for (peer, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(trusted.contains(peer.parse().unwrap()), expected, "{peer}");
        }
        assert_eq!(Trusted::parse(&["10.0.0.0/33".into()]), Err("10.0.0.0/33".into()));
        assert_eq!(Trusted::parse(&["local".into()]), Err("local".into()));
        assert!(Trusted::parse(&["0.0.0.0/0".into()]).unwrap().contains([8, 8, 8, 8].into()));
    }
}
