//! Asks a running Madang through its admin API; `ps`, `logs`, `scale`, `route` and `registry` are thin views of what it answers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use madang_dial::{DialError, Stream, request, stream_lines};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cli::Which;
use crate::codes;
use crate::failure::{Failure, Report};
use crate::settings::Listen;

/// The variable that holds the admin API's token, for those who ask as for the Madang that is asked.
const TOKEN: &str = "MADANG_ADMIN__TOKEN";
/// How long an answer may take; `scale` answers before the instances run.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MOST_BYTES: usize = 16 << 20;
/// The longest line of a log that is shown whole.
const MOST_LINE: usize = 64 << 10;

/// One running Madang.
pub(crate) struct Client {
    address: SocketAddr,
    token: Option<String>,
    runtime: Runtime,
}

impl Client {
    /// The Madang the command line names; asks nothing yet.
    pub(crate) fn new(house: &Which) -> Result<Self, Failure> {
        let address = house.admin.or_else(|| Listen::default_admin(house.port_offset));
        let address = address.ok_or_else(|| Report::wrong("no admin port is left with this --port-offset"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Report::could_not(format!("cannot start: {error}")))?;
        Ok(Self { address, token: std::env::var(TOKEN).ok().filter(|token| !token.is_empty()), runtime })
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None)
    }

    /// Sends one request and reads the JSON that comes back.
    pub(crate) fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let request = self.request(method, path, body)?;
        let answer = self.runtime.block_on(request_now(self.address, request));
        let response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(&response).into());
        }
        if response.body().is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(response.body()).map_err(|_| self.stranger("something that is no JSON"))?)
    }

    /// `GET path`, and every line of the answer as it comes.
    pub(crate) fn lines(&self, path: &str, mut each: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
        let request = self.request(Method::GET, path, None)?;
        self.runtime.block_on(async {
            let stream = stream_lines(self.address, request, TIMEOUT, MOST_LINE).await;
            match stream.map_err(|error| self.unreachable(&error))? {
                Stream::Refused(response) => Err(self.refused(&response).into()),
                Stream::Lines(mut lines) => {
                    while let Some(line) = lines.next().await {
                        each(&line.map_err(|error| self.unreachable(&error))?)?;
                    }
                    Ok(())
                }
            }
        })
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request<Bytes>, Report> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        request.body(bytes).map_err(|_| Report::wrong(format!("`{path}` is no path")))
    }

    fn unreachable(&self, error: &DialError) -> Report {
        if error.is_refused() {
            return Report::could_not(format!("no madang answers on {}", self.address))
                .hint("start one with `madang up`, or name its address with `--admin`")
                .code(&codes::NOBODY_ANSWERS);
        }
        Report::could_not(error.to_string())
            .hint("`madang` may be busy, or something else listens there; name another address with `--admin`")
            .code(&codes::NOBODY_ANSWERS)
    }

    /// What the API said, in its words; an answer in another form is not Madang's.
    fn refused(&self, response: &Response<Bytes>) -> Report {
        let problem: Option<Value> = serde_json::from_slice(response.body()).ok();
        let text = |key: &str| problem.as_ref().and_then(|problem| problem.get(key)).and_then(Value::as_str);
        let Some(message) = text("detail").or_else(|| text("title")) else {
            return self.stranger(&format!("status {} without a reason", response.status().as_u16()));
        };
        let mut report = Report::could_not(message);
        if let Some(hint) = text("hint") {
            report = report.hint(hint);
        }
        match text("code") {
            Some(code) => report.code_id(code),
            None => report,
        }
    }

    fn stranger(&self, what: &str) -> Report {
        Report::could_not(format!("{} answered {what}; that is no madang's admin API", self.address))
            .hint("name the address of `listen.admin` with `--admin`")
            .code(&codes::NOBODY_ANSWERS)
    }
}

async fn request_now(address: SocketAddr, message: Request<Bytes>) -> Result<Response<Bytes>, DialError> {
    request(address, message, TIMEOUT, MOST_BYTES).await
}

/// A value as part of a path or query: everything but unreserved characters as `%XX` (RFC 3986 §2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_testkit::{ScriptedServer, Step, free_port};

    fn client(address: SocketAddr) -> Client {
        Client::new(&Which { admin: Some(address), port_offset: 0 }).unwrap()
    }

    fn answered(response: &str) -> String {
        let server = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::write(response)]]);
        let failure = client(server.address()).get("/v1/x").unwrap_err().to_string();
        failure.replace(&server.address().to_string(), "ADDRESS")
    }

    #[test]
    fn nobody_there_says_how_to_start_one() {
        let port = free_port();
        let failure = client(([127, 0, 0, 1], port).into()).get("/v1/x").unwrap_err().to_string();
        insta::assert_snapshot!(failure.replace(&port.to_string(), "PORT"), @r"
        error: no madang answers on 127.0.0.1:PORT
        hint: start one with `madang up`, or name its address with `--admin`
        code: MD0505 (madang explain MD0505)
        ");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api() {
        let body =
            r#"{"title":"not found","detail":"no service `x` runs here","hint":"see `madang ps`","code":"MD0201"}"#;
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: ";
        insta::assert_snapshot!(answered(&format!("{head}{}\r\n\r\n{body}", body.len())), @r"
        error: no service `x` runs here
        hint: see `madang ps`
        code: MD0201 (madang explain MD0201)
        ");
    }

    #[test]
    fn another_program_on_the_port_is_recognized() {
        let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>";
        assert!(answered(page).contains("ADDRESS answered status 404 without a reason"));
        let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
        assert!(answered(page).contains("that is no madang's admin API"));
    }

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        assert_eq!(encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encoded("/x y?&=é"), "%2Fx%20y%3F%26%3D%C3%A9");
    }
}
