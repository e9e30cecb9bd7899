//! Which services the gateway leads to: those of the settings, and those that registered themselves.
//!
//! Both change while Madang runs, each from its own side, and the gateway takes only whole tables: this is the one place
//! that makes them, so that neither side undoes what the other one did.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use madang_base::Name;
use madang_gateway::{Gateway, Prepared};

use crate::settings::Settings;

/// Services that left and are still known, so that a call to them is told that nobody is there now (503) and not that
/// there is no such thing (404). Beyond, all that left are forgotten.
const MOST_DEPARTED: usize = 1_000;

/// The tables of the gateway that runs.
pub(crate) struct Routes {
    gateway: Gateway,
    state: Mutex<State>,
}

struct State {
    settings: madang_gateway::Settings,
    /// Services of the settings.
    written: BTreeSet<Name>,
    /// Services that have or had a registered instance.
    registered: BTreeSet<Name>,
}

impl Routes {
    /// `settings` are what the gateway was started with.
    pub(crate) fn new(gateway: Gateway, settings: &Settings) -> Self {
        let state = State {
            settings: settings.gateway.clone(),
            written: settings.service_names(),
            registered: BTreeSet::new(),
        };
        Self { gateway, state: Mutex::new(state) }
    }

    /// From the next request on, these settings count.
    pub(crate) fn follow_settings(&self, settings: &Settings) {
        self.change(|state| {
            (state.settings, state.written) = (settings.gateway.clone(), settings.service_names());
            true
        });
    }

    /// From the next request on, these services can be called by name, too.
    pub(crate) fn follow_registered(&self, now: BTreeSet<Name>) {
        self.change(|state| {
            let known = state.known();
            state.registered = remembered(&state.registered, now);
            state.known() != known
        });
    }

    /// Decides and commits under one lock: tables are committed in the order they were made.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if change(state) {
            self.gateway.commit(Prepared::new(&state.settings, &state.known(), self.gateway.directory()));
        }
    }
}

impl State {
    fn known(&self) -> BTreeSet<Name> {
        self.written.union(&self.registered).cloned().collect()
    }
}

fn remembered(before: &BTreeSet<Name>, now: BTreeSet<Name>) -> BTreeSet<Name> {
    let departed = before.difference(&now).count();
    if departed > MOST_DEPARTED { now } else { before.union(&now).cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> BTreeSet<Name> {
        range.map(|number| Name::parse(&format!("s{number}")).unwrap()).collect()
    }

    #[test]
    fn services_that_left_are_remembered_up_to_a_limit() {
        assert_eq!(remembered(&names(0..2), names(1..3)), names(0..3));
        assert_eq!(remembered(&names(0..MOST_DEPARTED), names(0..0)).len(), MOST_DEPARTED);
        assert_eq!(remembered(&names(0..MOST_DEPARTED + 2), names(0..1)), names(0..1));
    }
}
