//! What every backend has to do. One suite over the trait; the embedded store runs it here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use madang_store::{
    Change, Clock, Compare, Event, KeyRange, LeaseId, MAX_TXN_BYTES, ManualClock, Op, OpAnswer, Options, Read,
    Relation, Revision, Store, StoreError, Target, Txn, WatchError, embedded,
};

/// Long enough for anything on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// A place where a backend can be tested.
trait Place {
    /// The store under test, empty.
    fn store(&self) -> &Store;

    /// Lets time pass for leases: a clock that is moved, or waiting.
    async fn pass(&self, time: Duration);

    /// Ends the store and starts it again.
    async fn restart(&mut self);
}

/// Everything, each on a fresh place.
async fn contract<P: Place>(fresh: impl AsyncFn() -> P) {
    puts_deletes_and_reads(fresh().await.store()).await;
    versions_and_revisions_count(fresh().await.store()).await;
    ranges_are_ordered_and_limited(fresh().await.store()).await;
    a_read_waits_for_the_revision_it_names(fresh().await.store()).await;
    compares_choose_the_list(fresh().await.store()).await;
    operations_see_those_before_them(fresh().await.store()).await;
    what_changes_nothing_has_no_revision(fresh().await.store()).await;
    a_refused_transaction_leaves_no_trace(fresh().await.store()).await;
    only_one_of_many_wins_a_compare(fresh().await.store()).await;
    a_watch_gives_every_change_once_and_in_order(fresh().await.store()).await;
    a_watch_begins_where_it_is_told(fresh().await.store()).await;
    a_watch_of_what_is_forgotten_is_told(fresh().await.store()).await;
    a_dropped_wait_loses_no_change(fresh().await.store()).await;
    a_lease_ends_with_its_keys(&fresh().await).await;
    a_lease_kept_alive_stays(&fresh().await).await;
    a_key_put_again_leaves_its_lease(fresh().await.store()).await;
    a_revoked_lease_takes_its_keys_in_one_write(fresh().await.store()).await;
    a_restart_keeps_everything_and_gives_leases_their_full_time(&mut fresh().await).await;
}

async fn puts_deletes_and_reads(store: &Store) {
    assert_eq!(store.get("a", Read::Local).await.unwrap(), None);
    let revision = store.put("a", "1").await.unwrap();
    let item = store.get("a", Read::AtLeast(revision)).await.unwrap().unwrap();
    assert_eq!((&item.key[..], &item.value[..], item.lease), (&b"a"[..], &b"1"[..], None));
    assert_eq!((item.created, item.modified, item.version), (revision, revision, 1));
    let after = store.delete(KeyRange::key("a")).await.unwrap();
    assert!(after > revision);
    assert_eq!(store.get("a", Read::AtLeast(after)).await.unwrap(), None);
}

async fn versions_and_revisions_count(store: &Store) {
    let first = store.put("a", "1").await.unwrap();
    let second = store.put("a", "2").await.unwrap();
    assert_eq!(second, first.next());
    let item = store.get("a", Read::AtLeast(second)).await.unwrap().unwrap();
    assert_eq!((item.created, item.modified, item.version), (first, second, 2));
    store.delete(KeyRange::key("a")).await.unwrap();
    let again = store.put("a", "3").await.unwrap();
    let item = store.get("a", Read::AtLeast(again)).await.unwrap().unwrap();
    assert_eq!((item.created, item.modified, item.version), (again, again, 1), "a deleted key begins anew");
    let txn = Txn::new().then(Op::put("b", "1")).then(Op::put("c", "1"));
    let both = store.txn(txn).await.unwrap().revision;
    assert_eq!(both, again.next(), "a transaction is one revision, however much it does");
}

async fn ranges_are_ordered_and_limited(store: &Store) {
    let txn = ["b/2", "a", "b/1", "b", "c", "b/3", "b0"].into_iter().map(|key| Op::put(key, key));
    let revision = store.txn(Txn { then: txn.collect(), ..Txn::new() }).await.unwrap().revision;
    for (range, limit, expected, count) in [
        (KeyRange::prefix("b/"), 0, "b/1 b/2 b/3", 3),
        (KeyRange::prefix("b/"), 2, "b/1 b/2", 3),
        (KeyRange::prefix("b"), 0, "b b/1 b/2 b/3 b0", 5),
        (KeyRange::key("b"), 0, "b", 1),
        (KeyRange::between("b", "b/2"), 0, "b b/1", 2),
        (KeyRange::between("c", "a"), 0, "", 0),
        (KeyRange::all(), 1, "a", 7),
    ] {
        let answer = store.range_first(range.clone(), limit, Read::AtLeast(revision)).await.unwrap();
        let keys: Vec<_> = answer.items.iter().map(|item| String::from_utf8_lossy(&item.key)).collect();
        assert_eq!((keys.join(" ").as_str(), answer.count), (expected, count), "{range:?}, {limit}");
        assert_eq!(answer.revision, revision);
    }
}

async fn a_read_waits_for_the_revision_it_names(store: &Store) {
    let wanted = store.revision().next();
    let waiting = store.get("a", Read::AtLeast(wanted));
    let (found, written) = tokio::join!(waiting, store.put("a", "1"));
    assert_eq!(written.unwrap(), wanted);
    assert!(found.unwrap().is_some(), "the read shows the write it names");
}

async fn compares_choose_the_list(store: &Store) {
    let first = store.put("a", "m").await.unwrap();
    let second = store.put("a", "m").await.unwrap();
    for (relation, target, expected) in [
        (Relation::Equal, Target::Version(2), true),
        (Relation::NotEqual, Target::Version(2), false),
        (Relation::Less, Target::Version(3), true),
        (Relation::Greater, Target::Version(2), false),
        (Relation::Equal, Target::Created(first), true),
        (Relation::Less, Target::Created(first), false),
        (Relation::Equal, Target::Modified(second), true),
        (Relation::Greater, Target::Modified(first), true),
        (Relation::Equal, Target::Value("m".into()), true),
        (Relation::Less, Target::Value("n".into()), true),
        (Relation::Greater, Target::Value("m".into()), false),
    ] {
        let compare = Compare { key: "a".into(), relation, target };
        let txn = Txn::new()
            .when(compare.clone())
            .when(Compare::absent("b"))
            .then(Op::range(KeyRange::key("a")))
            .or_else(Op::range(KeyRange::key("b")));
        let answer = store.txn(txn).await.unwrap();
        assert_eq!(answer.succeeded, expected, "{compare:?}");
        let OpAnswer::Range(range) = &answer.answers[0] else { panic!("{answer:?}") };
        assert_eq!(range.count, usize::from(expected), "the other list was done: {compare:?}");
    }
    let txn = Txn::new().when(Compare::exists("a")).when(Compare::exists("b"));
    assert!(!store.txn(txn).await.unwrap().succeeded, "all compares must be true");
}

async fn operations_see_those_before_them(store: &Store) {
    store.put("p/old", "1").await.unwrap();
    let txn = Txn::new()
        .then(Op::range(KeyRange::prefix("p/")))
        .then(Op::put("p/new", "2"))
        .then(Op::range(KeyRange::prefix("p/")))
        .then(Op::delete("p/old"))
        .then(Op::delete("p/none"))
        .then(Op::range(KeyRange::prefix("p/")));
    let answer = store.txn(txn).await.unwrap();
    let seen: Vec<String> = answer
        .answers
        .iter()
        .map(|answer| match answer {
            OpAnswer::Put => "put".to_owned(),
            OpAnswer::Deleted(count) => format!("-{count}"),
            OpAnswer::Range(range) => {
                range.items.iter().map(|item| String::from_utf8_lossy(&item.key)).collect::<Vec<_>>().join(",")
            }
        })
        .collect();
    assert_eq!(seen, ["p/old", "put", "p/new,p/old", "-1", "-0", "p/new"]);
}

async fn what_changes_nothing_has_no_revision(store: &Store) {
    let revision = store.put("a", "1").await.unwrap();
    for (what, txn) in [
        ("an empty one", Txn::new()),
        ("a read", Txn::new().then(Op::range(KeyRange::all()))),
        ("a delete of nothing", Txn::new().then(Op::delete("none"))),
        ("a list that is not done", Txn::new().when(Compare::absent("a")).then(Op::put("a", "2"))),
    ] {
        assert_eq!(store.txn(txn).await.unwrap().revision, revision, "{what}");
    }
    let same = store.put("a", "1").await.unwrap();
    assert_eq!(same, revision.next(), "a put of the same value is a write");
}

async fn a_refused_transaction_leaves_no_trace(store: &Store) {
    let revision = store.put("a", "1").await.unwrap();
    let many = (0..129).map(|number| Op::put(format!("k{number}"), "v")).collect();
    for (txn, code) in [
        (Txn { then: many, ..Txn::new() }, "MD0707"),
        (Txn::new().then(Op::put("big", vec![0; MAX_TXN_BYTES])), "MD0708"),
        (Txn::new().then(Op::put("a", "2")).then(Op::put("a", "3")), "MD0709"),
        (Txn::new().then(Op::put("b", "2")).then(Op::put("", "3")), "MD0710"),
        (Txn::new().then(Op::put("b", "2")).then(Op::put_leased("c", "3", LeaseId(7))), "MD0711"),
    ] {
        assert_eq!(store.txn(txn).await.unwrap_err().code().id, code);
    }
    let all = store.range(KeyRange::all(), Read::Local).await.unwrap();
    assert_eq!((all.count, all.revision), (1, revision));
}

async fn only_one_of_many_wins_a_compare(store: &Store) {
    let tries = (0..32).map(|number| {
        let store = store.clone();
        let txn = Txn::new().when(Compare::absent("lock")).then(Op::put("lock", number.to_string()));
        #[allow(clippy::disallowed_methods, reason = "joined right below")]
        tokio::spawn(async move { store.txn(txn).await.unwrap().succeeded })
    });
    let tries: Vec<_> = tries.collect();
    let mut winners = 0;
    for attempt in tries {
        winners += u32::from(attempt.await.unwrap());
    }
    assert_eq!(winners, 1);
}

async fn a_watch_gives_every_change_once_and_in_order(store: &Store) {
    const WRITES: u64 = 300;
    let from = store.revision().next();
    let mut watch = store.watch("w/", from).unwrap();
    let writers = (0..3).map(|writer| {
        let store = store.clone();
        #[allow(clippy::disallowed_methods, reason = "joined below")]
        tokio::spawn(async move {
            for number in 0..WRITES / 3 {
                let txn = Txn::new().then(Op::put(format!("w/{writer}"), number.to_string()));
                store.txn(txn.then(Op::put(format!("other/{writer}"), "x"))).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut last, mut next) = (Revision(0), [0; 3]);
    for _ in 0..WRITES {
        let change = next_change(&mut watch).await;
        assert!(change.revision > last, "{} after {last}", change.revision);
        last = change.revision;
        let [Event::Put(item)] = &change.events[..] else { panic!("more than the prefix, or less: {change:?}") };
        let writer = usize::from(item.key[2] - b'0');
        assert_eq!(item.value, next[writer].to_string(), "each once, none left out");
        assert_eq!(item.modified, change.revision);
        next[writer] += 1;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let deleted = store.delete(KeyRange::prefix("w/")).await.unwrap();
    let change = next_change(&mut watch).await;
    assert_eq!((change.revision, change.events.len()), (deleted, 3), "one write is one change");
    assert!(change.events.iter().all(|event| matches!(event, Event::Delete { .. })));
}

async fn a_watch_begins_where_it_is_told(store: &Store) {
    let first = store.put("a", "1").await.unwrap();
    let second = store.put("a", "2").await.unwrap();
    let mut all = store.watch("a", first).unwrap();
    let mut later = store.watch("a", second).unwrap();
    let mut future = store.watch("a", second.next().next()).unwrap();
    assert_eq!(next_change(&mut all).await.revision, first);
    assert_eq!(next_change(&mut all).await.revision, second);
    assert_eq!(next_change(&mut later).await.revision, second);
    store.put("a", "3").await.unwrap();
    let fourth = store.put("a", "4").await.unwrap();
    assert_eq!(next_change(&mut future).await.revision, fourth);
}

async fn a_watch_of_what_is_forgotten_is_told(store: &Store) {
    let first = store.put("a", "1").await.unwrap();
    let second = store.put("a", "2").await.unwrap();
    let mut slow = store.watch("a", first).unwrap();
    store.compact(second).await.unwrap();
    let compacted = WatchError::Compacted { compacted: second };
    assert_eq!(next_result(&mut slow).await, Err(compacted.clone()));
    assert_eq!(next_result(&mut slow).await, Err(compacted), "and stays so");
    // As the error says: range, and go on from there.
    let found = store.range(KeyRange::prefix("a"), Read::Local).await.unwrap();
    assert_eq!(found.items[0].value, "2", "what is, is not forgotten");
    let mut again = store.watch("a", found.revision.next()).unwrap();
    let third = store.put("a", "3").await.unwrap();
    assert_eq!(next_change(&mut again).await.revision, third);
    let ahead = store.compact(third.next()).await.unwrap_err();
    assert_eq!(ahead, StoreError::Behind { wanted: third.next(), known: third });
}

async fn a_dropped_wait_loses_no_change(store: &Store) {
    let mut watch = store.watch("a", store.revision().next()).unwrap();
    for number in 0..50 {
        // Given up at once, again and again, while something may be arriving.
        let waited = tokio::time::timeout(Duration::ZERO, watch.next()).await;
        assert!(waited.is_err(), "nothing was written yet");
        let revision = store.put("a", number.to_string()).await.unwrap();
        assert_eq!(next_change(&mut watch).await.revision, revision);
    }
}

async fn a_lease_ends_with_its_keys(place: &impl Place) {
    let store = place.store();
    let mut watch = store.watch("l/", store.revision().next()).unwrap();
    let lease = store.grant(Duration::from_secs(2)).await.unwrap();
    let txn = Txn::new().then(Op::put_leased("l/a", "1", lease)).then(Op::put_leased("l/b", "1", lease));
    store.txn(txn.then(Op::put("l/free", "1"))).await.unwrap();
    assert_eq!(store.get("l/a", Read::Local).await.unwrap().unwrap().lease, Some(lease));
    assert_eq!(next_change(&mut watch).await.events.len(), 3);
    place.pass(Duration::from_secs(3)).await;
    let change = next_change(&mut watch).await;
    let keys: Vec<_> = change.events.iter().map(Event::key).collect();
    assert_eq!(keys, ["l/a", "l/b"], "both in one write, and nothing else");
    let left = store.range(KeyRange::prefix("l/"), Read::AtLeast(change.revision)).await.unwrap();
    assert_eq!(left.items[0].key, "l/free");
    assert_eq!(store.keep_alive(lease).await, Err(StoreError::NoLease { lease }));
    let late = store.txn(Txn::new().then(Op::put_leased("l/c", "1", lease))).await;
    assert_eq!(late, Err(StoreError::NoLease { lease }));
}

async fn a_lease_kept_alive_stays(place: &impl Place) {
    let store = place.store();
    let mut watch = store.watch("l/", store.revision().next()).unwrap();
    let kept = store.grant(Duration::from_millis(3500)).await.unwrap();
    let left = store.grant(Duration::from_secs(5)).await.unwrap();
    store.txn(Txn::new().then(Op::put_leased("l/kept", "1", kept))).await.unwrap();
    store.txn(Txn::new().then(Op::put_leased("l/left", "1", left))).await.unwrap();
    next_change(&mut watch).await;
    next_change(&mut watch).await;
    for _ in 0..3 {
        place.pass(Duration::from_secs(2)).await;
        assert_eq!(store.keep_alive(kept).await, Ok(Duration::from_secs(4)), "whole seconds, rounded up");
    }
    // The other one is over by now; had the first ended, it would have been before.
    let change = next_change(&mut watch).await;
    assert_eq!(change.events[0].key(), "l/left");
    assert!(store.get("l/kept", Read::Local).await.unwrap().is_some());
}

async fn a_key_put_again_leaves_its_lease(store: &Store) {
    let (first, second) = (store.grant(LIMIT).await.unwrap(), store.grant(LIMIT).await.unwrap());
    assert_ne!(first, second);
    for key in ["moved", "freed", "kept"] {
        store.txn(Txn::new().then(Op::put_leased(key, "1", first))).await.unwrap();
    }
    store.txn(Txn::new().then(Op::put_leased("moved", "2", second))).await.unwrap();
    store.put("freed", "2").await.unwrap();
    store.revoke(first).await.unwrap();
    let left = store.range(KeyRange::all(), Read::Local).await.unwrap();
    let left: Vec<_> = left.items.iter().map(|item| item.key.clone()).collect();
    assert_eq!(left, ["freed", "moved"]);
}

async fn a_revoked_lease_takes_its_keys_in_one_write(store: &Store) {
    let lease = store.grant(LIMIT).await.unwrap();
    let before = store.txn(Txn::new().then(Op::put_leased("a", "1", lease))).await.unwrap().revision;
    let before = store.txn(Txn::new().then(Op::put_leased("b", "1", lease))).await.unwrap().revision.max(before);
    assert_eq!(store.revoke(lease).await, Ok(before.next()));
    assert_eq!(store.range(KeyRange::all(), Read::Local).await.unwrap().count, 0);
    assert_eq!(store.revoke(lease).await, Err(StoreError::NoLease { lease }));
    let empty = store.grant(LIMIT).await.unwrap();
    assert_eq!(store.revoke(empty).await, Ok(before.next()), "no keys, no write");
}

async fn a_restart_keeps_everything_and_gives_leases_their_full_time(place: &mut impl Place) {
    let store = place.store().clone();
    let lease = store.grant(Duration::from_secs(4)).await.unwrap();
    store.put("a", "1").await.unwrap();
    store.put("a", "2").await.unwrap();
    let last = store.txn(Txn::new().then(Op::put_leased("b", "1", lease))).await.unwrap().revision;
    let before = store.range(KeyRange::all(), Read::Local).await.unwrap();
    place.pass(Duration::from_secs(2)).await;
    drop(store);
    place.restart().await;
    let store = place.store().clone();
    assert_eq!(store.range(KeyRange::all(), Read::Local).await.unwrap(), before);
    let mut watch = store.watch("", last.next()).unwrap();
    place.pass(Duration::from_secs(3)).await;
    assert_eq!(store.keep_alive(lease).await, Ok(Duration::from_secs(4)), "five seconds after its grant");
    assert_eq!(store.put("c", "1").await.unwrap(), last.next(), "revisions go on");
    next_change(&mut watch).await;
    place.pass(Duration::from_secs(5)).await;
    assert_eq!(next_change(&mut watch).await.events, [Event::Delete { key: "b".into() }]);
    let another = store.grant(LIMIT).await.unwrap();
    assert_ne!(another, lease, "a number is never given away again");
}

async fn next_result(watch: &mut madang_store::Watch) -> Result<Change, WatchError> {
    tokio::time::timeout(LIMIT, watch.next()).await.expect("a change or an error comes")
}

async fn next_change(watch: &mut madang_store::Watch) -> Change {
    next_result(watch).await.unwrap()
}

struct File {
    folder: tempfile::TempDir,
    store: Store,
    hand: ManualClock,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, hand) = Self::open(&folder);
        Self { folder, store, hand }
    }

    fn open(folder: &tempfile::TempDir) -> (Store, ManualClock) {
        let (clock, hand) = Clock::manual();
        let options = Options { clock, ..Options::default() };
        (embedded::open(&folder.path().join("store.redb"), options).unwrap(), hand)
    }
}

impl Place for File {
    fn store(&self) -> &Store {
        &self.store
    }

    async fn pass(&self, time: Duration) {
        self.hand.advance(time);
    }

    async fn restart(&mut self) {
        self.store.close().await;
        (self.store, self.hand) = Self::open(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_keeps_the_contract() {
    contract(async || File::new()).await;
}
