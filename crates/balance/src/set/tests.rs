use super::*;
use crate::load::Decay;
use crate::policy::SCAN_LIMIT;
use crate::{Outcome, Pick, Policy};
use madang_base::Random;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;

const START: Moment = Moment::from_nanos(1_000_000_000);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn member(instance: &str, port: u16) -> Member {
    Member::new(instance, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn members(count: u16) -> Vec<Member> {
    (1..=count).map(|port| member(&format!("orders-{port}"), port)).collect()
}

fn set_of(count: u16) -> EndpointSet {
    EndpointSet::empty().next(members(count), &mut Slots::default(), START)
}

fn pick<'a>(
    set: &'a EndpointSet,
    policy: &Policy,
    tried: &[EndpointId],
    now: Moment,
    random: &mut Random,
) -> Option<&'a Endpoint> {
    set.pick(Pick { policy, key: None, tried, now, random })
}

fn call(endpoint: &Endpoint, latency: Duration, outcome: Outcome) {
    endpoint.begin();
    endpoint.end(START, START + latency, outcome, millis(500));
}

fn ports_picked(set: &EndpointSet, policy: &Policy, now: Moment, count: usize) -> Vec<u16> {
    let mut random = Random::new(7);
    (0..count).map(|_| pick(set, policy, &[], now, &mut random).unwrap().address.port()).collect()
}

#[test]
fn everything_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<EndpointSet>();
    shared::<Endpoint>();
    shared::<Slots>();
    shared::<Policy>();
}

#[test]
fn statistics_follow_the_instance_into_the_next_set() {
    let mut slots = Slots::default();
    let first = EndpointSet::empty().next(members(2), &mut slots, START);
    let known = &first.endpoints()[1];
    call(known, millis(7), Outcome::Success);
    known.begin();

    let draining = Member { availability: Availability::Draining, weight: 3, ..member("orders-2", 2) };
    let second = first.next(vec![draining, member("orders-9", 9)], &mut slots, START);
    let kept = &second.endpoints()[0];
    assert_eq!((kept.id, kept.in_flight(), kept.cost(START + millis(7))), (known.id, 1, millis(7)));
    assert_eq!((kept.weight, kept.availability), (3, Availability::Draining));
    known.end(START, START, Outcome::Cancelled, Duration::ZERO);
    assert_eq!(kept.in_flight(), 0, "an end through the old set is seen through the new one");
}

#[test]
fn another_instance_or_address_is_another_endpoint() {
    let mut slots = Slots::default();
    let first =
        EndpointSet::empty().next(vec![member("orders-1#100", 1), member("orders-2#101", 2)], &mut slots, START);
    for endpoint in first.endpoints() {
        call(endpoint, millis(7), Outcome::Success);
    }
    let second = first.next(vec![member("orders-1#200", 1), member("orders-2#101", 3)], &mut slots, START);
    for endpoint in second.endpoints() {
        assert_eq!(endpoint.cost(START), Duration::ZERO, "{}", endpoint.instance);
        assert_eq!(endpoint.id.generation, 1, "the slot is reused, the identity is not");
        assert!(!slots.holds(first.endpoints()[endpoint.id.slot as usize].id));
    }
    assert_eq!(slots.len(), 2);
}

#[test]
fn an_endpoint_that_left_and_came_back_starts_anew() {
    let mut slots = Slots::default();
    let first = EndpointSet::empty().next(members(1), &mut slots, START);
    call(&first.endpoints()[0], millis(7), Outcome::Success);
    let back = first.next(Vec::new(), &mut slots, START).next(members(1), &mut slots, START);
    assert_ne!(back.endpoints()[0].id, first.endpoints()[0].id);
    assert_eq!(back.endpoints()[0].cost(START), Duration::ZERO);
}

#[test]
fn an_address_listed_twice_is_one_endpoint() {
    let starting = Member { availability: Availability::Starting, ..member("old", 1) };
    for (listed, expected) in [
        (vec![member("a", 1), member("b", 1)], "a"),
        (vec![starting.clone(), member("b", 1), member("c", 1)], "b"),
        (vec![member("a", 1), starting], "a"),
    ] {
        let mut slots = Slots::default();
        let set = EndpointSet::empty().next(listed, &mut slots, START);
        assert_eq!((set.endpoints().len(), set.ready(), slots.len()), (1, 1, 1));
        assert_eq!(&*set.endpoints()[0].instance, expected);
    }
}

#[test]
fn the_authority_is_what_a_host_header_says() {
    for (address, expected) in [("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:8080", "[::1]:8080")] {
        let member = Member { address: address.parse().unwrap(), ..member("a", 1) };
        let set = EndpointSet::empty().next(vec![member], &mut Slots::default(), START);
        assert_eq!(&*set.endpoints()[0].authority, expected);
    }
}

#[test]
fn only_ready_endpoints_with_a_weight_are_picked() {
    let mut listed = members(5);
    listed[0].availability = Availability::Starting;
    listed[1].availability = Availability::Unhealthy;
    listed[2].availability = Availability::Draining;
    listed[3].weight = 0;
    let set = EndpointSet::empty().next(listed, &mut Slots::default(), START);
    assert_eq!((set.endpoints().len(), set.ready()), (5, 1));
    for policy in [Policy::default(), Policy::RoundRobin] {
        assert_eq!(ports_picked(&set, &policy, START, 20), [5; 20], "{policy:?}");
    }
}

#[test]
fn an_empty_set_has_nothing_to_pick() {
    for policy in [Policy::default(), Policy::RoundRobin] {
        assert!(pick(&EndpointSet::empty(), &policy, &[], START, &mut Random::new(1)).is_none());
    }
}

#[test]
fn a_retry_meets_every_other_endpoint_before_there_is_none() {
    for (policy, count) in [(Policy::default(), 5), (Policy::default(), 40), (Policy::RoundRobin, 5)] {
        let set = set_of(count);
        let (mut tried, mut random) = (Vec::new(), Random::new(3));
        while let Some(endpoint) = pick(&set, &policy, &tried, START, &mut random) {
            assert!(!tried.contains(&endpoint.id));
            tried.push(endpoint.id);
        }
        assert_eq!(tried.len(), usize::from(count), "{policy:?}");
    }
}

#[test]
fn round_robin_takes_turns_across_sets() {
    let mut slots = Slots::default();
    let first = EndpointSet::empty().next(members(3), &mut slots, START);
    assert_eq!(ports_picked(&first, &Policy::RoundRobin, START, 4), [1, 2, 3, 1]);
    let second = first.next(members(3), &mut slots, START);
    assert_eq!(ports_picked(&second, &Policy::RoundRobin, START, 2), [2, 3]);
    assert_eq!(ports_picked(&first, &Policy::RoundRobin, START, 1), [1]);
}

#[test]
fn an_endpoint_never_tried_gets_exactly_one_call_until_it_answers() {
    let set = set_of(3);
    for endpoint in &set.endpoints()[..2] {
        call(endpoint, millis(100), Outcome::Success);
    }
    let (now, mut random) = (START + millis(100), Random::new(5));
    let mut ports = Vec::new();
    for _ in 0..20 {
        let endpoint = pick(&set, &Policy::default(), &[], now, &mut random).unwrap();
        endpoint.begin();
        ports.push(endpoint.address.port());
    }
    assert_eq!(ports[0], 3);
    assert_eq!(ports.iter().filter(|&&port| port == 3).count(), 1, "{ports:?}");
}

#[test]
fn endpoints_nothing_is_known_about_share_evenly() {
    let set = set_of(4);
    let mut random = Random::new(5);
    for _ in 0..40 {
        pick(&set, &Policy::default(), &[], START, &mut random).unwrap().begin();
    }
    assert_eq!(set.endpoints().iter().map(Endpoint::in_flight).collect::<Vec<_>>(), [10; 4]);
}

#[test]
fn a_failure_costs_at_least_its_penalty() {
    for (outcome, expected) in
        [(Outcome::Success, millis(2)), (Outcome::Failure, millis(500)), (Outcome::Cancelled, Duration::ZERO)]
    {
        let set = set_of(1);
        let endpoint = &set.endpoints()[0];
        call(endpoint, millis(2), outcome);
        assert_eq!((endpoint.cost(START + millis(2)), endpoint.in_flight()), (expected, 0), "{outcome:?}");
    }
    let set = set_of(1);
    call(&set.endpoints()[0], millis(900), Outcome::Failure);
    assert_eq!(set.endpoints()[0].cost(START + millis(900)), millis(900));
}

#[test]
fn a_fast_failure_does_not_attract_calls() {
    let set = set_of(2);
    call(&set.endpoints()[0], millis(30), Outcome::Success);
    call(&set.endpoints()[1], millis(1), Outcome::Failure);
    assert_eq!(ports_picked(&set, &Policy::default(), START + millis(30), 10), [1; 10]);
}

#[test]
fn a_slow_endpoint_is_tried_again_after_a_while() {
    let set = set_of(2);
    call(&set.endpoints()[0], millis(1_000), Outcome::Success);
    call(&set.endpoints()[1], millis(100), Outcome::Success);
    let now = START + Duration::from_secs(30);
    // The fast one keeps answering, the slow one is silent: after ln(10) decays, 23 s, it is the cheaper one.
    set.endpoints()[1].begin();
    set.endpoints()[1].end(now - millis(100), now, Outcome::Success, Duration::ZERO);
    assert_eq!(ports_picked(&set, &Policy::default(), now, 3), [1; 3]);
}

#[test]
fn twice_the_weight_takes_twice_the_calls() {
    let mut listed = members(2);
    listed[0].weight = 2;
    let set = EndpointSet::empty().next(listed, &mut Slots::default(), START);
    for endpoint in set.endpoints() {
        call(endpoint, millis(10), Outcome::Success);
    }
    let mut random = Random::new(9);
    for _ in 0..300 {
        pick(&set, &Policy::default(), &[], START + millis(10), &mut random).unwrap().begin();
    }
    let calls = set.endpoints()[0].in_flight();
    assert!((199..=201).contains(&calls), "{calls}");
}

#[test]
fn the_decay_of_the_policy_that_picked_is_the_one_calls_end_with() {
    let set = set_of(1);
    let policy = Policy::PeakEwma { decay: millis(100) };
    let endpoint = pick(&set, &policy, &[], START, &mut Random::new(1)).unwrap();
    call(endpoint, millis(50), Outcome::Success);
    let cost = endpoint.cost(START + millis(150)).as_secs_f64();
    assert!((cost - 0.050 * (-1.0_f64).exp()).abs() < 1e-6, "{cost}");
}

#[test]
fn two_choices_follow_from_the_seed_and_prefer_the_idle() {
    let set = set_of(100);
    assert_eq!(
        ports_picked(&set, &Policy::default(), START, 50),
        ports_picked(&set, &Policy::default(), START, 50),
        "one seed, one sequence"
    );
    for endpoint in set.endpoints() {
        call(endpoint, millis(10), Outcome::Success);
    }
    // 1,000 calls onto 100 endpoints: one random choice leaves some with twice the mean, two choices do not.
    let mut random = Random::new(11);
    for _ in 0..1_000 {
        pick(&set, &Policy::default(), &[], START + millis(10), &mut random).unwrap().begin();
    }
    let most = set.endpoints().iter().map(Endpoint::in_flight).max().unwrap();
    assert!(most <= 13, "{most}");
}

#[test]
fn up_to_sixteen_endpoints_are_all_compared_and_of_more_two() {
    for (count, expected) in [(16, true), (17, false)] {
        let set = set_of(count);
        for endpoint in &set.endpoints()[1..] {
            call(endpoint, millis(10), Outcome::Success);
        }
        let ports = ports_picked(&set, &Policy::default(), START + millis(10), 200);
        assert_eq!(ports.iter().all(|&port| port == 1), expected, "{count} endpoints");
    }
}

#[test]
fn two_choices_are_two_endpoints_so_the_worst_is_never_picked() {
    let set = set_of(17);
    set.endpoints()[3].begin();
    assert!(!ports_picked(&set, &Policy::default(), START, 10_000).contains(&4));
}

#[test]
fn equals_are_picked_evenly() {
    let ports = ports_picked(&set_of(4), &Policy::default(), START, 4_000);
    for port in 1..=4 {
        let picks = ports.iter().filter(|&&picked| picked == port).count();
        assert!((900..1_100).contains(&picks), "port {port}: {picks}");
    }
}

#[test]
fn every_endpoint_is_explained() {
    let mut listed = members(8);
    listed[0].availability = Availability::Starting;
    listed[1].availability = Availability::Unhealthy;
    listed[2].availability = Availability::Draining;
    listed[3].weight = 0;
    let set = EndpointSet::empty().next(listed, &mut Slots::default(), START);
    let [.., tried, slower, probing, unknown] = set.endpoints() else { unreachable!("eight endpoints") };
    call(tried, millis(10), Outcome::Success);
    call(slower, millis(10), Outcome::Success);
    slower.begin();
    slower.begin();
    probing.begin();
    let now = START + millis(10);

    let explained = set.explain(&Policy::default(), now);
    let said: Vec<(bool, &str)> = explained.iter().map(|one| (one.pickable, &*one.reason)).collect();
    assert_eq!(
        said,
        [
            (false, "starts and is not healthy yet"),
            (false, "failed its health check"),
            (false, "finishes its calls and gets no new ones"),
            (false, "has weight 0, which is never picked"),
            (true, "ready, but an endpoint nothing is known about comes before its load of 10ms"),
            (true, "ready, but an endpoint nothing is known about comes before its load of 30ms"),
            (true, "waits for the answer to its first call, all others are preferred until then"),
            (true, "never tried or long idle, gets one call to learn from"),
        ]
    );
    assert_eq!((explained[5].in_flight, explained[5].cost, explained[5].load), (2, millis(10), millis(30)));

    call(unknown, millis(40), Outcome::Success);
    let explained = set.explain(&Policy::default(), now);
    assert_eq!(explained[4].reason, "ready, has the least load (10ms)");
    assert_eq!(explained[5].reason, "ready, its load of 30ms is 3.0 times the least (10ms)");
    assert_eq!(set.explain(&Policy::RoundRobin, now)[5].reason, "ready, gets its turn");
}

/// One thing that happens to a service.
#[derive(Debug, Clone)]
enum Event {
    /// Members by port: weight and availability; two instances can live on one port, one after the other.
    Next(Vec<(u16, u8, u32, Availability)>),
    Pick {
        policy: usize,
        key: Option<u64>,
        tried: Vec<usize>,
        seed: u64,
    },
    End {
        call: usize,
        outcome: Outcome,
    },
    Wait(u64),
}

fn availability() -> impl Strategy<Value = Availability> {
    prop_oneof![
        4 => Just(Availability::Ready),
        1 => Just(Availability::Starting),
        1 => Just(Availability::Unhealthy),
        1 => Just(Availability::Draining),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let member = (1_u16..40, 0_u8..2, 0_u32..4, availability());
    let outcome = prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Cancelled)];
    prop_oneof![
        2 => prop::collection::vec(member, 0..40).prop_map(Event::Next),
        6 => (0_usize..9, any::<Option<u64>>(), prop::collection::vec(0_usize..40, 0..6), any::<u64>())
            .prop_map(|(policy, key, tried, seed)| Event::Pick { policy, key, tried, seed }),
        4 => (any::<usize>(), outcome).prop_map(|(call, outcome)| Event::End { call, outcome }),
        1 => (0_u64..60_000).prop_map(Event::Wait),
    ]
}

/// The slow reference: loads of all endpoints that may be picked, computed one by one.
fn candidates<'a>(set: &'a EndpointSet, tried: &[EndpointId], decay: Decay, now: Moment) -> Vec<(&'a Endpoint, f64)> {
    let pickable =
        |one: &&Endpoint| one.availability == Availability::Ready && one.weight > 0 && !tried.contains(&one.id);
    let load = |one: &'a Endpoint| (one, one.load.load(now, decay, f64::from(one.weight)));
    set.endpoints().iter().filter(pickable).map(load).collect()
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn whatever_happens_a_pick_is_right_and_calls_stay_counted(events in prop::collection::vec(event(), 1..60)) {
        let decay = Decay::of(Policy::DEFAULT_DECAY);
        let (mut slots, mut set, mut now) = (Slots::default(), EndpointSet::empty(), START);
        let mut calls: Vec<(Endpoint, Moment)> = Vec::new();
        let mut identities: HashMap<EndpointId, (Arc<str>, SocketAddr)> = HashMap::new();
        for event in events {
            match event {
                Event::Wait(millis) => now = now + Duration::from_millis(millis),
                Event::End { call, outcome } if !calls.is_empty() => {
                    let (endpoint, started) = calls.swap_remove(call % calls.len());
                    endpoint.end(started, now, outcome, millis(500));
                }
                Event::End { .. } => {}
                Event::Next(listed) => {
                    let listed = listed.into_iter().map(|(port, pid, weight, availability)| Member {
                        weight, availability, ..member(&format!("orders-{port}#{pid}"), port)
                    });
                    set = set.next(listed.collect(), &mut slots, START);
                    let (mut taken, mut addresses) = (HashSet::new(), HashSet::new());
                    for endpoint in set.endpoints() {
                        prop_assert!(slots.holds(endpoint.id));
                        prop_assert!(taken.insert(endpoint.id.slot), "slot {} twice", endpoint.id.slot);
                        prop_assert!(addresses.insert(endpoint.address), "{} twice", endpoint.address);
                        // An id means one instance at one address, for ever.
                        let identity = (endpoint.instance.clone(), endpoint.address);
                        let known = identities.entry(endpoint.id).or_insert_with(|| identity.clone());
                        prop_assert_eq!(known, &identity);
                    }
                    prop_assert!(slots.len() <= 40, "slots of endpoints that left are reused");
                }
                Event::Pick { policy, key, tried, seed } => {
                    let tried: Vec<EndpointId> =
                        tried.iter().filter_map(|&at| set.endpoints().get(at)).map(|one| one.id).collect();
                    let policy = Policy::all()[policy];
                    let is_default = policy == Policy::default();
                    let candidates = candidates(&set, &tried, decay, now);
                    let random = &mut Random::new(seed);
                    let picked = set.pick(Pick { policy: &policy, key, tried: &tried, now, random });
                    let Some(picked) = picked else {
                        prop_assert!(candidates.is_empty(), "{:?} was there", candidates);
                        continue;
                    };
                    let found = candidates.iter().find(|(one, _)| one.id == picked.id);
                    prop_assert!(found.is_some(), "{:?} cannot be picked", picked);
                    let load = found.map_or(0.0, |(_, load)| *load);
                    let better = candidates.iter().filter(|(_, other)| *other < load).count();
                    if is_default && set.ready() <= SCAN_LIMIT {
                        prop_assert_eq!(better, 0, "all were compared");
                    } else if is_default && candidates.len() > 1 && tried.is_empty() {
                        prop_assert!(better < candidates.len() - 1, "the worst of all loses every comparison");
                    }
                    picked.begin();
                    calls.push((picked.clone(), now));
                }
            }
            for endpoint in set.endpoints() {
                let expected = calls.iter().filter(|(one, _)| one.id == endpoint.id).count();
                prop_assert_eq!(endpoint.in_flight() as usize, expected, "{}", endpoint.instance);
            }
        }
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let ejection = (1_u16..4, 0_u8..=110, 1_u64..40_000).prop_map(|(failures, max_percent, base)| crate::Ejection {
        consecutive_failures: Some(failures),
        max_percent,
        base_time: Duration::from_millis(base),
        success_rate: Some(crate::SuccessRate { min_endpoints: 2, min_calls: 1, deviations: 0.5 }),
        failure_percentage: Some(crate::FailurePercentage { threshold: 50, min_endpoints: 1, min_calls: 1 }),
        ..crate::Ejection::default()
    });
    let slow = (0_u64..60_000, prop_oneof![Just(1.0), Just(f64::NAN), Just(0.0), Just(3.0)], 0_u8..=120).prop_map(
        |(window, aggression, min_percent)| crate::SlowStart {
            window: Duration::from_millis(window),
            aggression,
            min_percent,
        },
    );
    let zones = prop::collection::vec(0_u32..4, 3).prop_map(|counts| {
        let callers = ["a", "b", "c"].map(str::to_owned).into_iter().zip(counts).collect();
        crate::Zones { own: "a".to_owned(), callers, min_endpoints: 2 }
    });
    let option = prop::option::of::<BoxedStrategy<crate::Ejection>>;
    (option(ejection.boxed()), prop::option::of(slow), 0_u8..=120, 0_u32..300, prop::option::of(zones)).prop_map(
        |(ejection, slow_start, panic_percent, overprovisioning_percent, zones)| Rules {
            ejection,
            slow_start,
            panic_percent,
            overprovisioning_percent,
            zones,
        },
    )
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn under_any_rules_and_any_clock_whoever_may_be_picked_is_found(
        all_rules in prop::collection::vec(rules(), 1..4),
        lists in prop::collection::vec(prop::collection::vec((1_u16..20, 0_u32..3, availability(), 0_u32..3, 0_usize..4), 0..20), 1..4),
        steps in prop::collection::vec((0_usize..9, any::<Option<u64>>(), 0_u64..20_000, 0_u8..8, any::<u64>()), 1..60),
    ) {
        let mut slots = Slots::default();
        let mut set = EndpointSet::empty();
        let mut now = START + Duration::from_secs(100_000);
        for (number, (policy, key, millis, what, seed)) in steps.into_iter().enumerate() {
            if number % 20 == 0 {
                let at = number / 20;
                let list = lists[at % lists.len()].iter().map(|&(port, weight, availability, priority, zone)| Member {
                    weight,
                    availability,
                    priority,
                    zone: ["a", "b", "c"].get(zone).map(|&name| Arc::from(name)),
                    ..member(&format!("orders-{port}"), port)
                });
                set = set.under(all_rules[at % all_rules.len()].clone(), now).next(list.collect(), &mut slots, now);
            }
            // Once in a while the clock is set back by up to an hour.
            now = if what == 7 { now - Duration::from_millis(millis * 180) } else { now + Duration::from_millis(millis) };
            let policy = Policy::all()[policy];
            let random = &mut Random::new(seed);
            let mut tried = Vec::new();
            loop {
                let (picked, explained) = set.pick_explained(Pick { policy: &policy, key, tried: &tried, now, random });
                prop_assert_eq!(explained.picked, picked.map(|one| one.id));
                let Some(picked) = picked else { break };
                prop_assert!(!tried.contains(&picked.id) && picked.weight > 0);
                let panics = set.rules().panic_percent > 0 && picked.availability == Availability::Unhealthy;
                prop_assert!(panics || picked.availability == Availability::Ready, "{:?}", picked);
                tried.push(picked.id);
                picked.begin();
                let outcome = [Outcome::Success, Outcome::Failure, Outcome::Failure, Outcome::Overload][usize::from(what % 4)];
                picked.end(now, now, outcome, millis_of(seed));
            }
            let missed = set.endpoints().iter().find(|one| one.can_be_picked() && !one.is_ejected(now) && !tried.contains(&one.id));
            prop_assert!(missed.is_none(), "{:?} was never picked", missed);
        }
    }
}

fn millis_of(seed: u64) -> Duration {
    millis(seed % 1_000)
}

#[test]
fn picks_failures_and_new_lists_on_many_threads_leave_the_counts_right() {
    let base_time = Duration::from_nanos(1);
    let ejection = crate::Ejection { max_percent: 50, base_time, success_rate: None, ..crate::Ejection::default() };
    let rules = Rules { ejection: Some(ejection), panic_percent: 30, ..Rules::default() };
    let mut slots = Slots::default();
    let first = EndpointSet::empty().under(rules, START).next(members(30), &mut slots, START);
    let second = first.next(members(28), &mut slots, START);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (first, second) = (&first, &second);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for turn in 0..4_000_u64 {
                    let now = START + millis(turn);
                    let set = if turn % 2 == 0 { first } else { second };
                    let policy = Policy::all()[usize::try_from((turn + thread) % 9).unwrap()];
                    let one = Pick { policy: &policy, key: Some(turn), tried: &[], now, random: &mut random };
                    let endpoint = set.pick(one).unwrap();
                    endpoint.begin();
                    let outcome = if turn % 3 == 0 { Outcome::Success } else { Outcome::Failure };
                    endpoint.end(now, now, outcome, millis(1));
                }
            });
        }
    });
    assert!(first.endpoints().iter().all(|one| one.in_flight() == 0));
    // Everybody's ejection is over by now; one look and nobody is counted as ejected any more.
    let now = START + Duration::from_secs(1_000);
    assert!(pick(&second, &Policy::Random, &[], now, &mut Random::new(1)).is_some());
    assert!(second.endpoints().iter().all(|one| !one.is_ejected(now)));
    assert_eq!(second.group.state.ejected.load(Relaxed), 0);
}
