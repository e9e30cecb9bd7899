//! Answers the gateway makes itself: problem details (RFC 9457) with a stable reason, and redirects.

use std::sync::Arc;

use madang_h1::{Asked, Limits, RequestError, reason_phrase};

use crate::codes;
use crate::exchange::{Body, Exchange};
use crate::forward;

/// Whether the gateway's own answer of that reason is what was asked for, and no failure.
pub(crate) fn is_good(reason: &str) -> bool {
    matches!(reason, "redirect" | "max_forwards" | "options")
}

/// An answer that no service gave.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// A stable token: in the body, in the access log and in metrics.
    pub(crate) reason: &'static str,
    said: Said,
    headers: Vec<(&'static str, String)>,
}

/// The body of such an answer.
#[derive(Debug, Clone)]
enum Said {
    Nothing,
    /// For a person: what happened and what to do.
    Problem(String),
    /// What the settings say.
    Written(Arc<str>),
}

impl Reply {
    pub(crate) fn new(status: u16, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, said: Said::Problem(detail.into()), headers: Vec::new() }
    }

    /// One without a body.
    pub(crate) fn quiet(status: u16, reason: &'static str) -> Self {
        Self { status, reason, said: Said::Nothing, headers: Vec::new() }
    }

    pub(crate) fn redirect(status: u16, location: String) -> Self {
        Self::quiet(status, "redirect").header("Location", location)
    }

    /// Instead of an answer that the service did not give.
    pub(crate) fn fallback(status: u16, content_type: String, body: Arc<str>) -> Self {
        Self { status, reason: "fallback", said: Said::Written(body), headers: vec![("Content-Type", content_type)] }
    }

    /// What is said to a request whose head is no good.
    pub(crate) fn refusal(error: RequestError) -> Self {
        let reply = Self::new(error.status(), error.reason(), error.to_string());
        // RFC 9110 §15.5.6: 405 says what is allowed.
        if reply.status == 405 { reply.header("Allow", forward::ALLOWED) } else { reply }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What it says to a person; empty when it says nothing.
    pub(crate) fn detail(&self) -> &str {
        match &self.said {
            Said::Problem(detail) => detail,
            Said::Nothing | Said::Written(_) => "",
        }
    }

    /// Makes this the exchange's answer.
    pub(crate) fn apply(&self, exchange: &mut Exchange, route: Option<&str>, hint: Option<&str>) {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status));
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let body = match &self.said {
            Said::Nothing => Vec::new(),
            Said::Written(text) => text.as_bytes().to_vec(),
            Said::Problem(detail) => {
                head.push_str("Content-Type: application/problem+json\r\n");
                let mut problem = serde_json::json!({
                    "type": "about:blank",
                    "title": reason_phrase(self.status),
                    "status": self.status,
                    "detail": detail,
                    "reason": self.reason,
                    "route": route,
                    "request_id": exchange.id.as_str(),
                });
                if let Some(code) = codes::of_reason(self.reason) {
                    problem["code"] = code.id.into();
                }
                if let Some(hint) = hint {
                    problem["hint"] = hint.into();
                }
                format!("{problem}\n").into_bytes()
            }
        };
        head.push_str("\r\n");

        let response = &mut exchange.response;
        // A header that cannot be sent (a redirect to a line break) must not become two headers.
        if response.head.parse(head.as_bytes(), &Limits::default(), Asked::Other).is_err() {
            head = format!("HTTP/1.1 500 {}\r\n\r\n", reason_phrase(500));
            let _ = response.head.parse(head.as_bytes(), &Limits::default(), Asked::Other);
        }
        response.take_head(head.as_bytes());
        response.body = Body::Buffered(body);
    }
}
