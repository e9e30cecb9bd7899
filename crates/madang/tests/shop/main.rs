//! The product's face, from the outside: the real program runs `examples/shop`, and real requests go through it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod api;
mod breaker;
mod crash;
mod eureka;
mod events;
mod explain;
mod reload;
mod scale;
mod stop;
mod two;
mod up;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use madang_testkit::{Child, Process, Response, Signal, eventually, get, processes_under, processes_with_variable};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes that works, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings and services in a folder of their own, and port numbers nobody else has.
struct Folder {
    dir: TempDir,
    offset: u16,
}

/// A Madang that runs on a folder. Dropping it ends it and everything it started.
struct Running<'a> {
    folder: &'a Folder,
    child: Child,
}

impl Folder {
    /// A copy of `examples/shop`.
    fn shop() -> Self {
        let folder = Self::new();
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
        copy(&shop, folder.path());
        folder
    }

    /// A folder with these settings and nothing else.
    fn with(settings: &str) -> Self {
        let folder = Self::new();
        folder.write("madang.toml", settings);
        folder
    }

    fn new() -> Self {
        Self { dir: madang_testkit::temp_dir(), offset: free_offset() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    /// Replaces text in `madang.toml`, as an editor saves it: whole and by renaming.
    fn edit(&self, from: &str, to: &str) {
        let file = self.path().join("madang.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in\n{text}");
        fs::write(file.with_extension("new"), text.replace(from, to)).unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    }

    fn gateway(&self) -> SocketAddr {
        ([127, 0, 0, 1], 8080 + self.offset).into()
    }

    fn eureka(&self) -> SocketAddr {
        ([127, 0, 0, 1], 8761 + self.offset).into()
    }

    fn admin(&self) -> SocketAddr {
        ([127, 0, 0, 1], 7070 + self.offset).into()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MADANG_")) {
            command.env_remove(name);
        }
        command.args(words).arg("--port-offset").arg(self.offset.to_string()).current_dir(self.path());
        command
    }

    /// Starts `madang up` or `serve` and returns at once.
    fn start(&self, words: &[&str]) -> Running<'_> {
        Running { folder: self, child: Child::spawn(&mut self.command(words)) }
    }

    /// Starts `madang up` and waits for its screen.
    fn up(&self) -> Running<'_> {
        let running = self.start(&["up"]);
        running.child.line_with("Ctrl-C stops everything in order", PATIENCE);
        running
    }

    /// Starts `madang serve` and waits until it answers.
    fn serve(&self) -> Running<'_> {
        let running = self.start(&["serve"]);
        eventually("serve answers", PATIENCE, || get(self.admin(), "/health/live").ok());
        running
    }

    /// Everything that was started from this folder and lives.
    fn processes(&self) -> Vec<Process> {
        let data = self.path().canonicalize().unwrap().join(".madang");
        let mut all = processes_under(self.path());
        all.extend(processes_with_variable("MADANG_KEEPER", &data.to_string_lossy()));
        all.retain(|process| process.pid != std::process::id());
        all
    }

    /// Waits until nothing that was started here lives.
    fn is_empty_within(&self, limit: Duration) {
        eventually("no process is left", limit, || self.processes().is_empty().then_some(()));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failed test leaves no services behind; the keeper first, so that it starts nothing again.
        let mut left = self.processes();
        left.sort_by_key(|process| !process.command.contains("keeper"));
        for process in left {
            Signal::Kill.send(process.pid);
        }
    }
}

impl Running<'_> {
    /// Runs another `madang` command against this one.
    fn ask(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.folder.command(words).output().unwrap();
        let err = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "madang {words:?} ended with {status}: {err}\n{}", self.child.output());
        String::from_utf8(stdout).unwrap()
    }

    /// `madang ps --json`.
    fn instances(&self) -> Vec<Value> {
        serde_json::from_str(&self.ask(&["ps", "--json"])).unwrap()
    }

    /// The process of each healthy instance of `service`.
    fn healthy(&self, service: &str) -> Vec<u32> {
        let all = self.instances();
        let healthy = all.iter().filter(|view| view["service"] == service && view["state"] == "healthy");
        healthy.filter_map(|view| u32::try_from(view["pid"].as_u64()?).ok()).collect()
    }

    /// Waits until `count` instances of `service` are healthy.
    fn has_healthy(&self, service: &str, count: usize) -> Vec<u32> {
        eventually(&format!("{count} instances of {service} are healthy"), PATIENCE, || {
            Some(self.healthy(service)).filter(|pids| pids.len() == count)
        })
    }

    fn get(&self, path: &str) -> Response {
        get(self.folder.gateway(), path).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.child.output()))
    }
}

/// An offset at which all listeners find their ports free. Tests of one run get different ones.
fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let step = NEXT.fetch_add(10, Ordering::Relaxed);
        // Ports of instances are 20000 to 29999, ephemeral ones 32768 and up: what lies between is quiet.
        let offset = 2_000 + (start + step) % 10_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if [8080, 7070, 7071, 8761].into_iter().all(free) {
            return offset;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_name() == ".madang" || entry.file_name() == "__pycache__" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
