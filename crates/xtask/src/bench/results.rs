//! Raw results, kept in `bench/results/`.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::workspace;

/// The date in the name of the results: the one asked for, or today.
pub(crate) fn date(asked: Option<&str>) -> Result<String> {
    asked.map_or_else(|| workspace::output(Command::new("date").arg("+%F")), |date| Ok(date.to_owned()))
}

/// Writes `<date>-<name>.json`, with a number when the day has one already: results are kept, not replaced.
pub(crate) fn save(name: &str, date: &str, report: &impl Serialize) -> Result<PathBuf> {
    let folder = workspace::root().join("bench/results");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let first = folder.join(format!("{date}-{name}.json"));
    let later = (2..).map(|number| folder.join(format!("{date}-{name}-{number}.json")));
    let path = std::iter::once(first).chain(later).find(|path| !path.exists()).context("no free file name")?;
    let text = serde_json::to_string_pretty(report)? + "\n";
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
