//! `cargo xtask budget`: what it costs to have this source, each number beside its limit.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    Verdict,
    workspace::{self, Packages},
};

/// Third-party packages in the lock file, on all platforms, those of tests too.
const MAX_PACKAGES: usize = 200;
/// `cargo build` of the program with nothing built, on 2 idle cores.
const MAX_DEBUG: Duration = Duration::from_secs(4 * 60);
/// `cargo build --release` of the program with nothing built, on 2 idle cores.
const MAX_RELEASE: Duration = Duration::from_secs(6 * 60);
/// `cargo check` of all after one touched file.
const MAX_CHECK: Duration = Duration::from_secs(10);

/// The file that is touched: everything depends on its crate, so nothing else costs more.
const TOUCHED: &str = "crates/base/src/lib.rs";

/// Which of the budgets.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask budget")]
pub(crate) struct Options {
    /// Only what takes seconds: the packages and the check
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let metadata = workspace::metadata(Packages::All)?; // downloads what is missing, so that no build below has to
    let ours = &metadata.workspace_members;
    let packages = metadata.packages.iter().filter(|package| !ours.contains(&package.id)).count();
    let folder = metadata.target_directory.join("budget");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut good = packages <= MAX_PACKAGES;
    println!("{:<34} {:>8} {:>8}", "budget", "now", "limit");
    println!("{}", row("third-party packages", &packages.to_string(), &MAX_PACKAGES.to_string(), good));
    let mut report = |what: &str, time: Duration, limit: Duration| {
        good &= time <= limit;
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        println!("{}", row(what, &seconds(time), &seconds(limit), time <= limit));
    };
    if !options.quick {
        report("clean debug build", timed(build(&folder, &["build"]))?, MAX_DEBUG);
        report("clean release build", timed(build(&folder, &["build", "--release"]))?, MAX_RELEASE);
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let check = || {
        let mut command = workspace::cargo();
        command.args(["check", "--workspace", "--all-targets", "--quiet"]);
        command
    };
    timed(check())?;
    touch(&workspace::root().join(TOUCHED))?;
    report("check after one touched file", timed(check())?, MAX_CHECK);
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

fn build(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments).args(["--quiet", "--locked"]).env("CARGO_TARGET_DIR", folder);
    command
}

fn timed(mut command: Command) -> Result<Duration> {
    let started = Instant::now();
    workspace::run(&mut command)?;
    Ok(started.elapsed())
}

fn touch(path: &Path) -> Result<()> {
    let touched = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("cannot touch {}", path.display()))
}

fn row(what: &str, now: &str, limit: &str, within: bool) -> String {
    format!("{what:<34} {now:>8} {limit:>8}{}", if within { "" } else { "  OVER" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_limit_says_so() {
        assert_eq!(row("packages", "200", "200", true), "packages                                200      200");
        assert!(row("packages", "201", "200", false).ends_with("OVER"));
    }

    #[test]
    fn the_touched_file_exists() {
        assert!(workspace::root().join(TOUCHED).is_file());
    }
}
