//! The keeper alone, with the test in Madang's place: what must hold whatever Madang does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Command, Stdio},
};

use common::{LIMIT, STAND_IN, is_gone, wait_gone};
use madang_supervise::{
    OnLoss,
    keeper::protocol::{self, Care, Exit, PROTOCOL, Report, Start},
};
use madang_testkit::{Signal, eventually, temp_dir};

/// A keeper this test started, and the connection it was born with.
struct Keeper {
    process: std::process::Child,
    madang: Madang,
}

/// The test in Madang's place.
struct Madang {
    stream: UnixStream,
    reports: std::io::Lines<BufReader<UnixStream>>,
}

impl Madang {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let reports = BufReader::new(stream.try_clone().unwrap()).lines();
        Self { stream, reports }
    }

    /// The next Madang of a keeper that runs.
    fn connect(folder: &Path) -> Self {
        let socket = folder.join("keeper.sock");
        Self::new(eventually("the keeper is found", LIMIT, || UnixStream::connect(&socket).ok()))
    }

    fn greet(&mut self, keeper: u32) {
        self.send(&protocol::Command::Hello { protocol: PROTOCOL, pid: 1 });
        assert_eq!(self.next(), Report::Hello { protocol: PROTOCOL, pid: keeper });
    }

    fn send(&mut self, command: &protocol::Command) {
        self.stream.write_all(&protocol::encode(command)).unwrap();
    }

    fn next(&mut self) -> Report {
        serde_json::from_str(&self.reports.next().expect("the keeper lives").unwrap()).unwrap()
    }

    fn leave(&self) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

impl Keeper {
    fn start(dir: &Path, on_loss: &str) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let process = Command::new(STAND_IN)
            .args(["keeper", "--on-loss", on_loss, "--connected", "--dir"])
            .arg(dir)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut madang = Madang::new(ours);
        madang.greet(process.id());
        Self { process, madang }
    }

    fn send(&mut self, command: &protocol::Command) {
        self.madang.send(command);
    }

    fn next(&mut self) -> Report {
        self.madang.next()
    }

    /// Runs `words` of the stand-in's service as generation 1; its pid.
    fn run(&mut self, words: &[&str], care: Care) -> u32 {
        let argv = [STAND_IN, "service"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        let start = Start {
            generation: 1,
            service: "a".to_owned(),
            instance: "a-1".to_owned(),
            argv,
            dir: "/".to_owned(),
            env: Vec::new(),
            port: 0,
            fingerprint: String::new(),
            restarts: 0,
            care,
        };
        self.send(&protocol::Command::Start(Box::new(start)));
        match self.next() {
            Report::Started { generation: 1, pid } => pid,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn care() -> Care {
    Care { grace_ms: 10_000, on_loss: None, log_max_size: 1 << 30, log_keep: 1 }
}

#[test]
fn a_madang_that_reads_nothing_holds_up_neither_the_service_nor_the_keeper() {
    let folder = temp_dir();
    let done = folder.path().join("done");
    let mut keeper = Keeper::start(folder.path(), "stop");
    let count = 100_000;
    let pid = keeper.run(&["--lines", &count.to_string(), done.to_str().unwrap(), "--exit", "7"], care());
    eventually("the service wrote all its lines though nobody reads", LIMIT, || done.exists().then_some(()));
    let log = folder.path().join("logs/a-1.log");
    eventually("the file has them all", LIMIT, || {
        (std::fs::read_to_string(&log).unwrap_or_default().lines().count() == count).then_some(())
    });
    eventually("the keeper sees its end", LIMIT, || is_gone(pid).then_some(()));
    // Now Madang reads: every line arrives or is counted, and the news of the end was not dropped.
    let (mut lines, mut left_out, mut exit) = (0, 0, None);
    while exit.is_none() || lines + left_out < count as u64 {
        match keeper.next() {
            Report::Log { .. } => lines += 1,
            Report::Dropped { lines, .. } => left_out += lines,
            Report::Exited { generation: 1, exit: how } => exit = Some(how),
            Report::Gone { generation: 1 } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((lines + left_out, exit), (count as u64, Some(Exit::Code(7))));
    assert!(left_out > 0, "the outbox was full");
}

#[test]
fn a_service_may_decide_for_itself_and_change_its_mind() {
    for (at_start, later, survives) in
        [(None, None, true), (Some(OnLoss::Stop), None, false), (None, Some(OnLoss::Stop), false)]
    {
        let folder = temp_dir();
        let mut keeper = Keeper::start(folder.path(), "keep");
        let pid = keeper.run(&["--silent"], Care { on_loss: at_start, ..care() });
        if later.is_some() {
            keeper.send(&protocol::Command::Update { generation: 1, care: Care { on_loss: later, ..care() } });
        }
        keeper.madang.leave();
        if survives {
            let mut next = Madang::connect(folder.path());
            next.greet(keeper.process.id());
            next.send(&protocol::Command::List);
            match next.next() {
                Report::Listed { processes } => {
                    assert_eq!(processes.iter().map(|one| one.pid).collect::<Vec<_>>(), [pid]);
                }
                other => panic!("{other:?}"),
            }
            next.send(&protocol::Command::Kill);
        }
        wait_gone("the service is gone in the end", &[pid]);
        eventually("the keeper ends when nothing is left to keep", LIMIT, || keeper.process.try_wait().unwrap());
    }
}

#[test]
fn news_waits_for_the_greeting() {
    let folder = temp_dir();
    let mut keeper = Keeper::start(folder.path(), "keep");
    let pid = keeper.run(&["--silent"], care());
    keeper.madang.leave();
    let mut next = Madang::connect(folder.path());
    // The process ends after the keeper took the connection and before the greeting: nobody is told.
    assert!(Signal::Kill.send(pid));
    let proc = Path::new("/proc").join(pid.to_string());
    eventually("the keeper has waited for it", LIMIT, || (!proc.exists()).then_some(()));
    next.greet(keeper.process.id());
    next.send(&protocol::Command::List);
    assert_eq!(next.next(), Report::Listed { processes: Vec::new() });
}

#[test]
fn signals_arrive_and_a_stop_of_what_is_gone_is_answered() {
    let folder = temp_dir();
    let mut keeper = Keeper::start(folder.path(), "stop");
    let pid = keeper.run(&["--silent"], care());
    keeper.send(&protocol::Command::Signal { generation: 1, signal: protocol::Signal::User1, group: false });
    assert_eq!(keeper.next(), Report::Exited { generation: 1, exit: Exit::Signal(10) }, "signals arrive");
    assert_eq!(keeper.next(), Report::Gone { generation: 1 });
    assert!(is_gone(pid));
    keeper.send(&protocol::Command::Stop { generation: 1, grace_ms: 0 });
    assert_eq!(keeper.next(), Report::Gone { generation: 1 }, "who waits for what is gone is told");
}

#[test]
fn what_the_keeper_does_not_understand_ends_the_connection_like_any_loss() {
    let folder = temp_dir();
    let mut keeper = Keeper::start(folder.path(), "stop");
    let pid = keeper.run(&["--silent"], care());
    keeper.madang.stream.write_all(b"{\"type\":\"dance\"}\n").unwrap();
    wait_gone("the service is stopped", &[pid]);
    eventually("the keeper ends", LIMIT, || keeper.process.try_wait().unwrap());
}

#[test]
fn a_keeper_of_a_folder_that_is_not_there_says_so() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut process = Command::new(STAND_IN)
        .args(["keeper", "--connected", "--dir", "/nonexistent"])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    ours.set_read_timeout(Some(LIMIT)).unwrap();
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line).unwrap();
    assert!(line.contains("No such file"), "{line}");
    assert!(!process.wait().unwrap().success());
}

#[test]
fn a_suspended_process_hears_term_all_the_same() {
    let folder = temp_dir();
    let mut keeper = Keeper::start(folder.path(), "stop");
    let pid = keeper.run(&["--silent"], care());
    assert!(Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap().success());
    keeper.send(&protocol::Command::Stop { generation: 1, grace_ms: 3_600_000 });
    assert_eq!(keeper.next(), Report::Exited { generation: 1, exit: Exit::Signal(15) }, "TERM, not KILL");
    assert!(!Signal::Terminate.send(pid), "nothing is left");
}
