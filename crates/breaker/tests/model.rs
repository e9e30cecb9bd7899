//! The profile `madang` against a slow reference that keeps every result and counts anew each time.
#![cfg(not(loom))]

use madang_base::Moment;
use madang_breaker::{Breaker, Counter, Outcome, Rejected, Settings, State, Ticket, madang};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::time::Duration;

const START: u64 = 1_000_000;

/// Counts everything from the list of all results.
struct Reference {
    settings: madang::Settings,
    phase: Phase,
    generation: u32,
    /// When, failed, slow.
    results: Vec<(u64, bool, bool)>,
    row: u32,
    attempts: i32,
    closed_at: u64,
    open_for: u64,
    credit: u64,
}

enum Phase {
    Closed { recovering: Option<u64> },
    Open { until: u64 },
    HalfOpen { since: u64, in_flight: u32, results: Vec<(bool, bool)> },
}

/// A call that was let in, as the reference knows it.
#[derive(Clone, Copy)]
struct Call {
    generation: u32,
    is_trial: bool,
}

impl Reference {
    fn new(settings: madang::Settings) -> Self {
        let phase = Phase::Closed { recovering: None };
        Self {
            settings,
            phase,
            generation: 0,
            results: Vec::new(),
            row: 0,
            attempts: 0,
            closed_at: START,
            open_for: 0,
            credit: 0,
        }
    }

    fn go(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
        self.results.clear();
        self.row = 0;
    }

    fn open(&mut self, now: u64) {
        let is_closed = matches!(self.phase, Phase::Closed { .. });
        let recovery = self.settings.recovery.as_millis() as u64;
        if is_closed && now - self.closed_at >= self.open_for + recovery {
            self.attempts = 0;
        }
        let full = self.settings.open.as_millis() as f64 * self.settings.open_factor.powi(self.attempts);
        self.open_for = full.min(self.settings.open_max.as_millis() as f64) as u64;
        self.attempts += 1;
        self.go(Phase::Open { until: now + self.open_for });
    }

    fn close(&mut self, now: u64) {
        let recovering = (!self.settings.recovery.is_zero()).then_some(now);
        self.go(Phase::Closed { recovering });
        (self.closed_at, self.credit) = (now, 65_535);
    }

    fn is_bad(&self, calls: usize, failures: usize, slow: usize) -> bool {
        let over = |part: usize, rate: f64| part as f64 * 100.0 >= rate * calls as f64;
        over(failures, self.settings.failure_rate) || over(slow, self.settings.slow_rate)
    }

    fn enter(&mut self, now: u64) -> Result<Call, Rejected> {
        loop {
            let trials = self.settings.trials;
            match &mut self.phase {
                Phase::Closed { recovering } => {
                    let recovery = self.settings.recovery.as_millis() as u64;
                    if let Some(since) = recovering.filter(|since| now - since < recovery) {
                        let first = (self.settings.recovery_share * 65_536.0 / 100.0) as u64;
                        let share = first + (65_536 - first) * (now - since) / recovery;
                        self.credit += share;
                        if self.credit < 65_536 {
                            let left = Some(Duration::from_millis(recovery - (now - since)));
                            return Err(Rejected { state: State::Closed, retry_after: left });
                        }
                        self.credit -= 65_536;
                    }
                    return Ok(Call { generation: self.generation, is_trial: false });
                }
                Phase::Open { until } if now < *until => {
                    let left = Some(Duration::from_millis(*until - now));
                    return Err(Rejected { state: State::Open, retry_after: left });
                }
                Phase::Open { .. } => {
                    self.go(Phase::HalfOpen { since: now, in_flight: 0, results: Vec::new() });
                }
                Phase::HalfOpen { since, in_flight, results } => {
                    if now - *since >= self.settings.half_open_longest.as_millis() as u64 {
                        let all = results.len() + *in_flight as usize;
                        let failures = *in_flight as usize + results.iter().filter(|(failed, _)| *failed).count();
                        let slow = results.iter().filter(|(_, slow)| *slow).count();
                        match all {
                            0 => *since = now,
                            _ if self.is_bad(all, failures, slow) => self.open(now),
                            _ => self.close(now),
                        }
                        continue;
                    }
                    if *in_flight as usize + results.len() >= trials as usize {
                        return Err(Rejected { state: State::HalfOpen, retry_after: None });
                    }
                    *in_flight += 1;
                    return Ok(Call { generation: self.generation, is_trial: true });
                }
            }
        }
    }

    fn end(&mut self, call: Call, now: u64, outcome: Option<Outcome>, duration: Duration) {
        if call.generation != self.generation {
            return;
        }
        let failed = matches!(outcome, Some(Outcome::Failure | Outcome::Timeout));
        let slow = self.settings.slow_call.is_some_and(|limit| duration > limit);
        let is_counted = !matches!(outcome, None | Some(Outcome::Ignored));
        let trials = self.settings.trials as usize;
        match &mut self.phase {
            Phase::Closed { .. } if is_counted => {
                self.results.push((now, failed, slow));
                self.row = if failed { self.row + 1 } else { 0 };
                let (calls, failures, slow) = self.counts(now);
                let minimum = match self.settings.window {
                    madang::Window::Time(_) => self.settings.minimum_calls,
                    madang::Window::Calls(length) => self.settings.minimum_calls.min(length),
                };
                let is_bad = calls >= minimum as usize && self.is_bad(calls, failures, slow);
                if is_bad || self.settings.consecutive_failures.is_some_and(|limit| self.row >= limit) {
                    self.open(now);
                }
            }
            Phase::HalfOpen { in_flight, results, .. } if call.is_trial => {
                *in_flight -= 1;
                if is_counted {
                    results.push((failed, slow));
                    let (ended, failures) = (results.len(), results.iter().filter(|(failed, _)| *failed).count());
                    let slow = results.iter().filter(|(_, slow)| *slow).count();
                    if self.is_bad(trials, failures, slow) {
                        self.open(now);
                    } else if ended >= trials {
                        self.close(now);
                    }
                }
            }
            Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    /// Calls, failures and slow ones in the window.
    fn counts(&self, now: u64) -> (usize, usize, usize) {
        let counted: Vec<_> = match self.settings.window {
            madang::Window::Calls(length) => self.results.iter().rev().take(length as usize).collect(),
            madang::Window::Time(span) => {
                let nanos = span.as_nanos() as u64;
                let width = (nanos / 15).next_power_of_two();
                let epoch = |millis: u64| millis * 1_000_000 / width;
                let buckets = nanos.div_ceil(width);
                self.results.iter().filter(|(at, ..)| epoch(now) - epoch(*at) < buckets).collect()
            }
        };
        let count = |of: fn(&(u64, bool, bool)) -> bool| counted.iter().filter(|result| of(result)).count();
        (counted.len(), count(|(_, failed, _)| *failed), count(|(.., slow)| *slow))
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter,
    /// The how-manieth call under way, how it went and how long it took.
    End(usize, Outcome, u64),
    Cancel(usize),
    /// It is never heard of again.
    Lose(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Timeout),
        1 => Just(Outcome::Ignored),
    ];
    let step = prop_oneof![
        8 => Just(Step::Enter),
        8 => (any::<usize>(), outcome, 0..200_u64).prop_map(|(call, outcome, took)| Step::End(call, outcome, took)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Lose),
        4 => prop_oneof![20 => 0..50_u64, 10 => 50..2_000_u64, 1 => 2_000..100_000_u64, 1 => Just(86_400_000)]
            .prop_map(Step::Wait),
    ];
    vec(step, 1..300)
}

fn settings() -> impl Strategy<Value = madang::Settings> {
    let window = prop_oneof![
        (100..5_000_u64).prop_map(|millis| madang::Window::Time(Duration::from_millis(millis))),
        (1..20_u32).prop_map(madang::Window::Calls),
    ];
    let maybe = |of: std::ops::Range<u32>| prop_oneof![Just(None), of.prop_map(Some)];
    let first = (window, 1..10_u32, 1..=100_u32, maybe(0..150), 1..=100_u32, maybe(1..6));
    let second = (1..2_000_u64, 1..=4_u64, 1..=3_u32, 1..8_u32, 1..3_000_u64);
    (first, second, (prop_oneof![Just(0), 1..2_000_u64], 1..=100_u32)).prop_map(|(first, second, third)| {
        let (window, minimum_calls, failure_rate, slow_call, slow_rate, consecutive_failures) = first;
        let (open, longer, open_factor, trials, longest) = second;
        let (recovery, recovery_share) = third;
        madang::Settings {
            window,
            minimum_calls,
            failure_rate: failure_rate.into(),
            slow_call: slow_call.map(|millis| Duration::from_millis(millis.into())),
            slow_rate: slow_rate.into(),
            consecutive_failures,
            open: Duration::from_millis(open),
            open_max: Duration::from_millis(open * longer),
            open_factor: open_factor.into(),
            open_jitter: 0.0,
            trials,
            half_open_longest: Duration::from_millis(longest),
            recovery: Duration::from_millis(recovery),
            recovery_share: recovery_share.into(),
            seed: 0,
        }
    })
}

/// Does the same with both and compares every answer.
fn compare(settings: madang::Settings, steps: Vec<Step>) {
    let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
    let mut now = START;
    let mut reference = Reference::new(settings.clone());
    let breaker = Breaker::new(Settings::Madang(settings), at(now));
    let mut calls: Vec<(Ticket, Call)> = Vec::new();
    let take = |calls: &mut Vec<(Ticket, Call)>, which: usize| {
        (!calls.is_empty()).then(|| calls.swap_remove(which % calls.len()))
    };
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Wait(millis) => now += millis,
            Step::Enter => match (breaker.enter(at(now)), reference.enter(now)) {
                (Ok(ticket), Ok(call)) => calls.push((ticket, call)),
                (found, expected) => assert_eq!(found.map(drop), expected.map(drop), "step {number}"),
            },
            Step::End(which, outcome, took) => {
                if let Some((ticket, call)) = take(&mut calls, which) {
                    let took = Duration::from_millis(took);
                    breaker.end(ticket, at(now), outcome, took);
                    reference.end(call, now, Some(outcome), took);
                }
            }
            Step::Cancel(which) => {
                if let Some((ticket, call)) = take(&mut calls, which) {
                    breaker.cancel(ticket, at(now));
                    reference.end(call, now, None, Duration::ZERO);
                }
            }
            Step::Lose(which) => drop(take(&mut calls, which)),
        }
        assert_eq!(breaker.state(at(now)), reference.state(), "step {number}");
        if reference.state() == State::Closed {
            let (calls, failures, slow) = reference.counts(now);
            let counted = |count: usize| Counter::Count(count as u64);
            let expected = [("calls", counted(calls)), ("failures", counted(failures)), ("slow", counted(slow))];
            assert_eq!(breaker.counters(at(now))[..3], expected, "step {number}");
        }
    }
}

#[test]
fn it_answers_as_a_breaker_that_keeps_every_result() {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let config = Config {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&(settings(), steps()), |(settings, steps)| {
        compare(settings, steps);
        Ok(())
    });
    if let Err(problem) = run {
        panic!("{problem}");
    }
}
