//! What is built or downloaded for the clients, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::workspace::{self, Packages};

/// Where all of it goes; what npm brings alone stands beside its sources, where node looks for it.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("target/interop")
}

/// Builds Madang and says where it is. The same selection as that of the end-to-end tests: it is there already then.
pub(crate) fn built_madang() -> Result<PathBuf> {
    let mut build = workspace::cargo();
    workspace::run(build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "shop"]))?;
    Ok(workspace::metadata(Packages::Ours)?.target_directory.join("debug/madang"))
}

/// Something made by another language's tool.
pub(crate) struct Made {
    /// One word; no two of one protocol have the same.
    pub(crate) name: &'static str,
    /// The files and folders it is made from. It is made anew when their text is not what it was.
    pub(crate) from: Vec<PathBuf>,
    /// What is there when it has been made.
    pub(crate) result: PathBuf,
    pub(crate) command: Command,
}

impl Made {
    pub(crate) fn bring(mut self) -> Result<()> {
        let now = self.text()?;
        let record = folder().join(format!("{}.made", self.name));
        if self.result.exists() && fs::read_to_string(&record).is_ok_and(|then| then == now) {
            return Ok(());
        }
        println!("== {}: {}", self.name, workspace::shown(&self.command).trim_matches('`'));
        workspace::run(&mut self.command)?;
        fs::create_dir_all(folder())?;
        fs::write(&record, now).with_context(|| format!("cannot write {}", record.display()))
    }

    /// All that it is made from: names and text.
    fn text(&self) -> Result<String> {
        let mut text = String::new();
        for path in &self.from {
            append(path, &mut text).with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(text)
    }
}

/// Appends a file, or all files below a folder in the order of their names.
fn append(path: &Path, text: &mut String) -> Result<()> {
    if path.is_dir() {
        let mut inside: Vec<_> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| append(path, text));
    }
    *text += &format!("-- {}\n{}\n", path.display(), fs::read_to_string(path)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_something_is_made_from_is_all_text_below_its_folders() {
        let source = workspace::root().join("crates/xtask/src/interop");
        let made = Made { name: "one", from: vec![source], result: PathBuf::new(), command: Command::new("true") };
        let text = made.text().unwrap();
        assert!(text.contains("interop/eureka.rs\n") && text.contains("all text below its folders"), "{text}");
    }
}
