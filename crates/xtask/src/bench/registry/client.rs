//! One keep-alive connection that speaks just enough HTTP/1.1 for Eureka: a length or chunks, nothing else.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest head of an answer that is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A connection, and what of the last answer came too early.
pub(super) struct Connection {
    stream: TcpStream,
    authority: SocketAddr,
    buffer: Vec<u8>,
    /// Where in `buffer` the unread bytes begin.
    at: usize,
}

/// Head and body of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, authority: address, buffer: Vec::new(), at: 0 })
    }

    /// Sends one request and reads its whole answer.
    pub(super) fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Result<Answer> {
        let length = body.len();
        let message = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}",
            self.authority
        );
        self.stream.write_all(message.as_bytes())?;
        self.answer().with_context(|| format!("{method} {target}"))
    }

    fn answer(&mut self) -> Result<Answer> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.buffer.len() < MAX_HEAD_BYTES, "the head of an answer is too long");
            self.more()?;
        };
        self.at = end;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status line")?;
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let body = match (field("content-length:"), field("transfer-encoding:")) {
            (Some(length), _) => self.take(length.parse()?)?,
            (None, Some("chunked")) => self.chunks()?,
            (None, Some(other)) => bail!("`{other}` is no coding we read"),
            (None, None) => Vec::new(),
        };
        Ok(Answer { status, body })
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            body.extend(self.take(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        loop {
            let unread = &self.buffer[self.at..];
            if let Some(end) = unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..end]).into_owned();
                self.at += end + 2;
                return Ok(line);
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() - self.at < length {
            self.more()?;
        }
        let taken = self.buffer[self.at..self.at + length].to_vec();
        self.at += length;
        Ok(taken)
    }

    fn more(&mut self) -> Result<()> {
        const PIECE: usize = 64 * 1024;
        let filled = self.buffer.len();
        self.buffer.resize(filled + PIECE, 0);
        let read = self.stream.read(&mut self.buffer[filled..])?;
        self.buffer.truncate(filled + read);
        ensure!(read > 0, "the connection ended");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn answers_with_a_length_with_chunks_and_without_a_body_follow_one_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in [
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
            ] {
                let mut piece = [0; 1024];
                assert!(stream.read(&mut piece).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut connection = Connection::open(address).unwrap();
        for (status, body) in [(200, "abc"), (200, "abc"), (204, "")] {
            let answer = connection.ask("GET", "/", "", "").unwrap();
            assert_eq!((answer.status, String::from_utf8(answer.body).unwrap().as_str()), (status, body));
        }
    }
}
