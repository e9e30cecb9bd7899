//! A process with eight writers is killed, a hundred times, on one file: nothing it acknowledged is lost.
//!
//! This proves the order of answers and writes, and that a file opens after a kill. It proves nothing about fsync: what
//! a killed process wrote is in the system's memory and stays there. `power.rs` is about that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use madang_base::Random;
use madang_store::{KeyRange, Options, Read, embedded};

const KILLS: u32 = 100;
const WRITERS: u32 = 8;
/// The most answers the process gives before it is killed.
const MOST_ANSWERS: u32 = 400;

/// Tells this program, started again, that it is the one to be killed: the file, and the round.
const FILE: &str = "MADANG_STORE_KILL_FILE";
const ROUND: &str = "MADANG_STORE_KILL_ROUND";

#[test]
fn a_hundred_kills_under_concurrent_writers_lose_nothing_acknowledged() {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("MADANG_SEED={seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    let mut answers = 0;
    for round in 0..KILLS {
        let lines = killed_after(random.below(MOST_ANSWERS), &file, round);
        answers += lines.len();
        for line in lines {
            let (writer, number) = line.split_once(' ').unwrap();
            acknowledged.insert(format!("{round:03}/{writer}"), number.parse().unwrap());
        }
        check(&file, &acknowledged, round);
    }
    assert!(answers > KILLS as usize * 50, "only {answers} answers in {KILLS} rounds: too few to show anything");
}

/// What the process acknowledged, `writer number` a line, until it was killed.
fn killed_after(answers: u32, file: &Path, round: u32) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(FILE, file)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The harness says something too.
    let mut lines = lines.filter_map(|line| line.strip_prefix("ack ").map(str::to_owned));
    let mut seen: Vec<String> = lines.by_ref().take(answers as usize).collect();
    child.kill().unwrap();
    // What was said before the kill and is still in the pipe was said.
    seen.extend(lines);
    assert!(!child.wait().unwrap().success());
    seen
}

#[tokio::main(flavor = "current_thread")]
async fn check(file: &Path, acknowledged: &BTreeMap<String, u64>, round: u32) {
    let store = embedded::open(file, Options::default()).unwrap_or_else(|error| panic!("round {round}: {error}"));
    let all = store.range(KeyRange::all(), Read::Local).await.unwrap();
    assert_eq!(all.revision.0, all.count as u64, "round {round}: one revision for each key ever put");
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for item in &all.items {
        let key = String::from_utf8(item.key.to_vec()).unwrap();
        assert_eq!(item.value, key, "round {round}: a value is whole");
        let (writer, number) = key.rsplit_once('/').unwrap();
        let next = found.entry(writer.to_owned()).or_default();
        // Each writer waits for its answer: what it put has no gaps.
        *next += 1;
        assert_eq!(number.parse(), Ok(*next), "round {round}: a write of {writer} is missing");
    }
    for (writer, last) in acknowledged {
        let kept = found.get(writer).copied().unwrap_or(0);
        assert!(kept >= *last, "round {round}: {writer} was told {last} writes are safe, {kept} are there");
    }
    store.close().await;
}

/// Does nothing unless the test above starts it.
#[test]
fn the_process_that_is_killed() {
    if let (Ok(file), Ok(round)) = (std::env::var(FILE), std::env::var(ROUND)) {
        write_until_killed(Path::new(&file), round.parse().unwrap());
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn write_until_killed(file: &Path, round: u32) {
    let store = embedded::open(file, Options::default()).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        #[allow(clippy::disallowed_methods, reason = "ends with the process")]
        tokio::spawn(async move {
            for number in 1_u64.. {
                let key = format!("{round:03}/{writer}/{number:06}");
                store.put(key.clone(), key).await.unwrap();
                println!("ack {writer} {number}");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}
