use std::sync::Arc;

use madang_registry::{Instance, InstanceId, Pages, Pairs, Port, Registry, Settings, Terms};

use super::*;
use madang_base::Moment;

fn named(id: &str, status: Status) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        host: "localhost".to_owned(),
        address: "10.0.0.7".to_owned(),
        port: Port { number: 9001, enabled: true },
        secure_port: Port { number: 443, enabled: false },
        check: None,
        status,
        terms: Terms::default(),
        metadata: Pairs::default(),
        group: None,
        aliases: None,
        secure_aliases: None,
        pages: Pages::default(),
        stamp_ms: 0,
        notes: Pairs::default(),
    }
}

/// A registry without leases that run: time stands still.
struct Desk {
    registry: Registry,
    orders: Name,
    told: Arc<Snapshot>,
}

impl Desk {
    fn new() -> Self {
        let registry = Registry::new(Settings::default(), 0, |_| false);
        Self { registry, orders: Name::parse("orders").unwrap(), told: Arc::default() }
    }

    fn register(&mut self, face: Face, id: &str, status: Status) {
        self.registry.register(&self.orders, face, named(id, status), Moment::default()).unwrap();
    }

    /// What is told of the time since the last call, as `kind level id: text`.
    fn tell(&mut self, why: Option<Why>) -> Vec<String> {
        let now = self.registry.snapshot(Moment::default());
        let mut lines = Vec::new();
        for service in now.changed_since(&self.told) {
            let told = differences(service, &self.told, &now, |_| why);
            lines.extend(told.iter().map(|one| format!("{} {:?} {}: {}", one.kind, one.level, one.instance, one.text)));
        }
        self.told = now;
        lines
    }
}

#[test]
fn who_registers_itself_is_told_about_from_coming_to_leaving() {
    let mut desk = Desk::new();
    let eureka = || Face::new("eureka");
    desk.register(eureka(), "a", Status::Starting);
    assert_eq!(desk.tell(None), ["registry Info a: registered by eureka as `starting`, 10.0.0.7:9001"]);
    desk.register(eureka(), "a", Status::Up);
    assert_eq!(desk.tell(None), ["registry Info a: `up`, was `starting`"]);
    desk.register(eureka(), "a", Status::Down);
    assert_eq!(desk.tell(None), ["registry Warn a: `down`, was `up`"]);
    assert_eq!(desk.tell(None), [""; 0]);
    for (why, expected) in [
        (Why::Cancelled, "registry Info a: deregistered"),
        (Why::Expired, "registry Warn a: removed: its lease ran out"),
        (Why::ProcessEnded, "registry Info a: removed: its process has ended"),
    ] {
        desk.register(eureka(), "a", Status::Up);
        desk.tell(None);
        desk.registry.cancel(&desk.orders.clone(), &eureka(), "a").unwrap();
        assert_eq!(desk.tell(Some(why)), [expected]);
    }
}

#[test]
fn an_override_is_told_with_who_decided_it() {
    let mut desk = Desk::new();
    desk.register(Face::new("eureka"), "a", Status::Up);
    desk.tell(None);
    let orders = desk.orders.clone();
    desk.registry.set_override(&orders, "a", Status::OutOfService, "mina", Moment::default()).unwrap();
    assert_eq!(desk.tell(None), ["override Info a: mina set the status to `out_of_service`"]);
    desk.registry.clear_override(&orders, "a", None, Moment::default()).unwrap();
    assert_eq!(desk.tell(None), ["override Info a: the override is gone; the status is `up`"]);
}

#[test]
fn of_what_madang_runs_only_overrides_are_told() {
    let mut desk = Desk::new();
    let orders = desk.orders.clone();
    let run = |desk: &mut Desk, status| {
        desk.registry.replace_supervised(&orders, vec![named("orders-1#1", status)], Moment::default());
    };
    run(&mut desk, Status::Up);
    run(&mut desk, Status::Down);
    assert_eq!(desk.tell(None), [""; 0]);
    desk.registry.set_override(&orders, "orders-1#1", Status::OutOfService, "mina", Moment::default()).unwrap();
    assert_eq!(desk.tell(None), ["override Info orders-1#1: mina set the status to `out_of_service`"]);
    desk.registry.replace_supervised(&orders, Vec::new(), Moment::default());
    assert_eq!(desk.tell(None), [""; 0]);
}

#[test]
fn many_changes_at_once_are_one_sentence() {
    let mut desk = Desk::new();
    (0..=MOST).for_each(|number| desk.register(Face::new("eureka"), &number.to_string(), Status::Up));
    let now = desk.registry.snapshot(Moment::default());
    let news = differences(&desk.orders, &desk.told, &now, |_| None);
    assert_eq!(news.len(), MOST + 1);
    assert_eq!(summary(&news).as_deref(), Some("21 instances came, left or changed at once"));
    assert_eq!(summary(&news[1..]), None);
}
