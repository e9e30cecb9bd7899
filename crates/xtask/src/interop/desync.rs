//! Doubtful messages through the gateway to servers that others wrote.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::prepare::{self, Made};
use crate::{
    Verdict,
    programs::{self, GO, Install, NODE, PIP, PYTHON, Program},
    workspace::{self, Packages},
};

/// What the servers run on. Go is asked for too, but its server alone is left out where there is none.
pub(crate) const NEEDED: &[Program] = &[PYTHON, PIP, NODE];

#[derive(Args)]
#[command(before_help = "Example: cargo xtask interop desync --seed 7 --messages 5000 node")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// Repeats a run
    #[arg(long)]
    seed: Option<u64>,
    /// Messages to each server
    #[arg(long)]
    messages: Option<u32>,
    /// Only these: node, node-lenient, python, python-1.0, gunicorn, gunicorn-lenient, hyper, go
    servers: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let with_go = [NEEDED, &[GO]].concat();
    programs::bring(&with_go, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    for made in made() {
        made.bring()?;
    }
    bring_hyper()?;
    let mut test = Command::new(PYTHON.name);
    test.arg(workspace::root().join("interop/desync/desync.py")).args(&options.servers);
    if let Some(seed) = options.seed {
        test.args(["--seed", &seed.to_string()]);
    }
    if let Some(messages) = options.messages {
        test.args(["--messages", &messages.to_string()]);
    }
    test.env("MADANG_BINARY", prepare::built_madang()?);
    println!("== {}", workspace::shown(&test).trim_matches('`'));
    Ok(if test.status()?.success() { Verdict::Good } else { Verdict::Bad })
}

/// What other languages' tools bring or build.
fn made() -> Vec<Made> {
    let sources = workspace::root().join("interop/desync");
    let target = prepare::folder().join("desync");
    let requirements = sources.join("requirements.txt");

    let mut pip = Command::new(PYTHON.name);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--requirement"]);
    pip.arg(&requirements).arg("--target").arg(target.join("python"));
    let mut all =
        vec![Made { name: "desync-python", from: vec![requirements], result: target.join("python"), command: pip }];

    if programs::missing(&[GO]).is_empty() {
        let (program, result) = (sources.join("upstreams/go"), target.join("go"));
        let mut go = Command::new(GO.name);
        // The Go that is here, and nothing from elsewhere.
        go.env("GOTOOLCHAIN", "local").args(["build", "-o"]).arg(&result).arg(".").current_dir(&program);
        all.push(Made { name: "desync-go", from: vec![program], result, command: go });
    }
    all
}

/// Builds hyper's server; cargo knows whether there is anything to do.
fn bring_hyper() -> Result<()> {
    let mut build = workspace::cargo();
    workspace::run(build.args(["build", "--quiet", "--workspace", "--example", "desync-hyper"]))?;
    let built = workspace::metadata(Packages::Ours)?.target_directory.join("debug/examples/desync-hyper");
    let to = prepare::folder().join("desync/hyper");
    fs::copy(&built, &to).with_context(|| format!("cannot copy {} to {}", built.display(), to.display()))?;
    Ok(())
}
