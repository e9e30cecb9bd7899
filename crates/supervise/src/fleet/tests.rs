use std::path::PathBuf;

use madang_base::Random;
use madang_settings::Origin;

use super::*;
use crate::{
    instance::{Action, End, State},
    keeper::protocol::Exit,
};

fn service(command: &str, instances: u32) -> Arc<Service> {
    let name = Name::parse("a").unwrap();
    let mut service = Service::new(name, vec![command.to_owned()], PathBuf::from("/"), Origin::Flag("test".to_owned()));
    service.instances.min = instances;
    Arc::new(service)
}

/// A fleet whose processes do what they are told at once, and time moved by hand.
struct Bench {
    fleet: Fleet,
    now: Moment,
    /// Processes of the newest version answer their checks; those before always do.
    answers: bool,
}

impl Bench {
    fn new(instances: u32) -> Self {
        let fleet = Fleet::new(service("one", instances));
        let mut bench = Self { fleet, now: Moment::default(), answers: true };
        bench.settle();
        bench
    }

    /// One turn of the driver; processes obey.
    fn turn(&mut self) {
        self.now = self.now + DRAIN;
        self.fleet.reconcile(self.now, DRAIN);
        let service = Arc::clone(&self.fleet.service);
        let newest = self.fleet.version;
        for unit in &mut self.fleet.units {
            let answers = self.answers || unit.version < newest;
            while let Some(action) = unit.life.tick(self.now) {
                match action {
                    Action::Launch => unit.life.started(self.now, 1),
                    Action::Check if answers => unit.life.checked(self.now, Ok(()), Vec::new, &service),
                    Action::Check => unit.life.checked(self.now, Err("no".to_owned()), Vec::new, &service),
                    Action::Stop => unit.life.gone(),
                }
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            self.turn();
        }
    }

    fn crash(&mut self, at: usize) {
        let service = Arc::clone(&self.fleet.service);
        let end = End::Exited(Exit::Code(1));
        self.fleet.units[at].life.ended(self.now, &end, &[], &service, &mut Random::new(1));
    }

    /// `1h` is number 1, healthy; `2s'` number 2 of the newest version, starting.
    fn shown(&self) -> String {
        let units = self.fleet.units.iter().map(|unit| {
            let state = match unit.life.state() {
                State::Starting => 's',
                State::Healthy => 'h',
                State::Unhealthy => 'u',
                State::Backoff => 'b',
                State::Stopping => 'x',
                State::Stopped => '-',
            };
            format!("{}{state}{}", unit.number, "'".repeat(unit.version.saturating_sub(1) as usize))
        });
        units.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn as_many_run_as_wanted_and_the_highest_numbers_go_first() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.shown(), "1h 2h");
    for (wanted, at_once, at_last) in [(4, "1h 2h 3s 4s", "1h 2h 3h 4h"), (1, "1h 2x 3x 4x", "1h"), (0, "1x", "")] {
        bench.fleet.overlay = Some(Overlay { instances: wanted, author: "test".to_owned(), time_ms: 0 });
        bench.fleet.reconcile(bench.now, DRAIN);
        assert_eq!(bench.shown(), at_once, "scaled to {wanted}");
        bench.settle();
        assert_eq!(bench.shown(), at_last, "scaled to {wanted}");
    }
}

#[test]
fn a_number_that_leaves_can_come_back_before_it_is_gone() {
    let mut bench = Bench::new(2);
    bench.fleet.change(service("one", 1));
    bench.fleet.reconcile(bench.now, DRAIN);
    bench.fleet.change(service("one", 2));
    bench.fleet.reconcile(bench.now, DRAIN);
    assert_eq!(bench.shown(), "1h 2x 2s");
    bench.settle();
    assert_eq!(bench.shown(), "1h 2h");
}

#[test]
fn a_changed_command_is_rolled_one_number_at_a_time() {
    let mut bench = Bench::new(2);
    bench.fleet.change(service("two", 2));
    bench.answers = false;
    bench.settle();
    assert_eq!(bench.shown(), "1h 1s' 2h", "nothing goes on before the new one is healthy");
    bench.answers = true;
    let mut seen = Vec::new();
    for _ in 0..20 {
        bench.turn();
        let healthy = bench.fleet.units.iter().filter(|unit| unit.life.is_healthy()).count();
        assert!(healthy >= 2, "{}", bench.shown());
        if seen.last() != Some(&bench.shown()) {
            seen.push(bench.shown());
        }
    }
    assert_eq!(bench.shown(), "1h' 2h'", "{seen:?}");
}

#[test]
fn old_instances_that_are_not_healthy_are_replaced_at_once() {
    let mut bench = Bench::new(3);
    bench.crash(0);
    bench.crash(1);
    bench.answers = false;
    bench.fleet.change(service("two", 3));
    bench.turn();
    assert_eq!(bench.shown(), "1s' 2s' 3h 3s'", "only the healthy one is kept, and it may be the one that is rolled");
}

#[test]
fn a_change_during_a_roll_replaces_the_one_that_was_not_healthy_yet() {
    let mut bench = Bench::new(1);
    bench.answers = false;
    bench.fleet.change(service("two", 1));
    bench.settle();
    assert_eq!(bench.shown(), "1h 1s'");
    bench.fleet.change(service("three", 1));
    bench.settle();
    assert_eq!(bench.shown(), "1h 1s''");
    bench.answers = true;
    bench.settle();
    assert_eq!(bench.shown(), "1h''");
}

#[test]
fn the_file_clears_an_overlay_only_when_its_number_changes() {
    let mut bench = Bench::new(1);
    let overlay = Overlay { instances: 3, author: "test".to_owned(), time_ms: 0 };
    bench.fleet.overlay = Some(overlay);
    assert!(!bench.fleet.change(service("two", 1)));
    assert_eq!(bench.fleet.wanted(), 3);
    assert!(bench.fleet.change(service("two", 2)));
    assert_eq!(bench.fleet.wanted(), 2);
    assert!(!bench.fleet.change(service("two", 1)), "there is none left to clear");
}

#[test]
fn a_retired_service_stops_all_and_can_come_back() {
    let mut bench = Bench::new(2);
    bench.fleet.retire();
    bench.fleet.reconcile(bench.now, DRAIN);
    assert_eq!(bench.shown(), "1x 2x");
    bench.fleet.change(service("one", 1));
    bench.fleet.reconcile(bench.now, DRAIN);
    assert_eq!(bench.shown(), "1x 1s 2x");
    bench.settle();
    assert_eq!(bench.shown(), "1h");
}

#[test]
fn an_outdated_process_of_an_earlier_madang_works_until_its_successor_does() {
    let mut bench = Bench::new(0);
    bench.fleet.change(service("one", 2));
    let hour = Duration::from_secs(3600);
    for (number, fit) in [(1, Fit::Outdated), (2, Fit::Wanted)] {
        assert!(bench.fleet.has_place(number));
        bench.fleet.adopt(number, fit, Instance::adopted(bench.now, 7, hour, 0), 9, 20_000);
    }
    assert!(!bench.fleet.has_place(1) && !bench.fleet.has_place(3));
    bench.fleet.reconcile(bench.now, DRAIN);
    assert_eq!(bench.shown(), "1s 1s 2s", "the first is replaced, and kept until that is done");
    bench.settle();
    assert_eq!(bench.shown(), "1h 2h");
    let adopted = |unit: &&Unit| unit.generation == Some(9);
    assert_eq!(bench.fleet.units.iter().filter(adopted).map(|unit| unit.number).collect::<Vec<_>>(), [2]);
}
