//! Picks an endpoint of a service and learns from how the call went.
//!
//! Whoever knows the instances of a service publishes an [`EndpointSet`]: an immutable snapshot that many threads read
//! without a lock. A caller picks, says [`begin`](Endpoint::begin) and [`end`](Endpoint::end), and that is all the
//! balancer ever learns. What it learned belongs to the instance, so it survives into the next snapshot.
//!
//! ```
//! use madang_balance::{EndpointSet, Member, Outcome, Pick, Policy, Slots};
//! use madang_base::{Moment, Random};
//! use std::time::Duration;
//!
//! let (mut slots, mut random, started) = (Slots::default(), Random::new(7), Moment::from_nanos(0));
//! let members = ["127.0.0.1:20001", "127.0.0.1:20002"].map(|at| Member::new(format!("orders at {at}"), at.parse().unwrap()));
//! let set = EndpointSet::empty().next(members.into(), &mut slots, started);
//!
//! let policy = Policy::default();
//! let first = Pick { policy: &policy, key: None, tried: &[], now: started, random: &mut random };
//! let first = set.pick(first).unwrap();
//! first.begin();
//! let answered = started + Duration::from_millis(3);
//! first.end(started, answered, Outcome::Success, Duration::from_secs(1));
//! assert_eq!(first.cost(answered), Duration::from_millis(3));
//!
//! let second = Pick { policy: &policy, key: None, tried: &[first.id], now: answered, random: &mut random };
//! assert_ne!(set.pick(second).unwrap().id, first.id);
//! ```
//!
//! Reading order: [`Policy`] (how a pick is made), `endpoint` (one address and its identity), `set` (snapshots), `pick`
//! (from a set to an endpoint), [`Rules`] (who may be picked), `level` (priorities and zones), `ejection` (the breaker of
//! an endpoint), `load` (Peak EWMA), [`RetryBudget`], [`Subset`], `slots` (numbers that are never silently reused), `explain`. [`ribbon`] stands
//! alone: Netflix's rules for comparison and moving house.

mod ask;
mod budget;
#[cfg(test)]
mod chi;
mod ejection;
mod endpoint;
mod explain;
mod hash;
mod level;
mod load;
mod pick;
mod policy;
mod pool;
pub mod ribbon;
mod rules;
mod set;
mod slots;
mod subset;
mod table;

pub use budget::{RetryAllowance, RetryBudget};
pub use endpoint::{Availability, Endpoint, Member, Outcome};
pub use explain::{Candidate, CandidateVerdict, Explained, Explanation, Hidden};
pub use hash::key;
pub use pick::Pick;
pub use policy::{Bound, Maglev, Policy, PolicyError, RingHash, RingHashFunction, Setting};
pub use rules::{Ejection, FailurePercentage, Rules, SlowStart, SuccessRate, Zones};
pub use set::EndpointSet;
pub use slots::{EndpointId, Slots};
pub use subset::Subset;

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
