//! What a person sees on the command line: help, errors, `check`, `init`, `explain`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod breaker;
mod check;
mod help;
mod init;
mod problems;
mod reference;
mod sim;

use std::path::Path;
use std::process::{Command, Output};

/// What the program wrote and how it ended.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs `madang` in `dir`, without any setting from our own environment.
fn madang(dir: &Path, words: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MADANG_")) {
        command.env_remove(name);
    }
    run(command.args(words).current_dir(dir))
}

fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().expect("madang can be started");
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Run { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A fresh folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = madang_testkit::temp_dir();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
        std::fs::write(path, text).expect("files can be written");
    }
    dir
}
