//! The two ends of a counted request: a client that sends one after another, and the service that answers.
//!
//! Both live in this process and know no HTTP beyond what these messages need. wrk would not do: it sends for a time,
//! and a count of instructions wants an exact number of requests.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::files::BODY_BYTES;

/// Longest head of an answer that is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a browser sends: 8 fields.
fn request(authority: SocketAddr) -> String {
    format!(
        "GET /api/orders/17?expand=lines HTTP/1.1\r\n\
         Host: {authority}\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Encoding: gzip, deflate, br\r\n\
         Accept-Language: en-US,en;q=0.5\r\n\
         Connection: keep-alive\r\n\
         Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
         Referer: http://{authority}/orders\r\n\r\n"
    )
}

/// What a service with a common framework answers: 5 fields and 1 KiB.
fn answer() -> String {
    format!(
        "HTTP/1.1 200 OK\r\n\
         Server: uvicorn\r\n\
         Date: Tue, 24 Nov 2026 13:00:00 GMT\r\n\
         Content-Type: application/json\r\n\
         Cache-Control: no-store\r\n\
         Content-Length: {BODY_BYTES}\r\n\r\n{}",
        "m".repeat(BODY_BYTES)
    )
}

/// Answers on every connection until this process ends.
pub(crate) fn start_service() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is seen by the client of the proxy.
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = answer();
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..count]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(answer.as_bytes())?;
        }
        if head.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
    }
}

/// Sends `count` requests over one connection, each after the answer to the one before.
///
/// # Errors
/// When one of them is not answered with 200 and the service's body: such a run says nothing.
pub(crate) fn send(address: SocketAddr, count: u32) -> Result<()> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = request(address);
    let mut answer = Vec::new();
    for number in 1..=count {
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream, &mut answer).with_context(|| format!("request {number} of {count}"))?;
    }
    Ok(())
}

fn read_answer(stream: &mut impl Read, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    let mut buffer = [0; 4096];
    loop {
        if let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            ensure!(answer.starts_with(b"HTTP/1.1 200 "), "answered: {}", String::from_utf8_lossy(answer));
            let body = &answer[head + 4..];
            ensure!(body.len() <= BODY_BYTES, "the body is {} bytes, not {BODY_BYTES}", body.len());
            if body.len() == BODY_BYTES {
                return Ok(());
            }
        }
        ensure!(answer.len() <= MAX_HEAD_BYTES + BODY_BYTES, "the answer has no end");
        match stream.read(&mut buffer)? {
            0 => bail!("the connection closed within an answer: {}", String::from_utf8_lossy(answer)),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_answers_every_request_of_a_connection() {
        send(start_service().unwrap(), 3).unwrap();
    }

    #[test]
    fn an_answer_counts_only_when_it_is_good_and_whole() {
        let good = answer();
        for (said, expected) in [
            (good.clone(), Ok(())),
            (good.replace(" 200 OK", " 503 Service Unavailable"), Err("answered: HTTP/1.1 503")),
            (good[..good.len() - 1].to_owned(), Err("the connection closed within an answer")),
            (format!("{good}m"), Err("the body is 1025 bytes, not 1024")),
        ] {
            let found = read_answer(&mut said.as_bytes(), &mut Vec::new()).map_err(|error| error.to_string());
            match expected {
                Ok(()) => assert_eq!(found, Ok(()), "{said}"),
                Err(start) => assert!(found.as_ref().is_err_and(|error| error.starts_with(start)), "{found:?}"),
            }
        }
    }

    #[test]
    fn the_request_has_the_eight_fields_of_a_browser() {
        let request = request("127.0.0.1:8080".parse().unwrap());
        assert_eq!(request.lines().filter(|line| line.contains(": ")).count(), 8);
        assert!(request.ends_with("\r\n\r\n"));
    }
}
