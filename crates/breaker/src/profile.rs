//! The products a breaker can follow, and what each lets people set.

use madang_base::{Moment, nearest};
use madang_settings::{Fields, Node, Problems, codes};
use std::fmt::Debug;
use std::time::Duration;

use crate::codes::NOT_HERE;
use crate::{Counter, Outcome, Outcomes, Rejected, State, Ticket};

pub mod hystrix;
pub mod madang;
pub mod opossum;
pub mod pybreaker;
pub mod resilience4j;
mod rolling;

/// Whose behavior a breaker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The good one.
    Madang,
    /// Opossum 10.0.0.
    Opossum,
    /// PyBreaker 1.4.1.
    Pybreaker,
    /// resilience4j 2.4.0.
    Resilience4j,
    /// Hystrix 1.5.18, which people run.
    Hystrix,
    /// Hystrix 1.5.12 and its git master, which know a half-open circuit.
    HystrixMaster,
}

impl Profile {
    /// Every profile with its name in settings and flags.
    pub const ALL: &[(&str, Self)] = &[
        ("madang", Self::Madang),
        ("opossum", Self::Opossum),
        ("pybreaker", Self::Pybreaker),
        ("resilience4j", Self::Resilience4j),
        ("hystrix", Self::Hystrix),
        ("hystrix-master", Self::HystrixMaster),
    ];

    /// The profile of this name.
    ///
    /// # Errors
    /// [`UnknownProfile`], with the nearest spelling.
    pub fn find(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, profile)| *profile)
            .ok_or_else(|| UnknownProfile { name: name.to_owned(), nearest: nearest(name, Self::names()) })
    }

    /// The names of all profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }
}

/// A name that no profile has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a profile; there are {}", Profile::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownProfile {
    /// The name as given.
    pub name: String,
    /// The one that was probably meant.
    pub nearest: Option<&'static str>,
}

/// The settings of one breaker, each under its product's property names in `snake_case`.
#[derive(Debug, Clone, PartialEq)]
pub enum Settings {
    /// The good one.
    Madang(madang::Settings),
    /// Opossum 10.0.0.
    Opossum(opossum::Settings),
    /// PyBreaker 1.4.1.
    Pybreaker(pybreaker::Settings),
    /// resilience4j 2.4.0.
    Resilience4j(resilience4j::Settings),
    /// Hystrix 1.5.18.
    Hystrix(hystrix::Settings),
    /// Hystrix 1.5.12 and its git master.
    HystrixMaster(hystrix::Settings),
}

impl Settings {
    /// Reads the settings of `profile` from the table `node`, whose dotted key is `key` (empty for a whole file). What
    /// is wrong goes to `problems`; a key that is not written has the product's default.
    pub fn read(profile: Profile, node: &Node, key: &str, problems: &mut Problems) -> Self {
        match profile {
            Profile::Madang => Self::Madang(madang::Settings::read(node, key, problems)),
            Profile::Opossum => Self::Opossum(opossum::Settings::read(node, key, problems)),
            Profile::Pybreaker => Self::Pybreaker(pybreaker::Settings::read(node, key, problems)),
            Profile::Resilience4j => Self::Resilience4j(resilience4j::Settings::read(node, key, problems)),
            Profile::Hystrix => Self::Hystrix(hystrix::Settings::read(node, key, problems)),
            Profile::HystrixMaster => Self::HystrixMaster(hystrix::Settings::read(node, key, problems)),
        }
    }
}

/// A product's breaker as a plain state machine: one caller at a time, and time never goes back.
pub(crate) trait Machine: Debug + Send {
    /// Runs what the product's own timers would have done up to and including `now`. Called before everything else.
    fn advance(&mut self, now: Moment);
    /// Asks whether a call may be made.
    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected>;
    /// Takes in how a call went.
    fn end(&mut self, ticket: Ticket, now: Moment, outcome: Outcome, duration: Duration);
    /// Takes in that a call was not made, or that nobody will say how it went.
    fn cancel(&mut self, ticket: Ticket, now: Moment);
    /// When its own timers next change its state, if nothing else happens.
    fn due(&self) -> Option<Moment> {
        None
    }
    /// Where it stands; asking changes nothing, also where it does in the product.
    fn state(&self) -> State;
    /// Its numbers under the product's names, in a fixed order.
    fn counters(&self) -> Vec<(&'static str, Counter)>;
}

/// Refuses a setting that is an object or function of a program in the product, such as a listener.
fn refuse(fields: &mut Fields<'_>, names: &[&'static str], problems: &mut Problems) {
    for name in names {
        if fields.node(name).is_some() {
            let message = format!("`{}` is an object of a program: a settings file cannot hold one", fields.key(name));
            fields
                .report(&NOT_HERE, name, message, problems)
                .hint("remove it: what the product does without one is done here");
        }
    }
}

/// A list of error names, such as `["timeout", "ignored"]`.
fn errors(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Option<Outcomes> {
    let written = fields.strings(name, problems)?;
    let mut outcomes = Outcomes::NONE;
    for error in written {
        match Outcome::ERRORS.into_iter().find(|outcome| outcome.name() == error) {
            Some(outcome) => outcomes = outcomes.with(outcome),
            None => {
                let names = Outcome::ERRORS.map(Outcome::name);
                let hint = nearest(&error, names).map(|near| format!("did you mean `{near}`?"));
                let problem = fields.report(
                    &codes::BAD_VALUE,
                    name,
                    format!("`{error}` is not an error name; there are {}", names.join(", ")),
                    problems,
                );
                problem.hint = hint;
            }
        }
    }
    Some(outcomes)
}
