//! A client that speaks HTTP/1.0 or 1.1 (RFC 9112).

use std::io;
use std::task::{Context, Poll, ready};

use madang_h1::{BodyLength, Known, Limits, Parsed, Version, reason_phrase, write_fields, write_status_line};
use tokio::net::TcpStream;

use super::{After, Arrival};
use crate::exchange::{Body, Exchange};
use crate::forward::{line, response_dropped};
use crate::message::{Flowing, Framing, ReadFault, Reader, Writer};
use crate::socket::poll_shutdown;

/// Bytes read from a client that should not be sending anymore, before the connection is cut.
const LINGER_BYTES: usize = 256 * 1024;

pub(crate) struct H1 {
    stream: TcpStream,
    reader: Reader,
    writer: Writer,
    limits: Limits,
    after: After,
    /// What was refused began as a HEAD: its answer has no body either (RFC 9110 §9.3.2).
    refused_head: bool,
    lingered: usize,
}

impl H1 {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reader: Reader::new(),
            writer: Writer::new(),
            limits: Limits::default(),
            after: After::KeepAlive,
            refused_head: false,
            lingered: 0,
        }
    }

    pub(crate) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        limits: &Limits,
    ) -> Poll<io::Result<Arrival>> {
        let request = &mut exchange.request;
        loop {
            let arrived = self.reader.inbox.bytes();
            if !arrived.is_empty() {
                match request.head.parse(arrived, limits) {
                    Ok(Parsed::Complete) => {
                        request.take_head(arrived);
                        self.reader.inbox.consume(request.head.length);
                        self.reader.begin(request.head.body, limits);
                        self.limits = *limits;
                        self.after = if request.head.keep_alive { After::KeepAlive } else { After::Close };
                        return Poll::Ready(Ok(Arrival::Request));
                    }
                    Ok(Parsed::Partial) => {}
                    Err(error) => {
                        self.after = After::Close;
                        self.refused_head = arrived.trim_ascii_start().starts_with(b"HEAD ");
                        return Poll::Ready(Ok(Arrival::Refused(error)));
                    }
                }
            }
            // One byte past the limit, so that the parser is the one to say that a head is too large.
            if ready!(self.reader.inbox.poll_fill(&mut self.stream, cx, limits.head_bytes + 1))? == 0 {
                return Poll::Ready(Ok(Arrival::Closed));
            }
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.reader.inbox.is_empty()
    }

    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<Flowing, ReadFault>> {
        self.reader.poll_body(&mut self.stream, cx, room, sink)
    }

    pub(crate) fn is_body_done(&self) -> bool {
        self.reader.is_done()
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        self.reader.trailers()
    }

    /// A client that ends its stream before the answer is taken to be gone, as nginx and Envoy do: it is how a
    /// closed browser tab looks, and the service should stop working for it.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Pipelined requests wait in the inbox; a full one is a reason to stop reading, not to close.
            if !self.reader.is_done() || self.reader.inbox.len() >= self.limits.head_bytes {
                return Poll::Pending;
            }
            match ready!(self.reader.inbox.poll_fill(&mut self.stream, cx, self.limits.head_bytes)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    pub(crate) fn inform(&mut self, exchange: &Exchange) {
        if exchange.request.head.version == Version::Http10 {
            return; // RFC 9110 §15.2: never to an HTTP/1.0 client
        }
        self.write_head(exchange);
        self.writer.outbox.data().extend_from_slice(b"\r\n");
    }

    pub(crate) fn proceed(&mut self) {
        write_status_line(self.writer.outbox.data(), 100, reason_phrase(100).as_bytes());
        self.writer.outbox.data().extend_from_slice(b"\r\n");
    }

    pub(crate) fn begin(&mut self, exchange: &Exchange, after: After) {
        let version = exchange.request.head.version;
        let response = &exchange.response;
        self.write_head(exchange);
        let out = self.writer.outbox.data();
        let framing = match &response.body {
            Body::Empty => Framing::Length(0),
            Body::Length(count) => Framing::Length(*count),
            Body::Chunked | Body::UntilClose if version == Version::Http11 => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                Framing::Chunked
            }
            Body::Chunked | Body::UntilClose => {
                self.after = After::Close;
                Framing::UntilClose
            }
            Body::Buffered(data) => {
                line(out, "Content-Length", data.len().to_string().as_bytes());
                Framing::Length(data.len() as u64)
            }
            Body::Tunnel => {
                // From here on both directions are bodies that end with the stream.
                self.reader.begin(BodyLength::UntilClose, &self.limits);
                Framing::UntilClose
            }
        };
        // Both fields end at this hop and are written anew; RFC 9110 §15.5.22: 426 says what to upgrade to.
        if response.body == Body::Tunnel || response.head.status == 426 {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
            for field in response.head.fields.iter().filter(|field| field.known == Known::Upgrade) {
                line(out, "Upgrade", field.value.of(&response.bytes));
            }
        }
        if after == After::Close || response.body == Body::Tunnel {
            self.after = After::Close;
        }
        if self.after == After::Close && response.body != Body::Tunnel {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if version == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.writer.begin(framing);
        if let Body::Buffered(data) = &response.body
            && exchange.request.method_bytes() != b"HEAD"
            && !self.refused_head
        {
            self.writer.push(data);
        }
    }

    fn write_head(&mut self, exchange: &Exchange) {
        let response = &exchange.response;
        let out = self.writer.outbox.data();
        write_status_line(out, response.head.status, response.head.reason.of(&response.bytes));
        write_fields(out, &response.bytes, &response.head.fields, response_dropped(response));
        out.extend_from_slice(response.edits.added());
    }

    pub(crate) fn room(&self) -> usize {
        self.writer.room()
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.writer.push(data);
    }

    pub(crate) fn end(&mut self, trailers: &[u8]) {
        if !self.writer.is_whole() {
            self.after = After::Close;
        }
        self.writer.end(trailers);
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.writer.poll_flush(&mut self.stream, cx)
    }

    pub(crate) fn after(&self) -> After {
        if self.reader.is_done() { self.after } else { After::Close }
    }

    /// A length or chunks show that something is missing. Where the end of the stream is the end of the answer, only
    /// a reset does.
    pub(crate) fn cut(&mut self) {
        if self.writer.ends_with_stream() {
            // Without the option the client sees a clean end, which is all there is to lose.
            let _ = self.stream.set_zero_linger();
        }
    }

    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if ready!(poll_shutdown(&mut self.stream, cx)).is_err() {
            return Poll::Ready(());
        }
        while self.lingered < LINGER_BYTES {
            let held = self.reader.inbox.len();
            self.reader.inbox.consume(held);
            match ready!(self.reader.inbox.poll_fill(&mut self.stream, cx, LINGER_BYTES)) {
                Ok(count @ 1..) => self.lingered += count,
                Ok(0) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}
