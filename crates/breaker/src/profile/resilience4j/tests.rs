use super::{AfterWait, Settings, Synchronization, WindowType};
use crate::{Breaker, Counter, Outcome, Outcomes, State, Ticket};
use madang_base::Moment;
use std::time::Duration;

/// A breaker and its clock.
struct Play {
    breaker: Breaker,
    now: Moment,
}

impl Play {
    fn new(settings: Settings) -> Self {
        let now = Moment::default();
        Self { breaker: Breaker::new(crate::Settings::Resilience4j(settings), now), now }
    }

    fn pass(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self
    }

    fn enter(&self) -> Option<Ticket> {
        self.breaker.enter(self.now).ok()
    }

    fn end(&self, ticket: Ticket, outcome: char, millis: u64) {
        let outcome = match outcome {
            'S' => Outcome::Success,
            'F' => Outcome::Failure,
            'T' => Outcome::Timeout,
            _ => Outcome::Ignored,
        };
        self.breaker.end(ticket, self.now, outcome, Duration::from_millis(millis));
    }

    /// One call after the other, each as its letter says; the states after them.
    fn calls(&self, outcomes: &str) -> Vec<State> {
        let call = |outcome| {
            if let Some(ticket) = self.enter() {
                self.end(ticket, outcome, 1);
            }
            self.state()
        };
        outcomes.chars().map(call).collect()
    }

    fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    fn count(&self, name: &str) -> f64 {
        let counters = self.breaker.counters(self.now);
        match counters.iter().find(|(counter, _)| *counter == name).unwrap().1 {
            Counter::Count(count) => count as f64,
            Counter::Rate(rate) => rate,
        }
    }
}

/// Window 5, minimum 5, 4 permits, 50 %, a wait of a second.
fn small() -> Settings {
    Settings {
        sliding_window_size: 5,
        minimum_number_of_calls: 5,
        permitted_number_of_calls_in_half_open_state: 4,
        wait_duration_in_open_state: Duration::from_secs(1),
        ..Settings::default()
    }
}

fn half_open() -> Play {
    Play::new(Settings { initial_state: State::HalfOpen, ..small() })
}

#[test]
fn the_rate_is_looked_at_once_the_minimum_of_calls_is_in() {
    let play = Play::new(small());
    assert_eq!(play.calls("FFFS"), [State::Closed; 4]);
    assert!((play.count("failureRate") + 1.0).abs() < f64::EPSILON);
    assert_eq!(play.calls("S"), [State::Open]);
    assert!((play.count("failureRate") - 60.0).abs() < f64::EPSILON);
}

#[test]
fn slow_successes_open_it_and_slow_is_longer_than_the_threshold() {
    let settings = Settings {
        slow_call_rate_threshold: 50.0,
        slow_call_duration_threshold: Duration::from_millis(100),
        ..small()
    };
    for (took, expected) in [(100, State::Closed), (101, State::Open)] {
        let play = Play::new(settings.clone());
        for _ in 0..5 {
            let ticket = play.enter().unwrap();
            play.end(ticket, 'S', took);
        }
        assert_eq!(play.state(), expected, "after {took} ms each");
    }
}

#[test]
fn a_call_after_the_wait_makes_it_half_open_and_so_many_calls_pass_as_there_are_permits() {
    let mut play = Play::new(small());
    play.calls("FFFFF");
    assert!(play.pass(1_000).enter().is_none(), "the wait ends after its last millisecond");
    assert_eq!(play.state(), State::Open);
    let entered: Vec<_> = (0..5).map(|_| play.pass(1).enter().is_some()).collect();
    assert_eq!(entered, [true, true, true, true, false]);
    assert_eq!((play.state(), play.count("numberOfNotPermittedCalls")), (State::HalfOpen, 1.0));
}

#[test]
fn the_trials_decide_when_the_minimum_of_them_is_in() {
    use State::{Closed, HalfOpen, Open};
    for (outcomes, expected) in [
        ("FFFS", [HalfOpen, HalfOpen, HalfOpen, Open]),
        ("SSSF", [HalfOpen, HalfOpen, HalfOpen, Closed]),
        ("SSFF", [HalfOpen, HalfOpen, HalfOpen, Open]),
    ] {
        assert_eq!(half_open().calls(outcomes), expected, "{outcomes}");
    }
    let play = half_open();
    play.calls("SSSF");
    assert!(play.count("numberOfBufferedCalls").abs() < f64::EPSILON, "a close begins with an empty window");
    let few = Play::new(Settings { initial_state: HalfOpen, minimum_number_of_calls: 2, ..small() });
    assert_eq!(few.calls("SS"), [HalfOpen, Closed], "two results are enough, with permits left");
}

#[test]
fn a_canceled_or_ignored_trial_gives_its_permit_back() {
    let play = Play::new(Settings {
        initial_state: State::HalfOpen,
        ignore_exceptions: Outcomes::NONE.with(Outcome::Ignored),
        ..small()
    });
    for round in 0..20 {
        let ticket = play.enter().unwrap();
        if round % 2 == 0 {
            play.breaker.cancel(ticket, play.now);
        } else {
            play.end(ticket, 'I', 1);
        }
    }
    let entered = (0..5).filter(|_| play.enter().is_some()).count();
    assert_eq!((entered, play.state()), (4, State::HalfOpen));
}

#[test]
fn a_late_ignored_result_gives_a_permit_that_was_never_taken() {
    let ignore_exceptions = Outcomes::NONE.with(Outcome::Ignored);
    let mut play = Play::new(Settings { ignore_exceptions, ..small() });
    let late: Vec<_> = (0..3).map(|_| play.enter().unwrap()).collect();
    play.calls("FFFFF");
    let trial = play.pass(1_001).enter().unwrap();
    late.into_iter().for_each(|ticket| play.end(ticket, 'I', 1));
    assert_eq!((0..9).filter(|_| play.enter().is_some()).count(), 3 + 3);
    play.end(trial, 'S', 1);
    assert_eq!(play.state(), State::HalfOpen);
}

#[test]
fn late_results_judge_the_half_open_breaker() {
    let mut play = Play::new(small());
    let late: Vec<_> = (0..3).map(|_| play.enter().unwrap()).collect();
    play.calls("FFFFF");
    let trial = play.pass(1_001).enter().unwrap();
    late.into_iter().for_each(|ticket| play.end(ticket, 'S', 1));
    assert_eq!(play.state(), State::HalfOpen);
    play.end(trial, 'F', 1);
    assert_eq!(play.state(), State::Closed, "three late successes and one failed trial");
}

#[test]
fn initial_states_do_as_they_say() {
    for (initial_state, passes, counted) in
        [(State::Disabled, 9, 0.0), (State::ForcedOpen, 0, 0.0), (State::MetricsOnly, 9, 5.0)]
    {
        let play = Play::new(Settings { initial_state, ..small() });
        let passed = (0..9).filter(|_| play.enter().map(|ticket| play.end(ticket, 'F', 1)).is_some()).count();
        assert_eq!((passed, play.count("numberOfBufferedCalls")), (passes, counted), "{initial_state:?}");
        assert_eq!(play.state(), initial_state);
    }
}

#[test]
fn errors_in_no_list_are_failures_until_a_list_says_what_is() {
    let timeout = Outcomes::NONE.with(Outcome::Timeout);
    let listed = Settings { record_exceptions: timeout, ..small() };
    let both = Settings { record_exceptions: timeout, ignore_exceptions: timeout, ..small() };
    for (settings, outcomes, buffered, failed) in
        [(small(), "SFTI", 4.0, 3.0), (listed, "SFTI", 4.0, 1.0), (both, "SFTI", 3.0, 0.0)]
    {
        let play = Play::new(settings);
        play.calls(outcomes);
        assert_eq!((play.count("numberOfBufferedCalls"), play.count("numberOfFailedCalls")), (buffered, failed));
    }
}

#[test]
fn the_wait_grows_with_every_opening_until_a_close() {
    let mut play = Play::new(Settings {
        enable_exponential_backoff: true,
        exponential_backoff_multiplier: 2.0,
        exponential_max_wait_duration_in_open_state: Some(Duration::from_secs(15)),
        wait_duration_in_open_state: Duration::from_secs(5),
        permitted_number_of_calls_in_half_open_state: 1,
        ..small()
    });
    play.calls("FFFFF");
    for wait in [5, 10, 15, 15] {
        assert!(play.pass(wait * 1_000).enter().is_none(), "closed for {wait} s");
        assert_eq!(play.pass(1).calls("F"), [State::Open]);
    }
    play.pass(15_001).calls("S");
    assert_eq!(play.calls("FFFFF").last(), Some(&State::Open));
    assert!(play.pass(5_001).enter().is_some(), "a close starts the waits anew");
}

#[test]
fn a_timer_makes_it_half_open_at_the_very_end_of_the_wait() {
    let settings = Settings { automatic_transition_from_open_to_half_open_enabled: true, ..small() };
    let mut play = Play::new(settings);
    play.calls("FFFFF");
    assert_eq!((play.pass(999).state(), play.pass(1).state()), (State::Open, State::HalfOpen));
}

#[test]
fn a_half_open_breaker_does_not_stay_longer_than_it_may() {
    for (then, expected) in [(AfterWait::Open, State::Open), (AfterWait::Closed, State::Closed)] {
        let mut play = Play::new(Settings {
            initial_state: State::HalfOpen,
            max_wait_duration_in_half_open_state: Duration::from_millis(300),
            transition_to_state_after_wait_duration: then,
            ..small()
        });
        assert_eq!((play.pass(299).state(), play.pass(1).state()), (State::HalfOpen, expected));
    }
}

#[test]
fn a_silence_of_a_century_between_open_and_half_open_is_over_at_once() {
    let settings = Settings {
        initial_state: State::Open,
        automatic_transition_from_open_to_half_open_enabled: true,
        wait_duration_in_open_state: Duration::from_millis(2),
        max_wait_duration_in_half_open_state: Duration::from_millis(3),
        ..small()
    };
    let mut long = Play::new(settings.clone());
    let century = 100 * 365 * 24 * 60 * 60 * 1_000;
    let after = |play: &mut Play| (0..10).map(|_| play.pass(1).state()).collect::<Vec<_>>();
    long.pass(century);
    assert_eq!(after(&mut long), after(Play::new(settings.clone()).pass(century % 5 + 50)));
    let random = Settings { enable_randomized_wait: true, ..settings };
    assert!(matches!(Play::new(random).pass(century).state(), State::Open | State::HalfOpen));
}

#[test]
fn a_window_of_time_forgets_whole_seconds_of_the_epoch() {
    let settings = Settings { sliding_window_type: WindowType::TimeBased, sliding_window_size: 2, ..small() };
    let mut play = Play::new(settings.clone());
    play.pass(900).calls("SF");
    play.pass(100).calls("S");
    assert_eq!((play.count("numberOfBufferedCalls"), play.pass(999).count("numberOfBufferedCalls")), (3.0, 3.0));
    assert_eq!((play.pass(1).count("numberOfBufferedCalls"), play.count("numberOfFailedCalls")), (1.0, 0.0));
    // Without a lock the seconds are those since the state began, or since a silence longer than the window ended.
    let lock_free = Synchronization::LockFree;
    let mut play = Play::new(Settings { sliding_window_synchronization_strategy: lock_free, ..settings });
    play.calls("S");
    play.pass(3_900).calls("S");
    play.pass(1_999).calls("S");
    assert!((play.count("numberOfBufferedCalls") - 2.0).abs() < f64::EPSILON, "3.9 s of silence began new seconds");
    assert!((play.pass(1).count("numberOfBufferedCalls") - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_lock_free_window_of_one_takes_one_result_and_fails_its_callers_ever_after() {
    let settings = Settings {
        sliding_window_size: 1,
        sliding_window_synchronization_strategy: Synchronization::LockFree,
        ..Settings::default()
    };
    assert_eq!(Play::new(settings.clone()).calls("SFFF"), [State::Closed; 4]);
    assert_eq!(Play::new(settings).calls("F"), [State::Open]);
}

#[test]
fn rates_are_what_java_makes_of_them_in_32_bits() {
    let play = Play::new(Settings { minimum_number_of_calls: 3, ..small() });
    play.calls("SSF");
    assert_eq!(play.count("failureRate").to_string(), "33.333332");
}

#[test]
fn settings_that_the_product_would_not_build_are_refused() {
    let read = |text: &str| {
        let node = madang_settings::parse(text, "breaker.toml".as_ref()).unwrap();
        let mut problems = madang_settings::Problems::new();
        (Settings::read(&node, "", &mut problems), problems.to_string())
    };
    let (settings, problems) = read("sliding_window_type = \"time_based\"\nwritable_stack_trace_enabled = false");
    assert_eq!((settings.sliding_window_type, problems.as_str()), (WindowType::TimeBased, ""));
    for (text, expected) in [
        ("failure_rate_threshold = 0", "must be from 0.001 to 100"),
        ("sliding_window_size = 0", "must be from 1 to 1000000"),
        ("wait_duration_in_open_state = \"0s\"", "must be from 1ms to"),
        ("record_exceptions = [\"fial\"]", "did you mean `fail`?"),
        ("enable_exponential_backoff = true\nenable_randomized_wait = true", "exclude each other"),
        (
            "sliding_window_type = \"TIME_BASED\"\nsliding_window_size = 1\n\
             sliding_window_synchronization_strategy = \"LOCK_FREE\"",
            "needs a `sliding_window_size` of at least 2",
        ),
    ] {
        let (_, problems) = read(text);
        assert!(problems.contains(expected), "{text}: {problems}");
    }
}
