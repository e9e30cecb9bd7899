//! System calls, counted by strace.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Number of calls by name.
pub(crate) type Calls = BTreeMap<String, u64>;

/// Calls that move bytes, with or without success.
const INPUT_OUTPUT: [&str; 15] = [
    "read", "readv", "pread64", "preadv", "preadv2", "recvfrom", "recvmsg", "recvmmsg", "write", "writev", "sendto",
    "sendmsg", "sendmmsg", "sendfile", "splice",
];

/// Whether a call of that name moves bytes.
pub(crate) fn is_input_output(name: &str) -> bool {
    INPUT_OUTPUT.contains(&name)
}

/// `command` under strace, which writes to `file` when the program ends.
pub(crate) fn counted(command: &Command, file: &Path) -> Command {
    let mut counted = Command::new("strace");
    counted.args(["--follow-forks", "--summary-only", "--summary-columns=name,calls", "--quiet=all", "--output"]);
    counted.arg(file).arg(command.get_program()).args(command.get_args());
    counted
}

/// Reads what strace wrote.
pub(crate) fn read(file: &Path) -> Result<Calls> {
    let said = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&said).with_context(|| format!("strace wrote:\n{said}"))
}

/// A table of name and count between two rules; the total follows the second.
fn parse(said: &str) -> Result<Calls> {
    let mut calls = Calls::new();
    let rows = said.lines().skip_while(|line| !is_rule(line)).skip(1).take_while(|line| !is_rule(line));
    for row in rows {
        let (name, count) = row.trim().split_once(' ').with_context(|| format!("no count in the row `{row}`"))?;
        calls.insert(name.to_owned(), count.trim().parse().with_context(|| format!("no count in the row `{row}`"))?);
    }
    ensure!(!calls.is_empty(), "there is no table of calls");
    Ok(calls)
}

fn is_rule(line: &str) -> bool {
    line.starts_with("---")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_without_its_total() {
        let said = "\
syscall              calls
---------------- ---------
recvfrom              2004
epoll_wait            2101
---------------- ---------
total                 4105
";
        let calls = [("recvfrom".to_owned(), 2004), ("epoll_wait".to_owned(), 2101)];
        assert_eq!(parse(said).unwrap(), Calls::from(calls));
        assert!(parse("strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted\n").is_err());
    }

    #[test]
    fn waiting_is_not_input_or_output() {
        for (name, expected) in [("recvfrom", true), ("writev", true), ("epoll_wait", false), ("futex", false)] {
            assert_eq!(is_input_output(name), expected, "{name}");
        }
    }
}
