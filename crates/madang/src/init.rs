//! `madang init`: looks at a folder and writes a commented `madang.toml` for what it finds there.
//!
//! It reads files and runs nothing. It guesses, so what it writes says where each guess came from, and a file that is
//! already there is never touched.

mod look;
mod write;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::codes;
use crate::failure::{Exit, Failure, Report};
use crate::output;
use crate::source::settings_file_in;

/// Writes `dir/madang.toml`.
pub(crate) fn run(dir: &Path) -> Result<Exit, Failure> {
    if !dir.is_dir() {
        let report = Report::could_not(format!("`{}` is not a folder", dir.display())).code(&codes::FILE_UNREADABLE);
        return Err(report.hint("name the folder that holds your services").into());
    }
    let path = settings_file_in(dir);
    if path.exists() {
        return Err(already_there(&path).into());
    }
    let found = look::at(dir);
    if found.is_empty() {
        let report = Report::could_not(format!("found nothing to run in `{}`", dir.display()));
        return Err(report
            .hint("run `madang init` where package.json, pyproject.toml, Procfile, pom.xml or Cargo.toml is")
            .hint("or write the file by hand; `madang explain MD0510` shows how short it can be")
            .code(&codes::NOTHING_FOUND)
            .into());
    }
    create(&path, &write::settings(&write::project_name(dir), &found))?;
    output::print(&summary(&path, dir, &found))?;
    Ok(Exit::Done)
}

fn create(path: &Path, text: &str) -> Result<(), Report> {
    // `create_new`: also when somebody else writes the file between our look and now, theirs stays.
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => already_there(path),
        _ => Report::could_not(format!("cannot write `{}`: {error}", path.display())).code(&codes::FILE_UNREADABLE),
    })
}

fn already_there(path: &Path) -> Report {
    Report::could_not(format!("`{}` is already there and was not touched", path.display()))
        .hint("`madang check` says whether it is right; move it away to see what `init` would write")
        .code(&codes::SETTINGS_EXIST)
}

fn summary(path: &Path, dir: &Path, found: &[look::Found]) -> String {
    let mut text = format!("Wrote {}:\n", path.display());
    for service in found {
        text.push_str(&format!("  {:<12} {}   (from {})\n", service.name, service.command, service.source));
    }
    let place = if dir == Path::new(".") { String::new() } else { format!(" {}", dir.display()) };
    text.push_str(&format!("Read it through, then: madang up{place}\n"));
    text
}
