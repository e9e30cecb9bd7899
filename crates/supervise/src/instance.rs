//! One instance: when to start it, what its checks mean, when to start it again, how it leaves.
//!
//! Pure: time, answers and ends come in as arguments, and [`Instance::tick`] says what is to be done now. The driver
//! (`supervisor`) does it and calls again at [`Instance::due`].
//!
//! ```text
//!            launch            first good check          failures in a row
//! waiting ───────────▶ starting ─────────────▶ healthy ◀──────────────────▶ unhealthy
//!    ▲                    └────────── start_timeout ──────────────────────────▲ │
//!    └───────── backoff ◀────────────────── ended by itself ────────────────────┘
//! all of them ── stop ──▶ stopping (drain, then TERM) ── nothing left ──▶ stopped
//! ```

use std::{fmt::Write as _, time::Duration};

use madang_base::{Moment, Random, format_duration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    keeper::protocol::Exit,
    settings::{Restart, Service},
};

/// Between two checks of an instance that was not healthy yet.
pub(crate) const FIRST_CHECKS: Duration = Duration::from_millis(100);

/// Log lines that go with a reason.
pub(crate) const REASON_LINES: usize = 5;

/// From so many ends in a row on, it is called a crash loop.
const CRASH_LOOP: u32 = 3;

/// What an instance does, for people and for the gateway: only `healthy` gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = supervise::State)]
pub enum State {
    /// Runs, and was not healthy yet.
    Starting,
    /// Runs and answers its checks.
    Healthy,
    /// Runs and does not answer its checks. Checking goes on.
    Unhealthy,
    /// Ended by itself and waits to be started again.
    Backoff,
    /// Gets no new requests, and was asked to end or soon will be.
    Stopping,
    /// Ended because it should. Disappears from all lists.
    Stopped,
}

impl State {
    /// As shown and as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// What the driver is to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process; `started`, `start_failed` or `ended` follows.
    Launch,
    /// Ask its health; `checked` follows.
    Check,
    /// TERM, grace, KILL; `gone` follows.
    Stop,
}

/// Why an instance does not run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The process ended.
    Exited(Exit),
    /// There was no process: the command cannot be run.
    NotStarted(String),
    /// The keeper died, and everything with it.
    KeeperLost,
}

/// The life of one instance.
#[derive(Debug)]
pub(crate) struct Instance {
    phase: Phase,
    restarts: u32,
    /// Ends in a row without a stable run between them.
    streak: u32,
    /// The last end, told until it is healthy again.
    last_end: Option<String>,
}

#[derive(Debug)]
enum Phase {
    Waiting {
        until: Moment,
    },
    Running(Run),
    /// `term_at` is none once TERM was asked for.
    Stopping {
        run: Run,
        term_at: Option<Moment>,
    },
    Stopped,
}

#[derive(Debug)]
struct Run {
    pid: Option<u32>,
    launched: Moment,
    /// What it had run before `launched`, under an earlier Madang.
    before: Duration,
    vitals: Vitals,
    /// When it was first healthy.
    healthy_since: Option<Moment>,
    check: Check,
    /// What the last check said, when it failed, and the last log lines then.
    complaint: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Vitals {
    Starting,
    Healthy { failures: u32 },
    Unhealthy,
}

#[derive(Debug, Clone, Copy)]
enum Check {
    /// Not before it is known to have started.
    Never,
    At(Moment),
    /// The answer is awaited.
    Asked,
}

impl Instance {
    /// An instance that is to be started at once.
    pub(crate) fn new(now: Moment) -> Self {
        Self { phase: Phase::Waiting { until: now }, restarts: 0, streak: 0, last_end: None }
    }

    /// An instance that an earlier Madang started `age` ago. It is checked at once.
    pub(crate) fn adopted(now: Moment, pid: u32, age: Duration, restarts: u32) -> Self {
        let mut run = Run::new(now);
        run.pid = Some(pid);
        run.before = age.max(Duration::from_millis(1));
        run.check = Check::At(now);
        Self { phase: Phase::Running(run), restarts, streak: 0, last_end: None }
    }

    /// When [`Self::tick`] has something to do.
    pub(crate) fn due(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Running(Run { check: Check::At(at), .. }) => Some(*at),
            Phase::Stopping { term_at, .. } => *term_at,
            Phase::Running(_) | Phase::Stopped => None,
        }
    }

    /// What to do now; call until there is nothing.
    pub(crate) fn tick(&mut self, now: Moment) -> Option<Action> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        match &mut self.phase {
            Phase::Waiting { .. } => {
                self.restarts += u32::from(self.last_end.is_some());
                self.phase = Phase::Running(Run::new(now));
                Some(Action::Launch)
            }
            Phase::Running(run) => {
                run.check = Check::Asked;
                Some(Action::Check)
            }
            Phase::Stopping { term_at, .. } => {
                *term_at = None;
                Some(Action::Stop)
            }
            Phase::Stopped => None,
        }
    }

    /// The process runs.
    pub(crate) fn started(&mut self, now: Moment, pid: u32) {
        match &mut self.phase {
            Phase::Running(run) => {
                run.pid = Some(pid);
                run.check = Check::At(now);
            }
            Phase::Stopping { run, .. } => run.pid = Some(pid),
            Phase::Waiting { .. } | Phase::Stopped => {}
        }
    }

    /// A check was answered: `Err` says with what. `lines` gives the last log lines.
    pub(crate) fn checked(
        &mut self,
        now: Moment,
        answer: Result<(), String>,
        lines: impl FnOnce() -> Vec<String>,
        service: &Service,
    ) {
        // An answer may arrive after the end; it says nothing about what comes next.
        let Phase::Running(run) = &mut self.phase else { return };
        let Check::Asked = run.check else { return };
        let health = &service.health;
        match answer {
            Ok(()) => {
                run.vitals = Vitals::Healthy { failures: 0 };
                run.healthy_since.get_or_insert(now);
                run.complaint = None;
                self.last_end = None;
            }
            Err(said) => {
                let age = now.since(run.launched);
                run.vitals = match run.vitals {
                    Vitals::Starting if age >= health.start_timeout => Vitals::Unhealthy,
                    Vitals::Healthy { failures } if failures + 1 >= health.failures => Vitals::Unhealthy,
                    Vitals::Healthy { failures } => Vitals::Healthy { failures: failures + 1 },
                    other => other,
                };
                run.complaint = match (run.vitals, run.healthy_since) {
                    (Vitals::Starting, _) => Some(format!("not healthy yet: {said}")),
                    (Vitals::Healthy { failures }, _) => {
                        Some(format!("{failures} of {} checks failed: {said}", health.failures))
                    }
                    (Vitals::Unhealthy, None) => {
                        let age = format_duration(age + run.before);
                        Some(with_lines(format!("was not healthy in {age}: {said}"), &lines()))
                    }
                    (Vitals::Unhealthy, Some(_)) => {
                        Some(with_lines(format!("{} checks in a row failed: {said}", health.failures), &lines()))
                    }
                };
            }
        }
        let pause = if run.healthy_since.is_some() || matches!(run.vitals, Vitals::Unhealthy) {
            health.interval
        } else {
            FIRST_CHECKS.min(health.interval)
        };
        run.check = Check::At(now + pause);
    }

    /// The process ended by itself, or there never was one. `lines` are its last log lines.
    pub(crate) fn ended(&mut self, now: Moment, end: &End, lines: &[String], service: &Service, random: &mut Random) {
        match &self.phase {
            Phase::Running(run) => {
                let stable = run.healthy_since.is_some_and(|since| now.since(since) >= service.restart.reset_after);
                self.streak = if stable { 1 } else { self.streak.saturating_add(1) };
                let pause = backoff(self.streak, &service.restart, random);
                self.last_end = Some(with_lines(self.tell(end, run.uptime(now), pause), lines));
                self.phase = Phase::Waiting { until: now + pause };
            }
            // Its group may still hold others; `gone` comes when not. Without a process there is nothing to wait for.
            Phase::Stopping { .. } if matches!(end, End::Exited(_)) => {}
            Phase::Stopping { .. } => self.phase = Phase::Stopped,
            Phase::Waiting { .. } | Phase::Stopped => {}
        }
    }

    fn tell(&self, end: &End, uptime: Duration, pause: Duration) -> String {
        let mut text = String::new();
        if self.streak >= CRASH_LOOP {
            text.push_str("crash loop: ");
        }
        let _ = match end {
            End::Exited(Exit::Code(code)) => write!(text, "exited with code {code} after {}", format_duration(uptime)),
            End::Exited(Exit::Signal(signal)) => {
                write!(text, "ended by {} after {}", signal_name(*signal), format_duration(uptime))
            }
            End::NotStarted(error) => write!(text, "{error}"),
            End::KeeperLost => write!(text, "its keeper died"),
        };
        if self.streak > 1 {
            let _ = write!(text, ", {} times in a row", self.streak);
        }
        let _ = write!(text, "; starts again after {}", format_duration(pause));
        text
    }

    /// Nothing is left of the process and its group.
    pub(crate) fn gone(&mut self) {
        if let Phase::Stopping { .. } = self.phase {
            self.phase = Phase::Stopped;
        }
    }

    /// It should not run any more. One that gets requests is asked to end after `drain`, so that the gateway can stop
    /// sending some. Asked again, the earlier time counts.
    pub(crate) fn stop(&mut self, now: Moment, drain: Duration) {
        let drain = if self.is_healthy() { drain } else { Duration::ZERO };
        self.phase = match std::mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Running(run) => Phase::Stopping { run, term_at: Some(now + drain) },
            Phase::Stopping { run, term_at } => Phase::Stopping { run, term_at: term_at.map(|at| at.min(now + drain)) },
            Phase::Waiting { .. } | Phase::Stopped => Phase::Stopped,
        };
    }

    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Waiting { .. } if self.last_end.is_some() => State::Backoff,
            Phase::Waiting { .. } => State::Starting,
            Phase::Running(run) => match run.vitals {
                Vitals::Starting => State::Starting,
                Vitals::Healthy { .. } => State::Healthy,
                Vitals::Unhealthy => State::Unhealthy,
            },
            Phase::Stopping { .. } => State::Stopping,
            Phase::Stopped => State::Stopped,
        }
    }

    /// Gets requests.
    pub(crate) fn is_healthy(&self) -> bool {
        self.state() == State::Healthy
    }

    /// Gets requests, or perhaps will in a moment: an earlier Madang started it, and its first check is not answered.
    pub(crate) fn is_useful(&self) -> bool {
        let unknown = |run: &Run| !run.before.is_zero() && run.healthy_since.is_none() && run.complaint.is_none();
        self.is_healthy() || matches!(&self.phase, Phase::Running(run) if unknown(run))
    }

    /// Is on its way out, or out.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. } | Phase::Stopped)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    /// The process id, while there is a process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.run().and_then(|run| run.pid)
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// When its process started, and what it had run before, under an earlier Madang.
    pub(crate) fn started_at(&self) -> Option<(Moment, Duration)> {
        self.run().filter(|run| run.pid.is_some()).map(|run| (run.launched, run.before))
    }

    /// What there is to say when it is not simply well. The first line stands alone; log lines follow as `| line`.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.phase {
            Phase::Running(run) => match run.vitals {
                // The end of the run before explains more than a check that is early.
                Vitals::Starting => self.last_end.as_deref().or(run.complaint.as_deref()),
                Vitals::Healthy { .. } | Vitals::Unhealthy => run.complaint.as_deref(),
            },
            Phase::Waiting { .. } => self.last_end.as_deref(),
            Phase::Stopping { .. } | Phase::Stopped => None,
        }
    }

    fn run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) | Phase::Stopping { run, .. } => Some(run),
            Phase::Waiting { .. } | Phase::Stopped => None,
        }
    }
}

impl Run {
    fn new(now: Moment) -> Self {
        Self {
            pid: None,
            launched: now,
            before: Duration::ZERO,
            vitals: Vitals::Starting,
            healthy_since: None,
            check: Check::Never,
            complaint: None,
        }
    }

    fn uptime(&self, now: Moment) -> Duration {
        self.before + now.since(self.launched)
    }
}

/// The pause before the `streak`th start again: doubling from `first` to `most`, less up to half of it by chance, so
/// that instances felled by one blow do not all come back in one moment.
fn backoff(streak: u32, restart: &Restart, random: &mut Random) -> Duration {
    let doubled = 2_u32.checked_pow(streak.saturating_sub(1)).and_then(|factor| restart.first.checked_mul(factor));
    let nominal = doubled.unwrap_or(restart.most).min(restart.most);
    nominal.mul_f64(1.0 - random.unit() / 2.0)
}

fn with_lines(mut text: String, lines: &[String]) -> String {
    for line in &lines[lines.len().saturating_sub(REASON_LINES)..] {
        let _ = write!(text, "\n| {line}");
    }
    text
}

/// The signals that end processes in practice, by name.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
