//! User instructions, counted by valgrind's callgrind: the same on every day and every load of the machine.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// What one run cost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Instructions of the whole process.
    pub(crate) total: u64,
    /// Instructions in each function itself, without those it called.
    pub(crate) functions: BTreeMap<String, u64>,
}

/// `command` under callgrind, which writes to `file` when the program ends.
pub(crate) fn counted(command: &Command, file: &Path) -> Command {
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(file);
    let mut counted = Command::new("valgrind");
    counted.args(["--quiet", "--tool=callgrind", "--fair-sched=try"]).arg(out);
    counted.arg(command.get_program()).args(command.get_args());
    counted
}

/// Reads what callgrind wrote, through its own tool.
pub(crate) fn read(file: &Path) -> Result<Profile> {
    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--threshold=100", "--auto=no", "--show=Ir"]).arg(file);
    let said = workspace::output(&mut annotate)?;
    parse(&said).with_context(|| format!("{} is not understood", workspace::shown(&annotate)))
}

/// Lines are `1,234 ( 5.6%)  file:function [object]`. A function that has code of other files inlined has a line for
/// each of them; they are added up.
fn parse(said: &str) -> Result<Profile> {
    let mut total = None;
    let mut functions = BTreeMap::new();
    for line in said.lines() {
        let Some((count, what)) = counted_line(line) else { continue };
        if what == "PROGRAM TOTALS" {
            total = Some(count);
            continue;
        }
        // The head of the listing repeats events and options, but no line of it begins with a count.
        let (_, function) = what.split_once(':').unwrap_or(("", what));
        *functions.entry(name(function).to_owned()).or_default() += count;
    }
    let total = total.context("the line of the program's total is missing")?;
    ensure!(!functions.is_empty(), "no function is listed");
    Ok(Profile { total, functions })
}

fn counted_line(line: &str) -> Option<(u64, &str)> {
    let (count, what) = line.trim_start().split_once(" (")?;
    let count = count.replace(',', "").parse().ok()?;
    Some((count, what.split_once("%)")?.1.trim()))
}

/// Without the object, the mark of a recursion (`'2`) and the hash that the compiler appends.
fn name(function: &str) -> &str {
    let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
    let function = match function.rsplit_once('\'') {
        Some((function, level)) if level.parse::<u32>().is_ok() => function,
        _ => function,
    };
    match function.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
--------------------------------------------------------------------------------
Profile data file 'callgrind.out' (creator: callgrind-3.19.0)
--------------------------------------------------------------------------------
Timerange: Basic block 0 - 4183245
Thresholds:       100
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
1,002,345 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                 file:function
--------------------------------------------------------------------------------
  600,000 (59.86%)  crates/h1/src/scan.rs:madang_h1::request::RequestHead::parse [/t/release/madang]
  300,000 (29.93%)  ???:madang_h1::request::RequestHead::parse'2 [/t/release/madang]
  102,345 (10.21%)  ???:<core::iter::Map<I,F> as Iterator>::next::h0123456789abcdef [/t/release/madang]
";

    #[test]
    fn counts_of_one_function_are_added_up_over_files_and_recursion() {
        let functions = [
            ("<core::iter::Map<I,F> as Iterator>::next".to_owned(), 102_345),
            ("madang_h1::request::RequestHead::parse".to_owned(), 900_000),
        ];
        assert_eq!(parse(SAID).unwrap(), Profile { total: 1_002_345, functions: functions.into() });
    }

    #[test]
    fn a_listing_without_its_total_is_an_error() {
        assert!(parse(&SAID.replace("PROGRAM TOTALS", "???:main")).is_err());
    }
}
