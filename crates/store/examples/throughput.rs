//! What a store does in a second: one writer, many writers, and a start.
//!
//! `cargo run --release -p madang-store --example throughput [FOLDER]`; the folder's disk is what is measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use madang_runtime::Scope;
use madang_store::{KeyRange, Options, Read, Store, StoreError, embedded};

const WRITERS: [u64; 4] = [1, 8, 64, 512];
const SPAN: Duration = Duration::from_secs(3);
const KEYS: u64 = 10_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let path = folder.path().join("store.redb");
    let store = embedded::open(&path, Options::default())?;
    for writers in WRITERS {
        let begun = Instant::now();
        let writes = write(&store, writers, begun + SPAN).await?;
        println!("{writers:>4} writers: {:>7.0} writes/s of 100 bytes", writes as f64 / begun.elapsed().as_secs_f64());
    }
    let begun = Instant::now();
    let mut found = 0;
    for _ in 0..100_000 {
        found += store.get("key/5000", Read::Local).await?.map_or(0, |item| item.value.len());
    }
    println!("one key read: {} ns ({found} bytes in all)", begun.elapsed().as_nanos() / 100_000);
    let large = (0..600).map(|number| (format!("large/{number}"), vec![7_u8; 100_000]));
    for (key, value) in large {
        store.put(key, value).await?;
    }
    store.close().await;
    let size = std::fs::metadata(&path)?.len();
    let begun = Instant::now();
    let store = embedded::open(&path, Options::default())?;
    let keys = store.range(KeyRange::all(), Read::Local).await?.count;
    println!("a file of {} MiB with {keys} keys opens in {:?}", size >> 20, begun.elapsed());
    Ok(())
}

/// Writes until `end`; how many were acknowledged.
async fn write(store: &Store, writers: u64, end: Instant) -> Result<u64, StoreError> {
    let (scope, count) = (Scope::new("writers"), Arc::new(AtomicU64::new(0)));
    let tasks = (0..writers).map(|writer| {
        let (store, count) = (store.clone(), Arc::clone(&count));
        scope.spawn("writer", async move {
            let mut number = writer;
            while Instant::now() < end {
                store.put(format!("key/{}", number % KEYS), vec![b'v'; 100]).await?;
                count.fetch_add(1, Ordering::Relaxed);
                number += writers;
            }
            Ok::<(), StoreError>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.join().await.unwrap_or(Err(StoreError::Ended))?;
    }
    Ok(count.load(Ordering::Relaxed))
}
