//! From the supervisor's instances to records in the registry.
//!
//! Mapping only: what an instance's state means for those who look it up is said here, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use madang_base::Name;
use madang_registry::{Handle, Instance, InstanceId, Pages, Pairs, Port, Status, Terms};
use madang_supervise::{InstanceView, State};
use tokio::sync::watch;

/// Where every supervised instance listens.
const ADDRESS: &str = "127.0.0.1";

/// What the supervisor sees, as it changes.
pub(crate) type Views = watch::Receiver<Arc<Vec<InstanceView>>>;

/// Keeps `registry` in step until the supervisor is gone.
pub(crate) async fn follow(mut views: Views, registry: Handle) {
    let mut told = BTreeMap::new();
    loop {
        let wanted = instances(&views.borrow_and_update());
        tell(&registry, &told, &wanted);
        told = wanted;
        if views.changed().await.is_err() {
            return;
        }
    }
}

type Instances = BTreeMap<Name, Vec<Instance>>;

fn tell(registry: &Handle, told: &Instances, wanted: &Instances) {
    let services: BTreeSet<&Name> = told.keys().chain(wanted.keys()).collect();
    for service in services.into_iter().filter(|service| told.get(*service) != wanted.get(*service)) {
        let now = wanted.get(service).cloned().unwrap_or_default();
        registry.register_supervised(service, now);
    }
}

fn instances(views: &[InstanceView]) -> Instances {
    let mut all = Instances::new();
    for view in views {
        all.entry(view.service.clone()).or_default().extend(instance(view));
    }
    all
}

fn instance(view: &InstanceView) -> Option<Instance> {
    Some(Instance {
        id: InstanceId::parse(&view.identity()).ok()?,
        host: ADDRESS.to_owned(),
        address: ADDRESS.to_owned(),
        port: Port { number: view.port?, enabled: true },
        secure_port: Port { number: 443, enabled: false },
        status: status(view.state)?,
        terms: Terms::default(),
        metadata: Pairs::from([("madang.instance".to_owned(), view.instance.to_string())]),
        group: None,
        aliases: Some(view.service.to_string()),
        secure_aliases: None,
        pages: Pages::default(),
        stamp_ms: 0,
        check: None,
        notes: Pairs::new(),
    })
}

const fn status(state: State) -> Option<Status> {
    match state {
        State::Healthy => Some(Status::Up),
        State::Starting | State::Backoff => Some(Status::Starting),
        State::Unhealthy => Some(Status::Down),
        State::Stopping => Some(Status::OutOfService),
        State::Stopped => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_healthy_process_is_up_and_one_that_stops_is_taken_out_first() {
        for (state, expected) in [
            (State::Healthy, Some(Status::Up)),
            (State::Starting, Some(Status::Starting)),
            (State::Backoff, Some(Status::Starting)),
            (State::Unhealthy, Some(Status::Down)),
            (State::Stopping, Some(Status::OutOfService)),
            (State::Stopped, None),
        ] {
            assert_eq!(status(state), expected, "{state:?}");
        }
    }
}
