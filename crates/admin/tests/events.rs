//! `/v1/events` over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use madang_admin::{Admin, Event, Events, Level, READERS, Settings};
use madang_runtime::{Finished, Scope};
use madang_serve::{Problem, Reuse, bind_tcp};
use madang_testkit::{EventStream, eventually, get};

/// Reached only when something is wrong.
const LONG: Duration = Duration::from_secs(30);

struct Served {
    scope: Scope,
    events: Events,
    address: SocketAddr,
}

/// On the current runtime, which must have threads of its own: the readers here block.
fn start() -> Served {
    let scope = Scope::new("test");
    let events = Events::new(&scope);
    let listener = bind_tcp(([127, 0, 0, 1], 0).into(), Reuse::No).unwrap();
    let address = Admin::new("shop", "1").events(&events).serve(listener, &Settings::default(), &scope).unwrap();
    Served { scope, events, address }
}

impl Served {
    fn say(&self, text: &str) {
        self.events.publish("process", Level::Warn, "orders/orders-1", text);
    }

    fn read(&self, headers: &[(&str, &str)]) -> EventStream {
        EventStream::open(self.address, "/v1/events", headers)
    }
}

fn next(stream: &mut EventStream) -> Event {
    let event = stream.next_event().unwrap();
    let news: Event = serde_json::from_str(&event.data).unwrap();
    assert_eq!((event.id, event.event), (Some(news.id), news.kind.clone()));
    news
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_hears_what_was_and_what_comes() {
    let served = start();
    served.say("before");
    let mut stream = served.read(&[]);
    let before = next(&mut stream);
    assert_eq!((&*before.subject, &*before.text, before.level), ("orders/orders-1", "before", Level::Warn));
    served.say("after");
    let after = next(&mut stream);
    assert_eq!((&*after.text, after.id), ("after", before.id + 1));
    assert!(after.at_ms >= before.at_ms && before.at_ms > 1_700_000_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let served = start();
    served.say("one");
    let first = next(&mut served.read(&[]));
    served.say("two");
    served.say("three");
    let mut stream = served.read(&[("Last-Event-ID", &first.id.to_string())]);
    assert_eq!([next(&mut stream).text, next(&mut stream).text], ["two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_goes_on_is_told_five_times_a_second() {
    let served = start();
    let mut stream = served.read(&[]);
    let is_read = Arc::new(AtomicBool::new(false));
    let (events, until) = (served.events.clone(), Arc::clone(&is_read));
    let changing = std::thread::spawn(move || {
        while !until.load(SeqCst) {
            events.changed("registry");
            std::thread::yield_now();
        }
    });
    stream.next_event();
    let begin = Instant::now();
    for _ in 0..4 {
        let changed = stream.next_event().unwrap();
        assert_eq!((changed.id, &*changed.event, &*changed.data), (None, "changed", "{\"what\":\"registry\"}"));
    }
    // Four pauses, or three and what was left of the one before. The clock here is not the one there.
    assert!(begin.elapsed() > Duration::from_millis(590), "{:?}", begin.elapsed());
    is_read.store(true, SeqCst);
    changing.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_taken_only_while_somebody_reads() {
    let served = start();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    served.events.every_second("traffic", move || serde_json::json!({ "taken": counted.fetch_add(1, SeqCst) }));
    served.say("somebody may come");
    assert_eq!(taken.load(SeqCst), 0);
    let mut stream = served.read(&[]);
    let first = stream.wait_for(|event| event.event == "traffic");
    assert_eq!((first.id, &*first.data), (None, "{\"taken\":0}"));
    let second = stream.wait_for(|event| event.event == "traffic");
    assert_eq!(second.data, "{\"taken\":1}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_limited_and_who_leaves_makes_room() {
    let served = start();
    let mut streams: Vec<_> = (0..READERS).map(|_| served.read(&[])).collect();
    let refused = get(served.address, "/v1/events").unwrap();
    let problem: Problem = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, &*problem.code), (503, "MD0406"));
    drop(streams.pop());
    eventually("a place to be free", LONG, || {
        format!("{:?}", served.events).contains(&format!("readers: {}", READERS - 1)).then_some(())
    });
    drop(served.read(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_their_scope() {
    let served = start();
    let mut stream = served.read(&[]);
    served.say("last");
    next(&mut stream);
    assert_eq!(served.scope.shutdown(LONG).await, Finished::All);
    assert_eq!(stream.next_event(), None);
}
