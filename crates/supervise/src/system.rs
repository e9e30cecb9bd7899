//! What we ask of the system about processes: groups, descendants, marks in the environment.
//!
//! `/proc` is read where nothing else answers; without it (macOS) descendants that left their group are not found.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

/// Sends `signal` to every process of a group; a group that is gone is fine.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    // ESRCH: nobody is left. EPERM: what is left changed its user; nothing we can do.
    let _ = kill_process_group(group, signal);
}

/// Sends `signal` to one process; one that is gone is fine.
pub(crate) fn signal_process(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// A process id as the protocol carries it.
pub(crate) fn pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// Whether anything is left in a group, also what has ended and was not waited for.
pub(crate) fn group_exists(group: Pid) -> bool {
    test_kill_process_group(group).is_ok()
}

/// Whether anything is left in a group that still runs.
pub(crate) fn group_runs(group: Pid) -> bool {
    stats().any(|stat| stat.group == group.as_raw_pid() && stat.state != b'Z')
}

/// The children of process `parent` that still run.
pub(crate) fn children(parent: u32) -> Vec<Pid> {
    let parent = i32::try_from(parent).unwrap_or_default();
    stats()
        .filter(|stat| stat.parent == parent && stat.state != b'Z')
        .filter_map(|stat| Pid::from_raw(stat.pid))
        .collect()
}

/// Kills every process that was started with `name=value` in its environment; says how many.
///
/// For what a dead keeper left behind: those processes have other parents now, and their ids may be anybody's. Only
/// the mark tells that they were ours.
pub(crate) fn kill_marked(name: &str, value: &str) -> usize {
    let mark = format!("{name}={value}");
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mut killed = 0;
    for stat in stats().filter(|stat| stat.pid != own && stat.state != b'Z') {
        let environment = fs::read(format!("/proc/{}/environ", stat.pid)).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
            && let Some(pid) = Pid::from_raw(stat.pid)
        {
            signal_process(pid, Signal::KILL);
            killed += 1;
        }
    }
    killed
}

/// One process as `/proc` shows it.
#[derive(Debug)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// Time on a processor, with that of children that were waited for, in ticks of the clock.
    pub(crate) ticks: u64,
    /// Resident memory, in pages.
    pub(crate) pages: u64,
}

/// Every process of this machine.
pub(crate) fn stats() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
}

/// proc_pid_stat(5): the command stands in parentheses and may itself hold some, so fields count from the last one.
fn parse_stat(pid: i32, text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // As the page numbers them: the state is the third.
    let field = |number: usize| fields.get(number - 3);
    let count = |number: usize| field(number).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    Some(Stat {
        pid,
        state: *field(3)?.as_bytes().first()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        ticks: (14..=17).map(count).sum(),
        pages: count(24),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_move_the_fields() {
        let text =
            "7 (a) R 1 (b)) S 3 7 9 0 -1 4194304 1 2 3 4 10 20 300 4000 20 0 1 0 99 123456 77 18446744073709551615";
        let stat = parse_stat(7, text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group), (b'S', 3, 7));
        assert_eq!((stat.ticks, stat.pages), (4330, 77));
    }
}
