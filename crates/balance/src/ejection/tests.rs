use std::net::SocketAddr;

use madang_base::{Moment, Random};

use super::*;
use crate::{Availability, Endpoint, EndpointSet, FailurePercentage, Member, Outcome, Pick, Policy, Rules, Slots};
use crate::{SlowStart, SuccessRate};

fn at(seconds: u64) -> Moment {
    Moment::from_nanos(0) + Duration::from_secs(1_000 + seconds)
}

fn members(count: u16) -> Vec<Member> {
    let member = |port| Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port)));
    (1..=count).map(member).collect()
}

fn set_of(count: u16, ejection: Ejection) -> EndpointSet {
    let rules = Rules { ejection: Some(ejection), ..Rules::default() };
    EndpointSet::empty().under(rules, at(0)).next(members(count), &mut Slots::default(), at(0))
}

fn half() -> Ejection {
    Ejection { max_percent: 50, ..Ejection::default() }
}

fn call(endpoint: &Endpoint, now: Moment, outcome: Outcome) {
    endpoint.begin();
    endpoint.end(now, now, outcome, Duration::ZERO);
}

fn fail(endpoint: &Endpoint, now: Moment, times: u32) {
    (0..times).for_each(|_| call(endpoint, now, Outcome::Failure));
}

fn ejected(set: &EndpointSet, now: Moment) -> Vec<u16> {
    pick(set, now); // Looks after everybody.
    set.endpoints().iter().filter(|one| one.is_ejected(now)).map(|one| one.address.port()).collect()
}

fn pick(set: &EndpointSet, now: Moment) -> Option<u16> {
    let random = &mut Random::new(now.nanos());
    let picked = set.pick(Pick { policy: &Policy::Random, key: None, tried: &[], now, random });
    picked.map(|endpoint| endpoint.address.port())
}

#[test]
fn five_failures_in_a_row_eject_for_half_a_minute_and_a_success_between_them_does_not() {
    let set = set_of(4, half());
    let [first, second, ..] = set.endpoints() else { unreachable!("four endpoints") };
    fail(first, at(1), 4);
    call(first, at(1), Outcome::Success);
    fail(first, at(1), 4);
    fail(second, at(1), 4);
    assert_eq!(ejected(&set, at(1)), []);
    fail(second, at(1), 1);
    assert_eq!(ejected(&set, at(1)), [2]);
    assert!((0..200).all(|nanos| pick(&set, at(2) + Duration::from_nanos(nanos)) != Some(2)));
    assert!(second.is_ejected(at(31) - Duration::from_nanos(1)));
    assert!(!second.is_ejected(at(31)));
    assert!((0..200).any(|nanos| pick(&set, at(31) + Duration::from_nanos(nanos)) == Some(2)), "it is back");
}

#[test]
fn what_is_no_word_about_the_endpoint_ejects_nobody() {
    let set = set_of(4, half());
    for outcome in [Outcome::Cancelled, Outcome::Overload] {
        (0..100).for_each(|_| call(&set.endpoints()[0], at(1), outcome));
    }
    assert_eq!(ejected(&set, at(1)), []);
    // Nor do they forgive: the failures before and after them are in a row.
    fail(&set.endpoints()[0], at(1), 4);
    call(&set.endpoints()[0], at(1), Outcome::Overload);
    fail(&set.endpoints()[0], at(1), 1);
    assert_eq!(ejected(&set, at(1)), [1]);
}

#[test]
fn each_ejection_in_a_row_is_longer_up_to_the_longest_and_healthy_intervals_make_good() {
    let set = set_of(4, Ejection { max_time: Duration::from_secs(100), ..half() });
    let endpoint = &set.endpoints()[0];
    let mut now = at(0);
    for (times, seconds) in [(1, 30), (2, 60), (3, 90), (4, 100), (5, 100)] {
        fail(endpoint, now, 5);
        assert_eq!(endpoint.ejection(now), Some((times, now + Duration::from_secs(seconds))));
        now = now + Duration::from_secs(seconds);
        assert_eq!(ejected(&set, now), [], "over after {seconds} s");
    }
    // Four intervals of 10 s make four of the five good.
    for _ in 0..4 {
        now = now + Duration::from_secs(10);
        pick(&set, now);
    }
    fail(endpoint, now, 5);
    assert_eq!(endpoint.ejection(now), Some((2, now + Duration::from_secs(60))));
}

#[test]
fn at_most_a_share_is_ejected_one_in_any_case_and_the_last_never() {
    for (count, max_percent, expected) in [(1, 100, 0), (2, 10, 1), (2, 100, 1), (10, 10, 1), (20, 10, 2), (10, 50, 5)]
    {
        let set = set_of(count, Ejection { max_percent, ..Ejection::default() });
        for endpoint in set.endpoints() {
            fail(endpoint, at(1), 20);
        }
        assert_eq!(ejected(&set, at(1)).len(), expected, "{max_percent} % of {count}");
        assert!(pick(&set, at(1)).is_some());
    }
}

#[test]
fn many_threads_do_not_eject_more_than_the_share() {
    let set = set_of(40, Ejection { max_percent: 25, ..Ejection::default() });
    std::thread::scope(|scope| {
        for endpoint in set.endpoints() {
            scope.spawn(|| fail(endpoint, at(1), 50));
        }
    });
    assert_eq!(ejected(&set, at(1)).len(), 10);
}

/// Calls of one interval, by endpoint: all and failed. The one who failed last is not failed five times in a row.
fn interval(set: &EndpointSet, calls: &[(u32, u32)]) -> Vec<u16> {
    pick(set, at(0)); // The interval begins.
    for (endpoint, &(all, failed)) in set.endpoints().iter().zip(calls) {
        for number in 0..all {
            // Spread evenly.
            let is_failure = (number + 1) * failed / all > number * failed / all;
            call(endpoint, at(5), if is_failure { Outcome::Failure } else { Outcome::Success });
        }
    }
    assert_eq!(ejected(set, at(9)), [], "the interval is not over");
    ejected(set, at(10))
}

#[test]
fn a_success_rate_far_below_the_others_ejects_at_the_end_of_the_interval() {
    let rates = Ejection { consecutive_failures: None, ..half() };
    let good = (200, 2);
    for (why, calls, expected) in [
        ("far below", vec![good, good, good, good, good, (200, 100)], vec![6]),
        ("all alike", vec![(200, 100); 6], vec![]),
        ("too few calls", vec![good, good, good, good, good, (99, 60)], vec![]),
        ("too few endpoints", vec![good, good, good, (200, 100)], vec![]),
    ] {
        let set = set_of(u16::try_from(calls.len()).unwrap(), rates);
        assert_eq!(interval(&set, &calls), expected, "{why}");
    }
    // Deviations: with 3 nobody of six can be that far below, (n - 1)/sqrt(n) is 2.04.
    let rule = SuccessRate { deviations: 3.0, ..SuccessRate::default() };
    let set = set_of(6, Ejection { success_rate: Some(rule), ..rates });
    assert_eq!(interval(&set, &[good, good, good, good, good, (200, 200)]), []);
    let rule = SuccessRate { deviations: f64::NAN, ..SuccessRate::default() };
    let set = set_of(6, Ejection { success_rate: Some(rule), ..rates });
    assert_eq!(interval(&set, &[good, good, good, good, good, (200, 200)]), [], "NaN compares with nobody");
}

#[test]
fn a_failure_percentage_ejects_at_the_end_of_the_interval() {
    let rule = FailurePercentage::default();
    let ejection =
        Ejection { consecutive_failures: None, success_rate: None, failure_percentage: Some(rule), ..half() };
    let good = (50, 0);
    for (calls, expected) in [
        (vec![good, good, good, (100, 85), (100, 84)], vec![4]),
        (vec![good, good, good, good, (49, 49)], vec![]),
        (vec![good, good, good, (50, 50)], vec![]),
    ] {
        let set = set_of(u16::try_from(calls.len()).unwrap(), ejection);
        assert_eq!(interval(&set, &calls), expected, "{calls:?}");
    }
}

#[test]
fn a_call_that_began_before_the_ejection_says_nothing_about_who_came_back() {
    let set = set_of(4, half());
    let endpoint = &set.endpoints()[0];
    fail(endpoint, at(1), 5);
    assert_eq!(ejected(&set, at(31)), []);
    for _ in 0..20 {
        endpoint.begin();
        endpoint.end(at(0), at(32), Outcome::Failure, Duration::ZERO);
    }
    assert_eq!(ejected(&set, at(32)), [], "twenty late failures");
    fail(endpoint, at(32), 5);
    assert_eq!(ejected(&set, at(32)), [1]);
}

#[test]
fn a_passed_check_ends_the_ejection_and_starts_slowly() {
    let mut slots = Slots::default();
    let slow_start = Some(SlowStart { window: Duration::from_secs(100), ..SlowStart::default() });
    let rules = Rules { ejection: Some(half()), slow_start, ..Rules::default() };
    let set = EndpointSet::empty().under(rules, at(0)).next(members(4), &mut slots, at(0));
    fail(&set.endpoints()[0], at(200), 5);
    let mut listed = members(4);
    listed[0].availability = Availability::Unhealthy;
    let set = set.next(listed, &mut slots, at(201)).next(members(4), &mut slots, at(202));
    assert_eq!(ejected(&set, at(202)), []);
    let picks = picked(&set, at(212), 4_000)[0];
    // A tenth of one in 3.1: 129 of 4,000.
    assert!((70..200).contains(&picks), "{picks}");
}

fn picked(set: &EndpointSet, now: Moment, count: u32) -> Vec<u32> {
    let mut counts = vec![0; set.endpoints().len()];
    let mut random = Random::new(7);
    for _ in 0..count {
        let one = Pick { policy: &Policy::RoundRobin, key: None, tried: &[], now, random: &mut random };
        counts[usize::from(set.pick(one).unwrap().address.port() - 1)] += 1;
    }
    counts
}

#[test]
fn who_is_back_gets_its_share_by_and_by_under_every_policy_that_takes_no_key() {
    let slow_start = Some(SlowStart { window: Duration::from_secs(100), ..SlowStart::default() });
    let rules = Rules { ejection: Some(half()), slow_start, ..Rules::default() };
    let set = EndpointSet::empty().under(rules, at(0)).next(members(4), &mut Slots::default(), at(0));
    for endpoint in set.endpoints() {
        call(endpoint, at(1), Outcome::Success);
    }
    fail(&set.endpoints()[3], at(200), 5);
    for (seconds, share) in [(5, 0.1), (25, 0.25), (50, 0.5), (100, 1.0)] {
        let now = at(230 + seconds);
        let shares = crate::chi::shares(&[1.0, 1.0, 1.0, share]);
        crate::chi::assert_fits(&picked(&set, now, 8_000), &shares);
    }
    let policy = Policy::LeastRequest { choices: 2, bias_percent: 100 };
    let mut counts = vec![0; 4];
    let mut random = Random::new(3);
    for _ in 0..8_000 {
        let one = Pick { policy: &policy, key: None, tried: &[], now: at(255), random: &mut random };
        counts[usize::from(set.pick(one).unwrap().address.port() - 1)] += 1;
    }
    crate::chi::assert_fits(&counts, &crate::chi::shares(&[1.0, 1.0, 1.0, 0.25]));
}

#[test]
fn a_clock_that_is_set_back_or_forward_an_hour_keeps_nobody_out() {
    let hour = Duration::from_secs(3_600);
    let set = set_of(4, half());
    let late = at(0) + hour;
    fail(&set.endpoints()[0], late, 5);
    assert_eq!(ejected(&set, late), [1]);
    assert_eq!(ejected(&set, at(0)), [], "an hour earlier");
    fail(&set.endpoints()[1], at(0), 5);
    assert_eq!(ejected(&set, at(0)), [2], "counting goes on");
    assert_eq!(ejected(&set, at(30)), []);
    fail(&set.endpoints()[2], at(40), 5);
    assert_eq!(ejected(&set, at(40) + hour), [], "an hour later");
}

#[test]
fn other_rules_keep_counts_and_no_rule_lets_everybody_in() {
    let set = set_of(4, half());
    fail(&set.endpoints()[0], at(1), 4);
    fail(&set.endpoints()[1], at(1), 5);
    let rules = Rules { ejection: Some(Ejection { base_time: Duration::from_secs(60), ..half() }), ..Rules::default() };
    let stricter = set.under(rules.clone(), at(2));
    assert_eq!(ejected(&stricter, at(2)), [2]);
    fail(&stricter.endpoints()[0], at(2), 1);
    assert_eq!(ejected(&stricter, at(2)), [1, 2], "the fifth failure in a row");
    assert_eq!(stricter.endpoints()[0].ejection(at(2)), Some((1, at(62))));
    let free = stricter.under(Rules::default(), at(3));
    assert_eq!(ejected(&free, at(3)), []);
    assert_eq!(ejected(&free.under(rules, at(4)), at(4)), [1, 2], "what was decided is remembered");
}

#[test]
fn when_only_the_ejected_are_left_they_are_picked() {
    let mut slots = Slots::default();
    let rules = Rules { ejection: Some(half()), ..Rules::default() };
    let set = EndpointSet::empty().under(rules, at(0)).next(members(4), &mut slots, at(0));
    fail(&set.endpoints()[0], at(1), 5);
    let alone = set.next(members(1), &mut slots, at(2));
    assert_eq!(pick(&alone, at(2)), Some(1));
    assert!(alone.endpoints()[0].is_ejected(at(2)));
}

#[test]
fn a_word_holds_what_is_put_in() {
    let word = Word::new(Word::MAX_MILLIS, 255, u16::MAX);
    assert_eq!((word.until_millis(), word.times(), word.failures()), (Word::MAX_MILLIS, 255, u16::MAX));
    assert_eq!((word.failed().failures(), word.better().times(), word.returned().until_millis()), (u16::MAX, 254, 0));
    let ejected = word.ejected(&Ejection::default(), Moment::MAX);
    assert_eq!((ejected.times(), ejected.until_millis()), (255, Word::MAX_MILLIS));
}
