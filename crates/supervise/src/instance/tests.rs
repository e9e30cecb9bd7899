use std::path::PathBuf;

use madang_base::Name;
use madang_settings::Origin;

use super::*;

fn service() -> Service {
    let name = Name::parse("orders").unwrap();
    Service::new(name, vec!["orders".to_owned()], PathBuf::from("/"), Origin::Flag("test".to_owned()))
}

/// An instance and the time, moved by hand.
struct Bench {
    life: Instance,
    now: Moment,
    service: Service,
    random: Random,
}

impl Bench {
    fn new() -> Self {
        let now = Moment::default() + Duration::from_secs(1000);
        Self { life: Instance::new(now), now, service: service(), random: Random::new(1) }
    }

    /// Launched, started and asked for the first time.
    fn running() -> Self {
        let mut bench = Self::new();
        bench.launch();
        bench
    }

    fn healthy() -> Self {
        let mut bench = Self::running();
        bench.answer(Ok(()));
        assert_eq!(bench.life.state(), State::Healthy);
        bench
    }

    fn launch(&mut self) {
        assert_eq!(self.life.tick(self.now), Some(Action::Launch));
        self.life.started(self.now, 7);
        assert_eq!(self.life.tick(self.now), Some(Action::Check), "the first check comes at once");
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// Moves to the next moment something is due.
    fn next(&mut self) -> Option<Action> {
        let due = self.life.due()?;
        self.now = self.now.max(due);
        self.life.tick(self.now)
    }

    fn answer(&mut self, answer: Result<(), &str>) {
        let answer = answer.map_err(str::to_owned);
        self.life.checked(self.now, answer, || vec!["last line".to_owned()], &self.service);
    }

    fn check(&mut self, answer: Result<(), &str>) {
        assert_eq!(self.next(), Some(Action::Check));
        self.answer(answer);
    }

    fn exit(&mut self, exit: Exit) {
        self.life.ended(self.now, &End::Exited(exit), &["boom".to_owned()], &self.service, &mut self.random);
    }

    fn pause(&self) -> Duration {
        self.life.due().unwrap().since(self.now)
    }
}

#[test]
fn checks_are_frequent_until_the_first_good_one() {
    let mut bench = Bench::running();
    bench.answer(Err("refused"));
    assert_eq!((bench.life.state(), bench.pause()), (State::Starting, FIRST_CHECKS));
    assert_eq!(bench.life.reason(), Some("not healthy yet: refused"));
    bench.check(Ok(()));
    assert_eq!((bench.life.state(), bench.pause()), (State::Healthy, bench.service.health.interval));
    assert_eq!(bench.life.reason(), None);
}

#[test]
fn no_second_check_is_asked_while_one_is_not_answered() {
    let mut bench = Bench::running();
    bench.pass(60_000);
    assert_eq!((bench.life.due(), bench.life.tick(bench.now)), (None, None));
}

#[test]
fn three_failures_in_a_row_make_it_unhealthy_and_one_success_brings_it_back() {
    let mut bench = Bench::healthy();
    for expected in [State::Healthy, State::Healthy] {
        bench.check(Err("timed out"));
        assert_eq!(bench.life.state(), expected);
    }
    assert_eq!(bench.life.reason(), Some("2 of 3 checks failed: timed out"));
    bench.check(Ok(()));
    for expected in [State::Healthy, State::Healthy, State::Unhealthy] {
        bench.check(Err("timed out"));
        assert_eq!(bench.life.state(), expected, "the count began anew");
    }
    assert_eq!(bench.life.reason(), Some("3 checks in a row failed: timed out\n| last line"));
    bench.check(Err("answered 500"));
    assert_eq!(bench.life.reason(), Some("3 checks in a row failed: answered 500\n| last line"), "the news of today");
    bench.check(Ok(()));
    assert_eq!((bench.life.state(), bench.life.reason()), (State::Healthy, None));
}

#[test]
fn one_that_is_never_healthy_says_so_after_its_time_and_is_checked_on() {
    let mut bench = Bench::running();
    bench.answer(Err("refused"));
    bench.pass(29_000);
    bench.check(Err("refused"));
    assert_eq!(bench.life.state(), State::Starting);
    bench.pass(1_000);
    bench.check(Err("answered 503"));
    assert_eq!(bench.life.state(), State::Unhealthy);
    assert_eq!(bench.life.reason(), Some("was not healthy in 30s: answered 503\n| last line"));
    assert_eq!(bench.pause(), bench.service.health.interval);
    bench.check(Ok(()));
    assert_eq!(bench.life.state(), State::Healthy);
}

#[test]
fn a_restart_waits_longer_each_time_up_to_the_most_and_never_longer_than_nominal() {
    let mut bench = Bench::running();
    for nominal in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000] {
        bench.exit(Exit::Code(1));
        assert_eq!(bench.life.state(), State::Backoff);
        let (pause, nominal) = (bench.pause(), Duration::from_millis(nominal));
        assert!(pause <= nominal && pause >= nominal / 2, "{pause:?} for {nominal:?}");
        bench.pass(nominal.as_millis() as u64);
        bench.launch();
    }
    assert_eq!(bench.life.restarts(), 12);
    // A thousand ends do not overflow anything.
    for _ in 0..1000 {
        bench.exit(Exit::Code(1));
        bench.pass(30_000);
        bench.launch();
    }
    bench.exit(Exit::Code(1));
    assert!(bench.pause() <= Duration::from_secs(30));
}

#[test]
fn the_pauses_follow_from_the_seed_and_differ_between_seeds() {
    let pauses = |seed| {
        let mut random = Random::new(seed);
        (1..9).map(|streak| backoff(streak, &Restart::default(), &mut random)).collect::<Vec<_>>()
    };
    assert_eq!(pauses(1), pauses(1));
    assert_ne!(pauses(1), pauses(2));
}

#[test]
fn a_stable_run_makes_the_next_restart_a_first_one_again() {
    for (healthy_for, expected) in [(9_999, 400), (10_000, 100)] {
        let mut bench = Bench::running();
        for pause in [100, 200] {
            bench.exit(Exit::Code(1));
            bench.pass(pause);
            bench.launch();
        }
        bench.answer(Ok(()));
        bench.pass(healthy_for);
        bench.exit(Exit::Signal(9));
        let (pause, nominal) = (bench.pause(), Duration::from_millis(expected));
        assert!(pause <= nominal && pause >= nominal / 2, "{pause:?} after {healthy_for} ms");
    }
}

#[test]
fn the_reason_of_an_end_says_how_and_how_often_with_the_last_lines() {
    let mut bench = Bench::running();
    bench.pass(250);
    bench.exit(Exit::Code(3));
    let reason = bench.life.reason().unwrap().to_owned();
    assert!(reason.starts_with("exited with code 3 after 250ms; starts again after "), "{reason}");
    assert!(reason.ends_with("\n| boom"), "{reason}");
    bench.pass(100);
    bench.launch();
    assert_eq!(bench.life.state(), State::Starting);
    assert_eq!(bench.life.reason(), Some(reason.as_str()), "told until it is healthy");
    bench.exit(Exit::Signal(9));
    let reason = bench.life.reason().unwrap().to_owned();
    assert!(reason.starts_with("ended by SIGKILL after 0s, 2 times in a row; "), "{reason}");
    bench.pass(200);
    bench.launch();
    bench.exit(Exit::Signal(63));
    let reason = bench.life.reason().unwrap().to_owned();
    assert!(reason.starts_with("crash loop: ended by signal 63 after 0s, 3 times in a row; "), "{reason}");
    bench.pass(400);
    bench.launch();
    bench.answer(Ok(()));
    assert_eq!(bench.life.reason(), None);
}

#[test]
fn a_process_that_never_started_is_tried_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.life.tick(bench.now), Some(Action::Launch));
    let end = End::NotStarted("cannot run `node`: not found".to_owned());
    bench.life.ended(bench.now, &end, &[], &bench.service, &mut bench.random);
    assert_eq!((bench.life.state(), bench.life.pid()), (State::Backoff, None));
    assert!(bench.life.reason().unwrap().starts_with("cannot run `node`: not found; starts again after "));
    bench.pass(100);
    bench.launch();
}

#[test]
fn one_that_gets_requests_drains_before_it_is_asked_to_end() {
    let drain = Duration::from_millis(300);
    let mut bench = Bench::healthy();
    bench.life.stop(bench.now, drain);
    assert_eq!((bench.life.state(), bench.life.tick(bench.now)), (State::Stopping, None), "published first");
    bench.pass(300);
    assert_eq!(bench.life.tick(bench.now), Some(Action::Stop));
    assert_eq!((bench.life.due(), bench.life.tick(bench.now)), (None, None), "asked once");
    bench.exit(Exit::Signal(15));
    assert_eq!(bench.life.state(), State::Stopping, "its group may hold others");
    bench.life.gone();
    assert!(bench.life.is_stopped());

    let mut unneeded = Bench::running();
    unneeded.life.stop(unneeded.now, drain);
    assert_eq!(unneeded.life.tick(unneeded.now), Some(Action::Stop), "nobody sends it anything");
}

#[test]
fn a_stop_can_be_hurried_and_not_delayed() {
    let mut bench = Bench::healthy();
    bench.life.stop(bench.now, Duration::from_millis(300));
    bench.pass(100);
    bench.life.stop(bench.now, Duration::from_millis(300));
    assert_eq!(bench.life.tick(bench.now), Some(Action::Stop), "the second time it is no longer healthy");
    bench.life.stop(bench.now, Duration::ZERO);
    assert_eq!(bench.life.tick(bench.now), None, "TERM was asked for already");
}

#[test]
fn stopping_ends_from_every_state() {
    type Arrange = fn() -> Bench;
    let in_backoff: Arrange = || {
        let mut bench = Bench::running();
        bench.exit(Exit::Code(1));
        bench
    };
    let launched: Arrange = || {
        let mut bench = Bench::new();
        bench.life.tick(bench.now);
        bench
    };
    for (what, arrange, at_once) in [
        ("never launched", Bench::new as Arrange, true),
        ("in backoff", in_backoff, true),
        ("launched", launched, false),
        ("running", Bench::running, false),
        ("healthy", Bench::healthy, false),
    ] {
        let mut bench = arrange();
        bench.life.stop(bench.now, Duration::ZERO);
        assert_eq!(bench.life.is_stopped(), at_once, "{what}");
        if !at_once {
            assert_eq!(bench.life.tick(bench.now), Some(Action::Stop), "{what}");
            bench.life.gone();
        }
        assert_eq!((bench.life.state(), bench.life.due()), (State::Stopped, None), "{what}");
    }
    for end in [End::NotStarted("no".to_owned()), End::KeeperLost] {
        let mut bench = launched();
        bench.life.stop(bench.now, Duration::ZERO);
        bench.life.ended(bench.now, &end, &[], &bench.service, &mut bench.random);
        assert!(bench.life.is_stopped(), "{end:?}: there is no process to wait for");
    }
}

#[test]
fn news_of_another_time_changes_nothing() {
    let mut bench = Bench::running();
    bench.exit(Exit::Code(1));
    bench.answer(Ok(()));
    assert_eq!(bench.life.state(), State::Backoff, "a check answered after the end");
    bench.life.started(bench.now, 9);
    bench.life.gone();
    bench.exit(Exit::Code(2));
    assert_eq!((bench.life.state(), bench.life.pid(), bench.life.restarts()), (State::Backoff, None, 0));
}

#[test]
fn an_adopted_one_keeps_its_age_and_count_and_is_checked_at_once() {
    let now = Moment::default() + Duration::from_secs(5);
    let mut life = Instance::adopted(now, 7, Duration::from_secs(3600), 4);
    assert_eq!((life.state(), life.pid(), life.restarts()), (State::Starting, Some(7), 4));
    assert_eq!(life.started_at(), Some((now, Duration::from_secs(3600))));
    assert!(life.is_useful(), "nobody knows yet");
    assert_eq!(life.tick(now), Some(Action::Check));
    life.checked(now, Ok(()), Vec::new, &service());
    assert!(life.is_healthy());

    let mut sick = Instance::adopted(now, 7, Duration::ZERO, 0);
    assert!(sick.is_useful());
    sick.tick(now);
    sick.checked(now, Err("refused".to_owned()), Vec::new, &service());
    assert!(!sick.is_useful());
}
