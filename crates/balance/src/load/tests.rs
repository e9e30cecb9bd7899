use super::*;
use proptest::prelude::*;

const DECAY: Decay = Decay(10_000_000_000);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(count: u64) -> Moment {
    Moment::from_nanos(0) + millis(count)
}

/// A call that took `latency` and ended at `end`.
fn observe(load: &Load, end: Moment, latency: Duration) {
    load.observe(end - latency, end, latency);
}

#[track_caller]
fn assert_close(left: f64, right: f64) {
    assert!((left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0), "{left} is not {right}");
}

#[test]
fn a_load_fills_exactly_one_cache_line() {
    assert_eq!((size_of::<Load>(), align_of::<Load>()), (64, 64));
}

#[test]
fn a_slower_answer_replaces_the_cost_at_once() {
    let load = Load::default();
    observe(&load, at(1_000), millis(5));
    observe(&load, at(1_500), millis(80));
    assert_close(load.cost(at(1_500), DECAY), 80e6);
}

#[test]
fn a_faster_answer_pulls_the_cost_down_by_the_time_it_ran() {
    let load = Load::default();
    observe(&load, at(1_000), millis(1_000));
    // Runs from 1 s to 11 s without a pause before it: all of the time is its evidence.
    load.observe(at(1_000), at(11_000), millis(100));
    let weight = (-1.0_f64).exp();
    assert_close(load.cost(at(11_000), DECAY), 100e6 * (1.0 - weight) + 1_000e6 * weight);
}

#[test]
fn silence_lets_the_cost_fall_to_a_third_per_decay_and_to_nothing_in_the_end() {
    let load = Load::default();
    observe(&load, at(1_000), millis(100));
    assert_close(load.cost(at(11_000), DECAY), 100e6 * (-1.0_f64).exp());
    assert_close(load.cost(at(21_000), DECAY), 100e6 * (-2.0_f64).exp());
    // e^-19 of 0.1 s is below a nanosecond.
    assert_eq!(load.cost(at(191_000), DECAY), 0.0);
}

#[test]
fn reading_changes_nothing() {
    let (read, unread) = (Load::default(), Load::default());
    for load in [&read, &unread] {
        observe(load, at(1_000), millis(100));
    }
    for moment in 2_000..2_100 {
        read.load(at(moment), DECAY, 1.0);
    }
    assert_close(read.cost(at(3_000), DECAY), unread.cost(at(3_000), DECAY));
}

#[test]
fn an_answer_in_no_time_is_not_taken_for_never_tried() {
    let load = Load::default();
    load.observe(at(5), at(5), Duration::ZERO);
    assert_eq!(load.cost(at(5), DECAY), 1.0);
}

#[test]
fn the_load_is_the_cost_times_the_calls_and_one_by_weight() {
    let load = Load::default();
    assert_eq!(load.load(at(0), DECAY, 1.0), 0.0);
    load.begin();
    assert_eq!(load.load(at(0), DECAY, 1.0), PENALTY as f64 + 1.0, "its first call is under way");
    load.finish();
    observe(&load, at(1_000), millis(10));
    load.begin();
    load.begin();
    assert_close(load.load(at(1_000), DECAY, 1.0), 30e6);
    assert_close(load.load(at(1_000), DECAY, 3.0), 10e6);
}

#[test]
fn an_end_without_a_begin_leaves_no_call_in_flight() {
    let load = Load::default();
    load.finish();
    assert_eq!(load.in_flight(), 0);
}

#[test]
fn a_clock_that_other_cores_read_later_does_no_harm() {
    let load = Load::default();
    observe(&load, at(2_000), millis(10));
    // Ended earlier than what is known already, and "began after it ended".
    observe(&load, at(1_900), millis(4));
    load.observe(at(2_100), at(2_050), Duration::ZERO);
    let cost = load.cost(at(1_000), DECAY);
    assert!(cost > 9e6 && cost <= 10e6, "{cost}");

    let load = Load::default();
    observe(&load, at(20_000), millis(100));
    observe(&load, at(10_000), millis(1));
    assert_close(load.cost(at(20_000), DECAY), 100e6);
}

#[test]
fn a_decay_of_nothing_forgets_at_once() {
    let load = Load::default();
    load.set_decay(Decay::of(Duration::ZERO));
    observe(&load, at(1_000), millis(10));
    assert_close(load.cost(at(1_000), Decay::of(Duration::ZERO)), 10e6);
    assert_eq!(load.cost(at(1_001), Decay::of(Duration::ZERO)), 0.0);
}

#[test]
fn calls_counted_by_many_threads_are_all_counted() {
    let load = Load::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for call in 0..10_000 {
                    load.begin();
                    observe(&load, at(call), millis(3));
                    load.finish();
                }
            });
        }
    });
    assert_eq!(load.in_flight(), 0);
    let cost = load.cost(at(9_999), DECAY);
    assert!(cost > 2.9e6 && cost <= 3e6, "{cost}");
}

/// Finagle's algorithm as balancing-wire §2.3 has it: one owner, reads that write.
struct Finagle {
    cost: f64,
    stamp: f64,
    decay: f64,
}

impl Finagle {
    fn observe(&mut self, now: f64, value: f64) {
        let last = self.stamp;
        self.stamp = now.max(last);
        if value > self.cost {
            self.cost = value;
        } else {
            let weight = (-(self.stamp - last) / self.decay).exp();
            self.cost = value * (1.0 - weight) + self.cost * weight;
        }
    }
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn calls_one_after_the_other_cost_what_finagle_says(
        calls in prop::collection::vec((1_u64..60_000_000_000, 2_u64..20_000_000_000), 1..40),
        decay in 1_000_000_u64..60_000_000_000,
    ) {
        let load = Load::default();
        load.set_decay(Decay(decay));
        let mut finagle = Finagle { cost: 0.0, stamp: 0.0, decay: decay as f64 };
        let mut now = 0;
        for (pause, latency) in calls {
            now += pause;
            finagle.observe(now as f64, 0.0); // the pick reads
            let read = load.cost(Moment::from_nanos(now), Decay(decay));
            prop_assert!((read - finagle.cost).abs() <= 1.0 + 1e-9 * finagle.cost, "{} {}", read, finagle.cost);
            let started = Moment::from_nanos(now);
            now += latency;
            finagle.observe(now as f64, latency as f64);
            load.observe(started, Moment::from_nanos(now), Duration::from_nanos(latency));
            let cost = load.cost(Moment::from_nanos(now), Decay(decay));
            prop_assert!((cost - finagle.cost).abs() <= 1.0 + 1e-9 * finagle.cost, "{} {}", cost, finagle.cost);
        }
    }
}
