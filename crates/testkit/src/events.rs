//! A blocking reader of Server-Sent Events (HTML Standard §9.2), for tests that follow a stream from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest wait for the next bytes. Streams say something every fifteen seconds when they are well.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest wait for one event among others.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open stream.
pub struct EventStream {
    connection: BufReader<TcpStream>,
    /// Decoded and not read yet.
    text: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its number, when it has one.
    pub id: Option<u64>,
    /// Its kind.
    pub event: String,
    /// What it says.
    pub data: String,
}

impl EventStream {
    /// Opens `path`; `headers` as in [`request`](crate::request).
    ///
    /// # Panics
    /// When the answer is not a stream of events.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut connection = connect(address);
        let asked = write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        assert!(asked.is_ok(), "{address} does not take the request: {asked:?}");
        let mut stream = Self { connection: BufReader::new(connection), text: String::new() };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&stream.line().unwrap_or_else(|| panic!("the head ends early: {head}")));
        }
        let lower = head.to_ascii_lowercase();
        let is_stream = lower.starts_with("http/1.1 200 ") && lower.contains("content-type: text/event-stream\r\n");
        assert!(is_stream && lower.contains("transfer-encoding: chunked\r\n"), "no stream of events: {head}");
        stream
    }

    /// The next event; none when the stream has ended as it should.
    ///
    /// # Panics
    /// When nothing comes for 20 s, or the stream breaks off.
    pub fn next_event(&mut self) -> Option<StreamEvent> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return Some(StreamEvent { id: field("id: ").and_then(|id| id.parse().ok()), event, data });
                }
            }
            let chunk = self.chunk();
            if chunk.is_empty() {
                return None;
            }
            self.text.push_str(&chunk);
        }
    }

    /// The next event that `is_wanted`; others are passed over.
    ///
    /// # Panics
    /// As [`Self::next_event`], when the stream ends before, and when it has not come within 30 s.
    pub fn wait_for(&mut self, mut is_wanted: impl FnMut(&StreamEvent) -> bool) -> StreamEvent {
        let mut passed = Vec::new();
        let begin = Instant::now();
        loop {
            let waits = begin.elapsed() < PATIENCE;
            assert!(waits, "the event that was awaited did not come; what came: {passed:#?}");
            match self.next_event() {
                Some(event) if is_wanted(&event) => return event,
                Some(event) => passed.push(event),
                None => panic!("the stream ended before the event that was awaited; it told {passed:#?}"),
            }
        }
    }

    /// RFC 9112 §7.1: a size, as many bytes, a line end; size 0 is the end.
    fn chunk(&mut self) -> String {
        let line = self.line().unwrap_or_else(|| panic!("the stream breaks off"));
        let size =
            usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("not the size of a chunk: {line:?}"));
        let mut bytes = vec![0; size + 2];
        let read = self.connection.read_exact(&mut bytes);
        assert!(read.is_ok(), "the stream breaks off in a chunk: {read:?}");
        bytes.truncate(size);
        String::from_utf8(bytes).unwrap_or_else(|error| panic!("not UTF-8: {error}"))
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.connection.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) => panic!("nothing comes: {error}"),
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect_timeout(&address, LIMIT)
        .and_then(|connection| connection.set_read_timeout(Some(LIMIT)).map(|()| connection));
    connection.unwrap_or_else(|error| panic!("nobody answers at {address}: {error}"))
}
