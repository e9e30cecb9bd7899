use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::{EndpointId, EndpointSet, Member, Pick, Policy, RingHash, Slots};

const NOW: Moment = Moment::from_nanos(5_000_000_000);

fn member(port: u16, priority: u32, zone: &str) -> Member {
    let zone = (!zone.is_empty()).then(|| zone.into());
    Member { priority, zone, ..Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port))) }
}

fn unhealthy(member: Member) -> Member {
    Member { availability: Availability::Unhealthy, ..member }
}

fn set_of(members: Vec<Member>, rules: Rules) -> EndpointSet {
    EndpointSet::empty().under(rules, NOW).next(members, &mut Slots::default(), NOW)
}

/// 10,000 picks by what `group` makes of an endpoint.
fn picked<K: Ord>(set: &EndpointSet, group: impl Fn(&Endpoint) -> K) -> std::collections::BTreeMap<K, u32> {
    let mut counts = std::collections::BTreeMap::new();
    let mut random = Random::new(7);
    for _ in 0..10_000 {
        let one = Pick { policy: &Policy::Random, key: None, tried: &[], now: NOW, random: &mut random };
        *counts.entry(group(set.pick(one).unwrap())).or_default() += 1;
    }
    counts
}

/// Two priorities of ten endpoints each, so many of them healthy.
fn two_levels(first: u16, second: u16) -> Vec<Member> {
    let list = |priority: u32, healthy: u16| {
        (0..10).map(move |at| {
            let member = member(u16::try_from(priority).unwrap() * 10 + at + 1, priority, "");
            if at < healthy { member } else { unhealthy(member) }
        })
    };
    list(0, first).chain(list(1, second)).collect()
}

#[test]
fn calls_go_to_the_next_priority_as_envoy_shares_them() {
    // The table of Envoy's documentation, with its factor of 140 %.
    for (first, second, expected) in [
        (10, 10, [100, 0]),
        (8, 10, [100, 0]),
        (7, 10, [98, 2]),
        (5, 10, [70, 30]),
        (1, 10, [14, 86]),
        (0, 10, [0, 100]),
        (5, 5, [70, 30]),
        (2, 2, [50, 50]),
        (10, 0, [100, 0]),
    ] {
        let set = set_of(two_levels(first, second), Rules::default());
        let shares: Vec<u32> = set.levels.iter().map(|level| level.health().0).collect();
        assert_eq!(shares, expected, "{first} and {second} of ten are healthy");
        let counts = picked(&set, |one| one.priority);
        for (priority, share) in (0..).zip(expected) {
            let count = counts.get(&priority).copied().unwrap_or(0);
            assert!(count.abs_diff(share * 100) <= 200, "priority {priority}: {count}, {share} % expected");
        }
    }
}

#[test]
fn a_call_that_tried_all_of_a_priority_goes_to_the_next() {
    let set = set_of(vec![member(1, 0, ""), member(2, 1, ""), member(3, 7, "")], Rules::default());
    let mut tried: Vec<EndpointId> = Vec::new();
    let mut random = Random::new(1);
    let mut ports = Vec::new();
    while let Some(endpoint) =
        set.pick(Pick { policy: &Policy::default(), key: None, tried: &tried, now: NOW, random: &mut random })
    {
        ports.push(endpoint.address.port());
        tried.push(endpoint.id);
    }
    assert_eq!(ports, [1, 2, 3]);
}

#[test]
fn a_key_stays_on_its_priority() {
    let set = set_of(two_levels(5, 10), Rules::default());
    let policy = Policy::RingHash(RingHash::default());
    let mut random = Random::new(1);
    for key in (0..200_u64).map(|key| crate::key(&key.to_le_bytes())) {
        let mut pick = || {
            let one = Pick { policy: &policy, key: Some(key), tried: &[], now: NOW, random: &mut random };
            set.pick(one).unwrap().id
        };
        assert_eq!(pick(), pick());
    }
}

#[test]
fn with_few_healthy_endpoints_health_is_ignored() {
    let list = |healthy: u16| -> Vec<Member> { two_levels(healthy, 0).into_iter().take(10).collect() };
    for (healthy, panic_percent, expected) in [(5, 50, 5), (4, 50, 10), (4, 0, 4), (1, 11, 10), (1, 10, 1), (0, 50, 10)]
    {
        let set = set_of(list(healthy), Rules { panic_percent, ..Rules::default() });
        let ports = picked(&set, |one| one.address.port());
        assert_eq!(ports.len(), expected, "{healthy} of ten are healthy, the threshold is {panic_percent} %");
    }
    let none = set_of(list(0), Rules::default());
    let one = Pick { policy: &Policy::Random, key: None, tried: &[], now: NOW, random: &mut Random::new(1) };
    assert!(none.pick(one).is_none());
}

#[test]
fn a_panic_does_not_pick_what_starts_or_drains_or_has_no_weight() {
    let mut members: Vec<Member> = (1..=8).map(|port| unhealthy(member(port, 0, ""))).collect();
    members[0].availability = Availability::Starting;
    members[1].availability = Availability::Draining;
    members[2].weight = 0;
    let set = set_of(members, Rules { panic_percent: 50, ..Rules::default() });
    assert_eq!(picked(&set, |one| one.address.port()).into_keys().collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
}

#[test]
fn another_priority_that_takes_all_calls_is_no_reason_to_panic() {
    let set = set_of(two_levels(1, 10), Rules { panic_percent: 50, ..Rules::default() });
    let ports = picked(&set, |one| one.address.port());
    assert!(!ports.contains_key(&2), "priority 0 has one healthy endpoint, priority 1 takes the rest: {ports:?}");
}

fn zoned(counts: &[(&str, u16)]) -> Vec<Member> {
    let names = counts.iter().flat_map(|(zone, count)| std::iter::repeat_n(*zone, usize::from(*count)));
    (1..).zip(names).map(|(port, zone)| member(port, 0, zone)).collect()
}

fn zones(callers: &[(&str, u32)]) -> Rules {
    let callers = callers.iter().map(|(zone, count)| ((*zone).to_owned(), *count)).collect();
    Rules { zones: Some(Zones::new("a".to_owned(), callers)), ..Rules::default() }
}

#[test]
fn calls_stay_in_the_zone_as_far_as_its_share_allows() {
    let even = &[("a", 1), ("b", 1)][..];
    for (endpoints, callers, expected) in [
        // As many endpoints as callers, or more: all stay.
        (&[("a", 5), ("b", 5)][..], even, [10_000, 0, 0]),
        (&[("a", 8), ("b", 2)], even, [10_000, 0, 0]),
        // 20 % of the endpoints for 50 % of the callers: 40 % stay, the rest goes where more is than is called from.
        (&[("a", 2), ("b", 8)], even, [4_000, 6_000, 0]),
        (&[("a", 2), ("b", 3), ("c", 5)], &[("a", 2), ("b", 2), ("c", 2)], [6_000, 0, 4_000]),
        // 10 % for 40 %, beyond: b has 40 - 30 = 10, c has 50 - 30 = 20.
        (&[("a", 1), ("b", 4), ("c", 5)], &[("a", 4), ("b", 3), ("c", 3)], [2_500, 2_500, 5_000]),
        // Fewer than two zones, the caller's unknown, too few endpoints: zones do not matter.
        (&[("b", 8)], even, [0, 10_000, 0]),
        (&[("a", 4), ("b", 4)], &[("a", 9)], [5_000, 5_000, 0]),
        (&[("b", 4), ("c", 4)], even, [0, 5_000, 5_000]),
        (&[("a", 1), ("b", 4)], even, [2_000, 8_000, 0]),
        (&[("a", 4), ("b", 4)], &[], [5_000, 5_000, 0]),
    ] {
        let set = set_of(zoned(endpoints), zones(callers));
        let counts = picked(&set, |one| one.zone.clone().unwrap());
        for (zone, expected) in ["a", "b", "c"].into_iter().zip(expected) {
            let count = counts.get(zone).copied().unwrap_or(0);
            assert!(
                count.abs_diff(expected) <= 250,
                "{endpoints:?} {callers:?}: {count} to {zone}, {expected} expected"
            );
        }
    }
}

#[test]
fn ejected_endpoints_do_not_count_for_their_zone() {
    let ejection = crate::Ejection { max_percent: 50, ..crate::Ejection::default() };
    let rules = Rules { ejection: Some(ejection), ..zones(&[("a", 1), ("b", 1)]) };
    let set = set_of(zoned(&[("a", 5), ("b", 5)]), rules);
    assert_eq!(picked(&set, |one| one.zone.clone().unwrap()).len(), 1);
    for endpoint in &set.endpoints()[..3] {
        for _ in 0..5 {
            endpoint.begin();
            endpoint.end(NOW, NOW, crate::Outcome::Failure, Duration::ZERO);
        }
    }
    // 2 of 7 are in the zone of half the callers: 57 % of their calls stay.
    let counts = picked(&set, |one| one.zone.clone().unwrap());
    assert!(counts[&Arc::from("a")].abs_diff(5_714) <= 250, "{counts:?}");
}

#[test]
fn a_call_that_tried_all_of_its_zone_goes_to_others() {
    let set = set_of(zoned(&[("a", 4), ("b", 4)]), zones(&[("a", 1), ("b", 1)]));
    let tried: Vec<EndpointId> = set.endpoints()[..4].iter().map(|one| one.id).collect();
    let one = Pick { policy: &Policy::default(), key: None, tried: &tried, now: NOW, random: &mut Random::new(1) };
    assert_eq!(set.pick(one).unwrap().zone.as_deref(), Some("b"));
}
