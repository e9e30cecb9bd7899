//! Real Eureka clients against Madang's Eureka face, or against the real Eureka server.

use std::process::Command;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use super::prepare::{self, Made};
use crate::{
    Verdict,
    programs::{self, Install, JAVA, MAVEN, NODE, NPM, PIP, PROMETHEUS, PYTHON, Program},
    workspace,
};

/// What the clients run on, and what brings their packages.
pub(crate) const NEEDED: &[Program] = &[PYTHON, PIP, NODE, NPM, JAVA, MAVEN, PROMETHEUS];

/// Which tests, and against what.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask interop eureka SpringCloud")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// The server that the clients use
    #[arg(long, value_enum, default_value_t = Against::Madang)]
    against: Against,
    /// Only these: a class of interop/eureka/test_eureka.py, or CLASS.TEST
    tests: Vec<String>,
}

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    Madang,
    /// The real one. Its answers are up to 30 s old, so that this takes some ten minutes
    Eureka,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    for made in made(options.against) {
        made.bring()?;
    }
    let mut tests = Command::new(PYTHON.name);
    tests.arg(workspace::root().join("interop/eureka/test_eureka.py")).args(&options.tests);
    match options.against {
        Against::Madang => tests.env("MADANG_BINARY", prepare::built_madang()?).env_remove("MADANG_INTEROP_SERVER"),
        Against::Eureka => tests.env("MADANG_INTEROP_SERVER", "eureka"),
    };
    println!("== {}", workspace::shown(&tests).trim_matches('`'));
    Ok(if tests.status()?.success() { Verdict::Good } else { Verdict::Bad })
}

/// The clients, and the real server when it is asked for.
fn made(against: Against) -> Vec<Made> {
    let sources = workspace::root().join("interop/eureka");
    let target = prepare::folder().join("eureka");

    let mut pip = Command::new(PYTHON.name);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--requirement"]);
    pip.arg(sources.join("python/requirements.txt")).arg("--target").arg(target.join("python"));

    let mut npm = Command::new(NPM.name);
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(sources.join("node"));

    let java = |name: &'static str| {
        let mut maven = Command::new(MAVEN.name);
        maven.args(["--batch-mode", "--quiet", "--projects", name, "package"]).current_dir(sources.join("java"));
        let sources = ["java/pom.xml", &format!("java/{name}")].map(|path| sources.join(path)).into();
        Made { name, from: sources, result: target.join(format!("java/{name}/{name}.jar")), command: maven }
    };

    let mut all = vec![
        Made {
            name: "python",
            from: vec![sources.join("python/requirements.txt")],
            result: target.join("python"),
            command: pip,
        },
        Made {
            name: "node",
            from: vec![sources.join("node/package-lock.json")],
            result: sources.join("node/node_modules"),
            command: npm,
        },
        java("app"),
    ];
    if against == Against::Eureka {
        all.push(java("server"));
    }
    all
}
