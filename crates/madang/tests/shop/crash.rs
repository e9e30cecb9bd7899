//! What dies comes back, and nobody who asks notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use madang_testkit::{Signal, eventually, get};

use crate::{Folder, PATIENCE};

type Stop = AtomicBool;

struct StopAtEnd<'a>(&'a Stop);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_killed_instance_loses_no_request_and_is_back_within_two_seconds() {
    let folder = Folder::shop();
    let shop = folder.up();
    let gateway = folder.gateway();
    let before = shop.has_healthy("orders", 2);
    let (stop, asked) = (Stop::default(), AtomicUsize::new(0));
    thread::scope(|scope| {
        // Also when an assertion fails, so that the callers end and the scope with them.
        let end = StopAtEnd(&stop);
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = get(gateway, "/api/orders").map_err(|error| error.to_string())?;
                        asked.fetch_add(1, Ordering::Relaxed);
                        if answer.status != 200 {
                            return Err(format!("status {}: {}", answer.status, answer.text()));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let busy = || (asked.load(Ordering::Relaxed) > 50).then_some(());
        eventually("requests flow", PATIENCE, busy);
        assert!(Signal::Kill.send(before[0]));
        let killed = Instant::now();
        eventually("the instance is back", PATIENCE, || {
            let now = shop.healthy("orders");
            (now.len() == 2 && !now.contains(&before[0])).then_some(())
        });
        let away = killed.elapsed();
        drop(end);
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Ok(()), "a request was lost");
        }
        assert!(away < Duration::from_secs(2), "it was back after {away:?}");
    });
    let restarted = shop.instances().into_iter().find(|view| view["service"] == "orders" && view["restarts"] == 1);
    assert!(restarted.is_some(), "the restart is counted: {:?}", shop.instances());
}

#[test]
fn when_up_is_killed_nothing_it_started_is_left() {
    let folder = Folder::shop();
    let mut shop = folder.up();
    assert!(folder.processes().len() > 6, "{:?}", folder.processes());
    shop.child.signal(Signal::Kill);
    shop.child.wait(PATIENCE);
    folder.is_empty_within(PATIENCE);
}

#[test]
fn when_serve_is_killed_its_services_live_on_and_the_next_one_adopts_them() {
    let folder = Folder::shop();
    let mut first = folder.serve();
    let before: Vec<u32> =
        ["catalog", "orders", "web"].iter().flat_map(|service| first.has_healthy(service, 2)).collect();
    first.child.signal(Signal::Kill);
    first.child.wait(PATIENCE);

    let mut second = folder.serve();
    let after: Vec<u32> =
        ["catalog", "orders", "web"].iter().flat_map(|service| second.has_healthy(service, 2)).collect();
    assert_eq!(before, after, "the same processes are kept");
    assert_eq!(second.get("/api/catalog/products").status, 200);
    assert!(second.instances().iter().all(|view| view["restarts"] == 0), "{:?}", second.instances());

    second.child.signal(Signal::Terminate);
    assert_eq!(second.child.wait(PATIENCE).code(), Some(0), "{}", second.child.output());
    folder.is_empty_within(PATIENCE);
}
