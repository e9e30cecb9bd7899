//! Picks an endpoint of a service and learns from how the call went.
//!
//! Whoever knows the instances of a service publishes an [`EndpointSet`]: an immutable snapshot that many threads read
//! without a lock. A caller picks, says [`begin`](Endpoint::begin) and [`end`](Endpoint::end), and that is all the
//! balancer ever learns. What it learned belongs to the instance, so it survives into the next snapshot.
//!
//! ```
//! use madang_balance::{Availability, EndpointSet, Member, Outcome, Policy, Slots};
//! use madang_base::{Moment, Random};
//! use std::time::Duration;
//!
//! let mut slots = Slots::default();
//! let members = ["127.0.0.1:20001", "127.0.0.1:20002"].map(|address| Member {
//!     instance: format!("orders at {address}"),
//!     address: address.parse().unwrap(),
//!     weight: 1,
//!     availability: Availability::Ready,
//! });
//! let set = EndpointSet::empty().next(members.into(), &mut slots);
//!
//! let (mut random, started) = (Random::new(7), Moment::from_nanos(0));
//! let first = set.pick(&Policy::default(), &[], started, &mut random).unwrap();
//! first.begin();
//! let answered = started + Duration::from_millis(3);
//! first.end(started, answered, Outcome::Success, Duration::from_secs(1));
//! assert_eq!(first.cost(answered), Duration::from_millis(3));
//!
//! let second = set.pick(&Policy::default(), &[first.id], answered, &mut random).unwrap();
//! assert_ne!(first.id, second.id);
//! ```
//!
//! Reading order: [`Policy`] (how a pick is made), `set` (snapshots and picking), `endpoint` (one address and its
//! identity), `load` (Peak EWMA), `slots` (numbers that are never silently reused), `explain`.

mod endpoint;
mod explain;
mod load;
mod policy;
mod set;
mod slots;

pub use endpoint::{Availability, Endpoint, Member, Outcome};
pub use explain::Explained;
pub use policy::Policy;
pub use set::EndpointSet;
pub use slots::{EndpointId, Slots};

/// Random tests repeat: the same cases every time, others with `MADANG_SEED=<number>`.
#[cfg(test)]
fn seeded() -> proptest::test_runner::Config {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    proptest::test_runner::Config {
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
