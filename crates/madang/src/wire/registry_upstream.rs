//! From what the registry lists, and services with fixed addresses, to the endpoints callers pick from.
//!
//! Mapping only: what a status means for a call is said here, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use madang_balance::{Availability, Member};
use madang_base::Name;
use madang_registry::{Handle, Instance, InstanceId, Listed, Port, Snapshot, Status};
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
    /// Services of which an address is given more than once: there the latest word counts, so every word is news.
    doubled: BTreeSet<Name>,
}

/// What is called of one service.
struct Called {
    members: Vec<Member>,
    /// Whether an address was given more than once.
    doubled: bool,
}

impl View {
    /// Publishes what differs from this view, and gives the new one.
    fn publish(&self, registry: &Handle, fixed: &mut AllFixed, directory: &Directory) -> Self {
        let (fixed, doubled) = (Arc::clone(&fixed.borrow_and_update()), self.doubled.clone());
        let mut view = Self { fixed, listed: registry.snapshot(), doubled };
        let differences: Vec<Name> = view.differences(self).into_iter().cloned().collect();
        for service in differences {
            let Called { members, doubled } = view.called(&service);
            directory.publish(&service, members);
            if doubled {
                view.doubled.insert(service);
            } else {
                view.doubled.remove(&service);
            }
        }
        view
    }

    /// Services that are not called as they were in `before`.
    fn differences<'a>(&'a self, before: &'a Self) -> BTreeSet<&'a Name> {
        let mut names = self.listed.changed_since(&before.listed);
        names.retain(|name| before.doubled.contains(*name) || !self.is_called_as_in(before, name));
        if !Arc::ptr_eq(&self.fixed, &before.fixed) {
            names.extend(self.fixed.iter().chain(&*before.fixed).map(|service| &service.name));
        }
        names
    }

    /// Whether all that changed about a service is nothing to its callers: most who register say what they said before.
    fn is_called_as_in(&self, before: &Self, service: &Name) -> bool {
        let (Some(now), Some(before)) =
            (self.listed.service(service.as_str()), before.listed.service(service.as_str()))
        else {
            return false;
        };
        now.changes_since(before).all(|changed| matches!(changed, (Some(old), Some(new)) if is_called_as(new, old)))
    }

    /// An address is called once, however often it is registered: a supervised process first, then the latest word.
    fn called(&self, service: &Name) -> Called {
        let view = self.listed.service(service.as_str());
        let mut listed: Vec<&Listed> = view.into_iter().flat_map(|view| &view.instances).map(AsRef::as_ref).collect();
        listed.sort_by_key(|listed| std::cmp::Reverse((process(listed).is_some(), listed.revision)));
        let fixed = self.fixed.iter().filter(|fixed| fixed.name == *service).flat_map(|fixed| fixed.members.clone());
        let (mut members, mut doubled) = (BTreeMap::new(), false);
        for member in listed.into_iter().filter_map(member).chain(fixed) {
            doubled |= members.contains_key(&member.address);
            members.entry(member.address).or_insert(member);
        }
        Called { members: members.into_values().collect(), doubled }
    }
}

/// Whether [`member`] says the same of both.
fn is_called_as(one: &Listed, other: &Listed) -> bool {
    fn said(listed: &Listed) -> (&InstanceId, &str, &str, Port, Availability) {
        let Instance { id, address, host, port, .. } = process(listed).unwrap_or(&listed.instance);
        (id, address, host, *port, availability(listed.status))
    }
    said(one) == said(other)
}

/// The process it is, when Madang runs it: that stays the same when it registers itself as well.
fn process(listed: &Listed) -> Option<&Instance> {
    let own = (listed.face == madang_registry::Face::SUPERVISE).then_some(&*listed.instance);
    listed.supervised.as_deref().or(own)
}

fn member(listed: &Listed) -> Option<Member> {
    let called = process(listed).unwrap_or(&listed.instance);
    let availability = availability(listed.status);
    Some(Member { availability, ..Member::new(called.id.to_string(), address(called)?) })
}

const fn availability(status: Status) -> Availability {
    match status {
        Status::Up => Availability::Ready,
        Status::Starting => Availability::Starting,
        Status::OutOfService => Availability::Draining,
        Status::Down | Status::Unknown => Availability::Unhealthy,
    }
}

/// Names are not looked up yet, and calls are plain: what has no IP address or only a TLS port is not called.
fn address(instance: &Instance) -> Option<SocketAddr> {
    let ip = [&instance.address, &instance.host].into_iter().find_map(|text| text.parse::<IpAddr>().ok())?;
    (instance.port.enabled && instance.port.number != 0).then(|| SocketAddr::new(ip, instance.port.number))
}

#[cfg(test)]
mod tests;
