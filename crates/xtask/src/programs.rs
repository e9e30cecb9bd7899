//! Programs that tests and benchmarks need beside Rust, and how a machine gets them.
//!
//! Nothing is installed unasked: with `--install`, or with `CI` set. On a terminal the list is shown and a yes awaited.

use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write, stdin, stdout},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use crate::workspace;

/// A program by the name it is called, and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const PYTHON: Program = Program { name: "python3", package: "python3" };
pub(crate) const NODE: Program = Program { name: "node", package: "nodejs" };
/// Python's package manager, called as `python3 -m pip`.
pub(crate) const PIP: Program = Program { name: "pip3", package: "python3-pip" };
pub(crate) const NPM: Program = Program { name: "npm", package: "npm" };
pub(crate) const JAVA: Program = Program { name: "java", package: "default-jdk-headless" };
pub(crate) const MAVEN: Program = Program { name: "mvn", package: "maven" };
pub(crate) const GO: Program = Program { name: "go", package: "golang-go" };
pub(crate) const PROMETHEUS: Program = Program { name: "prometheus", package: "prometheus" };
pub(crate) const CHROMIUM: Program = Program { name: "chromium", package: "chromium" };
pub(crate) const NGINX: Program = Program { name: "nginx", package: "nginx-light" };
pub(crate) const WRK: Program = Program { name: "wrk", package: "wrk" };
pub(crate) const TASKSET: Program = Program { name: "taskset", package: "util-linux" };
pub(crate) const VALGRIND: Program = Program { name: "valgrind", package: "valgrind" };
pub(crate) const STRACE: Program = Program { name: "strace", package: "strace" };

/// Whether missing programs may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    Allowed,
    No,
}

impl Install {
    /// From the flag; `CI` counts as the flag.
    pub(crate) fn from_flag(install: bool) -> Self {
        if install || is_ci() { Self::Allowed } else { Self::No }
    }
}

/// Whether this is a machine of continuous integration, where a missing part is a failure.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Those of `needed` that are not there.
pub(crate) fn missing(needed: &[Program]) -> Vec<Program> {
    needed.iter().copied().filter(|program| !exists(program.name)).collect()
}

/// Brings what is missing, if allowed and possible. What could not be brought is still missing afterwards; the reason
/// has been printed.
pub(crate) fn bring(needed: &[Program], install: Install) -> Result<()> {
    let missing = missing(needed);
    if missing.is_empty() || install == Install::No {
        return Ok(());
    }
    let packages: BTreeSet<_> = missing.iter().map(|program| program.package).collect();
    let packages: Vec<_> = packages.into_iter().collect();
    println!("to install from Debian: {}", packages.join(" "));
    if !exists("apt-get") {
        println!("this machine has no apt-get: install them in its own way");
    } else if !is_root()? {
        println!("not root, so run this first: sudo apt-get install {}", packages.join(" "));
    } else if agreed()? {
        workspace::run(apt().arg("update"))?;
        workspace::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(&packages))?;
    }
    Ok(())
}

/// Why something that needs `missing` does not run, with what to do about it.
pub(crate) fn reason(missing: &[Program]) -> String {
    let names: Vec<_> = missing.iter().map(|program| format!("`{}`", program.name)).collect();
    format!("{} not found; `--install` brings {}", names.join(" and "), if names.len() == 1 { "it" } else { "them" })
}

fn agreed() -> Result<bool> {
    if is_ci() || !stdin().is_terminal() {
        return Ok(true);
    }
    print!("install now? [Y/n] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "" | "y" | "Y" | "yes"))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> Result<bool> {
    Ok(workspace::output(Command::new("id").arg("-u")).context("cannot tell who runs this")? == "0")
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in /usr/sbin, which is not on everybody's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|folder: std::path::PathBuf| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Program = Program { name: "no-such-program-anywhere", package: "none" };

    #[test]
    fn what_is_not_on_the_path_is_missing() {
        assert_eq!(missing(&[Program { name: "sh", package: "dash" }, NOWHERE]), [NOWHERE]);
    }

    #[test]
    fn a_skip_names_the_program_and_what_to_do() {
        assert_eq!(reason(&[NODE]), "`node` not found; `--install` brings it");
        assert_eq!(reason(&[PYTHON, NODE]), "`python3` and `node` not found; `--install` brings them");
    }
}
