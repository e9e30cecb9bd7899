//! The state machine: every step is one compare-and-swap of the word, and what belongs to a step follows it.
//!
//! Nobody waits for anybody. Whoever wins a transition then writes down what people want to know of it (`story`), sweeps
//! the window and tells the listener; a thread that is stopped before that delays only what is told.

use madang_base::Moment;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Kind;
use super::limits::{Limits, SHARES, Shape};
use super::ring::CountWindow;
use super::settings::Settings;
use super::window::TimeWindow;
use super::word::{Phase, Tick, Trials, Word};
use crate::breaker::Listener;
use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::{Counter, Counts, Mode, Outcome, Reason, Rejected, State, Ticket, Transition};

/// A lock-free breaker.
#[derive(Debug)]
pub(crate) struct Core {
    word: AtomicU64,
    pub(super) limits: Limits,
    pub(super) listener: Listener,
    pub(super) aside: Aside,
    ring: CountWindow,
    window: TimeWindow,
    /// Held by whoever changes the settings; no call ever waits for it.
    reload: Mutex<()>,
}

/// What calls write outside the window, apart from what all calls read.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Aside {
    /// Failures in a row: `generation 24 | count 40`.
    row: AtomicU64,
    /// When the half-open state began, in milliseconds: `generation 24 | millis 40`.
    stay: AtomicU64,
    /// While it recovers: shares that calls have brought so far. A call that brings it over a whole one passes.
    credit: AtomicU64,
    /// Results that came after the transition that made them meaningless.
    late: AtomicU64,
    pub(super) story: Story,
}

/// What people want to know of the last opening and closing. Written by whoever made them, word by word.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) opened_at: AtomicU64,
    pub(super) open_nanos: AtomicU64,
    pub(super) closed_at: AtomicU64,
    /// Openings without a time of health between them, the last one included.
    pub(super) attempts: AtomicU32,
    reason: AtomicU32,
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

const LOW_40: u64 = (1 << 40) - 1;

/// What a ticket says besides its generation: `generation << 2 | kind`.
const COUNTED: u64 = 0;
const TRIAL: u64 = 1;
/// Its result counts nowhere.
const FREE: u64 = 2;

impl Core {
    pub(crate) fn new(settings: &Settings, now: Moment, listener: Listener) -> Self {
        let zero = || AtomicU64::new(0);
        let story = Story {
            opened_at: zero(),
            open_nanos: zero(),
            closed_at: AtomicU64::new(now.nanos()),
            attempts: AtomicU32::new(0),
            reason: AtomicU32::new(0),
            calls: zero(),
            failures: zero(),
            slow: zero(),
        };
        let core = Self {
            word: AtomicU64::new(Word::FIRST.0),
            limits: Limits::new(settings),
            listener,
            aside: Aside { row: zero(), stay: zero(), credit: zero(), late: zero(), story },
            ring: CountWindow::new(),
            window: TimeWindow::new(),
            reload: Mutex::new(()),
        };
        if let Shape::Calls(calls) = core.limits.shape() {
            core.ring.prepare(calls);
        }
        core
    }

    #[inline]
    pub(crate) fn enter(&self, now: Moment) -> Result<Ticket, Rejected> {
        let word = self.word();
        if word.is_plain() {
            return Ok(ticket(word, COUNTED));
        }
        self.enter_otherwise(word, now)
    }

    fn enter_otherwise(&self, word: Word, now: Moment) -> Result<Ticket, Rejected> {
        match word.mode() {
            Mode::Automatic => self.ask(word, now),
            Mode::MetricsOnly => self.ask(word, now).or(Ok(ticket(word, FREE))),
            Mode::ForcedOpen => Err(Rejected { state: State::ForcedOpen, retry_after: None }),
            // It is in the closed phase as long as it is forced to be.
            Mode::ForcedClosed => Ok(ticket(word, COUNTED)),
            Mode::Disabled => Ok(ticket(word, FREE)),
        }
    }

    /// Asks the phase.
    fn ask(&self, mut word: Word, now: Moment) -> Result<Ticket, Rejected> {
        let mode = word.mode();
        loop {
            if word.mode() != mode {
                return self.enter_otherwise(word, now);
            }
            let next = match word.phase() {
                Phase::Closed { recovering: None } => return Ok(ticket(word, COUNTED)),
                Phase::Closed { recovering: Some(since) } => {
                    let millis = Tick::of(now).since(since);
                    // A clock that went back has the recovery behind it.
                    let Some(share) = self.limits.share(millis) else {
                        self.change(&mut word, |word| word.with(Phase::Closed { recovering: None }));
                        continue;
                    };
                    let before = self.aside.credit.fetch_add(share, Relaxed);
                    if before % SHARES + share >= SHARES {
                        return Ok(ticket(word, COUNTED));
                    }
                    let left = Duration::from_millis(self.limits.recovery_millis().saturating_sub(millis));
                    return Err(Rejected { state: State::Closed, retry_after: Some(left) });
                }
                Phase::Open { until } => {
                    if let Some(left) = until.left(now, self.limits.longest_open_millis()) {
                        let retry_after = Some(Duration::from_nanos(left));
                        return Err(Rejected { state: State::Open, retry_after });
                    }
                    word.next(Phase::HalfOpen(Trials { in_flight: 1, ..Trials::default() }))
                }
                Phase::HalfOpen(trials) => {
                    if self.is_overdue(word.generation(), now) {
                        self.judge_overdue(&mut word, trials, now);
                        continue;
                    }
                    if trials.in_flight + trials.ended >= self.limits.trials() {
                        // Only fewer trials by new settings make all of them be in here.
                        match self.verdict(trials) {
                            Some(verdict) => self.decide(&mut word, verdict, trials, now),
                            None => return Err(Rejected { state: State::HalfOpen, retry_after: None }),
                        }
                        continue;
                    }
                    word.with(Phase::HalfOpen(Trials { in_flight: trials.in_flight + 1, ..trials }))
                }
            };
            match self.swap(word, next) {
                Ok(()) => {
                    if next.generation() != word.generation() {
                        self.begin_stay(next.generation(), now);
                        self.tell(word, next, now, Reason::OpenTimeOver, Counts::default());
                    }
                    return Ok(ticket(next, TRIAL));
                }
                Err(seen) => word = seen,
            }
        }
    }

    #[inline]
    pub(crate) fn end(&self, ticket: &Ticket, now: Moment, outcome: Outcome, duration: Duration) {
        let word = self.word();
        let slow = self.limits.is_slow(duration);
        let result = match outcome {
            Outcome::Success => Some(Kind::of(false, slow)),
            Outcome::Failure | Outcome::Timeout => Some(Kind::of(true, slow)),
            Outcome::Ignored => None,
        };
        match result {
            Some(kind) if ticket.0 == u64::from(word.generation()) << 2 | COUNTED => self.count(word, now, kind),
            _ => self.end_otherwise(ticket, now, result),
        }
    }

    /// A trial, a result that is ignored, a late one.
    #[cold]
    fn end_otherwise(&self, ticket: &Ticket, now: Moment, result: Option<Kind>) {
        let generation = (ticket.0 >> 2) as u32;
        match ticket.0 & 3 {
            TRIAL => self.end_trial(generation, now, result),
            COUNTED if result.is_some() && generation != self.word().generation() => {
                self.aside.late.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }

    pub(crate) fn cancel(&self, ticket: &Ticket, now: Moment) {
        if ticket.0 & 3 == TRIAL {
            self.end_trial((ticket.0 >> 2) as u32, now, None);
        }
    }

    /// Takes in the result of a call that the present generation let in, and judges.
    #[inline]
    fn count(&self, word: Word, now: Moment, kind: Kind) {
        if !word.is_plain() && word.mode() == Mode::Disabled {
            return;
        }
        let generation = word.generation();
        let is_current = || self.word().generation() == generation;
        let rates = self.limits.rates();
        let shape = self.limits.shape();
        let counts = match shape {
            Shape::Time(geometry) => {
                let suspicious = |own| rates.broken_by(own);
                self.window.record(geometry, generation, now, kind, is_current, suspicious)
            }
            Shape::Calls(calls) => self.ring.record(calls, generation, kind, is_current),
        };
        let row = self.limits.consecutive();
        let too_many_in_a_row = row.is_some_and(|limit| self.in_a_row(generation, kind) >= limit);
        let broken = counts.filter(|counts| rates.broken_by(*counts));
        if too_many_in_a_row || broken.is_some_and(|counts| counts.calls >= self.limits.minimum(shape)) {
            let reason = match broken {
                _ if too_many_in_a_row => Reason::ConsecutiveFailures,
                Some(counts) if rates.too_many_failed(counts.failures, counts.calls) => Reason::FailureRate,
                _ => Reason::SlowRate,
            };
            self.trip(word, now, reason);
        }
    }

    /// Opens a closed breaker, unless it is not that any more or somebody forbids it.
    #[cold]
    fn trip(&self, mut word: Word, now: Moment, reason: Reason) {
        let generation = word.generation();
        let counts = self.counts(generation, now);
        while word.generation() == generation && matches!(word.mode(), Mode::Automatic | Mode::MetricsOnly) {
            if self.open(&mut word, now, reason, counts) {
                return;
            }
        }
    }

    /// Tries once to open. The number of openings in a row starts over when it was closed for at least as long as it had
    /// been open and recovering: then this is another fault.
    fn open(&self, word: &mut Word, now: Moment, reason: Reason, counts: Counts) -> bool {
        let story = &self.aside.story;
        let healthy = now.since(Moment::from_nanos(story.closed_at.load(Relaxed)));
        let expected =
            Duration::from_nanos(story.open_nanos.load(Relaxed)) + Duration::from_millis(self.limits.recovery_millis());
        let is_another = word.is_closed() && healthy >= expected;
        let attempt = if is_another { 0 } else { story.attempts.load(Relaxed) };
        let span = self.limits.open_for(attempt, word.generation());
        let next = word.next(Phase::Open { until: Tick::not_before(now + span) });
        if let Err(seen) = self.swap(*word, next) {
            *word = seen;
            return false;
        }
        story.attempts.store(attempt.saturating_add(1), Relaxed);
        story.opened_at.store(now.nanos(), Relaxed);
        story.open_nanos.store(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        story.reason.store(reason as u32, Relaxed);
        story.calls.store(counts.calls, Relaxed);
        story.failures.store(counts.failures, Relaxed);
        story.slow.store(counts.slow, Relaxed);
        self.window.sweep(word.generation());
        self.tell(*word, next, now, reason, counts);
        *word = next;
        true
    }

    fn close(&self, word: &mut Word, now: Moment, reason: Reason, counts: Counts) -> bool {
        let recovering = (self.limits.recovery_millis() > 0).then(|| Tick::of(now));
        let next = word.next(Phase::Closed { recovering });
        if let Err(seen) = self.swap(*word, next) {
            *word = seen;
            return false;
        }
        self.closed(now);
        self.tell(*word, next, now, reason, counts);
        *word = next;
        true
    }

    fn closed(&self, now: Moment) {
        // The first call of a recovery passes.
        self.aside.credit.store(SHARES - 1, Relaxed);
        self.aside.story.closed_at.store(now.nanos(), Relaxed);
    }

    /// Takes in the end of a trial: its result, or none when its place comes back.
    fn end_trial(&self, generation: u32, now: Moment, result: Option<Kind>) {
        let mut word = self.word();
        while let Phase::HalfOpen(trials) = word.phase() {
            if word.generation() != generation {
                break;
            }
            let in_flight = trials.in_flight.saturating_sub(1);
            let trials = match result {
                None => Trials { in_flight, ..trials },
                Some(kind) => Trials {
                    in_flight,
                    ended: trials.ended + 1,
                    failures: trials.failures + u32::from(kind.is_failure()),
                    slow: trials.slow + u32::from(kind.is_slow()),
                },
            };
            let is_done = match result.and_then(|_| self.verdict(trials)) {
                Some(Verdict::Open(reason)) => self.open(&mut word, now, reason, trials.counts()),
                Some(Verdict::Close(reason)) => self.close(&mut word, now, reason, trials.counts()),
                None => self.change(&mut word, |word| word.with(Phase::HalfOpen(trials))),
            };
            if is_done {
                return;
            }
        }
        if result.is_some() {
            self.aside.late.fetch_add(1, Relaxed);
        }
    }

    /// What the trials say, if they say something already.
    fn verdict(&self, trials: Trials) -> Option<Verdict> {
        let all = self.limits.trials().max(trials.ended);
        self.too_bad(trials.failures, trials.slow, all)
            .map(Verdict::Open)
            .or_else(|| (trials.ended >= all).then_some(Verdict::Close(Reason::TrialsPassed)))
    }

    fn too_bad(&self, failures: u32, slow: u32, of: u32) -> Option<Reason> {
        let rates = self.limits.rates();
        match rates.too_many_failed(failures.into(), of.into()) {
            true => Some(Reason::FailureRate),
            false => rates.too_many_slow(slow.into(), of.into()).then_some(Reason::SlowRate),
        }
    }

    /// The longest stay is over: what is there decides. Without anything it waits anew.
    fn judge_overdue(&self, word: &mut Word, trials: Trials, now: Moment) {
        let all = trials.ended + trials.in_flight;
        if all == 0 {
            self.begin_stay(word.generation(), now);
            return;
        }
        let is_bad = self.too_bad(trials.failures + trials.in_flight, trials.slow, all).is_some();
        let reason = Reason::TrialsOverdue;
        self.decide(word, if is_bad { Verdict::Open(reason) } else { Verdict::Close(reason) }, trials, now);
    }

    /// Tries once; `word` is what is there then.
    fn decide(&self, word: &mut Word, verdict: Verdict, trials: Trials, now: Moment) {
        let _ = match verdict {
            Verdict::Open(reason) => self.open(word, now, reason, trials.counts()),
            Verdict::Close(reason) => self.close(word, now, reason, trials.counts()),
        };
    }

    fn begin_stay(&self, generation: u32, now: Moment) {
        self.aside.stay.store(u64::from(generation) << 40 | millis_40(now), Relaxed);
    }

    fn is_overdue(&self, generation: u32, now: Moment) -> bool {
        let stay = self.aside.stay.load(Relaxed);
        let elapsed = millis_40(now).wrapping_sub(stay) & LOW_40;
        // Whoever made it half-open has not come to write it down, or the clock went back: it begins now.
        if stay >> 40 != u64::from(generation) || elapsed > LOW_40 / 2 {
            self.begin_stay(generation, now);
            return false;
        }
        elapsed >= self.limits.half_open_millis()
    }

    /// Until a half-open breaker is judged by what is there.
    pub(super) fn stay_left(&self, generation: u32, now: Moment) -> Duration {
        let stay = self.aside.stay.load(Relaxed);
        let is_known = stay >> 40 == u64::from(generation);
        let elapsed = if is_known { millis_40(now).wrapping_sub(stay) & LOW_40 } else { 0 };
        Duration::from_millis(self.limits.half_open_millis().saturating_sub(elapsed))
    }

    /// Failures in a row, this result included.
    fn in_a_row(&self, generation: u32, kind: Kind) -> u64 {
        let tag = u64::from(generation) << 40;
        let mut seen = self.aside.row.load(Acquire);
        loop {
            let row = if seen & !LOW_40 == tag { seen & LOW_40 } else { 0 };
            let next = if kind.is_failure() { row + 1 } else { 0 };
            // Success after success reads only.
            if next == row || self.word().generation() != generation {
                return next;
            }
            match self.aside.row.compare_exchange_weak(seen, tag | next, AcqRel, Acquire) {
                Ok(_) => return next,
                Err(other) => seen = other,
            }
        }
    }

    pub(crate) fn switch(&self, mode: Mode, now: Moment) {
        let mut word = self.word();
        loop {
            let is_let_close = mode == Mode::ForcedClosed && !word.is_closed();
            let next = word.switched(mode);
            let next = if is_let_close { next.next(Phase::Closed { recovering: None }) } else { next };
            match self.swap(word, next) {
                Ok(()) if word == next => return,
                Ok(()) => {
                    if is_let_close {
                        self.closed(now);
                    }
                    return self.tell(word, next, now, Reason::Switched, Counts::default());
                }
                Err(seen) => word = seen,
            }
        }
    }

    pub(crate) fn reset(&self, now: Moment) {
        let mut word = self.word();
        while let Err(seen) = self.swap(word, word.next(Phase::Closed { recovering: None })) {
            word = seen;
        }
        self.window.sweep(word.generation());
        self.closed(now);
        self.aside.story.attempts.store(0, Relaxed);
        let next = word.next(Phase::Closed { recovering: None });
        self.tell(word, next, now, Reason::Reset, Counts::default());
    }

    pub(crate) fn reload(&self, settings: &Settings, now: Moment) {
        let _one_at_a_time = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        self.limits.set(settings);
        let (old, new) = (self.limits.shape(), Shape::of(settings.window));
        if old == new {
            return;
        }
        // A result that is taken in at this very moment may be lost; all that were are kept.
        let generation = self.word().generation();
        let counts = self.counts(generation, now);
        match (old, new) {
            (Shape::Calls(from), Shape::Calls(to)) => {
                self.ring.prepare(to);
                self.ring.resize(from, to, generation);
                self.limits.set_shape(new);
            }
            (Shape::Time(_), Shape::Calls(to)) => {
                self.ring.prepare(to);
                self.ring.adopt(to, generation, counts);
                self.limits.set_shape(new);
                self.window.sweep(generation);
            }
            (_, Shape::Time(geometry)) => {
                self.window.sweep(generation);
                self.limits.set_shape(new);
                self.window.adopt(geometry, generation, now, counts);
            }
        }
    }

    pub(crate) fn state(&self) -> State {
        self.word().state()
    }

    pub(super) fn counts(&self, generation: u32, now: Moment) -> Counts {
        match self.limits.shape() {
            Shape::Time(geometry) => self.window.counts(geometry, generation, now),
            Shape::Calls(calls) => self.ring.counts(calls, generation),
        }
    }

    pub(crate) fn counters(&self, now: Moment) -> Vec<(&'static str, Counter)> {
        let word = self.word();
        let counts = self.counts(word.generation(), now);
        let is_known = counts.calls >= self.limits.minimum(self.limits.shape());
        let rate = |part: u64| match is_known {
            true => Counter::Rate(part as f64 * 100.0 / counts.calls as f64),
            false => Counter::Rate(-1.0),
        };
        let trials = match word.phase() {
            Phase::HalfOpen(trials) => trials,
            Phase::Closed { .. } | Phase::Open { .. } => Trials::default(),
        };
        vec![
            ("calls", Counter::Count(counts.calls)),
            ("failures", Counter::Count(counts.failures)),
            ("slow", Counter::Count(counts.slow)),
            ("failure_rate", rate(counts.failures)),
            ("slow_rate", rate(counts.slow)),
            ("consecutive_failures", Counter::Count(self.row())),
            ("trials_in_flight", Counter::Count(trials.in_flight.into())),
            ("trials_ended", Counter::Count(trials.ended.into())),
            ("trials_failed", Counter::Count(trials.failures.into())),
            ("late", Counter::Count(self.late())),
        ]
    }

    /// Failures in a row; 0 when they are not counted.
    pub(super) fn row(&self) -> u64 {
        let row = self.aside.row.load(Relaxed);
        if row >> 40 == u64::from(self.word().generation()) { row & LOW_40 } else { 0 }
    }

    pub(super) fn late(&self) -> u64 {
        self.aside.late.load(Relaxed)
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    fn swap(&self, from: Word, to: Word) -> Result<(), Word> {
        self.word.compare_exchange(from.0, to.0, AcqRel, Acquire).map(drop).map_err(Word)
    }

    /// Tries once to change `word`; it is what is there then.
    fn change(&self, word: &mut Word, change: impl Fn(Word) -> Word) -> bool {
        let next = change(*word);
        let done = self.swap(*word, next);
        *word = done.err().unwrap_or(next);
        done.is_ok()
    }

    fn tell(&self, from: Word, to: Word, at: Moment, reason: Reason, counts: Counts) {
        let mode = to.mode();
        let (from, before) = (from.mode().state().unwrap_or(from.phase().state()), from);
        // What would have been, when it is only watched.
        let (from, to_state) = match (before.mode(), mode) {
            (Mode::MetricsOnly, Mode::MetricsOnly) => (before.phase().state(), to.phase().state()),
            _ => (from, to.state()),
        };
        if from != to_state {
            self.listener.hear(&Transition { at, from, to: to_state, mode, reason, counts, number: to.generation() });
        }
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    Open(Reason),
    Close(Reason),
}

impl Trials {
    pub(super) fn counts(self) -> Counts {
        Counts { calls: self.ended.into(), failures: self.failures.into(), slow: self.slow.into() }
    }
}

impl Story {
    pub(super) fn reason(&self) -> Reason {
        const TRIPS: [Reason; 4] =
            [Reason::FailureRate, Reason::SlowRate, Reason::ConsecutiveFailures, Reason::TrialsOverdue];
        let stored = self.reason.load(Relaxed);
        TRIPS.into_iter().find(|reason| *reason as u32 == stored).unwrap_or(Reason::FailureRate)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { calls: self.calls.load(Relaxed), failures: self.failures.load(Relaxed), slow: self.slow.load(Relaxed) }
    }
}

const fn ticket(word: Word, kind: u64) -> Ticket {
    Ticket((word.generation() as u64) << 2 | kind)
}

const fn millis_40(moment: Moment) -> u64 {
    (moment.nanos() / 1_000_000) & LOW_40
}
