//! What only the embedded store promises: its file, its limits, its end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use madang_store::{
    Clock, History, KeyRange, Op, OpenError, Options, Read, Revision, Store, StoreError, Txn, WatchError, embedded,
};
use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase as _, StorageBackend, TableDefinition};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

fn open(path: &Path) -> Result<Store, OpenError> {
    embedded::open(path, Options::default())
}

fn in_memory(options: Options) -> Store {
    embedded::open_on(InMemoryBackend::new(), options).unwrap()
}

#[tokio::test]
async fn a_second_one_is_refused_by_name_and_gets_in_when_the_first_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let first = open(&path).unwrap();
    let error = open(&path).unwrap_err();
    let expected = format!("another Madang (pid {}) has the store `{}` open", std::process::id(), path.display());
    assert_eq!((error.to_string(), error.code().id), (expected, "MD0701"));
    first.put("a", "1").await.unwrap();
    drop(first);
    assert!(open(&path).unwrap().get("a", Read::Local).await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_has_the_file_without_a_name_is_in_the_way_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    open(&path).unwrap().close().await;
    let _holder = redb::Database::open(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse { pid: None, .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_told_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = open(&path).unwrap();
    for number in 0..200 {
        store.put(format!("key/{number}"), vec![b'v'; 100]).await.unwrap();
    }
    store.close().await;
    let whole = std::fs::read(&path).unwrap();
    let at = whole.windows(100).rposition(|bytes| bytes == [b'v'; 100]).unwrap();
    let mut flipped = whole.clone();
    // Every copy of the last leaf: which one counts is redb's business.
    for place in 0..whole.len() - 100 {
        if whole[place..place + 100] == [b'v'; 100] {
            flipped[place + 50] ^= 1;
        }
    }
    assert!(at > 0 && flipped != whole);
    let half = whole[..whole.len() / 2].to_vec();
    for (what, bytes) in [
        ("text", b"this is no store\n".to_vec()),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 8192]),
        ("a flipped bit in values", flipped),
        ("half of it", half),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = open(&path).err().unwrap_or_else(|| panic!("{what} was opened"));
        assert_eq!(error.code().id, "MD0702", "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what} was written to");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(open(&path).unwrap().range(KeyRange::all(), Read::Local).await.unwrap().count, 200);
}

#[tokio::test]
async fn a_file_of_a_later_layout_is_told_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = open(&path).unwrap();
    store.put("a", "1").await.unwrap();
    store.close().await;
    let set_layout = |layout| {
        let database = redb::Database::open(&path).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(META).unwrap().insert("layout", layout).unwrap();
        write.commit().unwrap();
    };
    set_layout(2);
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!(error.code().id, "MD0703");
    set_layout(1);
    assert!(open(&path).unwrap().get("a", Read::Local).await.unwrap().is_some());
}

#[tokio::test]
async fn a_redb_file_of_somebody_else_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, &str>::new("theirs")).unwrap().insert("a", "1").unwrap();
    write.commit().unwrap();
    drop(database);
    assert_eq!(open(&path).unwrap_err().code().id, "MD0702");
    let database = redb::Database::open(&path).unwrap();
    let read = database.begin_read().unwrap();
    assert_eq!(read.list_tables().unwrap().count(), 1, "no table of ours was added");
}

#[tokio::test]
async fn a_file_half_made_by_a_crash_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    std::fs::write(folder.path().join("store.redb.new"), "half").unwrap();
    open(&path).unwrap().put("a", "1").await.unwrap();
    assert!(!folder.path().join("store.redb.new").exists());
    let error = open(&folder.path().join("no folder/store.redb")).unwrap_err();
    assert_eq!(error.code().id, "MD0704", "{error}");
}

#[tokio::test]
async fn a_full_store_takes_what_makes_it_smaller_and_nothing_else() {
    let store = in_memory(Options { cap: 10_000, ..Options::default() });
    let mut keys = 0;
    let refused = loop {
        match store.put(format!("key/{keys:04}"), vec![0; 500]).await {
            Ok(_) => keys += 1,
            Err(error) => break error,
        }
    };
    assert!((5..20).contains(&keys), "{keys} keys fit");
    assert_eq!(refused.code().id, "MD0705", "{refused}");
    assert!(matches!(refused, StoreError::Full { cap: 10_000, bytes } if bytes > 10_000), "{refused}");
    let revision = store.revision();
    let half = Txn::new().then(Op::put("key/0000", "small")).then(Op::put("new", vec![0; 5_000]));
    assert_eq!(store.txn(half).await.unwrap_err().code().id, "MD0705");
    let kept = store.get("key/0000", Read::Local).await.unwrap().unwrap();
    assert_eq!((kept.value.len(), kept.version), (500, 1), "the whole transaction was taken back");
    assert_eq!(store.revision(), revision);
    assert_eq!(store.grant(Duration::from_secs(60)).await.map_err(|error| error.code().id), Err("MD0705"));
    store.put("key/0000", vec![0; 100]).await.expect("a smaller value fits");
    store.delete(KeyRange::prefix("key/0001")).await.unwrap();
    store.put("key/0001", vec![1; 500]).await.expect("there is room again");
    assert!(store.txn(Txn::new().then(Op::range(KeyRange::all()))).await.is_ok());
}

#[tokio::test]
async fn the_past_is_forgotten_by_count_by_age_and_by_size() {
    let (clock, hand) = Clock::manual();
    let history = History { revisions: 3, age: Duration::from_secs(600), bytes: 10_000 };
    let store = in_memory(Options { clock, history, ..Options::default() });
    let from_first = async || {
        let mut watch = store.watch("", Revision(1)).unwrap();
        watch.next().await
    };
    for number in 1..=3 {
        store.put("a", number.to_string()).await.unwrap();
    }
    assert_eq!(from_first().await.unwrap().revision, Revision(1));
    store.put("a", "4").await.unwrap();
    assert_eq!(from_first().await, Err(WatchError::Compacted { compacted: Revision(1) }));
    let fifth = store.put("a", vec![0; 9_700]).await.unwrap();
    let before = Revision(fifth.0 - 1);
    assert_eq!(from_first().await, Err(WatchError::Compacted { compacted: before }), "by size");
    let mut idle = store.watch("other", fifth.next()).unwrap();
    hand.advance(Duration::from_secs(600));
    let sixth = store.put("other", "6").await.unwrap();
    assert_eq!(from_first().await, Err(WatchError::Compacted { compacted: fifth }), "by age");
    assert_eq!(idle.next().await.unwrap().revision, sixth, "who waits at the end misses nothing");
}

#[tokio::test]
async fn a_revision_that_does_not_come_is_told() {
    let store = in_memory(Options { patience: Duration::from_millis(1), ..Options::default() });
    let known = store.put("a", "1").await.unwrap();
    let error = store.get("a", Read::AtLeast(Revision(99))).await.unwrap_err();
    assert_eq!(error, StoreError::Behind { wanted: Revision(99), known });
}

#[tokio::test]
async fn a_closed_store_ends_watches_refuses_writes_and_still_reads() {
    let store = in_memory(Options::default());
    let revision = store.put("a", "1").await.unwrap();
    let mut watch = store.watch("", revision).unwrap();
    store.close().await;
    assert_eq!(watch.next().await.unwrap().revision, revision, "what was there is still given");
    assert_eq!(watch.next().await, Err(WatchError::Ended));
    assert_eq!(store.put("a", "2").await, Err(StoreError::Ended));
    assert!(store.get("a", Read::Local).await.unwrap().is_some());
}

/// A disk that fills up when it is told to.
#[derive(Debug, Clone)]
struct Disk {
    memory: Arc<InMemoryBackend>,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room().and_then(|()| self.memory.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.room().and_then(|()| self.memory.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room().and_then(|()| self.memory.write(offset, data))
    }
}

#[tokio::test]
async fn after_the_disk_is_full_writes_are_refused_and_reads_go_on() {
    let disk = Disk { memory: Arc::new(InMemoryBackend::new()), full: Arc::default() };
    let (clock, hand) = Clock::manual();
    let store = embedded::open_on(disk.clone(), Options { clock, ..Options::default() }).unwrap();
    let lease = store.grant(Duration::from_secs(1)).await.unwrap();
    let revision = store.txn(Txn::new().then(Op::put_leased("a", "1", lease))).await.unwrap().revision;
    disk.full.store(true, Ordering::Relaxed);
    let refused = store.put("a", "2").await.unwrap_err();
    assert_eq!(refused.code().id, "MD0706", "{refused}");
    disk.full.store(false, Ordering::Relaxed);
    // What the disk holds now nobody knows until it is read again.
    assert_eq!(store.put("b", "1").await.unwrap_err(), refused);
    assert_eq!(store.grant(Duration::from_secs(1)).await.unwrap_err(), refused);
    let too_large = store.put("", "1").await.unwrap_err();
    assert_eq!(too_large.code().id, "MD0710", "a mistake of the caller is still told as one");
    hand.advance(Duration::from_secs(2));
    let found = store.get("a", Read::AtLeast(revision)).await.unwrap().unwrap();
    assert_eq!((found.value, store.revision()), ("1".into(), revision), "nothing that is not on disk is shown");
    store.close().await;
    let store = embedded::open_on(disk, Options::default()).unwrap();
    let value = store.get("a", Read::Local).await.unwrap().unwrap().value;
    assert!(value == "1" || value == "2", "acknowledged, or refused with the word that it may be there");
    store.put("a", "3").await.expect("a start makes it whole again");
}
