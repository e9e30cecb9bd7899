//! Which processes are left, read from `/proc` (Linux).

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A process that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line, arguments parted by blanks.
    pub command: String,
}

/// Every living process that works in `folder` or below it, or names it in its command line; never the caller.
pub fn processes_under(folder: &Path) -> Vec<Process> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let named = folder.as_os_str().as_bytes();
    select(|proc| {
        fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
            || fs::read(proc.join("cmdline")).is_ok_and(|line| contains(&line, named))
    })
}

/// Every living process that was started with `name=value` in its environment; never the caller.
pub fn processes_with_variable(name: &str, value: &str) -> Vec<Process> {
    let wanted = format!("{name}={value}");
    select(|proc| {
        fs::read(proc.join("environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
    })
}

/// Whether a living process belongs to this process group.
pub(crate) fn in_group(group: u32) -> bool {
    !select(|proc| {
        // proc_pid_stat(5): the name stands in parentheses and may hold any byte; after the last `)` come state, ppid, pgrp.
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.nth(1) == Some(&group.to_string())
    })
    .is_empty()
}

fn select(mut wanted: impl FnMut(&PathBuf) -> bool) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<Process> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .filter(|(pid, path)| *pid != std::process::id() && wanted(path))
        .map(|(pid, path)| Process { pid, command: command(&path) })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn command(proc: &Path) -> String {
    let line = fs::read(proc.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ")
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;
    use crate::{Child, eventually, temp_dir};

    #[test]
    fn a_process_is_found_by_its_folder_and_gone_after_its_end() {
        let folder = temp_dir();
        let child = Child::spawn(Command::new("sleep").arg("600").current_dir(folder.path()));
        let found = eventually("the process has started", Duration::from_secs(5), || {
            let found = processes_under(folder.path());
            found.iter().any(|process| process.command == "sleep 600").then_some(found)
        });
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [child.pid()]);
        drop(child);
        assert_eq!(processes_under(folder.path()), []);
    }
}
