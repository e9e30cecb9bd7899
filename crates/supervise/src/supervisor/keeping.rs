//! The supervisor and its keeper: what is taken over from an earlier Madang, and what happens when the keeper dies.

use std::time::Duration;

use madang_base::Moment;
use tracing::{error, info};

use super::{
    Core, Next,
    environment::{fingerprint, fits},
};
use crate::{
    codes,
    fleet::{Fit, Fleet},
    instance::{End, Instance},
    keeper::protocol::{Care, Command, Listed, millis},
    link::Link,
    settings::{Service, Stop},
};

/// Between two attempts to start a keeper.
const RELINK: Duration = Duration::from_secs(1);

impl Core {
    /// Tells the keeper of changes it acts on by itself.
    pub(super) async fn update(&self, fleet: &Fleet, care: Care) {
        let Some(link) = &self.link else { return };
        if self::care(&fleet.service) == care {
            return;
        }
        for generation in fleet.units.iter().filter_map(|unit| unit.generation) {
            link.send(&Command::Update { generation, care }).await;
        }
    }

    /// Takes over processes of an earlier Madang; stops those nobody wants.
    pub(super) async fn adopt(&mut self, listed: Vec<Listed>, now: Moment) {
        for process in listed {
            self.next_generation = self.next_generation.max(process.generation + 1);
            let Listed { service, instance, pid, generation, port, .. } = &process;
            let command = match self.place_for(&process) {
                Some((at, number, fit)) => {
                    info!(service, instance, pid, ?fit, "adopted a running instance");
                    let age = Duration::from_millis(process.age_ms);
                    let life = Instance::adopted(now, *pid, age, process.restarts);
                    self.ports.adopt(*port);
                    self.fleets[at].adopt(number, fit, life, *generation, *port);
                    Command::Update { generation: *generation, care: care(&self.fleets[at].service) }
                }
                None => {
                    info!(service, instance, pid, "stopping a process that is no longer wanted");
                    self.ports.give_back(*port, now);
                    let fleet = self.fleets.iter().find(|fleet| fleet.service.name.as_str() == service);
                    let stop = fleet.map_or_else(Stop::default, |fleet| fleet.service.stop);
                    Command::Stop { generation: *generation, grace_ms: millis(stop.grace) }
                }
            };
            if let Some(link) = &self.link {
                link.send(&command).await;
            }
        }
    }

    fn place_for(&self, process: &Listed) -> Option<(usize, u32, Fit)> {
        let at = self.fleets.iter().position(|fleet| fleet.service.name.as_str() == process.service)?;
        let fleet = &self.fleets[at];
        let number: u32 = process.instance.strip_prefix(&process.service)?.strip_prefix('-')?.parse().ok()?;
        if process.stopping || !fleet.has_place(number) {
            return None;
        }
        let wanted = fingerprint(&fleet.service, &(self.environment)(&fleet.service.name));
        Some((at, number, if fits(&process.fingerprint, &wanted) { Fit::Wanted } else { Fit::Outdated }))
    }

    /// The keeper is gone. What it ran is killed before the next one starts, or at the very end.
    pub(super) async fn lost(&mut self, now: Moment) -> Next {
        if let Some(link) = self.link.take() {
            if self.ending.as_ref().is_some_and(|ending| ending.keeper_told) {
                link.close().await;
                return Next::Leave;
            }
            error!(pid = link.pid(), code = %codes::KEEPER_LOST, "the keeper ended; starting it and the services again");
            link.close().await;
        }
        let generations: Vec<u64> =
            self.fleets.iter().flat_map(|fleet| &fleet.units).filter_map(|unit| unit.generation).collect();
        for generation in generations {
            self.ended(generation, &End::KeeperLost, now);
        }
        if self.ending.is_some() {
            return Next::Leave;
        }
        self.relink_at = now;
        Next::Go
    }

    pub(super) async fn relink(&mut self, now: Moment) {
        match Link::establish(&self.place, &self.shared.logs, &self.scope).await {
            Ok((link, listed)) => {
                self.link = Some(link);
                self.adopt(listed, now).await;
            }
            Err(error) => {
                error!(code = %error.code(), "{error}");
                self.relink_at = now + RELINK;
            }
        }
    }
}

/// What the keeper is to know about a service to act by itself.
pub(super) fn care(service: &Service) -> Care {
    Care {
        grace_ms: millis(service.stop.grace),
        on_loss: service.on_loss,
        log_max_size: service.logs.max_size,
        log_keep: service.logs.keep,
    }
}
