use super::Settings;
use crate::{Breaker, Counter, Outcome, State, Ticket};
use madang_base::Moment;
use std::time::Duration;

/// A circuit and its clock.
pub(super) struct Play {
    breaker: Breaker,
    now: Moment,
}

impl Play {
    pub(super) fn new(settings: Settings) -> Self {
        Self::of(crate::Settings::Hystrix(settings))
    }

    pub(super) fn of(settings: crate::Settings) -> Self {
        Self { breaker: Breaker::new(settings, Moment::default()), now: Moment::default() }
    }

    pub(super) fn pass(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self
    }

    pub(super) fn enter(&self) -> Option<Ticket> {
        self.breaker.enter(self.now).ok()
    }

    pub(super) fn end(&self, ticket: Ticket, outcome: char) {
        let outcome = match outcome {
            'S' => Outcome::Success,
            'F' => Outcome::Failure,
            'T' => Outcome::Timeout,
            _ => Outcome::Ignored,
        };
        self.breaker.end(ticket, self.now, outcome, Duration::ZERO);
    }

    pub(super) fn cancel(&self, ticket: Ticket) {
        self.breaker.cancel(ticket, self.now);
    }

    /// One call after the other, each as its letter says, then a health snapshot; how many were let in.
    pub(super) fn calls(&mut self, outcomes: &str) -> usize {
        let entered =
            outcomes.chars().filter_map(|outcome| self.enter().map(|ticket| self.end(ticket, outcome))).count();
        self.pass(100);
        entered
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        match self.breaker.counters(self.now).iter().find(|(counter, _)| *counter == name).unwrap().1 {
            Counter::Count(count) => count,
            Counter::Rate(_) => panic!("`{name}` is no count"),
        }
    }
}

/// A snapshot every 100 ms, no least volume, 45 %, a window of 5 s in 5 buckets and a long sleep.
pub(super) fn quick() -> Settings {
    Settings {
        request_volume_threshold: 0,
        error_threshold_percentage: 45,
        sleep_window: Duration::from_secs(60),
        rolling_time: Duration::from_secs(5),
        rolling_buckets: 5,
        health_interval: Duration::from_millis(100),
        ..Settings::default()
    }
}

#[test]
fn the_circuit_opens_when_the_share_of_errors_at_a_tick_is_large_enough() {
    let some = Settings { request_volume_threshold: 5, ..quick() };
    for (settings, outcomes, passes) in [
        (quick(), "SSSS", true),
        (quick(), "SSSSFFFF", false),
        (quick(), "SSFSFSFF", false),
        (quick(), "SSFSSFSF", true),
        (quick(), "TTTT", false),
        (quick(), "SSTSTTST", false),
        (some, "FFFF", true),
    ] {
        let mut play = Play::new(settings);
        assert_eq!(play.calls(outcomes), outcomes.len(), "nothing is looked at before the tick");
        assert_eq!(play.enter().is_some(), passes, "{outcomes}");
        assert_eq!(play.state(), if passes { State::Closed } else { State::Open }, "{outcomes}");
    }
}

#[test]
fn asking_for_the_state_does_not_open_it() {
    let mut play = Play::new(quick());
    play.calls("FFFF");
    assert_eq!(play.state(), State::Closed, "the first call after the tick opens it");
    assert!(play.enter().is_none());
    assert_eq!(play.state(), State::Open);
}

#[test]
fn bad_requests_and_refused_calls_count_nowhere() {
    let mut play = Play::new(quick());
    play.calls(&"I".repeat(100));
    assert_eq!((play.count("requestCount"), play.state()), (0, State::Closed));
    play.calls("FFFF");
    assert_eq!(play.calls("FFFF"), 0);
    assert_eq!((play.count("requestCount"), play.count("errorCount")), (4, 4));
    play.pass(900);
    assert_eq!((play.count("rollingCountBadRequests"), play.count("rollingCountShortCircuited")), (100, 4));
}

#[test]
fn forced_open_wins_over_forced_closed_which_lets_all_pass() {
    let forced = |force_open, force_closed| Settings { force_open, force_closed, ..quick() };
    for (settings, passes) in [(forced(true, false), 0), (forced(false, true), 8), (forced(true, true), 0)] {
        let mut play = Play::new(settings);
        assert_eq!(play.calls("FFFF") + play.calls("FFFF"), passes);
    }
    let mut play = Play::new(forced(false, true));
    play.calls("FFFF");
    assert!(play.enter().is_some());
    assert_eq!(play.state(), State::Open, "underneath it goes on judging");
}

#[test]
fn without_a_circuit_breaker_every_call_passes() {
    let mut play = Play::new(Settings { enabled: false, force_open: true, ..quick() });
    assert_eq!(play.calls("FFFF") + play.calls("FFFF"), 8);
    assert_eq!(play.state(), State::Closed);
}

#[test]
fn one_call_passes_per_sleep_window_and_its_failure_changes_nothing() {
    let mut play = Play::new(Settings { sleep_window: Duration::from_millis(200), ..quick() });
    play.calls("FFFF");
    assert!(play.enter().is_none());
    assert!(play.pass(200).enter().is_none(), "at the last millisecond of the window");
    let trial = play.pass(1).enter().unwrap();
    assert!(play.enter().is_none() && play.pass(200).enter().is_none());
    assert!(play.pass(1).enter().is_some(), "the next window, with the first trial still running");
    play.end(trial, 'F');
    assert_eq!((play.enter().is_some(), play.state()), (false, State::Open));
}

#[test]
fn any_success_closes_it_and_is_the_first_of_the_new_health() {
    let mut play = Play::new(quick());
    let late = play.enter().unwrap();
    play.calls("FFFF");
    assert!(play.enter().is_none());
    play.pass(30).end(late, 'S');
    assert_eq!((play.state(), play.count("requestCount")), (State::Closed, 1), "the first tick comes with the close");
    play.end(play.enter().unwrap(), 'F');
    assert_eq!(play.pass(99).count("errorCount"), 0, "ticks count from the close");
    assert_eq!((play.pass(1).count("requestCount"), play.count("errorCount")), (2, 1));
    play.pass(4_799);
    assert_eq!((play.count("requestCount"), play.pass(1).count("requestCount")), (2, 2));
    assert_eq!(play.pass(100).count("requestCount"), 1, "the success goes after 50 ticks, a bucket before the failure");
}

#[test]
fn counts_vanish_when_their_bucket_leaves_the_window() {
    let mut play = Play::new(quick());
    play.calls("SF");
    assert_eq!((play.pass(4_999).count("requestCount"), play.pass(1).count("requestCount")), (2, 0));
    play.calls("SF");
    assert_eq!(play.pass(60 * 60 * 1_000).count("requestCount"), 0, "after an hour of silence");
    play.calls("SF");
    assert_eq!(play.count("requestCount"), 2);
}

#[test]
fn the_percentage_is_cut_as_the_product_cuts_it() {
    let mut play = Play::new(Settings { error_threshold_percentage: 58, ..quick() });
    play.calls(&("F".repeat(29) + &"S".repeat(21)));
    assert_eq!((play.count("errorPercentage"), play.enter().is_some()), (57, true), "29 of 50");
}

#[test]
fn dots_are_tables_and_milliseconds_a_duration_or_a_number() {
    let read = |text: &str| {
        let node = madang_settings::parse(text, "breaker.toml".as_ref()).unwrap();
        let mut problems = madang_settings::Problems::default();
        let settings = Settings::read(&node, "", &mut problems);
        (settings, problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>())
    };
    for sleep_window in ["\"2s\"", "2000"] {
        let text = format!(
            "circuit_breaker.sleep_window_in_milliseconds = {sleep_window}\nexecution.isolation.strategy = \"THREAD\""
        );
        let expected = Settings { sleep_window: Duration::from_secs(2), ..Settings::default() };
        assert_eq!(read(&text), (expected, Vec::new()), "{sleep_window}");
    }
    for (text, expected) in [
        ("fallback.enabeld = true", "`enabeld` is not a setting of `fallback`"),
        ("metrics.health_snapshot.interval_in_milliseconds = \"20s\"", "must not come more seldom"),
        ("metrics.rolling_stats.num_buckets = 10001", "must span a millisecond"),
        ("circuit_breaker.sleep_window_in_milliseconds = \"1500us\"", "must be whole milliseconds"),
    ] {
        let (_, messages) = read(text);
        assert!(messages.len() == 1 && messages[0].contains(expected), "{text}: {messages:?}");
    }
}
