//! Ribbon's rules as Madang has them, beside Ribbon's own: the same scripts, and the same answers.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::prepare::{self, Made};
use crate::{
    Verdict,
    programs::{self, Install, JAVA, MAVEN, Program},
    workspace,
};

/// What the real rules run on, and what brings them.
pub(crate) const NEEDED: &[Program] = &[JAVA, MAVEN];

#[derive(Args)]
#[command(before_help = "Example: cargo xtask interop ribbon --seed 8 --scenarios 2000")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// What the scenarios that are made at random follow from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many of them
    #[arg(long, default_value_t = 500)]
    scenarios: u32,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    let sources = workspace::root().join("interop/ribbon");
    let target = prepare::folder().join("ribbon");
    let mut maven = Command::new(MAVEN.name);
    maven.args(["--batch-mode", "--quiet", "package"]).current_dir(sources.join("java"));
    let result = target.join("ribbon.jar");
    Made { name: "ribbon", from: vec![sources.join("java")], result, command: maven }.bring()?;

    let example = || {
        let mut cargo = workspace::cargo();
        cargo.args(["run", "--quiet", "--package", "madang-balance", "--example", "ribbon", "--"]);
        cargo
    };
    let random = output(example().args(["generate", &options.seed.to_string(), &options.scenarios.to_string()]))?;
    let script = target.join("script.txt");
    fs::write(&script, fs::read_to_string(sources.join("scenarios.txt"))? + "\n" + &random)?;

    let ours = output(example().arg("play").arg(&script))?;
    let classes = format!("{}:{}", target.join("ribbon.jar").display(), target.join("lib/*").display());
    let theirs = output(Command::new(JAVA.name).args(["-cp", &classes, "interop.Replay"]).arg(&script))?;
    let (good, bad) = compare(&theirs, &ours);
    bad.iter().take(20).for_each(|line| println!("{line}"));
    let (word, verdict) = if bad.is_empty() { ("ok", Verdict::Good) } else { ("FAILED", Verdict::Bad) };
    println!("test result: {word}. {good} passed; {} failed; 0 ignored; 0 measured; 0 filtered out", bad.len());
    Ok(verdict)
}

/// What a program prints; what it complains of goes on to the terminal.
fn output(command: &mut Command) -> Result<String> {
    println!("== {}", workspace::shown(command).trim_matches('`'));
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", workspace::shown(command));
    String::from_utf8(output.stdout).context("the output is no text")
}

/// How many answers agree, and those that do not.
fn compare(theirs: &str, ours: &str) -> (usize, Vec<String>) {
    let mut bad = Vec::new();
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    if theirs.len() != ours.len() || theirs.is_empty() {
        bad.push(format!("Ribbon gave {} answers, Madang {}", theirs.len(), ours.len()));
    }
    for (their, our) in theirs.iter().zip(&ours) {
        let agrees = match (samples(their), samples(our)) {
            (Some((what, theirs)), Some((our_what, ours))) => what == our_what && are_alike(&theirs, &ours),
            _ => their == our,
        };
        if !agrees {
            bad.push(format!("Ribbon: {their}\nMadang: {our}"));
        }
    }
    (theirs.len().min(ours.len()).saturating_sub(bad.len()), bad)
}

/// The counts of what was drawn at random.
fn samples(line: &str) -> Option<(&str, Vec<f64>)> {
    let (what, counts) = line.split_once(" sample: ")?;
    let counts: Result<Vec<f64>, _> = counts.split(' ').map(str::parse).collect();
    Some((what, counts.ok()?))
}

/// Chi-square of two samples of the same size, which chance alone exceeds once in a million times.
fn are_alike(theirs: &[f64], ours: &[f64]) -> bool {
    if theirs.len() != ours.len() || (theirs.iter().sum::<f64>() - ours.iter().sum::<f64>()).abs() > 0.5 {
        return false;
    }
    let both = || theirs.iter().zip(ours).filter(|(their, our)| **their + **our > 0.0);
    let chi: f64 = both().map(|(their, our)| (their - our).powi(2) / (their + our)).sum();
    #[allow(clippy::cast_precision_loss)] // servers
    let freedom = (both().count().max(2) - 1) as f64;
    // Wilson and Hilferty: the cube root is nearly normal, 4.75 deviations are one in a million.
    chi <= freedom * (1.0 - 2.0 / (9.0 * freedom) + 4.75 * (2.0 / (9.0 * freedom)).sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_agree_exactly_and_samples_by_chance() {
        let theirs = "a choose: 1 2 0\nb sample: 500 500\nc tripped: true\n";
        assert_eq!(compare(theirs, "a choose: 1 2 0\nb sample: 480 520\nc tripped: true\n"), (3, Vec::new()));
        for wrong in [
            "a choose: 1 2 1\nb sample: 480 520\nc tripped: true\n",
            "a choose: 1 2 0\nb sample: 380 620\nc tripped: true\n",
            "a choose: 1 2 0\nb sample: 500 501\nc tripped: true\n",
            "a choose: 1 2 0\nb sample: 480 520\nc tripped: false\n",
            "a choose: 1 2 0\nb sample: 480 520\n",
            "",
        ] {
            assert_eq!(compare(theirs, wrong).1.len(), 1, "{wrong}");
        }
    }
}
