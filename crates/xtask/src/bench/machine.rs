//! Where a comparison ran: without it a number means nothing.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::workspace;

/// Machine and programs, as they say it themselves.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// The other programs that took part, by their own words.
    pub(crate) programs: Vec<String>,
}

impl Machine {
    /// `programs` are names with the flag that asks for the version.
    pub(crate) fn read(programs: &[(&str, &str)]) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        Ok(Self {
            processor: model(&cpuinfo).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: workspace::output(Command::new("rustc").arg("--version"))?,
            programs: programs.iter().map(|(program, flag)| first_words(program, flag)).collect(),
        })
    }

    /// For the end of a table.
    pub(crate) fn print(&self) {
        println!("\n{}, {} cores, Linux {}", self.processor, self.cores, self.kernel);
        println!("{}; {}", self.programs.join("; "), self.rustc);
    }
}

/// The commit that is measured, `None` outside a repository. Changes on top of it are named.
pub(crate) fn commit() -> Option<String> {
    let git =
        |arguments: &[&str]| workspace::output(Command::new("git").args(arguments).current_dir(workspace::root()));
    let commit = git(&["rev-parse", "--short", "HEAD"]).ok()?;
    let clean = git(&["status", "--porcelain"]).is_ok_and(|changes| changes.is_empty());
    Some(if clean { commit } else { format!("{commit} and changes") })
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    Some(line.split_once(':')?.1.trim())
}

/// Both nginx and wrk tell their version on standard error, and wrk with a status of failure and two lines of copyright.
fn first_words(program: &str, flag: &str) -> String {
    let said = Command::new(program).arg(flag).output().map(|output| [output.stdout, output.stderr].concat());
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    let line = said.lines().next().unwrap_or_default();
    line.split(" [").next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_on_both_platforms() {
        assert_eq!(model("processor\t: 0\nmodel name\t: AMD EPYC 7B13\n"), Some("AMD EPYC 7B13"));
        assert_eq!(model("processor\t: 0\nModel\t\t: Raspberry Pi 5\n"), Some("Raspberry Pi 5"));
        assert_eq!(model("processor\t: 0\n"), None);
    }
}
