//! What one pick costs: `cargo bench -p madang-balance`. The bar is 100 ns at 1,000 endpoints.

use madang_balance::{Availability, EndpointSet, Member, Outcome, Policy, Slots};
use madang_base::{Moment, Random};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PICKS: u32 = 2_000_000;

fn main() {
    for (policy, name) in [(Policy::default(), "peak ewma"), (Policy::RoundRobin, "round robin")] {
        for count in [1, 2, 16, 17, 1_000] {
            let set = set_of(count);
            let mut random = Random::new(1);
            let mut now = Moment::from_nanos(2_000_000_000);
            let started = Instant::now();
            for _ in 0..PICKS {
                now = now + Duration::from_nanos(100);
                black_box(set.pick(&policy, &[], now, &mut random));
            }
            let nanos = started.elapsed().as_nanos() / u128::from(PICKS);
            println!("{name:12} {count:5} endpoints {nanos:5} ns a pick");
        }
    }
    let set = set_of(1);
    let endpoint = &set.endpoints()[0];
    let started = Instant::now();
    for call in 0..u64::from(PICKS) {
        endpoint.begin();
        endpoint.end(Moment::from_nanos(call), Moment::from_nanos(call + 90), Outcome::Success, Duration::ZERO);
    }
    println!("begin and end {:17} ns a call", started.elapsed().as_nanos() / u128::from(PICKS));
}

/// Endpoints that all answered once, so that every comparison computes a decay.
fn set_of(count: u16) -> EndpointSet {
    let members = (1..=count).map(|port| Member {
        instance: format!("orders-{port}"),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        weight: 1,
        availability: Availability::Ready,
    });
    let set = EndpointSet::empty().next(members.collect(), &mut Slots::default());
    for (latency, endpoint) in (1_000_000..).zip(set.endpoints()) {
        let start = Moment::from_nanos(1_000_000_000);
        endpoint.begin();
        endpoint.end(start, start + Duration::from_nanos(latency), Outcome::Success, Duration::ZERO);
    }
    set
}
