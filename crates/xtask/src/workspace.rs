//! Where things are, and cargo.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("we live in `crates/xtask`")
}

/// The cargo that runs us, in the folder of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What we read of `cargo metadata`.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) target_directory: std::path::PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

/// Whether metadata holds our own packages or all that they bring.
#[derive(Clone, Copy)]
pub(crate) enum Packages {
    Ours,
    All,
}

pub(crate) fn metadata(packages: Packages) -> Result<Metadata> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1"]);
    if let Packages::Ours = packages {
        command.arg("--no-deps");
    }
    serde_json::from_str(&output(&mut command)?).context("cannot read what `cargo metadata` says")
}

/// The names of all integration tests of the workspace.
pub(crate) fn integration_tests(metadata: &Metadata) -> Vec<String> {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let mut names: Vec<String> = targets
        .filter(|target| target.kind.iter().any(|kind| kind == "test"))
        .map(|target| target.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Runs to the end, output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Runs to the end and gives standard output, without the blanks around it.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once(program).chain(arguments).collect();
    format!("`{}`", words.join(" "))
}
