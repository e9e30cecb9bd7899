//! From what the registry lists, and services with fixed addresses, to the endpoints callers pick from.
//!
//! Mapping only: what a status means for a call is said here, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use madang_balance::{Availability, Member};
use madang_base::Name;
use madang_registry::{Handle, Instance, Listed, Snapshot, Status};
use madang_upstream::Directory;
use tokio::sync::watch;

use crate::settings::Fixed;

/// Services with fixed addresses, as the settings change.
pub(crate) type AllFixed = watch::Receiver<Arc<Vec<Fixed>>>;

/// Publishes what there is now, and keeps `directory` in step until the registry or the settings are gone.
pub(crate) fn follow(registry: Handle, mut fixed: AllFixed, directory: Directory) -> impl Future<Output = ()> {
    let mut changes = registry.watch();
    let mut told = View::default().publish(&registry, &mut fixed, &directory);
    async move {
        loop {
            let ended = tokio::select! {
                changed = changes.changed() => changed.is_err(),
                changed = fixed.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
            told = told.publish(&registry, &mut fixed, &directory);
        }
    }
}

/// Everything that can be called at one moment.
#[derive(Default)]
struct View {
    fixed: Arc<Vec<Fixed>>,
    listed: Arc<Snapshot>,
}

impl View {
    /// Publishes what differs from this view, and gives the new one.
    fn publish(&self, registry: &Handle, fixed: &mut AllFixed, directory: &Directory) -> Self {
        let view = Self { fixed: Arc::clone(&fixed.borrow_and_update()), listed: registry.snapshot() };
        for service in view.differences(self) {
            directory.publish(service, view.members(service));
        }
        view
    }

    /// Services that are not as they were in `before`.
    fn differences<'a>(&'a self, before: &'a Self) -> BTreeSet<&'a Name> {
        let mut names = self.listed.changed_since(&before.listed);
        if !Arc::ptr_eq(&self.fixed, &before.fixed) {
            names.extend(self.fixed.iter().chain(&*before.fixed).map(|service| &service.name));
        }
        names
    }

    /// An address is called once, however often it is registered: a supervised process first, then the latest word.
    fn members(&self, service: &Name) -> Vec<Member> {
        let view = self.listed.service(service.as_str());
        let mut listed: Vec<&Listed> = view.into_iter().flat_map(|view| &view.instances).map(AsRef::as_ref).collect();
        listed.sort_by_key(|listed| std::cmp::Reverse((process(listed).is_some(), listed.revision)));
        let fixed = self.fixed.iter().filter(|fixed| fixed.name == *service).flat_map(|fixed| fixed.members.clone());
        let mut members = BTreeMap::new();
        for member in listed.into_iter().filter_map(member).chain(fixed) {
            members.entry(member.address).or_insert(member);
        }
        members.into_values().collect()
    }
}

/// The process it is, when Madang runs it: that stays the same when it registers itself as well.
fn process(listed: &Listed) -> Option<&Instance> {
    let own = (listed.face == madang_registry::Face::SUPERVISE).then_some(&*listed.instance);
    listed.supervised.as_deref().or(own)
}

fn member(listed: &Listed) -> Option<Member> {
    let called = process(listed).unwrap_or(&listed.instance);
    let availability = match listed.status {
        Status::Up => Availability::Ready,
        Status::Starting => Availability::Starting,
        Status::OutOfService => Availability::Draining,
        Status::Down | Status::Unknown => Availability::Unhealthy,
    };
    Some(Member { instance: called.id.to_string(), address: address(called)?, weight: 1, availability })
}

/// Names are not looked up yet, and calls are plain: what has no IP address or only a TLS port is not called.
fn address(instance: &Instance) -> Option<SocketAddr> {
    let ip = [&instance.address, &instance.host].into_iter().find_map(|text| text.parse::<IpAddr>().ok())?;
    (instance.port.enabled && instance.port.number != 0).then(|| SocketAddr::new(ip, instance.port.number))
}

#[cfg(test)]
mod tests;
