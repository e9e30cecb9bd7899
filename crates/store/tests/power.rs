//! The power fails: at every step of a recorded run, with what was not synced dropped, kept in part, out of order, torn.
//!
//! A backend records what redb writes and when it syncs. A crash is the disk as of the last sync, and for each sector
//! written since any of the versions it had. What was acknowledged must be there after every crash, and what is there
//! must be the store as it was after some write. That the checker can see a loss is shown by the same run with its syncs
//! taken out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use madang_base::Random;
use madang_store::{Event, KeyRange, Op, Options, Read, Revision, Store, Txn, embedded};
use redb::StorageBackend;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Step {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    SetLen(usize),
    Sync,
    /// Somebody was told that this write is safe.
    Acknowledged(Revision),
}

#[derive(Debug, Default)]
struct Disk {
    now: Vec<u8>,
    steps: Vec<Step>,
}

/// Memory that remembers how it came to be what it is.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Disk>>);

impl Recorder {
    fn of(now: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Disk { now, steps: Vec::new() })))
    }

    fn note(&self, step: Step) {
        let mut disk = self.0.lock().unwrap();
        match &step {
            Step::Write { offset, data } => disk.now[*offset..offset + data.len()].copy_from_slice(data),
            Step::SetLen(len) => disk.now.resize(*len, 0),
            Step::Sync | Step::Acknowledged(_) => {}
        }
        disk.steps.push(step);
    }
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let bytes = disk.now.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(Step::SetLen(usize::try_from(len).unwrap()));
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.note(Step::Sync);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(Step::Write { offset: usize::try_from(offset).unwrap(), data: data.to_vec() });
        Ok(())
    }
}

type Keys = BTreeMap<Bytes, Bytes>;

/// A run: the disk it began with, what was done to it, and what the store was after each write.
struct Run {
    start: Vec<u8>,
    steps: Vec<Step>,
    after: Vec<Keys>,
}

#[derive(Clone, Copy)]
enum Syncs {
    Kept,
    /// As if nobody had called fsync.
    TakenOut,
}

/// How much of what was not synced is there after a crash.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Dropped,
    Kept,
    /// Whole writes, some of them.
    Some,
    /// Each sector as it was at some moment.
    Sectors,
    /// All up to one write, which is cut at any byte.
    Torn,
}

const FATES: [Fate; 5] = [Fate::Dropped, Fate::Kept, Fate::Some, Fate::Sectors, Fate::Torn];

#[test]
fn whatever_a_power_cut_leaves_of_unsynced_writes_nothing_acknowledged_is_lost() {
    let mut random = Random::new(seed());
    let run = record(&mut random);
    let (crashes, failures) = crash_everywhere(&run, Syncs::Kept, 3, &mut random);
    assert_eq!(failures, Vec::<String>::new(), "of {crashes} crashes");
    assert!(crashes > 2_000, "only {crashes} crashes");
    println!("{crashes} crashes");
}

#[test]
fn without_its_syncs_the_same_run_loses_what_was_acknowledged() {
    let mut random = Random::new(seed());
    let run = record(&mut random);
    let (crashes, failures) = crash_everywhere(&run, Syncs::TakenOut, 1, &mut random);
    assert!(failures.len() > crashes / 4, "only {} of {crashes} crashes were noticed", failures.len());
    let lost = failures.iter().filter(|failure| failure.contains("was acknowledged")).count();
    assert!(lost > 0, "some of it must be silent loss, not only a file that does not open: {}", failures[0]);
}

fn seed() -> u64 {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    println!("MADANG_SEED={seed}");
    seed
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn record(random: &mut Random) -> Run {
    let disk = Recorder::default();
    let store = embedded::open_on(disk.clone(), Options::default()).unwrap();
    // A new file is made under another name and renamed (`embedded/file.rs`): a crash before that leaves none.
    let start = disk.0.lock().unwrap().now.clone();
    disk.0.lock().unwrap().steps.clear();
    for number in 0..60 {
        write(&store, &disk, number, random.below(2_000)).await;
    }
    let tasks = (0..4).map(|writer| {
        let (store, disk, mut random) = (store.clone(), disk.clone(), Random::new(random.next()));
        #[allow(clippy::disallowed_methods, reason = "joined right below")]
        tokio::spawn(async move {
            for number in 0..30 {
                write(&store, &disk, 1_000 * (writer + 1) + number, random.below(500)).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let after = states(&store).await;
    store.close().await;
    let steps = disk.0.lock().unwrap().steps.clone();
    Run { start, steps, after }
}

async fn write(store: &Store, disk: &Recorder, number: u32, size: u32) {
    let value = vec![b'0' + u8::try_from(number % 10).unwrap(); size as usize];
    let mut txn =
        Txn::new().then(Op::put(format!("k/{}", number % 37), value)).then(Op::put("last", number.to_string()));
    if number.is_multiple_of(5) {
        txn = txn.then(Op::delete(format!("k/{}", (number + 11) % 37)));
    }
    let answer = store.txn(txn).await.unwrap();
    disk.note(Step::Acknowledged(answer.revision));
}

/// What the store was after each write, told by a watch from the beginning.
async fn states(store: &Store) -> Vec<Keys> {
    let mut watch = store.watch("", Revision(1)).unwrap();
    let mut after = vec![Keys::new()];
    while after.len() as u64 <= store.revision().0 {
        let mut keys = after.last().unwrap().clone();
        for event in watch.next().await.unwrap().events {
            match event {
                Event::Put(item) => keys.insert(item.key, item.value),
                Event::Delete { key } => keys.remove(&key),
            };
        }
        after.push(keys);
    }
    after
}

/// Crashes after every step, `times` each; how many crashes, and what went wrong.
fn crash_everywhere(run: &Run, syncs: Syncs, times: u32, random: &mut Random) -> (usize, Vec<String>) {
    let mut durable = run.start.clone();
    let mut pending: Vec<&Step> = Vec::new();
    let mut acknowledged = Revision(0);
    let (mut crashes, mut failures) = (0, Vec::new());
    for (at, step) in run.steps.iter().enumerate() {
        match (step, syncs) {
            (Step::Sync, Syncs::Kept) => {
                apply_all(&mut durable, &pending);
                pending.clear();
            }
            (Step::Sync, Syncs::TakenOut) => {}
            (Step::Acknowledged(revision), _) => acknowledged = acknowledged.max(*revision),
            (Step::Write { .. } | Step::SetLen(_), _) => pending.push(step),
        }
        for _ in 0..times {
            let fate = FATES[random.below(5) as usize];
            let left = crash(&durable, &pending, fate, random);
            crashes += 1;
            if let Err(failure) = check(left, run, acknowledged) {
                failures.push(format!("{fate:?} after step {at}: {failure}"));
            }
        }
    }
    (crashes, failures)
}

fn apply_all(disk: &mut Vec<u8>, steps: &[&Step]) {
    for step in steps {
        match step {
            Step::Write { offset, data } => disk[*offset..offset + data.len()].copy_from_slice(data),
            Step::SetLen(len) => disk.resize(*len, 0),
            Step::Sync | Step::Acknowledged(_) => {}
        }
    }
}

/// What is on the disk when it comes back.
fn crash(durable: &[u8], pending: &[&Step], fate: Fate, random: &mut Random) -> Vec<u8> {
    let mut disk = durable.to_vec();
    match fate {
        Fate::Dropped => {}
        Fate::Kept => apply_all(&mut disk, pending),
        Fate::Some => {
            let kept: Vec<&Step> = pending.iter().copied().filter(|_| random.below(2) == 0).collect();
            apply_what_fits(&mut disk, &kept);
        }
        Fate::Sectors => {
            let mut versions = vec![disk.clone()];
            for step in pending {
                let mut next = versions.last().unwrap().clone();
                apply_what_fits(&mut next, &[step]);
                versions.push(next);
            }
            // Versions are many when syncs are taken out; the last ones differ most from what is durable.
            let length = versions[random.below(u32::try_from(versions.len()).unwrap()) as usize].len();
            disk = vec![0; length];
            for start in (0..length).step_by(SECTOR) {
                let version = &versions[random.below(u32::try_from(versions.len()).unwrap()) as usize];
                let end = (start + SECTOR).min(length).min(version.len());
                if start < end {
                    disk[start..end].copy_from_slice(&version[start..end]);
                }
            }
        }
        Fate::Torn => {
            if !pending.is_empty() {
                let torn = random.below(u32::try_from(pending.len()).unwrap()) as usize;
                apply_all(&mut disk, &pending[..torn]);
                if let Step::Write { offset, data } = pending[torn] {
                    let cut = random.below(u32::try_from(data.len()).unwrap() + 1) as usize;
                    disk[*offset..offset + cut].copy_from_slice(&data[..cut]);
                }
            }
        }
    }
    disk
}

/// As `apply_all`; bytes behind the end, whose new length did not make it, are lost.
fn apply_what_fits(disk: &mut Vec<u8>, steps: &[&Step]) {
    for step in steps {
        match step {
            Step::Write { offset, data } => {
                let end = (offset + data.len()).min(disk.len());
                if *offset < end {
                    disk[*offset..end].copy_from_slice(&data[..end - offset]);
                }
            }
            _ => apply_all(disk, &[step]),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(disk: Vec<u8>, run: &Run, acknowledged: Revision) -> Result<(), String> {
    let store = embedded::open_on(Recorder::of(disk), Options::default()).map_err(|error| error.to_string())?;
    let all = store.range(KeyRange::all(), Read::Local).await.map_err(|error| error.to_string())?;
    if all.revision < acknowledged {
        return Err(format!("revision {acknowledged} was acknowledged, {} is there", all.revision));
    }
    let found: Keys = all.items.into_iter().map(|item| (item.key, item.value)).collect();
    let expected = run.after.get(usize::try_from(all.revision.0).unwrap()).ok_or("a revision that never was")?;
    if found != *expected {
        return Err(format!("the store is not what it was at revision {}", all.revision));
    }
    store.put("alive", "1").await.map_err(|error| format!("it takes no writes: {error}"))?;
    Ok(())
}
