//! The core, with time moved by hand.

use std::time::Duration;

use super::changes::MAX_CHANGES;
use super::*;
use crate::instance::testing::instance;
use crate::pairs::Pairs;

const EUREKA: Face = Face::new("eureka");
const EPOCH: u64 = 1_763_800_000_000;

fn at(seconds: u64) -> Moment {
    Moment::default() + Duration::from_secs(seconds)
}

fn orders() -> Name {
    Name::parse("orders").unwrap()
}

fn registry() -> Registry {
    with(Settings::default())
}

fn with(settings: Settings) -> Registry {
    Registry::new(settings, EPOCH, |address| address == IpAddr::from([10, 0, 0, 1]))
}

fn register(registry: &mut Registry, id: &str, port: u16, now: Moment) {
    registry.register(&orders(), EUREKA, instance(id, port), now).unwrap();
}

fn supervised(id: &str, port: u16, status: Status) -> Instance {
    Instance { status, address: "127.0.0.1".to_owned(), host: "127.0.0.1".to_owned(), ..instance(id, port) }
}

/// Ids and statuses of `orders`.
fn shown(registry: &mut Registry, now: Moment) -> Vec<(String, Status)> {
    let snapshot = registry.snapshot(now);
    let rows = snapshot.service("orders").map(|view| view.instances.clone()).unwrap_or_default();
    rows.iter().map(|listed| (listed.instance.id.to_string(), listed.status)).collect()
}

fn ids(registry: &mut Registry, now: Moment) -> Vec<String> {
    shown(registry, now).into_iter().map(|(id, _)| id).collect()
}

fn delta(registry: &mut Registry, now: Moment) -> Vec<(Kind, String)> {
    let (_, changes) = registry.delta(now);
    changes.iter().map(|change| (change.kind, change.listed.instance.id.to_string())).collect()
}

#[test]
fn a_lease_ends_exactly_when_it_was_to_end() {
    for (asked, last_heartbeat, look, listed) in [
        (90, 0, 89, true),
        (90, 0, 90, false),
        (90, 30, 119, true),
        (90, 30, 120, false),
        (5, 0, 4, true),
        (5, 0, 5, false),
    ] {
        let mut registry = registry();
        let mut one = instance("a", 1);
        one.terms.duration_s = asked;
        registry.register(&orders(), EUREKA, one, at(0)).unwrap();
        if last_heartbeat > 0 {
            registry.renew(&orders(), &EUREKA, "a", at(last_heartbeat)).unwrap();
        }
        registry.sweep(at(look));
        assert_eq!(
            !ids(&mut registry, at(look)).is_empty(),
            listed,
            "{asked} s, heartbeat at {last_heartbeat}, {look}"
        );
    }
}

#[test]
fn a_wave_of_silence_keeps_the_rest_listed_and_says_why() {
    for (preserve, left) in [(true, 8), (false, 0)] {
        let mut registry = with(Settings { self_preservation: preserve, ..Settings::default() });
        // Their leases end one after another, as after a cut cable.
        (0..10).for_each(|n| register(&mut registry, &format!("a{n}"), n, at(n.into())));
        (90..110).for_each(|second| drop(registry.sweep(at(second))));
        assert_eq!(ids(&mut registry, at(110)).len(), left, "self-preservation {preserve}");
        assert_eq!(registry.preserved().len(), usize::from(preserve));
        if preserve {
            let explanation = registry.explain(&orders(), "a9", at(110)).unwrap();
            assert!(explanation.because.iter().any(|why| why.starts_with("self-preservation")), "{explanation:?}");
            (2..10).for_each(|n| drop(registry.renew(&orders(), &EUREKA, &format!("a{n}"), at(111)).unwrap()));
            registry.sweep(at(112));
            assert!(registry.preserved().is_empty(), "news ends it");
        }
    }
}

#[test]
fn a_supervised_instance_and_its_own_registration_are_one() {
    for (address, port, merged) in [
        ("10.0.0.1", 8080, true),
        ("10.0.0.1", 8081, false),
        ("10.0.0.9", 8080, false),
        ("localhost", 8080, false), // an address that is no address; the host counts below
    ] {
        let mut registry = registry();
        registry.replace_supervised(&orders(), vec![supervised("orders-1#7", 8080, Status::Up)], at(0));
        let own = Instance { address: address.to_owned(), ..instance("host1:orders", port) };
        registry.register(&orders(), EUREKA, own, at(1)).unwrap();
        let expected = if merged { vec!["host1:orders"] } else { vec!["host1:orders", "orders-1#7"] };
        assert_eq!(ids(&mut registry, at(2)), expected, "{address}:{port}");
        let explanation = registry.explain(&orders(), "orders-1#7", at(2)).unwrap();
        assert_eq!(explanation.records.len(), if merged { 2 } else { 1 }, "{address}:{port}");
    }
}

#[test]
fn a_merge_is_told_as_a_deletion_and_an_addition_and_undone_when_the_lease_ends() {
    let mut registry = registry();
    registry.replace_supervised(&orders(), vec![supervised("orders-1#7", 8080, Status::Up)], at(0));
    assert_eq!(delta(&mut registry, at(0)), [(Kind::Added, "orders-1#7".to_owned())]);
    register(&mut registry, "host1:orders", 8080, at(1));
    let expected = [(Kind::Added, "host1:orders".to_owned()), (Kind::Deleted, "orders-1#7".to_owned())];
    assert_eq!(delta(&mut registry, at(1)), expected);
    registry.sweep(at(91));
    assert_eq!(ids(&mut registry, at(91)), ["orders-1#7"]);
}

#[test]
fn a_merged_instance_is_as_well_as_the_supervisor_finds_it() {
    for (own, found, expected) in [
        (Status::Up, Status::Up, Status::Up),
        (Status::Up, Status::Starting, Status::Starting),
        (Status::Up, Status::Down, Status::Down),
        (Status::OutOfService, Status::Up, Status::OutOfService),
        (Status::Down, Status::Up, Status::Down),
    ] {
        let mut registry = registry();
        registry.replace_supervised(&orders(), vec![supervised("s", 8080, found)], at(0));
        registry.register(&orders(), EUREKA, Instance { status: own, ..instance("a", 8080) }, at(0)).unwrap();
        assert_eq!(shown(&mut registry, at(0)), [("a".to_owned(), expected)], "{own} {found}");
    }
}

#[test]
fn an_override_counts_until_it_is_cleared_unless_the_instance_is_worse() {
    let mut registry = registry();
    register(&mut registry, "a", 1, at(0));
    registry.set_override(&orders(), "a", Status::OutOfService, "kim", at(1)).unwrap();
    for (own, expected) in [
        (Status::Up, Status::OutOfService),
        (Status::Down, Status::Down),
        (Status::Starting, Status::Starting),
        (Status::OutOfService, Status::OutOfService),
    ] {
        registry.register(&orders(), EUREKA, Instance { status: own, ..instance("a", 1) }, at(2)).unwrap();
        assert_eq!(shown(&mut registry, at(2)), [("a".to_owned(), expected)], "{own}");
    }
    register(&mut registry, "a", 1, at(3));
    assert!(registry.clear_override(&orders(), "a", None, at(4)).unwrap().is_some());
    assert_eq!(shown(&mut registry, at(4)), [("a".to_owned(), Status::Up)]);
    assert!(registry.clear_override(&orders(), "a", None, at(4)).unwrap().is_none());
}

#[test]
fn an_override_leaves_with_the_instance() {
    let mut registry = registry();
    register(&mut registry, "a", 1, at(0));
    registry.set_override(&orders(), "a", Status::OutOfService, "kim", at(1)).unwrap();
    registry.cancel(&orders(), &EUREKA, "a").unwrap();
    register(&mut registry, "a", 1, at(2));
    assert_eq!(shown(&mut registry, at(2)), [("a".to_owned(), Status::Up)]);
}

#[test]
fn a_delta_has_each_instance_once_with_its_latest_for_three_minutes() {
    let mut registry = registry();
    register(&mut registry, "a", 1, at(0));
    register(&mut registry, "b", 2, at(0));
    assert_eq!(delta(&mut registry, at(0)), [(Kind::Added, "a".to_owned()), (Kind::Added, "b".to_owned())]);
    registry.set_override(&orders(), "a", Status::Down, "kim", at(10)).unwrap();
    registry.cancel(&orders(), &EUREKA, "b").unwrap();
    assert_eq!(delta(&mut registry, at(10)), [(Kind::Modified, "a".to_owned()), (Kind::Deleted, "b".to_owned())]);
    assert_eq!(delta(&mut registry, at(190)).len(), 2);
    assert_eq!(delta(&mut registry, at(191)), []);
    assert_eq!(registry.snapshot(at(191)).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_heartbeat_changes_no_revision() {
    let mut registry = registry();
    register(&mut registry, "a", 1, at(0));
    let before = registry.snapshot(at(0));
    registry.renew(&orders(), &EUREKA, "a", at(30)).unwrap();
    let after = registry.snapshot(at(30));
    assert!(Arc::ptr_eq(&before, &after));
    assert_eq!(after.service("orders").unwrap().instances[0].renewed_ms(), EPOCH + 30_000);
}

#[test]
fn an_older_description_does_not_replace_a_newer_one() {
    let mut registry = registry();
    let stamped = |stamp_ms, port| Instance { stamp_ms, ..instance("a", port) };
    for (stamp, port, expected) in [(5, 1, 1), (4, 2, 1), (5, 3, 3), (6, 4, 4)] {
        registry.register(&orders(), EUREKA, stamped(stamp, port), at(0)).unwrap();
        let snapshot = registry.snapshot(at(0));
        assert_eq!(snapshot.service("orders").unwrap().instances[0].instance.port.number, expected, "stamp {stamp}");
    }
}

#[test]
fn the_cap_refuses_new_instances_and_renews_known_ones() {
    let mut registry = with(Settings { max_instances: 1, ..Settings::default() });
    register(&mut registry, "a", 1, at(0));
    let refused = registry.register(&orders(), EUREKA, instance("b", 1), at(0));
    assert_eq!(refused, Err(RegisterError::Full(1)));
    register(&mut registry, "a", 1, at(1));
    registry.cancel(&orders(), &EUREKA, "a").unwrap();
    register(&mut registry, "b", 1, at(2));
}

#[test]
fn a_restored_instance_has_one_whole_lease() {
    let mut registry = registry();
    let kept = |id: &str| crate::journal::Kept {
        service: orders(),
        face: EUREKA,
        instance: Arc::new(instance(id, 1)),
        registered_ms: 7,
        up_ms: 8,
        word: None,
    };
    registry.restore(kept("a"), at(0));
    let explanation = registry.explain(&orders(), "a", at(89)).unwrap();
    assert!(explanation.records[0].restored);
    registry.sweep(at(89));
    assert_eq!(ids(&mut registry, at(89)), ["a"]);
    registry.sweep(at(90));
    assert_eq!(ids(&mut registry, at(90)), [""; 0]);
}

#[test]
fn ten_thousand_instances_come_and_go() {
    let mut registry = with(Settings { self_preservation: false, ..Settings::default() });
    for n in 0..10_000_u32 {
        let service = Name::parse(&format!("s{}", n % 100)).unwrap();
        registry.register(&service, EUREKA, instance(&format!("i{n}"), 80), at(0)).unwrap();
    }
    let snapshot = registry.snapshot(at(1));
    assert_eq!((snapshot.len(), snapshot.services().count()), (10_000, 100));
    assert_eq!(registry.delta(at(1)).1.len(), 10_000);
    assert_eq!(registry.sweep(at(90)).len(), 10_000);
    assert!(registry.snapshot(at(90)).is_empty());
    assert_eq!(registry.leased(), 0);
}

#[test]
fn a_process_that_ended_takes_its_own_registration_along() {
    for (left, expected) in [
        (vec![], vec![]),
        (vec![supervised("orders-1#8", 8090, Status::Up)], vec!["orders-1#8"]),
        // The same name at another port is another process.
        (vec![supervised("orders-1#7", 8090, Status::Up)], vec!["orders-1#7"]),
        // Stopping is not ended.
        (vec![supervised("orders-1#7", 8080, Status::OutOfService)], vec!["host1:orders"]),
    ] {
        let mut registry = registry();
        registry.replace_supervised(&orders(), vec![supervised("orders-1#7", 8080, Status::Up)], at(0));
        register(&mut registry, "host1:orders", 8080, at(1));
        assert_eq!(ids(&mut registry, at(1)), ["host1:orders"]);
        let removed = registry.replace_supervised(&orders(), left, at(2));
        assert_eq!(ids(&mut registry, at(2)), expected);
        let is_gone = !expected.contains(&"host1:orders");
        assert_eq!(
            removed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            ["host1:orders"][..usize::from(is_gone)]
        );
        let known = registry.renew(&orders(), &EUREKA, "host1:orders", at(3));
        assert_eq!(known.is_err(), is_gone, "a client that lives is asked to register again");
    }
}

#[test]
fn an_own_registration_without_a_process_of_ours_stays_whatever_the_supervisor_says() {
    let mut registry = registry();
    register(&mut registry, "elsewhere", 8081, at(0));
    registry.replace_supervised(&orders(), vec![supervised("orders-1#7", 8080, Status::Up)], at(1));
    assert_eq!(registry.replace_supervised(&orders(), vec![], at(2)), []);
    assert_eq!(ids(&mut registry, at(2)), ["elsewhere"]);
}

#[test]
fn time_in_which_the_registry_did_not_run_ends_no_lease() {
    for (sweeps, look, listed) in [
        (vec![88, 89], 90, false),
        (vec![1, 101], 101, true), // stopped for a hundred seconds
        (vec![1, 101], 188, true), // the lease goes on where it was
        (vec![1, 101], 189, false),
        (vec![85, 89], 90, false),   // a busy moment is no pause
        (vec![91, 300], 300, false), // what had ended before stays ended
    ] {
        let mut registry = registry();
        register(&mut registry, "a", 1, at(0));
        sweeps.iter().for_each(|second| drop(registry.sweep(at(*second))));
        // Looked at by hand: a sweep at `look` would see the next pause.
        let record = registry.services.get(&orders()).and_then(|known| known.records.values().next());
        let is_listed = record.is_some_and(|record| !record.lease.expired(at(look)));
        assert_eq!(is_listed, listed, "swept at {sweeps:?}, looked at {look}");
    }
}

#[test]
fn a_check_takes_an_instance_down_after_its_failures_and_one_answer_brings_it_back() {
    let mut registry = registry();
    let check = crate::instance::Check { failures: 2, ..crate::instance::Check::new(crate::instance::Probe::Tcp) };
    let one = Instance { check: Some(check), ..instance("a", 1) };
    registry.register(&orders(), EUREKA, one.clone(), at(0)).unwrap();
    let failed = || Err("refused the connection".to_owned());
    let mut now = 0;
    for (said, expected) in [
        (failed(), Status::Up),
        (failed(), Status::Down),
        (failed(), Status::Down),
        (Ok(()), Status::Up),
        (failed(), Status::Up),
        (Ok(()), Status::Up),
        (failed(), Status::Up),
        (failed(), Status::Down),
    ] {
        let due = registry.due_checks(at(now), 64);
        assert_eq!(due.len(), 1, "at {now}");
        assert!(registry.due_checks(at(now + 9), 64).is_empty(), "not before its interval has passed");
        registry.checked(&due[0], said, at(now));
        assert_eq!(shown(&mut registry, at(now)), [("a".to_owned(), expected)], "at {now}");
        now += 10;
    }
    let explanation = registry.explain(&orders(), "a", at(now)).unwrap();
    let expected = "its check `tcp` failed 2 times in a row: refused the connection".to_owned();
    assert!(explanation.because.contains(&expected), "{explanation:?}");

    // The same description again keeps what is known; another port does not.
    let due = registry.due_checks(at(now), 64);
    registry.register(&orders(), EUREKA, one, at(now)).unwrap();
    assert_eq!(shown(&mut registry, at(now)), [("a".to_owned(), Status::Down)]);
    let moved = Instance { check: due[0].instance.check.clone(), ..instance("a", 2) };
    registry.register(&orders(), EUREKA, moved, at(now)).unwrap();
    (0..2).for_each(|_| registry.checked(&due[0], failed(), at(now)));
    assert_eq!(
        shown(&mut registry, at(now)),
        [("a".to_owned(), Status::Up)],
        "an answer from the old port says nothing"
    );
}

#[test]
fn descriptions_that_are_too_large_together_are_refused() {
    let mut registry = registry();
    registry.max_bytes = 1 << 20;
    let large = |id: &str| {
        let mut one = instance(id, 1);
        one.metadata = Pairs::from([("big".to_owned(), "x".repeat(65_000))]);
        one
    };
    let mut taken = 0;
    let refused = loop {
        match registry.register(&orders(), EUREKA, large(&format!("i{taken}")), at(0)) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, RegisterError::TooMuch(1 << 20));
    assert_eq!(taken, 15, "of 66 kB each");
    registry.register(&orders(), EUREKA, large("i0"), at(1)).unwrap();
    registry.cancel(&orders(), &EUREKA, "i0").unwrap();
    registry.register(&orders(), EUREKA, large("another"), at(2)).unwrap();
    let ids: Vec<_> = (1..taken).map(|n| format!("i{n}")).chain(["another".to_owned()]).collect();
    ids.iter().for_each(|id| drop(registry.cancel(&orders(), &EUREKA, id).unwrap()));
    assert_eq!(registry.bytes, 0);
}

#[test]
fn an_instance_that_flaps_pushes_no_other_change_out_of_the_delta() {
    let mut registry = registry();
    register(&mut registry, "quiet", 1, at(0));
    registry.snapshot(at(0));
    register(&mut registry, "flapping", 2, at(1));
    let (_, changes) = registry.delta(at(1));
    for _ in 0..MAX_CHANGES + 10 {
        registry.changes.extend(&orders(), changes.iter().take(1).cloned(), at(1));
        registry.changes.forget(at(1));
    }
    assert_eq!(delta(&mut registry, at(1)).len(), 2);
    assert!(registry.changes.sizes().1 <= MAX_CHANGES);
}

#[test]
fn a_delta_is_another_one_when_something_changed_or_was_forgotten() {
    let mut registry = registry();
    register(&mut registry, "a", 1, at(0));
    let first = registry.delta_version(at(0));
    registry.renew(&orders(), &EUREKA, "a", at(30)).unwrap();
    assert_eq!(registry.delta_version(at(30)), first);
    register(&mut registry, "b", 2, at(60));
    let second = registry.delta_version(at(60));
    assert_ne!(second, first);
    assert_ne!(registry.delta_version(at(181)), second, "`a` is forgotten");
}

#[test]
fn everything_written_again_reads_back_the_same() {
    let mut registry = registry();
    for (n, id) in ["plain", "out", "cleared", "cleared down", "worse", "up again"].into_iter().enumerate() {
        register(&mut registry, id, n as u16, at(0));
    }
    let out = Status::OutOfService;
    for id in ["out", "cleared", "cleared down", "worse"] {
        registry.set_override(&orders(), id, out, "kim", at(1)).unwrap();
    }
    registry.clear_override(&orders(), "cleared", None, at(2)).unwrap();
    registry.clear_override(&orders(), "cleared down", Some(Status::Down), at(2)).unwrap();
    // It speaks after the operator, and is believed.
    registry.register(&orders(), EUREKA, Instance { status: Status::Down, ..instance("worse", 4) }, at(3)).unwrap();
    registry
        .register(&orders(), EUREKA, Instance { status: Status::Starting, ..instance("up again", 5) }, at(3))
        .unwrap();
    registry.set_override(&orders(), "up again", Status::Up, "kim", at(4)).unwrap();
    let expected = [
        ("cleared", Status::Up),
        ("cleared down", Status::Down),
        ("out", out),
        ("plain", Status::Up),
        ("up again", Status::Up),
        ("worse", Status::Down),
    ]
    .map(|(id, status)| (id.to_owned(), status));
    assert_eq!(shown(&mut registry, at(5)), expected);
    let entries = registry.kept().collect();
    let mut again = with(Settings::default());
    crate::handle::replay(&mut again, entries, at(6));
    assert_eq!(shown(&mut again, at(6)), expected);
}

#[test]
fn self_preservation_has_its_figures_also_while_it_holds_nothing() {
    let mut registry = registry();
    (0..10).for_each(|n| register(&mut registry, &format!("a{n}"), n, at(0)));
    let figures = |registry: &mut Registry, now: Moment| {
        let one = registry.explain(&orders(), "a9", now).unwrap().self_preservation.unwrap();
        (one.holds, one.leased, one.expired, one.evicted, one.allowed, one.window_s)
    };
    assert_eq!(figures(&mut registry, at(1)), (false, 10, 0, 0, 2, 90));
    assert_eq!(registry.preservation_news(), []);
    (2..10).for_each(|n| drop(registry.renew(&orders(), &EUREKA, &format!("a{n}"), at(50)).unwrap()));
    assert_eq!(registry.sweep(at(90)).len(), 2);
    assert_eq!(figures(&mut registry, at(91)), (false, 8, 0, 2, 2, 90));
    // Second by second: a sweep that comes late forgives the pause.
    (91..=140).for_each(|second| assert_eq!(registry.sweep(at(second)), []));
    assert_eq!(figures(&mut registry, at(141)), (true, 8, 8, 2, 2, 90));
    assert_eq!(registry.preservation_news().len(), 1, "it began");
    assert_eq!(registry.preservation_news(), [], "and is told once");
    (2..10).for_each(|n| drop(registry.renew(&orders(), &EUREKA, &format!("a{n}"), at(142)).unwrap()));
    registry.sweep(at(143));
    assert_eq!(registry.preservation_news(), [(orders(), None)]);
}
