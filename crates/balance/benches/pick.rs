//! What one pick costs: `cargo bench -p madang-balance`. The bar is 100 ns at 1,000 endpoints, for every policy.

use madang_balance::{
    Bound, Ejection, EndpointSet, Maglev, Member, Outcome, Pick, Policy, RingHash, Rules, Slots, key,
};
use madang_base::{Moment, Random};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PICKS: u32 = 2_000_000;

fn main() {
    let counts = [1, 2, 16, 17, 1_000];
    println!("{:38}{}", "ns a pick, endpoints:", counts.map(|count| format!("{count:>7}")).concat());
    for policy in Policy::all() {
        line(policy.name(), &counts.map(|count| measure(&policy, &set_of(count, |_| 1))));
        if matches!(policy, Policy::WeightedRoundRobin | Policy::Random | Policy::LeastRequest { .. }) {
            let sets = counts.map(|count| set_of(count, |port| u32::from(port % 5 + 1)));
            line(&format!("{}, different weights", policy.name()), &sets.map(|set| measure(&policy, &set)));
        }
    }
    let bound = Bound::percent(125).unwrap_or_default();
    for policy in [
        Policy::RingHash(RingHash { bound, ..RingHash::default() }),
        Policy::RingHash(RingHash { min_size: 262_144, ..RingHash::default() }),
        Policy::Maglev(Maglev { bound, ..Maglev::default() }),
    ] {
        let name = match policy {
            Policy::RingHash(ring) if ring.bound == Bound::OFF => "ring_hash, 262,144 points".to_owned(),
            _ => format!("{}, bound 125 %, all busy", policy.name()),
        };
        let sets = counts.map(|count| set_of(count, |_| 1));
        for endpoint in sets.iter().flat_map(EndpointSet::endpoints) {
            endpoint.begin();
            endpoint.begin();
        }
        line(&name, &sets.map(|set| measure(&policy, &set)));
    }
    for policy in [Policy::default(), Policy::RoundRobin, Policy::RingHash(RingHash::default())] {
        let name = format!("{}, a tenth ejected", policy.name());
        line(&name, &counts.map(|count| measure(&policy, &with_ejected(set_of(count, |_| 1)))));
    }
    let set = set_of(1, |_| 1);
    let endpoint = &set.endpoints()[0];
    for (name, outcome) in [("success", Outcome::Success), ("failure", Outcome::Failure)] {
        let started = Instant::now();
        for call in 0..u64::from(PICKS) {
            endpoint.begin();
            endpoint.end(Moment::from_nanos(call), Moment::from_nanos(call + 90), outcome, Duration::ZERO);
        }
        println!("begin and end, {name}: {} ns a call", started.elapsed().as_nanos() / u128::from(PICKS));
    }
}

fn line(name: &str, nanos: &[u128; 5]) {
    println!("{name:38}{}", nanos.map(|nanos| format!("{nanos:>7}")).concat());
}

fn measure(policy: &Policy, set: &EndpointSet) -> u128 {
    set.prepare(policy);
    let mut random = Random::new(1);
    let mut now = Moment::from_nanos(2_000_000_000);
    let keys: Vec<u64> = match policy {
        Policy::Sticky { .. } => set.endpoints().iter().map(madang_balance::Endpoint::key).collect(),
        _ => (0..4_096_u32).map(|number| key(&number.to_le_bytes())).collect(),
    };
    let started = Instant::now();
    for &key in keys.iter().cycle().take(PICKS as usize) {
        now = now + Duration::from_nanos(100);
        black_box(set.pick(Pick { policy, key: Some(key), tried: &[], now, random: &mut random }));
    }
    started.elapsed().as_nanos() / u128::from(PICKS)
}

/// Endpoints that all answered once, so that every comparison computes a decay.
fn set_of(count: u16, weight: impl Fn(u16) -> u32) -> EndpointSet {
    let members = (1..=count).map(|port| Member {
        weight: weight(port),
        ..Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port)))
    });
    let start = Moment::from_nanos(1_000_000_000);
    let set = EndpointSet::empty().next(members.collect(), &mut Slots::default(), start);
    for (latency, endpoint) in (1_000_000..).zip(set.endpoints()) {
        endpoint.begin();
        endpoint.end(start, start + Duration::from_nanos(latency), Outcome::Success, Duration::ZERO);
    }
    set
}

/// Every tenth endpoint failed and rests.
fn with_ejected(set: EndpointSet) -> EndpointSet {
    let start = Moment::from_nanos(1_000_000_000);
    let ejection = Ejection { consecutive_failures: Some(1), ..Ejection::default() };
    let set = set.under(Rules { ejection: Some(ejection), ..Rules::default() }, start);
    for endpoint in set.endpoints().iter().step_by(10) {
        endpoint.begin();
        endpoint.end(start, start, Outcome::Failure, Duration::from_millis(1));
    }
    set
}
