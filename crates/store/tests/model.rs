//! Random transactions, reads, leases and watches, beside a model that is too simple to be wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use madang_store::{
    Change, Compare, Event, Item, KeyRange, LeaseId, Op, OpAnswer, Options, RangeAnswer, Read, Relation, Revision,
    Store, StoreError, Target, Txn, TxnAnswer, Watch, WatchError, embedded,
};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// A disk that outlives the store on it.
#[derive(Debug, Clone)]
struct Disk(Arc<InMemoryBackend>);

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

#[derive(Debug, Clone)]
enum Action {
    /// All at once, so that they meet in one commit.
    Txns(Vec<Txn>),
    Range(KeyRange, usize),
    /// A watch of the prefix, from so many revisions ago.
    Watch(&'static str, u64),
    Grant,
    /// One of those there were.
    Revoke(usize),
    /// To so many revisions ago.
    Compact(u64),
    Restart,
}

const KEYS: &[&str] = &["a", "a/1", "a/2", "b", "b/1", "c"];
const PREFIXES: &[&str] = &["", "a", "a/", "b", "c", "d"];

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => select(KEYS).prop_map(KeyRange::key),
        2 => select(PREFIXES).prop_map(KeyRange::prefix),
        1 => (select(KEYS), select(KEYS)).prop_map(|(start, end)| KeyRange::between(start, end)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (select(KEYS), "[xy]{0,2}", proptest::option::weighted(0.3, 1_u64..4)).prop_map(|(key, value, lease)| {
            Op::Put { key: key.into(), value: value.into(), lease: lease.map(LeaseId) }
        }),
        2 => range().prop_map(Op::Delete),
        2 => (range(), 0_usize..3).prop_map(|(range, limit)| Op::Range { range, limit }),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    let relation = select(vec![Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater]);
    let target = prop_oneof![
        (0_u64..4).prop_map(Target::Version),
        (0_u64..20).prop_map(|revision| Target::Created(Revision(revision))),
        (0_u64..20).prop_map(|revision| Target::Modified(Revision(revision))),
        "[xy]{0,2}".prop_map(|value| Target::Value(value.into())),
    ];
    (select(KEYS), relation, target).prop_map(|(key, relation, target)| Compare { key: key.into(), relation, target })
}

fn txn() -> impl Strategy<Value = Txn> {
    (vec(compare(), 0..3), vec(op(), 0..5), vec(op(), 0..4)).prop_map(|(when, then, or_else)| Txn {
        when,
        then,
        or_else,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => vec(txn(), 1..5).prop_map(Action::Txns),
        2 => (range(), 0_usize..4).prop_map(|(range, limit)| Action::Range(range, limit)),
        2 => (select(PREFIXES), 0_u64..6).prop_map(|(prefix, back)| Action::Watch(prefix, back)),
        1 => Just(Action::Grant),
        1 => any::<usize>().prop_map(Action::Revoke),
        1 => (0_u64..4).prop_map(Action::Compact),
        1 => Just(Action::Restart),
    ]
}

/// The store, said in the fewest words.
#[derive(Debug, Clone, Default)]
struct Model {
    items: BTreeMap<Bytes, Item>,
    revision: u64,
    leases: Vec<LeaseId>,
    granted: u64,
    changes: Vec<Change>,
    compacted: u64,
}

impl Model {
    fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer, StoreError> {
        txn.check()?;
        let succeeded = txn.when.iter().all(|compare| compare.holds(self.items.get(&compare.key)));
        let mut next = self.clone();
        let revision = Revision(self.revision + 1);
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        for op in if succeeded { &txn.then } else { &txn.or_else } {
            answers.push(match op {
                Op::Put { key, value, lease } => {
                    if let Some(lease) = lease.filter(|lease| !self.leases.contains(lease)) {
                        return Err(StoreError::NoLease { lease });
                    }
                    let old = next.items.get(key);
                    let item = Item {
                        key: key.clone(),
                        value: value.clone(),
                        created: old.map_or(revision, |old| old.created),
                        modified: revision,
                        version: old.map_or(1, |old| old.version + 1),
                        lease: *lease,
                    };
                    next.items.insert(key.clone(), item.clone());
                    events.push(Event::Put(item));
                    OpAnswer::Put
                }
                Op::Delete(range) => OpAnswer::Deleted(next.delete(|item| range.contains(&item.key), &mut events)),
                Op::Range { range, limit } => {
                    let mut answer = next.range(range, *limit);
                    answer.revision = Revision(self.revision + u64::from(!events.is_empty()));
                    OpAnswer::Range(answer)
                }
            });
        }
        next.end(events);
        *self = next;
        Ok(TxnAnswer { succeeded, revision: Revision(self.revision), answers })
    }

    fn delete(&mut self, which: impl Fn(&Item) -> bool, events: &mut Vec<Event>) -> usize {
        let keys: Vec<Bytes> = self.items.values().filter(|item| which(item)).map(|item| item.key.clone()).collect();
        for key in &keys {
            self.items.remove(key);
            events.push(Event::Delete { key: key.clone() });
        }
        keys.len()
    }

    fn end(&mut self, events: Vec<Event>) {
        if !events.is_empty() {
            self.revision += 1;
            self.changes.push(Change { revision: Revision(self.revision), events });
        }
    }

    fn range(&self, range: &KeyRange, limit: usize) -> RangeAnswer {
        let found: Vec<Item> = self.items.values().filter(|item| range.contains(&item.key)).cloned().collect();
        let count = found.len();
        let items = found.into_iter().take(if limit == 0 { count } else { limit }).collect();
        RangeAnswer { revision: Revision(self.revision), items, count }
    }

    fn revoke(&mut self, lease: LeaseId) -> Result<Revision, StoreError> {
        if !self.leases.contains(&lease) {
            return Err(StoreError::NoLease { lease });
        }
        self.leases.retain(|known| *known != lease);
        let mut events = Vec::new();
        self.delete(|item| item.lease == Some(lease), &mut events);
        self.end(events);
        Ok(Revision(self.revision))
    }

    fn changes_from(&self, prefix: &'static str, from: Revision) -> Vec<Change> {
        let range = KeyRange::prefix(prefix);
        let changes = self.changes.iter().filter(|change| change.revision >= from).map(|change| {
            let events = change.events.iter().filter(|event| range.contains(event.key())).cloned().collect();
            Change { revision: change.revision, events }
        });
        changes.filter(|change| !change.events.is_empty()).collect()
    }
}

/// A watch with what it must give from now on.
struct Followed {
    watch: Watch,
    prefix: &'static str,
    next: Revision,
}

impl Followed {
    /// Takes all that is there and compares.
    async fn catch_up(&mut self, model: &Model) {
        for expected in model.changes_from(self.prefix, self.next) {
            let change = tokio::time::timeout(Duration::from_secs(5), self.watch.next()).await.expect("a change comes");
            assert_eq!(change.as_ref(), Ok(&expected), "watch of {:?} from {}", self.prefix, self.next);
        }
        self.next = Revision(model.revision + 1);
        let more = tokio::time::timeout(Duration::ZERO, self.watch.next()).await;
        assert!(more.is_err(), "watch of {:?} gave more: {more:?}", self.prefix);
    }
}

/// All answers, asked for in this order before any is waited for.
async fn all_at_once(store: &Store, txns: &[Txn]) -> Vec<Result<TxnAnswer, StoreError>> {
    let mut asked: Vec<_> = txns.iter().map(|txn| (Box::pin(store.txn(txn.clone())), None)).collect();
    poll_fn(|ctx| {
        for (future, answer) in &mut asked {
            if let Poll::Ready(ready) = future.as_mut().poll(ctx) {
                *answer = Some(ready);
            }
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::new();
    for (future, answer) in asked {
        answers.push(match answer {
            Some(answer) => answer,
            None => future.await,
        });
    }
    answers
}

fn open(disk: &Disk) -> Store {
    embedded::open_on(disk.clone(), Options::default()).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn play(actions: Vec<Action>) {
    let disk = Disk(Arc::new(InMemoryBackend::new()));
    let (mut store, mut model) = (open(&disk), Model::default());
    let mut watches: Vec<Followed> = Vec::new();
    for action in actions {
        match action {
            Action::Txns(txns) => {
                let answers = all_at_once(&store, &txns).await;
                for (txn, answer) in txns.iter().zip(answers) {
                    assert_eq!(answer, model.txn(txn), "{txn:?}");
                }
            }
            Action::Range(range, limit) => {
                let answer = store.range_first(range.clone(), limit, Read::Local).await;
                assert_eq!(answer, Ok(model.range(&range, limit)));
            }
            Action::Watch(prefix, back) => {
                let from = Revision((model.revision + 1).saturating_sub(back).max(1));
                let mut watch = store.watch(prefix, from).unwrap();
                if from.0 <= model.compacted {
                    let compacted = Revision(model.compacted);
                    assert_eq!(watch.next().await, Err(WatchError::Compacted { compacted }));
                } else {
                    watches.push(Followed { watch, prefix, next: from });
                }
            }
            Action::Grant => {
                model.granted += 1;
                model.leases.push(LeaseId(model.granted));
                assert_eq!(store.grant(Duration::from_secs(3600)).await, Ok(LeaseId(model.granted)));
            }
            Action::Revoke(which) => {
                let lease = LeaseId(which as u64 % (model.granted + 1) + 1);
                assert_eq!(store.revoke(lease).await, model.revoke(lease));
            }
            Action::Compact(back) => {
                // Those that keep up are not hurt.
                for watch in &mut watches {
                    watch.catch_up(&model).await;
                }
                let to = model.revision.saturating_sub(back);
                assert_eq!(store.compact(Revision(to)).await, Ok(()));
                model.compacted = model.compacted.max(to);
            }
            Action::Restart => {
                for watch in &mut watches {
                    watch.catch_up(&model).await;
                }
                store.close().await;
                for mut watch in watches.drain(..) {
                    assert_eq!(watch.watch.next().await, Err(WatchError::Ended));
                }
                store = open(&disk);
                model.compacted = model.revision;
            }
        }
    }
    for watch in &mut watches {
        watch.catch_up(&model).await;
    }
    assert_eq!(store.range(KeyRange::all(), Read::Local).await, Ok(model.range(&KeyRange::all(), 0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_what_the_model_is(actions in vec(action(), 1..40)) {
        play(actions);
    }
}
