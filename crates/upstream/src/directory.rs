//! Where services are: a name leads to the current [`EndpointSet`].
//!
//! Whoever knows endpoints (the supervisor, a settings file, later the registry) publishes; whoever calls watches.
//! A watch of a service nobody published yet is fine: it is empty until somebody does, so routes and services may
//! arrive in any order.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use madang_balance::{EndpointSet, Member, Slots};
use madang_base::Name;

/// The endpoints of every service, shared by all who publish and all who call. Cloning shares it.
#[derive(Clone, Default)]
pub struct Directory {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    slots: Slots,
    services: HashMap<Name, Watch>,
    urls: HashMap<String, Watch>,
}

/// The endpoints of one service, always current. Cloning is cheap.
#[derive(Clone)]
pub struct Watch {
    service: Arc<Service>,
}

struct Service {
    name: Name,
    endpoints: ArcSwap<EndpointSet>,
}

impl Directory {
    /// The endpoints of `service` from now on; empty while nobody publishes any.
    #[must_use]
    pub fn watch(&self, service: &Name) -> Watch {
        self.with(|state| state.watch(service))
    }

    /// Replaces the endpoints of `service`. Instances that stay keep their identity and statistics.
    pub fn publish(&self, service: &Name, members: Vec<Member>) {
        self.with(|state| {
            let watch = state.watch(service);
            watch.replace(members, &mut state.slots);
        });
    }

    /// Takes all endpoints of `service` away; its watches stay and see it empty.
    pub fn remove(&self, service: &Name) {
        self.publish(service, Vec::new());
    }

    /// The endpoints behind a URL, which are no service of ours: always as given last. Keyed by the URL's text, so
    /// that reading the same settings again keeps connections and statistics.
    pub fn fixed(&self, url: &str, label: &Name, members: Vec<Member>) -> Watch {
        self.with(|state| {
            let watch = state.urls.entry(url.to_owned()).or_insert_with(|| Watch::new(label.clone())).clone();
            watch.replace(members, &mut state.slots);
            watch
        })
    }

    /// Every service that was ever published or watched, by name.
    #[must_use]
    pub fn services(&self) -> Vec<Watch> {
        let mut services: Vec<Watch> = self.with(|state| state.services.values().cloned().collect());
        services.sort_by(|a, b| a.name().cmp(b.name()));
        services
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic while publishing leaves the last complete set in place, so the poison says nothing.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn watch(&mut self, service: &Name) -> Watch {
        self.services.entry(service.clone()).or_insert_with(|| Watch::new(service.clone())).clone()
    }
}

impl Watch {
    fn new(name: Name) -> Self {
        Self { service: Arc::new(Service { name, endpoints: ArcSwap::from_pointee(EndpointSet::empty()) }) }
    }

    fn replace(&self, members: Vec<Member>, slots: &mut Slots) {
        let next = self.service.endpoints.load().next(members, slots, madang_runtime::now());
        self.service.endpoints.store(Arc::new(next));
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.service.name
    }

    /// The endpoints as of now. Reading takes no lock and touches no shared count.
    #[must_use]
    pub fn endpoints(&self) -> impl std::ops::Deref<Target = Arc<EndpointSet>> {
        self.service.endpoints.load()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({}, {} ready)", self.name(), self.endpoints().ready())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(instance: &str, port: u16) -> Member {
        Member::new(instance, ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_watch_taken_before_anybody_published_sees_what_is_published_later() {
        let directory = Directory::default();
        let orders = Name::parse("orders").unwrap();
        let watch = directory.watch(&orders);
        assert_eq!(watch.endpoints().ready(), 0);
        directory.publish(&orders, vec![member("orders-1", 20_001)]);
        assert_eq!(watch.endpoints().ready(), 1);
        directory.remove(&orders);
        assert_eq!(watch.endpoints().ready(), 0);
    }

    #[test]
    fn an_instance_that_stays_keeps_its_identity_and_one_that_returns_elsewhere_does_not() {
        let directory = Directory::default();
        let orders = Name::parse("orders").unwrap();
        let id = |nth: usize| directory.watch(&orders).endpoints().endpoints()[nth].id;
        directory.publish(&orders, vec![member("orders-1", 20_001), member("orders-2", 20_002)]);
        let (first, second) = (id(0), id(1));
        directory.publish(&orders, vec![member("orders-2", 20_002), member("orders-1", 20_003)]);
        assert_eq!(id(0), second);
        assert_ne!(id(1), first, "a new address is a new endpoint");
    }
}
