//! Live changes: scaling, a changed command, a removed service.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use std::{collections::HashSet, time::Instant};

use common::{House, service, stop, wait_for, wait_healthy, with_instances};
use madang_runtime::Scope;
use madang_store::{KeyRange, Read, Store, embedded};
use madang_supervise::{DRAIN, Handle, OnLoss, Options, ScaleError, State, Supervisor};

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

/// A supervisor of service `a` with so many instances in the file, that keeps its overlays in `store`.
async fn with_store(house: &House, store: &Store, in_file: u32) -> Handle {
    let options = Options { store: Some(store.clone()), ..house.options(OnLoss::Stop) };
    let services = vec![with_instances(service("a", &[]), in_file), service("other", &[])];
    Supervisor::start(options, services, &Scope::new("test")).await.unwrap()
}

async fn kept(store: &Store) -> usize {
    store.range(KeyRange::prefix("supervise/scale/"), Read::Local).await.unwrap().count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scaled_number_survives_a_restart_until_the_number_in_the_file_changes() {
    let house = House::new();
    let store = embedded::open(&house.dir().join("store.redb"), madang_store::Options::default()).unwrap();
    let first = with_store(&house, &store, 1).await;
    first.scale("a", 3, "ann").await.unwrap();
    let before = first.services()[0].overlay.clone().unwrap();
    stop(&first).await;
    assert_eq!(kept(&store).await, 1, "it was on disk before the answer");

    let second = with_store(&house, &store, 1).await;
    wait_healthy(&second, 4).await;
    assert_eq!(second.services()[0].overlay, Some(before), "with its author and its time");
    assert_eq!(second.services()[1].overlay, None);
    stop(&second).await;

    let third = with_store(&house, &store, 2).await;
    wait_healthy(&third, 3).await;
    assert_eq!(third.services()[0].overlay, None, "the file wins");
    stop(&third).await;
    assert_eq!(kept(&store).await, 0, "and what it overruled does not come back");

    let fourth = with_store(&house, &store, 2).await;
    fourth.scale("a", 1, "ann").await.unwrap();
    fourth.commit(fourth.prepare(&[service("other", &[])]).unwrap()).await;
    let mut watch = store.watch("supervise/", store.revision()).unwrap();
    while kept(&store).await > 0 {
        tokio::time::timeout(common::LIMIT, watch.next()).await.expect("the service is gone, its number too").unwrap();
    }
    stop(&fourth).await;
    let unknown = with_store(&house, &store, 1).await;
    assert_eq!(unknown.services()[0].wanted, 1);
    stop(&unknown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_no_writes_does_not_keep_anybody_from_scaling() {
    let house = House::new();
    let store = embedded::open(&house.dir().join("store.redb"), madang_store::Options::default()).unwrap();
    store.put("supervise/scale/other", "what is this?").await.unwrap();
    let handle = with_store(&house, &store, 1).await;
    assert_eq!(handle.services()[1].overlay, None, "what cannot be read has no effect");
    store.close().await;
    handle.scale("a", 2, "ann").await.unwrap();
    wait_healthy(&handle, 3).await;
    stop(&handle).await;
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
