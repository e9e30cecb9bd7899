//! A compiled table of routes: predicates, precedence, explanation.
//!
//! A [`Rule`] says which requests a route takes; a [`Table`] finds the rule of a request in a few hash look-ups however
//! many rules there are, and can say for every rule why it was not the one. What happens to the request then is the
//! gateway's business.
//!
//! # Precedence
//! When several rules take a request, the first of these that differs decides:
//! 1. **Host**: an exact one, then `*.a.example.com`, then `*.example.com` (the longer suffix first), then rules
//!    without a host.
//! 2. **Path**: compared segment by segment from the left: a literal, then a mixed segment (`v*`, `{id}.json`, `??`: the
//!    longer literal start first, then more literal characters, then fewer `*` and variables), then `*` or `{name}`,
//!    then the end of the pattern, then `**`. So a path without wildcards comes first, and rules without a path last.
//! 3. **Method**: rules that name methods before those that do not.
//! 4. **Headers**: more tests first.
//! 5. **Query**: more tests first.
//! 6. **Place**: the rule that was given earlier.
//!
//! Within one rule the hosts and the methods are alternatives; everything else has to hold together.
//!
//! ```
//! use madang_base::Name;
//! use madang_route::{NoHeaders, PathPattern, Request, Rule, Table, canonical};
//!
//! let rule = |id: &str, path: &str| Rule {
//!     path: Some(PathPattern::parse(path).unwrap()),
//!     ..Rule::new(Name::parse(id).unwrap())
//! };
//! let table = Table::compile(vec![rule("all", "/**"), rule("orders", "/orders/**"), rule("new", "/orders/new")]);
//! let mut scratch = String::new();
//! for (raw, expected) in [("/orders/7", 1), ("/orders/%6eew", 2), ("/orders/../pay", 0)] {
//!     let path = canonical(raw, &mut scratch).unwrap();
//!     let request = Request { method: "GET", host: "shop.example.com", path, query: None, headers: &NoHeaders };
//!     assert_eq!(table.find(&request), Some(expected), "{raw}");
//! }
//! ```
//!
//! Reading order: `rule` (what can be asked of a request), `path`, `host`, `value` (the predicates), `table` and
//! `tree` (finding), `explain`, `shadow` (rules that can never be chosen), `canonical` (the path that is compared).

mod canonical;
pub mod codes;
mod explain;
mod host;
mod path;
mod rule;
mod shadow;
mod table;
mod tree;
mod value;

pub use canonical::{PathError, canonical};
pub use explain::{Missed, Verdict};
pub use host::{HostError, HostPattern};
pub use path::{PathFault, PathPattern, PathPatternError};
pub use rule::{Headers, MethodError, NoHeaders, Request, Rule, check_method};
pub use shadow::Shadow;
pub use table::Table;
pub use value::{ValueError, ValueTest, WholeMatch};

#[cfg(test)]
mod testing;

/// Random tests repeat: the same `cases` every time, others with `MADANG_SEED=<number>`.
#[cfg(test)]
fn seeded(cases: u32) -> proptest::test_runner::Config {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    proptest::test_runner::Config {
        cases,
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
