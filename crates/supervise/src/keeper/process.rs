//! One process of the keeper: started in its own group, read to the end, stopped with all it started.

use std::{
    collections::VecDeque,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Rlimit, Signal};

use super::{
    lines::Lines,
    protocol::{Care, Exit, Listed, OnLoss, Start, Stream, millis},
};
use crate::system;

/// How often a group that is ending is looked at: its members are not our children, so nobody tells us.
const LOOK: Duration = Duration::from_millis(20);

/// After KILL, how long members may stay visible before those that have ended (zombies of a careless parent) no longer
/// count.
const PATIENCE: Duration = Duration::from_secs(1);

/// After KILL, how long a process is waited for that does not die (the kernel holds it). Nobody can do more.
pub(super) const GIVE_UP: Duration = Duration::from_secs(5);

/// The lines a new Madang is shown, per process.
const TAIL_LINES: usize = 50;
const TAIL_BYTES: usize = 16 << 10;

pub(super) struct Process {
    pub(super) generation: u64,
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) pid: Pid,
    /// Readable when the process ends; without it (old kernel, no descriptor left) the keeper looks now and then.
    pub(super) exit_watch: Option<OwnedFd>,
    pub(super) pipes: Vec<Pipe>,
    pub(super) tail: Tail,
    pub(super) on_loss: Option<OnLoss>,
    pub(super) grace: Duration,
    port: u16,
    fingerprint: String,
    restarts: u32,
    started: Instant,
    leader: Leader,
    ending: Ending,
}

pub(super) struct Pipe {
    pub(super) stream: Stream,
    pub(super) fd: OwnedFd,
    pub(super) lines: Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    /// Not ended, or not waited for: its id is certainly ours.
    Ours,
    /// Ended; others of its group may remain.
    Ended,
    /// Ended, and its group is empty (or will not die): the id means nothing now. Only pipes may still be open, held by what left the group.
    Gone,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    No,
    Asked { kill_at: Instant },
    Killed { at: Instant },
}

impl Process {
    /// Starts what `start` asks for. `limit` is the descriptor limit it gets; the keeper's own may be higher.
    pub(super) fn spawn(start: &Start, limit: &Rlimit, now: Instant) -> io::Result<Self> {
        let Some((program, arguments)) = start.argv.split_first() else {
            return Err(io::Error::other("the command is empty"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&start.dir)
            .env_clear()
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        set_descriptor_limit(pid, limit);
        let pipes = [
            (Stream::Stdout, child.stdout.take().map(OwnedFd::from)),
            (Stream::Stderr, child.stderr.take().map(OwnedFd::from)),
        ]
        .into_iter()
        .filter_map(|(stream, fd)| {
            let fd = fd?;
            rustix::io::ioctl_fionbio(&fd, true).ok()?;
            Some(Pipe { stream, fd, lines: Lines::default() })
        })
        .collect();
        // `child` is dropped without being waited for: the keeper waits for all its children in one place.
        Ok(Self {
            generation: start.generation,
            service: start.service.clone(),
            instance: start.instance.clone(),
            pid,
            exit_watch: exit_watch(pid),
            pipes,
            tail: Tail::default(),
            on_loss: start.care.on_loss,
            grace: Duration::from_millis(start.care.grace_ms),
            port: start.port,
            fingerprint: start.fingerprint.clone(),
            restarts: start.restarts,
            started: now,
            leader: Leader::Ours,
            ending: Ending::No,
        })
    }

    /// As told to a Madang that connects; none when it has ended.
    pub(super) fn listed(&self, now: Instant) -> Option<Listed> {
        (self.leader == Leader::Ours).then(|| Listed {
            generation: self.generation,
            service: self.service.clone(),
            instance: self.instance.clone(),
            port: self.port,
            fingerprint: self.fingerprint.clone(),
            restarts: self.restarts,
            pid: self.pid.as_raw_pid().unsigned_abs(),
            age_ms: millis(now.duration_since(self.started)),
            stopping: !matches!(self.ending, Ending::No),
        })
    }

    /// Other answers to how it is to be treated.
    pub(super) fn set_care(&mut self, care: &Care) {
        self.on_loss = care.on_loss;
        self.grace = Duration::from_millis(care.grace_ms);
    }

    /// TERM to the group now, KILL after `grace`. Asked again, the earlier end counts.
    pub(super) fn stop(&mut self, now: Instant, grace: Duration) {
        let until = now + grace;
        match &mut self.ending {
            Ending::No => {
                self.signal_group(Signal::TERM);
                // A stopped process (Ctrl-Z, a debugger) cannot hear TERM.
                self.signal_group(Signal::CONT);
                self.ending = Ending::Asked { kill_at: until };
            }
            Ending::Asked { kill_at } => *kill_at = until.min(*kill_at),
            Ending::Killed { .. } => {}
        }
    }

    /// KILL to the group now.
    pub(super) fn kill(&mut self, now: Instant) {
        if !matches!(self.ending, Ending::Killed { .. }) {
            self.signal_group(Signal::KILL);
            self.ending = Ending::Killed { at: now };
        }
    }

    /// One signal, to the process or to its group; nothing when it has ended.
    pub(super) fn signal(&self, signal: Signal, group: bool) {
        if group {
            self.signal_group(signal);
        } else if self.leader == Leader::Ours {
            system::signal_process(self.pid, signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        if self.leader != Leader::Gone {
            system::signal_group(self.pid, signal);
        }
    }

    /// The process was waited for. What it left behind gets TERM and the grace too.
    pub(super) fn leader_ended(&mut self, now: Instant) {
        self.leader = Leader::Ended;
        self.exit_watch = None;
        if system::group_exists(self.pid) && matches!(self.ending, Ending::No) {
            self.stop(now, self.grace);
        }
    }

    /// Moves on; true once, when nothing is left of the group.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        if let Ending::Asked { kill_at } = self.ending
            && now >= kill_at
        {
            self.kill(now);
        }
        let killed = match self.ending {
            Ending::Killed { at } => Some(now.duration_since(at)),
            Ending::No | Ending::Asked { .. } => None,
        };
        let gone = match self.leader {
            Leader::Gone => return false,
            _ if killed.is_some_and(|since| since >= GIVE_UP) => true,
            Leader::Ours => false,
            Leader::Ended if killed.is_some_and(|since| since >= PATIENCE) => !system::group_runs(self.pid),
            Leader::Ended => !system::group_exists(self.pid),
        };
        if gone {
            self.leader = Leader::Gone;
            self.exit_watch = None;
        }
        gone
    }

    /// When [`Self::settle`] wants to be called next.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match (self.leader, self.ending) {
            (Leader::Gone, _) | (Leader::Ours, Ending::No) => None,
            (Leader::Ours, Ending::Asked { kill_at }) => Some(kill_at),
            (Leader::Ended, _) | (Leader::Ours, Ending::Killed { .. }) => Some(now + LOOK),
        }
    }

    /// Whether its id is still ours.
    pub(super) fn leads(&self, pid: Pid) -> bool {
        self.leader == Leader::Ours && self.pid == pid
    }

    /// Whether nothing of its group is left.
    pub(super) fn is_gone(&self) -> bool {
        self.leader == Leader::Gone
    }
}

#[cfg(target_os = "linux")]
fn exit_watch(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn exit_watch(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(target_os = "linux")]
fn set_descriptor_limit(pid: Pid, limit: &Rlimit) {
    // Programs that still use `select` break when the soft limit is above 1024, so they get the one Madang had.
    let _ = rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, *limit);
}

#[cfg(not(target_os = "linux"))]
fn set_descriptor_limit(_: Pid, _: &Rlimit) {}

/// How a process ended, in the protocol's words.
pub(super) fn exit(status: rustix::process::WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Only when asked for stopped and continued children, which we do not.
        (None, None) => Exit::Code(-1),
    }
}

/// The last lines of a process, for a Madang that was not there when they came.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<(Stream, u64, String)>,
    bytes: usize,
}

impl Tail {
    pub(super) fn push(&mut self, stream: Stream, time_ms: u64, line: &str) {
        self.bytes += line.len();
        self.lines.push_back((stream, time_ms, line.to_owned()));
        while self.lines.len() > TAIL_LINES || (self.bytes > TAIL_BYTES && self.lines.len() > 1) {
            let Some((_, _, oldest)) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Stream, u64, String)> {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_lines_within_both_limits() {
        let mut tail = Tail::default();
        for number in 0..200 {
            tail.push(Stream::Stdout, number, &number.to_string());
        }
        assert_eq!(tail.iter().map(|(_, time, _)| *time).collect::<Vec<_>>(), (150..200).collect::<Vec<_>>());
        tail.push(Stream::Stdout, 200, &"x".repeat(TAIL_BYTES * 2));
        assert_eq!(tail.iter().count(), 1, "a huge line stays alone");
    }
}
