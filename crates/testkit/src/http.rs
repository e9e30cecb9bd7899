//! A blocking HTTP/1.1 client of one request per connection, for tests that look at a server from outside.
//!
//! It shares no code with the house, so that a mistake in our framing cannot hide behind the same mistake here.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long connecting, and each read and write, may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum HttpError {
    /// Nobody answered, or the connection broke.
    Io(std::io::Error),
    /// What came is not an HTTP/1.1 response, or it ended too early.
    Malformed(&'static str),
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "no answer: {error}"),
            Self::Malformed(what) => write!(f, "not a complete HTTP response: {what}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl From<std::io::Error> for HttpError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// An answer, with its body decoded from either framing.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON, with the body in the message.
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("status {}, the body is not JSON ({error}): {}", self.status, self.text()),
        }
    }
}

/// `GET path` from `address`, with `Host` and `Connection: close`.
///
/// # Errors
/// When nobody answers within 10 s or the answer is not complete.
pub fn get(address: SocketAddr, path: &str) -> Result<Response, HttpError> {
    request(address, "GET", path, &[], b"")
}

/// One request on a connection of its own. `Host` is the address unless `headers` holds another; a body that is not
/// empty gets its `Content-Length`.
///
/// # Errors
/// When nobody answers within 10 s or the answer is not complete.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, HttpError> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    match stream.take(MAX_BYTES).read_to_end(&mut bytes) {
        Ok(_) => {}
        // A server that answers early and closes may reset us while our body is under way; the answer still counts.
        Err(_) if !bytes.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    parse(&bytes, method)
}

fn parse(mut bytes: &[u8], method: &str) -> Result<Response, HttpError> {
    loop {
        let (response, rest) = parse_head(bytes)?;
        if (100..200).contains(&response.status) && response.status != 101 {
            bytes = rest; // an interim answer; the final one follows
            continue;
        }
        let body = if method == "HEAD" || matches!(response.status, 101 | 204 | 304) {
            Vec::new()
        } else if response.header("transfer-encoding").is_some() {
            parse_chunks(rest)?
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().map_err(|_| HttpError::Malformed("content-length is not a number"))?;
            rest.get(..length).ok_or(HttpError::Malformed("it ends inside the body"))?.to_vec()
        } else {
            rest.to_vec()
        };
        return Ok(Response { body, ..response });
    }
}

fn parse_head(bytes: &[u8]) -> Result<(Response, &[u8]), HttpError> {
    let end = find(bytes, b"\r\n\r\n").ok_or(HttpError::Malformed("it ends inside the head"))?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| HttpError::Malformed("the head is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..5))
        .and_then(|code| code.parse().ok())
        .ok_or(HttpError::Malformed("no status line"))?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or(HttpError::Malformed("a header line without a colon"))?;
    Ok((Response { status, headers, body: Vec::new() }, &bytes[end + 4..]))
}

fn parse_chunks(mut bytes: &[u8]) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").ok_or(HttpError::Malformed("it ends inside a chunk size"))?;
        let line = std::str::from_utf8(&bytes[..end]).map_err(|_| HttpError::Malformed("a chunk size is not text"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| HttpError::Malformed("a chunk size is not a number"))?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            // Trailers, if any, then the empty line.
            let complete = bytes.starts_with(b"\r\n") || find(bytes, b"\r\n\r\n").is_some();
            return if complete { Ok(body) } else { Err(HttpError::Malformed("it ends inside the trailers")) };
        }
        body.extend_from_slice(bytes.get(..size).ok_or(HttpError::Malformed("it ends inside a chunk"))?);
        bytes = bytes[size..].strip_prefix(b"\r\n").ok_or(HttpError::Malformed("a chunk has no end"))?;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_in_every_framing() {
        for (name, bytes, expected) in [
            ("length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Ok("abc")),
            (
                "chunked",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
                Ok("abc"),
            ),
            (
                "trailers",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
                Ok("abc"),
            ),
            ("until close", "HTTP/1.1 200 OK\r\n\r\nabc", Ok("abc")),
            (
                "interim",
                "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                Ok("abc"),
            ),
            ("no content", "HTTP/1.1 204 No Content\r\n\r\n", Ok("")),
            ("short length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", Err("it ends inside the body")),
            (
                "short chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc",
                Err("it ends inside a chunk"),
            ),
            (
                "no last chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                Err("it ends inside a chunk size"),
            ),
            ("no head", "HTTP/1.1 200 OK\r\nContent-Le", Err("it ends inside the head")),
            ("not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", Err("no status line")),
        ] {
            let found = match parse(bytes.as_bytes(), "GET") {
                Ok(response) => Ok(response.text()),
                Err(HttpError::Malformed(what)) => Err(what),
                Err(HttpError::Io(error)) => panic!("{name}: {error}"),
            };
            assert_eq!(found.as_deref().map_err(|what| *what), expected, "{name}");
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let response = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD").unwrap();
        assert_eq!((response.header("content-length"), response.body.len()), (Some("3"), 0));
    }
}
