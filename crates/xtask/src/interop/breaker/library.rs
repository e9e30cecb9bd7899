//! The libraries that traces are replayed against, one row each.

use std::{path::PathBuf, process::Command};

use super::{
    draw::{self, Drawn},
    random::Random,
};
use crate::{
    interop::prepare::{self, Made},
    programs::{JAVA, MAVEN, NODE, NPM, PYTHON},
    workspace,
};

/// A circuit breaker that others wrote.
pub(super) struct Library {
    /// The profile that follows it.
    pub(super) profile: &'static str,
    pub(super) version: &'static str,
    /// What must be brought or built before its driver runs.
    pub(super) made: fn() -> Vec<Made>,
    /// Starts its driver.
    pub(super) driver: fn() -> Command,
    pub(super) draw: fn(&mut Random) -> Drawn,
}

pub(super) const LIBRARIES: &[Library] = &[
    Library {
        profile: "pybreaker",
        version: "PyBreaker 1.4.1",
        made: || vec![python()],
        driver: || {
            let mut driver = Command::new(PYTHON.name);
            driver.arg(sources().join("python/pybreaker_driver.py")).env("PYTHONPATH", target().join("python"));
            driver
        },
        draw: draw::pybreaker,
    },
    Library {
        profile: "opossum",
        version: "Opossum 10.0.0",
        made: || vec![node()],
        driver: || {
            let mut driver = Command::new(NODE.name);
            driver.arg(sources().join("node/opossum_driver.mjs"));
            driver
        },
        draw: draw::opossum,
    },
    Library {
        profile: "resilience4j",
        version: "resilience4j 2.4.0",
        made: || vec![java()],
        driver: || java_driver("resilience4j", &["libraries/*"]),
        draw: draw::resilience4j,
    },
    Library {
        profile: "hystrix",
        version: "Hystrix 1.5.18",
        made: || vec![java()],
        driver: || java_driver("hystrix", &["libraries/*"]),
        draw: draw::hystrix,
    },
    Library {
        profile: "hystrix-master",
        version: "Hystrix 1.5.12",
        made: || vec![java()],
        // The first of two versions of a class is the one that is used.
        driver: || java_driver("hystrix-master", &["hystrix-master/*", "libraries/*"]),
        draw: draw::hystrix,
    },
];

fn sources() -> PathBuf {
    workspace::root().join("interop/breaker")
}

fn target() -> PathBuf {
    prepare::folder().join("breaker")
}

fn python() -> Made {
    let requirements = sources().join("python/requirements.txt");
    let mut pip = Command::new(PYTHON.name);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--requirement"]).arg(&requirements);
    pip.arg("--target").arg(target().join("python"));
    Made { name: "breaker-python", from: vec![requirements], result: target().join("python"), command: pip }
}

fn node() -> Made {
    let mut npm = Command::new(NPM.name);
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(sources().join("node"));
    let (lock, result) = (sources().join("node/package-lock.json"), sources().join("node/node_modules"));
    Made { name: "breaker-node", from: vec![lock], result, command: npm }
}

fn java() -> Made {
    let sources = sources().join("java");
    let mut maven = Command::new(MAVEN.name);
    maven.args(["--batch-mode", "--quiet", "package"]).current_dir(&sources);
    let from = ["pom.xml", "src"].map(|path| sources.join(path)).into();
    Made { name: "breaker-java", from, result: target().join("java/driver.jar"), command: maven }
}

fn java_driver(profile: &str, libraries: &[&str]) -> Command {
    let folders = ["driver.jar"].iter().chain(libraries).map(|path| target().join("java").join(path));
    let class_path: Vec<_> = folders.map(|path| path.display().to_string()).collect();
    let mut driver = Command::new(JAVA.name);
    driver.args(["-cp", &class_path.join(":"), "interop.Driver", profile]);
    driver
}
