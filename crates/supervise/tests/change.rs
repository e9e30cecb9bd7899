//! Live changes: scaling, a changed command, a removed service.

mod common;

use std::{collections::HashSet, time::Instant};

use common::{House, service, stop, wait_for, wait_healthy, with_instances};
use madang_supervise::{DRAIN, ScaleError, State};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_holds_until_the_number_in_the_file_changes() {
    let house = House::new();
    let handle = house.start(vec![with_instances(service("a", &[]), 1)]).await;
    wait_healthy(&handle, 1).await;
    handle.scale("a", 3, "test").await.unwrap();
    let three = wait_healthy(&handle, 3).await;
    let view = &handle.services()[0];
    assert_eq!(
        (view.wanted, view.in_file, view.overlay.as_ref().map(|overlay| overlay.author.as_str())),
        (3, 1, Some("test"))
    );
    // A reload that changes something else.
    let mut same = with_instances(service("a", &[]), 1);
    same.stop.grace /= 2;
    handle.commit(handle.prepare(&[same]).unwrap()).await;
    assert_eq!(handle.services()[0].wanted, 3, "the overlay stays");
    handle.commit(handle.prepare(&[with_instances(service("a", &[]), 2)]).unwrap()).await;
    let two = wait_healthy(&handle, 2).await;
    assert_eq!(handle.services()[0].overlay, None, "the file wins");
    assert_eq!((two[0].pid, two[1].pid), (three[0].pid, three[1].pid), "those that stay were not touched");
    assert_eq!(
        handle.scale("b", 1, "test").await,
        Err(ScaleError::Unknown { service: "b".to_owned(), nearest: Some("a".to_owned()) })
    );
    stop(&handle).await;
    assert_eq!(handle.scale("a", 1, "test").await, Err(ScaleError::Ended));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_command_is_rolled_and_there_is_always_a_healthy_instance() {
    let house = House::new();
    let handle = house.start(vec![with_instances(service("a", &[]), 2)]).await;
    let before = wait_healthy(&handle, 2).await;
    let mut watch = handle.watch();
    handle.commit(handle.prepare(&[with_instances(service("a", &["--say", "new"]), 2)]).unwrap()).await;
    let old: HashSet<u64> = before.iter().map(|view| view.generation).collect();
    loop {
        let views = watch.borrow_and_update().clone();
        let healthy = views.iter().filter(|view| view.state == State::Healthy).count();
        assert!(healthy >= 2, "one new instance comes before one old one goes: {views:#?}");
        assert!(views.len() <= 4, "{views:#?}");
        if views.len() == 2 && views.iter().all(|view| view.state == State::Healthy && !old.contains(&view.generation))
        {
            break;
        }
        tokio::time::timeout(common::LIMIT, watch.changed()).await.expect("it goes on").unwrap();
    }
    stop(&handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_service_is_stopping_before_it_ends_and_a_missing_program_changes_nothing() {
    let house = House::new();
    let handle = house.start(vec![service("a", &[]), service("b", &[])]).await;
    let before = wait_healthy(&handle, 2).await;
    let mut missing = service("c", &[]);
    missing.command = vec!["no-such-program-anywhere".to_owned()];
    let problems = handle.prepare(&[service("a", &[]), missing]).unwrap_err();
    assert!(problems.to_string().contains("`no-such-program-anywhere` is not installed"), "{problems}");
    assert_eq!(handle.snapshot(), before);
    let asked = Instant::now();
    handle.commit(handle.prepare(&[service("a", &[])]).unwrap()).await;
    wait_for(&handle, "b is stopping", |views| views.iter().any(|view| view.state == State::Stopping)).await;
    let after = wait_for(&handle, "only a is left", |views| views.len() == 1).await;
    assert!(asked.elapsed() >= DRAIN, "it still answered for a while, not {:?}", asked.elapsed());
    assert_eq!(after[0].pid, before[0].pid);
    assert_eq!(handle.services().len(), 1);
    stop(&handle).await;
}
