//! A route's circuit breaker: `policy.breaker`.
//!
//! It stands around the whole call of a request, its retries included, and is shared by all workers. What it refuses,
//! and what fails, goes to the fallback if the route has one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use madang_base::{Name, format_duration};
use madang_breaker::{Outcome, Permit, Profile, Rejected, Settings, State, Transition, madang};
use madang_settings::{Fields, Problems, Value};
use madang_upstream::{Directory, Watch};
use tokio::sync::broadcast;

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

impl BreakerSettings {
    /// Reads the table `breaker` of a route's policy.
    pub(crate) fn read(fields: &mut Fields<'_>, services: &BTreeSet<Name>, problems: &mut Problems) -> Self {
        let mut settings = Self {
            breaker: Settings::Madang(madang::Settings::default()),
            statuses: vec![500, 502, 503, 504],
            fallback: None,
        };
        set(&mut settings.statuses, read_statuses("on", fields, problems));
        settings.fallback = read_fallback(fields, services, problems);
        let mut product = None;
        for &(name, profile) in Profile::ALL.iter().filter(|(_, profile)| *profile != Profile::Madang) {
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
        // Beside a product's table Madang's own keys are unknown.
        if product.is_none() {
            settings.breaker = Settings::Madang(madang::Settings::of(fields, problems));
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
    if [204, 205, 304].contains(&status) {
        // RFC 9110 §6.4.1: whoever reads it expects no body, and would take one for the next answer.
        let message = format!("{status} has no body, so it cannot be a fallback");
        table.report(&codes::BAD_BREAKER, "status", message, problems).hint("200 with an empty `body` says as little");
    }
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
    /// A closed breaker for `route`, whose transitions are told to `turns`.
    pub(crate) fn new(settings: &BreakerSettings, route: &Name, directory: &Directory, turns: &Turns) -> Self {
        let (route_name, turns) = (route.clone(), turns.clone());
        let hear = move |transition: &Transition| turns.tell(&route_name, transition);
        let breaker = madang_breaker::Breaker::watched(settings.breaker.clone(), madang_runtime::now(), hear);
        let fallback = settings.fallback.as_ref().map(|fallback| match fallback {
            FallbackSettings::Answer(answer) => Fallback::Answer(answer.clone()),
            FallbackSettings::Target(to) => Fallback::Target { watch: to.watch(directory, route), to: to.to_string() },
        });
        let shared = Arc::new(Shared { breaker, refused: AtomicU64::new(0), fallbacks: AtomicU64::new(0) });
        Self { settings: settings.clone(), shared, fallback }
    }

    /// Goes on where the breaker of an earlier snapshot stands.
    pub(crate) fn follow(&mut self, earlier: &Self) {
        let same = self.settings.breaker == earlier.settings.breaker;
        if same || earlier.shared.breaker.reload(&self.settings.breaker, madang_runtime::now()).is_ok() {
            self.shared = Arc::clone(&earlier.shared);
        }
    }

    /// Asks for a call.
    pub(crate) fn acquire(&self) -> Result<Permit<&madang_breaker::Breaker>, Rejected> {
        self.shared.breaker.acquire(madang_runtime::now()).inspect_err(|_| {
            self.shared.refused.fetch_add(1, Relaxed);
        })
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

    /// Why it is where it is, one sentence.
    pub(crate) fn why(&self) -> String {
        self.shared.breaker.explain(madang_runtime::now()).to_string()
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
    let reply = Reply::new(503, "breaker_open", format!("route `{route}` refused the call: {rejected}; {again}"));
    reply.header("Retry-After", rejected.retry_after.map_or(1, |wait| wait.as_secs() + 1).to_string())
}

/// To the millisecond, as people read it.
fn rounded(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
}

/// What a call without a usable answer says to the breaker; `status` is what the gateway says instead.
pub(crate) fn judge(permit: Permit<&madang_breaker::Breaker>, status: u16) {
    let outcome = match status {
        504 => Outcome::Timeout,
        500.. => Outcome::Failure,
        _ => Outcome::Ignored,
    };
    permit.judge(madang_runtime::now(), outcome);
}

/// Tells turns of breakers to whoever listens; each of them keeps the last [`MOST_TURNS`] it has not heard.
#[derive(Debug, Clone)]
pub(crate) struct Turns(broadcast::Sender<Turn>);

/// A listener that is slower than this loses the oldest.
const MOST_TURNS: usize = 256;

/// A circuit breaker went to another state.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Whose.
    pub route: Name,
    /// It refuses calls now.
    pub refuses: bool,
    /// One sentence: from where, and why.
    pub text: String,
}

impl Default for Turns {
    fn default() -> Self {
        Self(broadcast::Sender::new(MOST_TURNS))
    }
}

impl Turns {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Turn> {
        self.0.subscribe()
    }

    fn tell(&self, route: &Name, transition: &Transition) {
        let refuses = matches!(transition.to, State::Open | State::ForcedOpen);
        let turn = Turn { route: route.clone(), refuses, text: transition.to_string() };
        tracing::info!(route = %route, state = transition.to.name(), reason = transition.reason.name(), "circuit breaker");
        // Nobody listens.
        let _ = self.0.send(turn);
    }
}
