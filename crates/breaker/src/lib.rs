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
//! Reading order: `call` (what a breaker is told and answers), `profile` (which product it follows, and its settings),
//! `breaker` (the type callers hold), then one module per profile; `replay` runs recorded calls through a breaker.

mod breaker;
mod call;
pub mod codes;
mod profile;
pub mod replay;

pub use breaker::Breaker;
pub use call::{Counter, Outcome, Outcomes, Rejected, State, Ticket};
pub use profile::{Profile, Settings, UnknownProfile, hystrix, opossum, pybreaker, resilience4j};
