//! What holds for policies in a set: shares, keys, refusals. Tables have their own tests beside them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use madang_base::{Moment, Random};

use super::*;
use crate::{Endpoint, EndpointId, EndpointSet, Member, Outcome, Pick, Slots, chi, key};

const START: Moment = Moment::from_nanos(1_000_000_000);

fn member(port: u16, weight: u32) -> Member {
    Member { weight, ..Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port))) }
}

fn set_of(weights: &[u32]) -> EndpointSet {
    let members = (1..).zip(weights).map(|(port, &weight)| member(port, weight)).collect();
    EndpointSet::empty().next(members, &mut Slots::default(), START)
}

fn pick<'a>(
    set: &'a EndpointSet,
    policy: &Policy,
    key: Option<u64>,
    tried: &[EndpointId],
    random: &mut Random,
) -> Option<&'a Endpoint> {
    set.pick(Pick { policy, key, tried, now: START, random })
}

fn ports(set: &EndpointSet, policy: &Policy, count: usize) -> Vec<u16> {
    let mut random = Random::new(7);
    (0..count).map(|_| pick(set, policy, None, &[], &mut random).unwrap().address.port()).collect()
}

fn counts(set: &EndpointSet, ports: &[u16]) -> Vec<u32> {
    let mut counts = vec![0; set.endpoints().len()];
    for port in ports {
        counts[usize::from(port - 1)] += 1;
    }
    counts
}

#[test]
fn smooth_weighted_round_robin_is_nginxs_and_goes_on_in_the_next_set() {
    let mut slots = Slots::default();
    let members = vec![member(1, 5), member(2, 1), member(3, 1)];
    let first = EndpointSet::empty().next(members.clone(), &mut slots, START);
    assert_eq!(ports(&first, &Policy::WeightedRoundRobin, 10), [1, 1, 2, 1, 3, 1, 1, 1, 1, 2]);
    let second = first.next(members, &mut slots, START);
    assert_eq!(ports(&second, &Policy::WeightedRoundRobin, 4), [1, 3, 1, 1]);
}

#[test]
fn the_turns_of_who_was_tried_go_to_all_others_alike() {
    let set = set_of(&[1; 10]);
    let tried = [set.endpoints()[4].id];
    for policy in [Policy::RoundRobin, Policy::WeightedRoundRobin] {
        let mut random = Random::new(7);
        let ports: Vec<u16> =
            (0..20_000).map(|_| pick(&set, &policy, None, &tried, &mut random).unwrap().address.port()).collect();
        let mut counts = counts(&set, &ports);
        assert_eq!(counts.remove(4), 0);
        // The neighbor that follows has its share and no more.
        assert!(counts.iter().all(|count| (2_100..2_350).contains(count)), "{policy:?}: {counts:?}");
    }
}

#[test]
fn random_picks_are_in_proportion_to_weights() {
    for weights in [vec![1; 10], vec![5, 1, 1], (1..=50).collect()] {
        let set = set_of(&weights);
        let counts = counts(&set, &ports(&set, &Policy::Random, 100_000));
        chi::assert_fits(&counts, &chi::shares(&weights.iter().copied().map(f64::from).collect::<Vec<_>>()));
    }
}

#[test]
fn idle_endpoints_are_picked_evenly_by_every_policy_that_draws() {
    let set = set_of(&[1; 20]);
    let drawing = [
        Policy::Random,
        Policy::TwoChoices,
        Policy::default(),
        Policy::LeastRequest { choices: 2, bias_percent: 100 },
        Policy::LeastRequest { choices: 1_000, bias_percent: 100 },
        Policy::Maglev(Maglev::default()),
    ];
    for policy in drawing {
        chi::assert_fits(&counts(&set, &ports(&set, &policy, 20_000)), &[0.05; 20]);
    }
}

#[test]
fn least_request_takes_the_fewest_of_its_draws() {
    let set = set_of(&[1; 8]);
    for (calls, endpoint) in set.endpoints().iter().enumerate() {
        (0..calls).for_each(|_| endpoint.begin());
    }
    let all = Policy::LeastRequest { choices: 8, bias_percent: 100 };
    assert_eq!(ports(&set, &all, 20), [1; 20], "all are compared");
    // Two draws with replacement: the k-th least busy of n is the least of both with (2(n - k) + 1) / n².
    let two = Policy::LeastRequest { choices: 2, bias_percent: 100 };
    let expected: Vec<f64> = (0..8).map(|busier| f64::from(2 * (7 - busier) + 1) / 64.0).collect();
    chi::assert_fits(&counts(&set, &ports(&set, &two, 50_000)), &expected);
    let one = Policy::LeastRequest { choices: 1, bias_percent: 100 };
    chi::assert_fits(&counts(&set, &ports(&set, &one, 50_000)), &[0.125; 8]);
}

#[test]
fn least_request_weighs_as_envoy_does() {
    for bias_percent in [0, 50, 100, 200] {
        let weights = [4, 2, 1, 1, 8];
        let set = set_of(&weights);
        let calls = [3, 0, 0, 2, 7];
        for (endpoint, calls) in set.endpoints().iter().zip(calls) {
            (0..calls).for_each(|_| endpoint.begin());
        }
        let bias = f64::from(bias_percent) / 100.0;
        let share = |(&weight, &calls): (&u32, &i32)| f64::from(weight) / (f64::from(calls) + 1.0).powf(bias);
        let expected = chi::shares(&weights.iter().zip(&calls).map(share).collect::<Vec<_>>());
        let policy = Policy::LeastRequest { choices: 2, bias_percent };
        chi::assert_fits(&counts(&set, &ports(&set, &policy, 50_000)), &expected);
    }
}

#[test]
fn many_weights_are_drawn_by_weight_when_nobody_is_busy_and_busy_ones_get_less() {
    let weights: Vec<u32> = (1..=40).collect();
    let set = set_of(&weights);
    let policy = Policy::LeastRequest { choices: 2, bias_percent: 100 };
    let shares = chi::shares(&weights.iter().copied().map(f64::from).collect::<Vec<_>>());
    chi::assert_fits(&counts(&set, &ports(&set, &policy, 40_000)), &shares);
    (0..9).for_each(|_| set.endpoints()[39].begin());
    let busy = counts(&set, &ports(&set, &policy, 40_000))[39];
    // A tenth of its weight would be 40,000 × 4 / 784 = 204; four draws come near.
    assert!((150..420).contains(&busy), "{busy}");
}

#[test]
fn two_choices_compare_calls_relative_to_weights() {
    let set = set_of(&[1, 4]);
    let mut random = Random::new(3);
    for _ in 0..100 {
        pick(&set, &Policy::TwoChoices, None, &[], &mut random).unwrap().begin();
    }
    assert_eq!(set.endpoints().iter().map(Endpoint::in_flight).collect::<Vec<_>>(), [20, 80]);
}

fn hashing() -> [Policy; 3] {
    let murmur = RingHash { function: RingHashFunction::Murmur2, ..RingHash::default() };
    [Policy::RingHash(RingHash::default()), Policy::RingHash(murmur), Policy::Maglev(Maglev::default())]
}

fn owners(set: &EndpointSet, policy: &Policy, tried: &[EndpointId], keys: u32) -> Vec<u16> {
    let mut random = Random::new(1);
    let owner =
        |number: u32| pick(set, policy, Some(key(&number.to_le_bytes())), tried, &mut random).unwrap().address.port();
    (0..keys).map(owner).collect()
}

#[test]
fn a_key_stays_and_without_one_calls_go_everywhere() {
    let set = set_of(&[1; 10]);
    for policy in hashing() {
        assert_eq!(owners(&set, &policy, &[], 500), owners(&set, &policy, &[], 500));
        let all: std::collections::BTreeSet<u16> = ports(&set, &policy, 500).into_iter().collect();
        assert_eq!(all.len(), 10, "{policy:?}");
    }
}

/// What happens to 20,000 keys when one of `count` endpoints leaves: those it had, and those that move although theirs
/// stays.
fn moved(count: u16, policy: impl Fn(u16) -> Policy) -> (usize, usize) {
    let left = count / 2 + 1;
    let all =
        EndpointSet::empty().next((1..=count).map(|port| member(port, 1)).collect(), &mut Slots::default(), START);
    let others = (1..=count).filter(|&port| port != left).map(|port| member(port, 1)).collect();
    let fewer = EndpointSet::empty().next(others, &mut Slots::default(), START);
    let (before, after) = (owners(&all, &policy(count), &[], 20_000), owners(&fewer, &policy(count - 1), &[], 20_000));
    let theirs = before.iter().filter(|&&port| port == left).count();
    let needless = before.iter().zip(&after).filter(|(before, after)| **before != left && before != after).count();
    (theirs, needless)
}

/// docs/benchmarks.md shows these figures: `--nocapture` prints them.
#[test]
fn when_one_of_n_leaves_a_ring_of_equal_points_moves_its_keys_alone_and_maglev_at_most_as_many_again() {
    for count in [3, 10, 100, 1_000] {
        let fair = 20_000 / usize::from(count);
        let ring = |min_size: u32| Policy::RingHash(RingHash { min_size, ..RingHash::default() });
        // A thousand points for each; then Envoy's default for all, where those who stay get more points each.
        let (theirs, needless) = moved(count, |count| ring(1_000 * u32::from(count)));
        println!("{count:4} endpoints, ring, 1,000 points each: {theirs} + {needless}, fair is {fair}");
        // A sum of fractions of points may round one away: a key in five hundred.
        assert!(needless <= 40, "{count} endpoints: {needless} keys moved whose endpoint stays");
        assert!(theirs <= fair * 5 / 4, "{count} endpoints: {theirs} keys of one, fair are {fair}");
        let (theirs, needless) = moved(count, |_| ring(1_024));
        println!("{count:4} endpoints, ring, 1,024 points: {theirs} + {needless}");
        assert!(theirs + needless <= 20_000 * 2 / usize::from(count.min(10)), "{count}: {theirs} and {needless}");
        let (theirs, needless) = moved(count, |_| Policy::Maglev(Maglev::default()));
        println!("{count:4} endpoints, maglev: {theirs} + {needless}");
        assert!(theirs <= fair * 5 / 4, "{count} endpoints: {theirs} keys of one, fair are {fair}");
        assert!(theirs + needless <= 20_000 / 20 + 2 * fair, "{count} endpoints: {theirs} and {needless}");
    }
}

#[test]
fn an_endpoint_that_is_refused_leaves_its_keys_to_many_and_no_other_key_moves() {
    let set = set_of(&[1; 10]);
    let refused = &set.endpoints()[3];
    for policy in hashing() {
        let (before, after) = (owners(&set, &policy, &[], 20_000), owners(&set, &policy, &[refused.id], 20_000));
        let mut heirs: HashMap<u16, u32> = HashMap::new();
        for (before, after) in before.iter().zip(&after) {
            if *before == 4 {
                assert_ne!(*after, 4);
                *heirs.entry(*after).or_default() += 1;
            } else {
                assert_eq!(before, after, "{policy:?}");
            }
        }
        // A thousand points for ten are not even; but nobody takes it all.
        let (all, most) = (heirs.values().sum::<u32>(), heirs.values().max().unwrap());
        assert!(heirs.len() == 9 && most * 9 < all * 5 / 2, "{policy:?}: {heirs:?}");
    }
}

#[test]
fn a_popular_key_does_not_drown_its_endpoint_when_loads_are_bounded() {
    for count in [10, 100] {
        let set = set_of(&vec![1; count]);
        let bound = Bound::percent(150).unwrap();
        for policy in [
            Policy::RingHash(RingHash { bound, ..RingHash::default() }),
            Policy::Maglev(Maglev { bound, ..Maglev::default() }),
        ] {
            let mut now = START;
            let mut random = Random::new(1);
            for _ in 0..40 * count {
                // The sum of calls is a millisecond old at most.
                now = now + Duration::from_millis(2);
                let one = Pick { policy: &policy, key: Some(42), tried: &[], now, random: &mut random };
                set.pick(one).unwrap().begin();
            }
            let calls: Vec<u32> = set.endpoints().iter().map(Endpoint::in_flight).collect();
            // Share: 40 calls, half as much again is 60; one more is taken while exactly at the bound.
            assert!(calls.iter().all(|&calls| calls <= 61), "{policy:?}: {calls:?}");
            assert_eq!(calls.iter().sum::<u32>() as usize, 40 * count);
            for (endpoint, calls) in set.endpoints().iter().zip(calls) {
                (0..calls).for_each(|_| endpoint.end(START, START, Outcome::Cancelled, Duration::ZERO));
            }
            let first = owners(&set, &policy, &[], 1);
            let unbounded = match policy {
                Policy::RingHash(_) => Policy::RingHash(RingHash::default()),
                _ => Policy::Maglev(Maglev::default()),
            };
            assert_eq!(first, owners(&set, &unbounded, &[], 1), "while nobody is busy the key decides");
        }
    }
}

#[test]
fn a_sticky_key_names_its_endpoint_through_every_change() {
    let mut slots = Slots::default();
    let policy = Policy::Sticky { decay: Policy::DEFAULT_DECAY };
    let first = EndpointSet::empty().next((1..=5).map(|port| member(port, 1)).collect(), &mut slots, START);
    let named = &first.endpoints()[2];
    named.begin(); // Busy or not.
    let second = first.next([9, 3, 7].map(|port| member(port, 1)).to_vec(), &mut slots, START);
    let mut random = Random::new(5);
    for _ in 0..20 {
        assert_eq!(pick(&first, &policy, Some(named.key()), &[], &mut random).unwrap().id, named.id);
        assert_eq!(pick(&second, &policy, Some(named.key()), &[], &mut random).unwrap().id, named.id);
        let other = pick(&second, &policy, Some(named.key()), &[named.id], &mut random).unwrap();
        assert_ne!(other.id, named.id, "a retry goes elsewhere");
        assert!(pick(&second, &policy, Some(12_345), &[], &mut random).is_some(), "a key that names nobody");
    }
}

#[test]
fn one_seed_is_one_sequence_for_every_policy() {
    for policy in Policy::all() {
        // Fresh sets: turns go on.
        let sequence = || ports(&set_of(&[3, 1, 1, 2, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), &policy, 200);
        assert_eq!(sequence(), sequence(), "{policy:?}");
    }
}

#[test]
fn an_empty_set_and_a_set_of_one_have_an_answer_for_every_policy() {
    let mut random = Random::new(1);
    for policy in Policy::all() {
        let (empty, one) = (EndpointSet::empty(), set_of(&[7]));
        let none = EndpointSet::empty().next(vec![member(1, 0)], &mut Slots::default(), START);
        for key in [None, Some(0), Some(u64::MAX)] {
            for set in [&empty, &none] {
                set.prepare(&policy);
                assert!(pick(set, &policy, key, &[], &mut random).is_none());
            }
            assert_eq!(pick(&one, &policy, key, &[], &mut random).map(|one| one.id), Some(one.endpoints()[0].id));
            assert!(pick(&one, &policy, key, &[one.endpoints()[0].id], &mut random).is_none());
        }
    }
}

#[test]
fn a_list_that_is_emptied_while_a_call_runs_harms_nobody() {
    let mut slots = Slots::default();
    let old = EndpointSet::empty().next((1..=20).map(|port| member(port, 1)).collect(), &mut slots, START);
    let mut random = Random::new(1);
    for policy in Policy::all() {
        let picked = pick(&old, &policy, Some(1), &[], &mut random).unwrap();
        picked.begin();
        let empty = old.next(Vec::new(), &mut Slots::default(), START);
        assert!(pick(&empty, &policy, Some(1), &[picked.id], &mut random).is_none());
        assert!(pick(&old, &policy, Some(1), &[picked.id], &mut random).is_some(), "who holds the old set goes on");
        picked.end(START, START, Outcome::Failure, Duration::ZERO);
        assert_eq!(picked.in_flight(), 0);
    }
}

#[test]
fn a_clock_that_goes_back_is_answered_by_every_policy() {
    let set = set_of(&[1, 2, 3]);
    let mut random = Random::new(1);
    for policy in Policy::all() {
        for now in [START, START + Duration::from_secs(3_600), Moment::default(), Moment::MAX, START] {
            let one = Pick { policy: &policy, key: Some(9), tried: &[], now, random: &mut random };
            let picked = set.pick(one).unwrap();
            picked.begin();
            picked.end(now, START, Outcome::Success, Duration::ZERO);
        }
    }
}

#[test]
fn tables_in_use_are_made_with_the_next_set_and_others_are_not() {
    let mut slots = Slots::default();
    let members: Vec<Member> = (1..=4).map(|port| member(port, u32::from(port))).collect();
    let shapes = |set: &EndpointSet| set.pools().map(|pool| pool.tables.shapes()).sum::<usize>();
    let first = EndpointSet::empty().next(members.clone(), &mut slots, START);
    for policy in [Policy::Random, Policy::Maglev(Maglev::default()), Policy::WeightedRoundRobin] {
        first.prepare(&policy);
    }
    assert_eq!(shapes(&first), 3);
    let second = first.next(members.clone(), &mut slots, START);
    assert_eq!(shapes(&second), 3);
    pick(&second, &Policy::Random, None, &[], &mut Random::new(1));
    let third = second.next(members, &mut slots, START);
    assert_eq!(shapes(&third), 1, "nobody asked the second set for the others");
}

#[test]
fn weights_from_elsewhere_have_a_meaning() {
    for (number, expected) in [
        (0.0, Some(0)),
        (0.2, Some(1)),
        (1.0, Some(1)),
        (2.5, Some(3)),
        (1e30, Some(1_000_000)),
        (f64::INFINITY, Some(1_000_000)),
        (-0.0, Some(0)),
        (-1.0, None),
        (f64::NAN, None),
        (f64::NEG_INFINITY, None),
    ] {
        assert_eq!(Member::weight_of(number), expected, "{number}");
    }
}
