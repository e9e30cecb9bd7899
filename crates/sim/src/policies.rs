//! Policies by name.

use madang_balance::Policy;
use madang_base::nearest;
use std::time::Duration;

use crate::scenario::NamedPolicy;

/// How a policy is made; those that forget are told how fast.
pub(crate) type Make = fn(Duration) -> Policy;

/// Every policy there is, the default first.
pub(crate) const POLICIES: &[(&str, Make)] =
    &[("peak_ewma", |decay| Policy::PeakEwma { decay }), ("round_robin", |_| Policy::RoundRobin)];

/// The names of all policies, the default first.
pub fn policy_names() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|(name, _)| *name)
}

/// A policy that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy `{name}`")]
pub struct UnknownPolicy {
    /// What was asked for.
    pub name: String,
    /// The nearest name there is, when one is near.
    pub nearest: Option<&'static str>,
}

impl NamedPolicy {
    /// The policy `name`; those that forget do so at `decay`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn of(name: &str, decay: Duration) -> Result<Self, UnknownPolicy> {
        match POLICIES.iter().find(|(known, _)| *known == name) {
            Some((name, make)) => Ok(Self { name: (*name).to_owned(), policy: make(decay) }),
            None => Err(UnknownPolicy { name: name.to_owned(), nearest: nearest(name, policy_names()) }),
        }
    }
}
