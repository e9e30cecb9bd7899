//! What these tests share: a supervisor in a folder of its own, services in a line, and waiting for what they say.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_base::Name;
use madang_runtime::Scope;
use madang_settings::Origin;
use madang_supervise::{Handle, InstanceView, OnLoss, Options, Probe, Service, State, Supervisor};
use madang_testkit::{eventually, processes_with_variable, temp_dir};
use tempfile::TempDir;

/// The program that is keeper, Madang and service.
pub const STAND_IN: &str = env!("CARGO_BIN_EXE_madang-stand-in");

/// Far more than anything here takes; a limit, not a wait.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A supervisor with a folder of its own. Whatever the test does, nothing stays behind.
pub struct House {
    pub folder: TempDir,
    pub scope: Scope,
}

impl House {
    pub fn new() -> Self {
        Self { folder: temp_dir(), scope: Scope::new("test") }
    }

    pub fn dir(&self) -> std::path::PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn options(&self, on_loss: OnLoss) -> Options {
        let mut options = Options::new(self.dir(), on_loss);
        options.keeper_command = vec![STAND_IN.into(), "keeper".into()];
        // Tests run at the same time in one process; with one seed they would reach for the same ports.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        options.seed ^= NEXT.fetch_add(1, Ordering::Relaxed) << 48;
        options
    }

    pub async fn start(&self, services: Vec<Service>) -> Handle {
        Supervisor::start(self.options(OnLoss::Stop), services, &self.scope).await.unwrap()
    }

    /// Process ids of everything the folder's keeper started, and what that started.
    pub fn processes(&self) -> Vec<u32> {
        processes_of(&self.dir())
    }

    pub fn keeper_pid(&self) -> u32 {
        std::fs::read_to_string(self.dir().join("keeper.lock")).unwrap().trim().parse().unwrap()
    }

    pub fn log(&self, instance: &str) -> String {
        std::fs::read_to_string(self.dir().join("logs").join(format!("{instance}.log"))).unwrap_or_default()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for pid in self.processes() {
            madang_testkit::Signal::Kill.send(pid);
        }
    }
}

pub fn processes_of(dir: &Path) -> Vec<u32> {
    let mark = dir.canonicalize().unwrap();
    processes_with_variable("MADANG_KEEPER", mark.to_str().unwrap()).into_iter().map(|process| process.pid).collect()
}

/// No process with this id runs.
pub fn is_gone(pid: u32) -> bool {
    // A zombie runs nothing; who waits for it is not the question here.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

pub fn wait_gone(what: &str, pids: &[u32]) {
    eventually(what, LIMIT, || pids.iter().all(|pid| is_gone(*pid)).then_some(()));
}

/// A service `name` whose command is the stand-in with these words after `service`.
pub fn service(name: &str, words: &[&str]) -> Service {
    let mut command = vec![STAND_IN.to_owned(), "service".to_owned()];
    command.extend(words.iter().map(|word| (*word).to_owned()));
    command_service(name, command)
}

/// A service `name` that is this shell script, in which `$0` is the stand-in.
pub fn script(name: &str, text: &str) -> Service {
    command_service(name, ["sh", "-c", text, STAND_IN].map(str::to_owned).to_vec())
}

fn command_service(name: &str, command: Vec<String>) -> Service {
    let mut service =
        Service::new(Name::parse(name).unwrap(), command, std::env::temp_dir(), Origin::Flag("test".to_owned()));
    service.health.probe = Probe::Http("/health".to_owned());
    service.health.interval = Duration::from_millis(200);
    service
}

pub fn with_instances(mut service: Service, count: u32) -> Service {
    service.instances.min = count;
    service
}

/// Waits until the instances are as `wanted` says, and returns them.
pub async fn wait_for(handle: &Handle, what: &str, wanted: impl Fn(&[InstanceView]) -> bool) -> Arc<Vec<InstanceView>> {
    let mut watch = handle.watch();
    let found = tokio::time::timeout(LIMIT, watch.wait_for(|views| wanted(views))).await;
    match found {
        Ok(views) => Arc::clone(&views.expect("the supervisor lives")),
        Err(_) => panic!("not within {LIMIT:?}: {what}; instances are {:#?}", handle.snapshot()),
    }
}

/// Waits until exactly `count` instances are there and all are healthy.
pub async fn wait_healthy(handle: &Handle, count: usize) -> Arc<Vec<InstanceView>> {
    wait_for(handle, &format!("{count} instances are healthy"), |views| {
        views.len() == count && views.iter().all(|view| view.state == State::Healthy)
    })
    .await
}

pub fn pids(views: &[InstanceView]) -> Vec<u32> {
    views.iter().filter_map(|view| view.pid).collect()
}

/// Stops everything; a test that hangs says nothing.
pub async fn stop(handle: &Handle) {
    let stopped = tokio::time::timeout(LIMIT, handle.stop_all()).await;
    assert!(stopped.is_ok(), "not stopped within {LIMIT:?}; instances are {:#?}", handle.snapshot());
}
