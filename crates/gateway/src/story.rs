//! A kept request for people and programs: its line, its calls, and the story in sentences.

use std::fmt::Write as _;
use std::time::Duration;

use madang_base::{Moment, format_duration};

use crate::api::{CallView, RequestView, StoryView};
use crate::journal::{Note, Outcome};
use crate::kept::{Record, Why};
use crate::reply;
use crate::snapshot::Side;

/// A first call this long after the start was held back by a filter; less is the gateway's own work.
const HELD_BACK: Duration = Duration::from_millis(1);

impl Record {
    /// One line of the list.
    pub(crate) fn view(&self) -> RequestView {
        RequestView {
            id: self.id.clone(),
            at_ms: self.at_ms,
            side: self.side.as_str().to_owned(),
            method: self.method.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            status: self.status,
            reason: self.reason.map(str::to_owned),
            why: self.why.as_str().to_owned(),
            duration_ms: millis(self.duration),
            route: self.route.as_ref().map(ToString::to_string),
            to: self.to.clone(),
            attempts: self.attempts,
        }
    }

    /// Everything.
    pub(crate) fn story(&self) -> StoryView {
        StoryView {
            request: self.view(),
            caller: self.caller.as_ref().map(ToString::to_string),
            matched: self.matched.clone(),
            detail: self.detail.clone(),
            clock_us: self.started.nanos() / 1_000,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            calls: self.calls.iter().map(|note| note.view(self.started)).collect(),
            text: self.text(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let who = self.caller.as_ref().map_or("the client", |name| name.as_str());
        // Writing to a `String` cannot fail.
        let _ = match (self.method.as_str(), self.side) {
            ("", _) => write!(text, "What came in on the {} side was not a request.", self.side.as_str()),
            (method, Side::Edge) => write!(text, "{method} {} came in for host `{}`.", self.path, self.host),
            (method, Side::Egress) => match &self.caller {
                Some(caller) => write!(text, "`{caller}` called {method} {} through egress.", self.path),
                None => write!(text, "A service that did not say which called {method} {} through egress.", self.path),
            },
        };
        let _ = match (&self.route, self.to.as_str()) {
            (None, _) if self.method.is_empty() => Ok(()),
            (None, _) => write!(text, " {}.", sentence(&self.matched)),
            (Some(route), "-") => write!(text, " Route `{route}` took it: {}. A filter answers there.", self.matched),
            (Some(route), to) => write!(text, " Route `{route}` took it to `{to}`: {}.", self.matched),
        };
        if let Some(first) = self.calls.first().map(|note| note.started.since(self.started))
            && first >= HELD_BACK
        {
            let _ = write!(text, " The first call was made after {}: filters of the route held it back.", span(first));
        }
        for (index, note) in self.calls.iter().enumerate() {
            // The last one is always there; those before it may not be.
            let last = index + 1 == self.calls.len();
            let number = if last { self.attempts.max(1) as usize } else { index + 1 };
            if number > index + 1 {
                let _ = write!(text, " Calls {} to {} are not kept.", index + 1, number - 1);
            }
            let _ = write!(text, " Call {number} {}.", note.sentence(self.started));
        }
        text.push(' ');
        text.push_str(&self.ending(who));
        text
    }

    fn ending(&self, who: &str) -> String {
        let (status, took) = (self.status, span(self.duration));
        let who = sentence(who);
        let end = match self.reason {
            Some("client_gone") => format!("{who} left after {took}, before it had the whole answer."),
            Some("fallback") => format!("The fallback answered {status} after {took}"),
            Some(reason) if self.detail.is_some() || reply::is_good(reason) => {
                format!("The gateway itself answered {status} (`{reason}`) after {took}")
            }
            Some(reason) => format!("The answer {status} was cut after {took} (`{reason}`): {who} saw it break off."),
            None => format!("{who} got {status} after {took}."),
        };
        let end = match &self.detail {
            Some(detail) if !end.ends_with('.') => format!("{end}: {detail}."),
            _ if !end.ends_with('.') => format!("{end}."),
            _ => end,
        };
        match self.why {
            Why::Failed => end,
            Why::Slow(limit) => format!("{end} {} and more is slow here.", format_duration(limit)),
        }
    }
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Slow(_) => "slow",
        }
    }
}

impl Note {
    fn view(&self, start: Moment) -> CallView {
        CallView {
            instance: name(&self.instance).to_owned(),
            address: self.address.to_string(),
            started_ms: millis(self.started.since(start)),
            duration_ms: millis(self.ended.since(self.started)),
            head_ms: self.answered.map(|at| millis(at.since(self.started))),
            outcome: self.outcome.as_str().to_owned(),
            status: self.status,
            reused: self.reused,
            error: self.error.clone(),
        }
    }

    /// `to orders-1 (127.0.0.1:20001) after 120us on a new connection: answered 503 after 3ms`
    fn sentence(&self, start: Moment) -> String {
        let mut text = format!("to {}", name(&self.instance));
        let address = self.address.to_string();
        if *self.instance != *address {
            let _ = write!(text, " ({address})");
        }
        let _ = write!(text, ", {} after the start", span(self.started.since(start)));
        if self.outcome != Outcome::ConnectFailed {
            text.push_str(if self.reused { ", on a kept connection" } else { ", on a new connection" });
        }
        let took = span(self.ended.since(self.started));
        let head = span(self.answered.unwrap_or(self.ended).since(self.started));
        let status = self.status.unwrap_or_default();
        let _ = match self.outcome {
            Outcome::Answered if head == took => write!(text, ": it answered {status} in {took}"),
            Outcome::Answered => write!(text, ": it answered {status} in {head} and was through in {took}"),
            Outcome::Retried => write!(text, ": it answered {status} in {took}, which the route tries again"),
            Outcome::Replaced => write!(text, ": it answered {status} in {took}, which counts as a failure here"),
            Outcome::ConnectFailed => write!(text, ": no connection within {took}"),
            Outcome::Stale => write!(text, ": the service had closed it, so the call was made anew"),
            Outcome::NoAnswer => write!(text, ": it broke after {took} without an answer"),
            Outcome::Invalid => write!(text, ": after {took} it sent what is no answer"),
            Outcome::Cut => write!(text, ": it answered {status} in {head} and broke off after {took}"),
            Outcome::Timeout => write!(text, ": time ran out after {took}"),
            Outcome::Abandoned => write!(text, ": given up after {took} because the caller was gone"),
        };
        if let Some(error) = &self.error {
            let _ = write!(text, " ({error})");
        }
        text
    }
}

/// `0.1ms`, `12.8ms`, `1.25s`: below a second all in one unit, so that they can be compared at a glance.
fn span(duration: Duration) -> String {
    if duration < Duration::from_secs(1) { format!("{:.1}ms", millis(duration)) } else { format_duration(duration) }
}

/// What an instance is called everywhere else: `orders-1#3`, its third process, is `orders-1`.
fn name(identity: &str) -> &str {
    match identity.rsplit_once('#') {
        Some((name, process)) if process.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => identity,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are exact enough and print short.
    duration.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_told_without_the_number_of_its_process() {
        for (identity, expected) in [("orders-1#3", "orders-1"), ("127.0.0.1:9001", "127.0.0.1:9001"), ("a#b", "a#b")] {
            assert_eq!(name(identity), expected);
        }
    }

    #[test]
    fn times_below_a_second_are_all_in_one_unit() {
        for (nanos, expected) in [(56_440, "0.1ms"), (12_843_000, "12.8ms"), (1_250_000_000, "1.25s")] {
            assert_eq!(span(Duration::from_nanos(nanos)), expected);
        }
    }
}
