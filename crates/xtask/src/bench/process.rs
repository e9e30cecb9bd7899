//! A program that is measured: started on one core, its processor time read from `/proc`, stopped at the end.

use std::{
    collections::HashMap,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// How long a program may take until it listens, and until it has stopped. Under callgrind on a busy machine that is
/// seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program and its children. Stopped when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command` and waits until somebody listens at `address`.
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let name = workspace::shown(&command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut process = Self { child, name };
        let started = Instant::now();
        while TcpStream::connect_timeout(&address, LIMIT).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{} ended with {status} before it listened on {address}", process.name);
            }
            if started.elapsed() > LIMIT {
                bail!("{} does not listen on {address} after {LIMIT:?}", process.name);
            }
            pause();
        }
        Ok(process)
    }

    /// User and system time of the program and all its descendants so far, in clock ticks.
    pub(crate) fn ticks(&self) -> Result<u64> {
        let all = snapshot()?;
        let mut sum = 0;
        let mut open = vec![self.child.id()];
        while let Some(pid) = open.pop() {
            sum += all.get(&pid).map_or(0, |stat| stat.ticks);
            open.extend(all.iter().filter(|(_, stat)| stat.parent == pid).map(|(pid, _)| *pid));
        }
        Ok(sum)
    }

    /// Resident memory of the program itself, and of all its descendants together, in bytes.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let all = snapshot()?;
        let own = resident(self.child.id()).with_context(|| format!("{} has ended", self.name))?;
        let (mut children, mut open) = (0, vec![self.child.id()]);
        while let Some(pid) = open.pop() {
            let next: Vec<u32> = all.iter().filter(|(_, stat)| stat.parent == pid).map(|(pid, _)| *pid).collect();
            children += next.iter().filter_map(|pid| resident(*pid)).sum::<u64>();
            open.extend(next);
        }
        Ok((own, children))
    }

    /// Asks the program and its children to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop in time, or says that something went wrong: what it wrote at its end says nothing then.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.wait_for_end()?.with_context(|| format!("{} does not stop in {LIMIT:?}", self.name))?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// `None` when it had to be killed.
    fn wait_for_end(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status)); // its number may be somebody else's by now
        }
        // The group: a tracer does not end before what it traces, and a killed nginx master would leave its worker.
        let group = format!("-{}", self.child.id());
        signal("TERM", &group);
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            pause();
        }
        signal("KILL", &group);
        self.child.wait()?;
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.wait_for_end(); // nothing that could be done about it
    }
}

/// The same command on one core.
pub(crate) fn pinned(core: usize, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.arg("--cpu-list").arg(core.to_string()).arg(command.get_program()).args(command.get_args());
    pinned
}

/// A loopback address nobody listens on at the moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?.local_addr()?)
}

/// Clock ticks of a second.
pub(crate) fn ticks_per_second() -> Result<f64> {
    workspace::output(Command::new("getconf").arg("CLK_TCK"))?.parse().context("`getconf CLK_TCK` gives no number")
}

fn signal(name: &str, target: &str) {
    // It may have ended already, which is what we want.
    let _ = Command::new("sh").args(["-c", "kill -s \"$0\" -- \"$1\"", name, target]).stderr(Stdio::null()).status();
}

#[allow(clippy::disallowed_methods, reason = "a foreign program tells nobody when it listens or ends: ask again soon")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
}

fn snapshot() -> Result<HashMap<u32, Stat>> {
    let entries = fs::read_dir("/proc").context("cannot read /proc")?.flatten();
    let stats = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, parse(&fs::read_to_string(Path::new("/proc").join(entry.file_name()).join("stat")).ok()?)?))
    });
    Ok(stats.collect())
}

/// `VmRSS` of proc_pid_status(5), which is in KiB; `None` when it has ended.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// proc_pid_stat(5): field 4 is the parent, 14 and 15 are user and system time. The name, field 2, stands in
/// parentheses and may hold blanks and parentheses.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect(); // from field 3 on
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(4)?).ok()?, ticks: number(14)? + number(15)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_shifts_no_field() {
        let line = "4121 (web (1) x) S 77 4121 4121 0 -1 4194304 100 0 0 0 250 31 9 9 20 0 1 0 5 6 7";
        assert_eq!(parse(line), Some(Stat { parent: 77, ticks: 281 }));
    }

    #[test]
    fn our_own_time_is_in_the_snapshot() {
        let all = snapshot().unwrap();
        assert!(all.contains_key(&std::process::id()));
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }
}
