//! Madang or its keeper is killed: what becomes of the services.

mod common;

use std::{process::Command, time::Duration};

use common::{
    House, LIMIT, STAND_IN, is_gone, pids, script, service, stop, wait_for, wait_gone, wait_healthy, with_instances,
};
use madang_runtime::Scope;
use madang_supervise::{OnLoss, Options, State, Supervisor};
use madang_testkit::{Child, Signal, eventually};

/// A Madang that runs two instances of service `a`, and their process ids once both are healthy.
fn madang(house: &House, on_loss: &str) -> (Child, Vec<u32>) {
    let mut command = Command::new(STAND_IN);
    command.arg("madang").arg(house.dir()).args([on_loss, STAND_IN, "service"]);
    let child = Child::spawn(&mut command);
    let healthy = eventually("both instances are healthy", LIMIT, || {
        let last: serde_json::Value = serde_json::from_str(child.lines().last()?).ok()?;
        let all = last.as_array()?;
        let healthy: Vec<u32> = all
            .iter()
            .filter(|view| view["state"] == "healthy")
            .filter_map(|view| u32::try_from(view["pid"].as_u64()?).ok())
            .collect();
        (healthy.len() == 2).then_some(healthy)
    });
    (child, healthy)
}

#[test]
fn a_killed_madang_that_stops_leaves_no_process() {
    let house = House::new();
    let (mut child, instances) = madang(&house, "stop");
    let keeper = house.keeper_pid();
    assert!(child.signal(Signal::Kill));
    child.wait(LIMIT);
    wait_gone("the instances are gone", &instances);
    wait_gone("the keeper is gone", &[keeper]);
    assert_eq!(house.processes(), Vec::<u32>::new());
    assert!(!house.dir().join("keeper.sock").exists());
}

#[test]
fn a_killed_madang_that_keeps_leaves_its_services_and_the_next_one_adopts_them() {
    let house = House::new();
    let (mut first, instances) = madang(&house, "keep");
    let keeper = house.keeper_pid();
    assert!(first.signal(Signal::Kill));
    first.wait(LIMIT);
    assert!(!instances.iter().any(|pid| is_gone(*pid)), "the services run on");
    let (mut second, adopted) = madang(&house, "keep");
    assert_eq!(adopted, instances, "the same processes, not new ones");
    assert_eq!(house.keeper_pid(), keeper);
    // This one stops what it adopted: its own word counts, not that of the Madang that started it.
    assert!(second.signal(Signal::Kill));
    second.wait(LIMIT);
    let (mut third, adopted) = madang(&house, "stop");
    assert_eq!(adopted, instances);
    assert!(third.signal(Signal::Kill));
    third.wait(LIMIT);
    wait_gone("now they are gone", &instances);
    wait_gone("the keeper is gone", &[keeper]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_madang_stops_what_no_longer_fits_and_starts_what_is_missing() {
    let house = House::new();
    let services = vec![with_instances(service("a", &[]), 3), service("b", &[]), service("gone", &[])];
    let first = Supervisor::start(house.options(OnLoss::Keep), services, &house.scope).await.unwrap();
    let before = wait_healthy(&first, 5).await;
    first.hand_over().await;
    assert!(!pids(&before).into_iter().any(is_gone), "a hand-over stops nothing");
    // One died while nobody was there; `a` shrank, `b` has another command, `gone` is gone.
    let dead = before[0].pid.unwrap();
    assert!(Signal::Kill.send(dead));
    wait_gone("one instance of a is dead", &[dead]);
    let services = vec![with_instances(service("a", &[]), 2), service("b", &["--say", "new"])];
    let second = Supervisor::start(house.options(OnLoss::Keep), services, &house.scope).await.unwrap();
    let after = wait_healthy(&second, 3).await;
    let of = |views: &[madang_supervise::InstanceView], name: &str| {
        views.iter().find(|view| &*view.instance == name).unwrap().pid
    };
    assert_eq!(of(&after, "a-2"), of(&before, "a-2"), "what fits is adopted");
    assert_ne!(of(&after, "a-1"), of(&before, "a-1"), "what is missing is started");
    assert_ne!(of(&after, "b-1"), of(&before, "b-1"), "what changed is replaced");
    let leftover = ["a-3", "b-1", "gone-1"].map(|name| of(&before, name).unwrap());
    wait_gone("what does not fit is stopped", &leftover);
    stop(&second).await;
    assert_eq!(house.processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_keeper_is_replaced_and_the_services_start_again() {
    let house = House::new();
    let handle = house.start(vec![with_instances(service("a", &[]), 2)]).await;
    let before = wait_healthy(&handle, 2).await;
    let keeper = house.keeper_pid();
    assert!(Signal::Kill.send(keeper));
    // The state between may pass unseen; the processes cannot be the same.
    let old = pids(&before);
    wait_for(&handle, "the loss is noticed", |views| !pids(views).iter().any(|pid| old.contains(pid))).await;
    let after = wait_healthy(&handle, 2).await;
    assert_ne!(house.keeper_pid(), keeper);
    wait_gone("no old instance is left", &old);
    assert_eq!(after[0].restarts, 1);
    stop(&handle).await;
    assert_eq!(house.processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_killed_while_stopping_leaves_nothing() {
    let house = House::new();
    let mut stubborn = script("a", "trap '' TERM; exec \"$0\" service");
    stubborn.stop.grace = Duration::from_secs(3600);
    let handle = house.start(vec![stubborn]).await;
    let views = wait_healthy(&handle, 1).await;
    let first = handle.clone();
    let stopping = house.scope.spawn("stop", async move { first.stop_all().await });
    wait_for(&handle, "it is stopping", |views| views[0].state == State::Stopping).await;
    assert!(Signal::Kill.send(house.keeper_pid()));
    assert_eq!(stopping.join().await, Some(()));
    wait_gone("the service is gone", &pids(&views));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn madang_and_keeper_killed_together_leave_orphans_only_until_the_next_start() {
    let house = House::new();
    let (mut child, orphans) = madang(&house, "stop");
    // The keeper first: Madang must not live to see it.
    let keeper = house.keeper_pid();
    assert!(child.signal(Signal::Kill) && Signal::Kill.send(keeper));
    child.wait(LIMIT);
    let handle = house.start(vec![service("b", &[])]).await;
    wait_gone("the orphans are gone", &orphans);
    wait_healthy(&handle, 1).await;
    stop(&handle).await;
}

#[test]
fn ctrl_c_on_the_terminal_reaches_madang_alone() {
    let house = House::new();
    let (mut child, instances) = madang(&house, "keep");
    assert!(child.signal_group(Signal::Interrupt));
    child.wait(LIMIT);
    assert!(!instances.iter().any(|pid| is_gone(*pid)), "neither the services nor their keeper");
    assert!(!is_gone(house.keeper_pid()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_right_after_a_kill_waits_for_the_old_run_to_end() {
    let house = House::new();
    let mut slow = script("a", "trap 'exec \"$0\" service --silent' TERM; \"$0\" service & wait");
    slow.stop.grace = Duration::from_millis(500);
    let first = house.start(vec![slow]).await;
    wait_healthy(&first, 1).await;
    let (old, keeper) = (house.processes(), house.keeper_pid());
    // As after SIGKILL: the connection ends, and nobody said stop.
    house.scope.shutdown(LIMIT).await;
    let again =
        Supervisor::start(house.options(OnLoss::Stop), vec![service("b", &[])], &Scope::new("again")).await.unwrap();
    let left: Vec<&u32> = old.iter().filter(|pid| !is_gone(**pid)).collect();
    assert!(left.is_empty(), "two runs never overlap, but {left:?} of {old:?} are left");
    wait_gone("the old keeper has ended", &[keeper]);
    wait_healthy(&again, 1).await;
    stop(&again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_path_is_no_obstacle() {
    let house = House::new();
    let dir = house.dir().join("a".repeat(120)).join("b".repeat(120));
    let options = || Options { dir: dir.clone(), ..house.options(OnLoss::Keep) };
    let first = Supervisor::start(options(), vec![service("a", &[])], &house.scope).await.unwrap();
    let before = wait_healthy(&first, 1).await;
    first.hand_over().await;
    let second = Supervisor::start(options(), vec![service("a", &[])], &house.scope).await.unwrap();
    assert_eq!(pids(&wait_healthy(&second, 1).await), pids(&before));
    stop(&second).await;
}
