//! Decides whether a call may be made, and learns from how it went.
//!
//! A [`Breaker`] follows one [`Profile`]: `madang`, the good one, or one that behaves as a product people run today,
//! its quirks and late results included, so that a service can move without a change of behavior and `madang breaker
//! simulate` can say what that product would have done. Time comes in as an argument.
//!
//! ```
//! use madang_base::Moment;
//! use madang_breaker::{Breaker, Outcome, Settings, State, pybreaker};
//! use std::time::Duration;
//!
//! let settings = Settings::Pybreaker(pybreaker::Settings { fail_max: 1, ..pybreaker::Settings::default() });
//! let breaker = Breaker::new(settings, Moment::default());
//! let call = breaker.enter(Moment::default()).unwrap();
//! let broken = Moment::default() + Duration::from_millis(30);
//! breaker.end(call, broken, Outcome::Failure, Duration::from_millis(30));
//! assert_eq!(breaker.state(broken), State::Open);
//! assert_eq!(breaker.enter(broken).unwrap_err().retry_after, Some(Duration::from_secs(60)));
//! ```
//!
//! Whoever can hold a guard takes a [`Permit`], which gives its place back when it is dropped:
//!
//! ```
//! use madang_base::Moment;
//! use madang_breaker::{Breaker, Settings, State, madang};
//! use std::time::Duration;
//!
//! let settings = madang::Settings { consecutive_failures: Some(2), ..madang::Settings::default() };
//! let breaker = Breaker::new(Settings::Madang(settings), Moment::default());
//! let now = Moment::default() + Duration::from_secs(7);
//! for _ in 0..2 {
//!     breaker.acquire(now).unwrap().fail(now);
//! }
//! assert_eq!(breaker.state(now), State::Open);
//! assert!(breaker.explain(now).to_string().starts_with("open for"));
//! ```
//!
//! Reading order: `call` (what a breaker is told and answers), `profile` (which product it follows, and its settings),
//! `breaker` and `permit` (the types callers hold), `keyed` (one breaker for each of many keys), `explain`, then one module
//! per profile; `replay` runs recorded calls through a breaker, and `overload` is what else keeps a caller from asking for
//! too much.

mod breaker;
mod call;
pub mod codes;
mod explain;
mod keyed;
pub mod overload;
mod permit;
mod profile;
pub mod replay;
mod sync;

pub use breaker::{Breaker, OtherBreaker};
pub use call::{Counter, Counts, Mode, Outcome, Outcomes, Reason, Rejected, State, Ticket, Transition};
pub use explain::{Details, Explanation, Opened, Phase, Verdict};
pub use keyed::Keyed;
pub use permit::Permit;
pub use profile::{Profile, Settings, UnknownProfile, hystrix, madang, opossum, pybreaker, resilience4j};
