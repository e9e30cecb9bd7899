//! The life of instances under a real keeper: start, end, restart, crash loop, stop.

mod common;

use std::time::{Duration, Instant};

use common::{House, LIMIT, is_gone, pids, script, service, stop, wait_for, wait_gone, wait_healthy, with_instances};
use madang_supervise::{Filter, OnLoss, StartError, State, Supervisor};
use madang_testkit::{Signal, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_started_until_healthy_and_stopped_without_remains() {
    let house = House::new();
    let services = vec![with_instances(service("orders", &[]), 2), service("web", &["--say", "hello from web"])];
    let handle = house.start(services).await;
    assert_eq!(handle.snapshot().len(), 3, "all instances are listed from the first moment");
    let views = wait_healthy(&handle, 3).await;
    let names: Vec<&str> = views.iter().map(|view| &*view.instance).collect();
    assert_eq!(names, ["orders-1", "orders-2", "web-1"]);
    assert!(views.iter().all(|view| view.port.is_some_and(|port| (20_000..30_000).contains(&port))), "{views:?}");
    let mut logs = handle.subscribe_logs(Filter { service: Some("web".to_owned()), instance: None }, 10);
    let line = tokio::time::timeout(LIMIT, logs.next()).await.unwrap().unwrap();
    assert_eq!((line.instance.as_str(), line.line.as_str()), ("web-1", "hello from web"));
    let keeper = house.keeper_pid();
    stop(&handle).await;
    assert!(pids(&views).into_iter().all(is_gone), "no instance is left");
    wait_gone("the keeper ended too", &[keeper]);
    assert_eq!(handle.snapshot().len(), 0);
    assert!(!house.dir().join("keeper.sock").exists());
    assert_eq!(house.log("web-1"), "hello from web\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_leaves_ready_at_once_and_is_back_within_two_seconds() {
    let house = House::new();
    let handle = house.start(vec![with_instances(service("orders", &[]), 2)]).await;
    let before = wait_healthy(&handle, 2).await;
    let victim = before[0].pid.unwrap();
    let killed = Instant::now();
    assert!(Signal::Kill.send(victim));
    wait_for(&handle, "the dead instance is not healthy", |views| {
        views[0].state != State::Healthy || views[0].pid != Some(victim)
    })
    .await;
    let noticed = killed.elapsed();
    let after = wait_healthy(&handle, 2).await;
    let back = killed.elapsed();
    assert!(noticed < Duration::from_millis(500), "noticed after {noticed:?}");
    assert!(back < Duration::from_secs(2), "back after {back:?}");
    assert_ne!(after[0].pid, before[0].pid);
    assert_ne!(after[0].port, before[0].port, "a port rests before it is used again");
    assert_eq!((after[0].restarts, after[1].restarts), (1, 0));
    assert_eq!(after[1].pid, before[1].pid, "the other one was left alone");
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_waits_longer_each_time_and_says_why() {
    let house = House::new();
    let mut crashing = service("orders", &["--say", "cannot reach the database", "--exit", "3"]);
    crashing.restart.first = Duration::from_millis(10);
    let handle = house.start(vec![crashing]).await;
    let views = wait_for(&handle, "a crash loop is named", |views| {
        views[0].state == State::Backoff && views[0].reason.as_ref().is_some_and(|reason| reason.contains("crash loop"))
    })
    .await;
    let reason = views[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("crash loop: exited with code 3 after "), "{reason}");
    assert!(reason.contains(" times in a row; starts again after "), "{reason}");
    assert!(reason.ends_with("\n| cannot reach the database"), "{reason}");
    assert!(views[0].restarts >= 2, "{views:?}");
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_without_a_line_end_count_though_something_else_holds_the_pipe() {
    let house = House::new();
    let text = "printf 'the disk is full'; \"$0\" service --silent & exit 4";
    let handle = house.start(vec![script("orders", text)]).await;
    let views = wait_for(&handle, "the end is told", |views| views[0].state == State::Backoff).await;
    let reason = views[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("exited with code 4") && reason.ends_with("\n| the disk is full"), "{reason}");
    stop(&handle).await;
    assert_eq!(house.processes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_run_says_so_and_is_tried_again() {
    let house = House::new();
    let mut missing = service("orders", &[]);
    missing.command = vec!["/nonexistent/program".to_owned()];
    let handle = house.start(vec![missing]).await;
    let views = wait_for(&handle, "the reason is shown", |views| views[0].state == State::Backoff).await;
    let reason = views[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("cannot run `/nonexistent/program`: No such file"), "{reason}");
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ignores_term_is_killed_with_everything_it_started() {
    let house = House::new();
    let text = "trap '' TERM; \"$0\" service --silent & sh -c 'trap \"\" TERM; \"$0\" service --silent & wait' \"$0\" & exec \"$0\" service";
    let mut stubborn = script("orders", text);
    stubborn.stop.grace = Duration::from_millis(200);
    let handle = house.start(vec![stubborn, service("other", &[])]).await;
    let other = wait_healthy(&handle, 2).await[1].pid;
    let family = eventually("the whole family runs", LIMIT, || {
        let all: Vec<u32> = house.processes().into_iter().filter(|pid| Some(*pid) != other).collect();
        (all.len() == 4).then_some(all)
    });
    let asked = Instant::now();
    handle.commit(handle.prepare(&[service("other", &[])]).unwrap()).await;
    wait_for(&handle, "only the other one is left", |views| views.len() == 1).await;
    assert!(asked.elapsed() >= Duration::from_millis(200), "the grace was given");
    assert!(family.into_iter().all(is_gone), "leader, children and grandchildren are gone");
    assert_eq!(house.processes(), [other.unwrap()], "and nobody else");
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_left_its_group_goes_with_the_keeper() {
    let house = House::new();
    // Forked twice and with a session of its own, as daemons do; and it does not hear TERM.
    let text = "(trap '' TERM; setsid \"$0\" service --silent &) ; exec \"$0\" service";
    let mut leaving = script("orders", text);
    leaving.stop.grace = Duration::from_millis(200);
    let handle = house.start(vec![leaving]).await;
    wait_healthy(&handle, 1).await;
    let both = eventually("service and daemon run", LIMIT, || {
        let all = house.processes();
        (all.len() == 2).then_some(all)
    });
    let keeper = house.keeper_pid();
    stop(&handle).await;
    wait_gone("the daemon is gone as well", &both);
    wait_gone("the keeper is gone", &[keeper]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_ctrl_c_kills_what_the_first_one_waits_for() {
    let house = House::new();
    let mut stubborn = script("orders", "trap '' TERM; exec \"$0\" service");
    stubborn.stop.grace = Duration::from_secs(3600);
    let handle = house.start(vec![stubborn]).await;
    let views = wait_healthy(&handle, 1).await;
    let first = handle.clone();
    let stopping = house.scope.spawn("first Ctrl-C", async move { first.stop_all().await });
    wait_for(&handle, "it is stopping", |views| views[0].state == State::Stopping).await;
    handle.kill_all().await;
    assert_eq!(stopping.join().await, Some(()));
    wait_gone("the instance is gone", &pids(&views));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_never_healthy_says_what_it_answered_and_its_last_lines() {
    let house = House::new();
    let mut sick = service("orders", &["--say", "waiting for the database", "--status", "503"]);
    sick.health.start_timeout = Duration::from_millis(300);
    let mut deaf = service("web", &["--silent"]);
    deaf.health.start_timeout = Duration::from_millis(300);
    let handle = house.start(vec![sick, deaf]).await;
    let views =
        wait_for(&handle, "both are unhealthy", |views| views.iter().all(|view| view.state == State::Unhealthy)).await;
    let reasons: Vec<&str> = views.iter().map(|view| view.reason.as_deref().unwrap()).collect();
    assert!(reasons[0].contains("GET /health answered 503 Service Unavailable: still warming up"), "{}", reasons[0]);
    assert!(reasons[0].ends_with("\n| waiting for the database"), "{}", reasons[0]);
    assert!(reasons[1].contains("refused the connection"), "{}", reasons[1]);
    assert_eq!(views[0].restarts, 0, "it is left running and checked on");
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_fast_lines_never_hold_up_the_service() {
    let house = House::new();
    let done = house.dir().join("done");
    let mut loud = service("orders", &["--lines", "100000", done.to_str().unwrap()]);
    loud.logs.max_size = 1 << 20;
    loud.logs.keep = 2;
    let handle = house.start(vec![loud]).await;
    wait_healthy(&handle, 1).await;
    assert!(done.exists(), "all lines were written before it answered");
    let text = eventually("the last line is in the file", LIMIT, || {
        Some(house.log("orders-1"))
            .filter(|text| text.ends_with("line 99999 of 100000, with a little more to make it look like one\n"))
    });
    assert!(text.len() <= 1 << 20, "{} bytes", text.len());
    let mut files: Vec<String> = std::fs::read_dir(house.dir().join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["orders-1.log", "orders-1.log.1", "orders-1.log.2"]);
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_supervisor_of_the_folder_is_told_who_the_first_is() {
    let house = House::new();
    let handle = house.start(vec![service("orders", &[])]).await;
    let second = Supervisor::start(house.options(OnLoss::Stop), Vec::new(), &house.scope).await;
    let error = second.expect_err("the folder is taken");
    assert!(matches!(error, StartError::Busy { pid, .. } if pid == std::process::id()), "{error}");
    stop(&handle).await;
    let third = Supervisor::start(house.options(OnLoss::Stop), Vec::new(), &house.scope).await.unwrap();
    stop(&third).await;
}
