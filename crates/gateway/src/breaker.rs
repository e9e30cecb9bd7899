//! A route's circuit breaker: `policy.breaker`.
//!
//! It stands around the whole call of a request, its retries included, and is shared by all workers. What it refuses,
//! and what fails, goes to the fallback if the route has one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use madang_base::{Moment, Name, format_duration};
pub(crate) use madang_breaker::Outcome;
use madang_breaker::{Profile, Rejected, Settings, State, Ticket, pybreaker};
use madang_settings::{Fields, Problems, Value};
use madang_upstream::{Directory, Watch};

use crate::codes;
use crate::reply::Reply;
use crate::settings::{To, read_statuses, read_to, set};

/// Bytes of a fallback's body at most: it stands in the settings.
const MOST_BODY: usize = 64 * 1024;

/// `policy.breaker`, checked.
#[derive(Debug, Clone)]
pub struct BreakerSettings {
    /// Its own keys, or those of one of the products it can follow, under that product's name.
    pub(crate) breaker: Settings,
    /// `on` (500, 502, 503, 504): answers that count as failures.
    pub(crate) statuses: Vec<u16>,
    /// `fallback`: what the client gets instead of an error.
    pub(crate) fallback: Option<FallbackSettings>,
}

/// What a client gets when the breaker refuses its request, or the call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FallbackSettings {
    /// Always the same answer.
    Answer(Answer),
    /// What somebody else says to the same request.
    Target(To),
}

/// An answer that stands in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    content_type: String,
    body: Arc<str>,
}

/// The breaker of one route, and what it needs at run time.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    shared: Arc<Shared>,
    pub(crate) fallback: Option<Fallback>,
}

/// What outlives a change of the settings.
#[derive(Debug)]
struct Shared {
    breaker: madang_breaker::Breaker,
    refused: AtomicU64,
    fallbacks: AtomicU64,
}

#[derive(Debug)]
pub(crate) enum Fallback {
    Answer(Answer),
    Target { watch: Watch, to: String },
}

/// A call the breaker let through. Dropped without a word (the client left), its place is given back.
pub(crate) struct Entered<'a> {
    breaker: &'a madang_breaker::Breaker,
    ticket: Option<Ticket>,
    started: Moment,
}

impl BreakerSettings {
    /// Reads the table `breaker` of a route's policy.
    pub(crate) fn read(fields: &mut Fields<'_>, services: &BTreeSet<Name>, problems: &mut Problems) -> Self {
        let mut settings = Self {
            breaker: Settings::Pybreaker(pybreaker::Settings::default()),
            statuses: vec![500, 502, 503, 504],
            fallback: None,
        };
        set(&mut settings.statuses, read_statuses("on", fields, problems));
        settings.fallback = read_fallback(fields, services, problems);
        let mut product = None;
        for &(name, profile) in Profile::ALL {
            let Some(node) = fields.node(name) else { continue };
            if let Some(first) = product.replace(name) {
                fields
                    .report(
                        &codes::BAD_BREAKER,
                        name,
                        format!("it cannot follow `{first}` and `{name}` at once"),
                        problems,
                    )
                    .hint("keep one of the two tables");
            }
            settings.breaker = Settings::read(profile, node, &fields.key(name), problems);
        }
        settings
    }
}

fn read_fallback(
    fields: &mut Fields<'_>,
    services: &BTreeSet<Name>,
    problems: &mut Problems,
) -> Option<FallbackSettings> {
    if !matches!(fields.node("fallback")?.value, Value::Table(_)) {
        let text = fields.string("fallback", problems)?;
        return read_to("fallback", &text, fields, services, problems).map(FallbackSettings::Target);
    }
    let mut table = fields.table("fallback", problems)?;
    let status = table.integer("status", 200..=599, problems).unwrap_or(200);
    let body = table.string("body", problems).unwrap_or_default();
    if body.len() > MOST_BODY {
        let message = format!("the body of a fallback has at most {MOST_BODY} bytes, this one has {}", body.len());
        table
            .report(&codes::BAD_BREAKER, "body", message, problems)
            .hint("let a service answer: `fallback = \"service://NAME\"`");
    }
    let mut content_type = "text/plain; charset=utf-8".to_owned();
    if let Some(text) = table.string("content_type", problems) {
        if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            content_type = text;
        } else {
            table
                .report(&codes::BAD_HEADER, "content_type", "a content type is one line of visible ASCII", problems)
                .hint("for example `content_type = \"application/json\"`");
        }
    }
    table.finish(problems);
    Some(FallbackSettings::Answer(Answer { status, content_type, body: body.into() }))
}

impl Breaker {
    /// A closed breaker for `route`.
    pub(crate) fn new(settings: &BreakerSettings, route: &Name, directory: &Directory) -> Self {
        let breaker = madang_breaker::Breaker::new(settings.breaker.clone(), madang_runtime::now());
        let fallback = settings.fallback.as_ref().map(|fallback| match fallback {
            FallbackSettings::Answer(answer) => Fallback::Answer(answer.clone()),
            FallbackSettings::Target(to) => Fallback::Target { watch: to.watch(directory, route), to: to.to_string() },
        });
        let shared = Arc::new(Shared { breaker, refused: AtomicU64::new(0), fallbacks: AtomicU64::new(0) });
        Self { settings: settings.clone(), shared, fallback }
    }

    /// Goes on where the breaker of an earlier snapshot stands.
    pub(crate) fn follow(&mut self, earlier: &Self) {
        if self.settings.breaker == earlier.settings.breaker {
            self.shared = Arc::clone(&earlier.shared);
        }
    }

    /// Asks for a call.
    pub(crate) fn enter(&self) -> Result<Entered<'_>, Rejected> {
        let started = madang_runtime::now();
        match self.shared.breaker.enter(started) {
            Ok(ticket) => Ok(Entered { breaker: &self.shared.breaker, ticket: Some(ticket), started }),
            Err(rejected) => {
                self.shared.refused.fetch_add(1, Relaxed);
                Err(rejected)
            }
        }
    }

    /// Whether an answer with `status` counts as a failure.
    pub(crate) fn fails(&self, status: u16) -> bool {
        self.settings.statuses.contains(&status)
    }

    /// A request is answered by the fallback.
    pub(crate) fn falls_back(&self) {
        self.shared.fallbacks.fetch_add(1, Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        self.shared.breaker.state(madang_runtime::now())
    }

    /// Its state as a number that rises with what it refuses: 0 closed, 1 half-open, 2 open.
    pub(crate) fn level(&self) -> i64 {
        match self.state() {
            State::Closed | State::ForcedClosed | State::Disabled | State::MetricsOnly => 0,
            State::HalfOpen => 1,
            State::Open | State::ForcedOpen => 2,
        }
    }

    /// Requests it refused, and requests the fallback answered.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.shared.refused.load(Relaxed), self.shared.fallbacks.load(Relaxed))
    }
}

impl Entered<'_> {
    pub(crate) fn end(mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let now = madang_runtime::now();
            self.breaker.end(ticket, now, outcome, now.since(self.started));
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.cancel(ticket, madang_runtime::now());
        }
    }
}

impl Answer {
    pub(crate) fn reply(&self) -> Reply {
        Reply::fallback(self.status, self.content_type.clone(), Arc::clone(&self.body))
    }
}

/// What a client is told whose request was refused.
pub(crate) fn refused(route: &Name, rejected: Rejected) -> Reply {
    let again = match rejected.retry_after {
        Some(wait) => format!("it lets a call try again in {}", format_duration(rounded(wait))),
        None => "a call is trying whether the fault is over".to_owned(),
    };
    let reply = Reply::new(503, "breaker_open", format!("the circuit breaker of route `{route}` is open; {again}"));
    reply.header("Retry-After", rejected.retry_after.map_or(1, |wait| wait.as_secs() + 1).to_string())
}

/// To the millisecond, as people read it.
fn rounded(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
}

/// What the end of a call without a usable answer says to the breaker.
pub(crate) const fn outcome(status: u16) -> Outcome {
    match status {
        504 => Outcome::Timeout,
        500.. => Outcome::Failure,
        _ => Outcome::Ignored,
    }
}
