//! The instances of one service: how many there should be, and which replaces which.
//!
//! Pure like [`Instance`]. An instance has a number from 1 on and keeps its name (`orders-1`) for all its successors.
//! [`Fleet::reconcile`] compares what is with what should be and starts or stops instances; it is called after every
//! event and changes nothing when all is well. A changed command is *rolled*: one number at a time, the new instance is
//! healthy before the old one is asked to leave. An old instance that is not healthy protects nobody and goes at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use madang_base::{Moment, Name};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{instance::Instance, settings::Service};

/// How long an instance that leaves may still be sent requests by a gateway that has not heard.
pub const DRAIN: Duration = Duration::from_millis(300);

/// A run-time change to the number of instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = supervise::Overlay)]
pub struct Overlay {
    /// As many run.
    pub instances: u32,
    /// Who asked.
    pub author: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
}

/// One service with its instances.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) service: Arc<Service>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) units: Vec<Unit>,
    /// Grows when processes started before are no longer what is wanted. From 1 on: 0 is what came outdated.
    version: u64,
    /// The service is to end.
    retired: bool,
}

/// One instance with what the driver needs to know about it.
#[derive(Debug)]
pub(crate) struct Unit {
    /// From 1 on.
    pub(crate) number: u32,
    /// `orders-1`.
    pub(crate) name: Arc<str>,
    version: u64,
    /// Its current process in the keeper's words; none before the first.
    pub(crate) generation: Option<u64>,
    /// The port of its current process.
    pub(crate) port: Option<u16>,
    pub(crate) life: Instance,
}

/// Whether a process of an earlier Madang is what would be started today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Wanted,
    /// Its command, folder or environment changed.
    Outdated,
}

impl Unit {
    fn new(service: &Name, number: u32, version: u64, life: Instance) -> Self {
        Self { number, name: format!("{service}-{number}").into(), version, generation: None, port: None, life }
    }
}

impl Fleet {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self { service, overlay: None, units: Vec::new(), version: 1, retired: false }
    }

    /// How many instances there should be.
    pub(crate) fn wanted(&self) -> u32 {
        if self.retired {
            0
        } else {
            self.overlay.as_ref().map_or(self.service.instances.min, |overlay| overlay.instances)
        }
    }

    /// Takes in a process that an earlier Madang started. One that is outdated is rolled like any other.
    pub(crate) fn adopt(&mut self, number: u32, fit: Fit, life: Instance, generation: u64, port: u16) {
        let version = match fit {
            Fit::Wanted => self.version,
            Fit::Outdated => self.version - 1,
        };
        let mut unit = Unit::new(&self.service.name, number, version, life);
        unit.generation = Some(generation);
        unit.port = Some(port);
        self.units.push(unit);
    }

    /// Whether `number` may be adopted: it is wanted and not there.
    pub(crate) fn has_place(&self, number: u32) -> bool {
        (1..=self.wanted()).contains(&number) && !self.units.iter().any(|unit| unit.number == number)
    }

    /// New settings for the service. True when a run-time number of instances gave way to a new one in the file.
    pub(crate) fn change(&mut self, service: Arc<Service>) -> bool {
        if !self.service.same_process(&service) {
            self.version += 1;
        }
        // The file wins when it changes; while it does not, what was asked for at run time stays.
        let clears = self.service.instances != service.instances && self.overlay.take().is_some();
        self.service = service;
        self.retired = false;
        clears
    }

    /// All instances are to end.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Drops what has stopped, starts what is missing, stops what is too much. `drain` is for those that get requests.
    /// Gives the names that are no more.
    pub(crate) fn reconcile(&mut self, now: Moment, drain: Duration) -> Vec<Arc<str>> {
        let wanted = self.wanted();
        let places = self.places(wanted);
        let version = self.version;
        for unit in self.units.iter_mut().filter(|unit| !unit.life.is_leaving()) {
            let surplus = match places.get(&unit.number) {
                None => true,
                Some(_) if unit.version == version => false,
                Some(place) => place.new == New::Healthy || !unit.life.is_useful(),
            };
            if surplus {
                unit.life.stop(now, drain);
            }
        }
        let mut rolling = places.values().any(Place::is_rolling);
        for (number, place) in places {
            if place.new == New::Missing && !(place.old_is_useful && rolling) {
                self.units.push(Unit::new(&self.service.name, number, version, Instance::new(now)));
                rolling |= place.old_is_useful;
            }
        }
        // Stable: of two with one number the older one stays first.
        self.units.sort_by_key(|unit| unit.number);
        let gone = self.units.extract_if(.., |unit| unit.life.is_stopped()).map(|unit| unit.name).collect::<Vec<_>>();
        gone.into_iter().filter(|name| !self.units.iter().any(|unit| unit.name == *name)).collect()
    }

    /// What stands at each wanted number.
    fn places(&self, wanted: u32) -> BTreeMap<u32, Place> {
        let mut places: BTreeMap<u32, Place> = (1..=wanted).map(|number| (number, Place::default())).collect();
        for unit in self.units.iter().filter(|unit| !unit.life.is_leaving()) {
            let Some(place) = places.get_mut(&unit.number) else { continue };
            if unit.version != self.version {
                place.old_is_useful |= unit.life.is_useful();
            } else if unit.life.is_healthy() {
                place.new = New::Healthy;
            } else {
                place.new = New::Coming;
            }
        }
        places
    }
}

/// One number of a service: what is there of today's version and of those before.
#[derive(Debug, Default)]
struct Place {
    new: New,
    old_is_useful: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum New {
    #[default]
    Missing,
    Coming,
    Healthy,
}

impl Place {
    /// The new one stands beside the old one and is not healthy yet.
    fn is_rolling(&self) -> bool {
        self.old_is_useful && self.new == New::Coming
    }
}

#[cfg(test)]
mod tests;
