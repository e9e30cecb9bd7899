//! From a path to a tree: the file, then variables, then flags.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::{Node, Origin, Problem, Problems, codes, document, overlay};

/// The largest settings file that is read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads `path`, then lays variables `MADANG_<SECTION>__<KEY>` (only names with `__`) and flags
/// `section.key=value` over it; flags win over variables, variables over the file.
///
/// # Errors
/// Everything that stops the tree from existing, at once: the file cannot be read, is too large or is not TOML; a
/// variable or flag does not name a place. Whether the keys are known is for their readers to say, with
/// [`Fields`](crate::Fields).
pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>, sets: &[String]) -> Result<Node, Problems> {
    let mut problems = Problems::new();
    let overlays = overlay::collect(variables, sets, &mut problems);
    let root = read_text(path).and_then(|text| document::read(&text, &path.into()));
    match root {
        Ok(mut root) => {
            for overlay in overlays {
                overlay.apply(&mut root, &mut problems);
            }
            if problems.has_errors() { Err(problems) } else { Ok(root) }
        }
        Err(others) => {
            problems.extend(others);
            Err(problems)
        }
    }
}

/// Reads `text` as if it stood in a file at `path`.
///
/// # Errors
/// Every mistake in the text, with its line.
pub fn parse(text: &str, path: &Path) -> Result<Node, Problems> {
    let text = checked(text.as_bytes().to_vec(), path)?;
    document::read(&text, &path.into())
}

fn read_text(path: &Path) -> Result<String, Problems> {
    let unreadable = |error: &io::Error| {
        let shown = path.display();
        let (message, hint) = match error.kind() {
            io::ErrorKind::NotFound => {
                (format!("there is no `{shown}`"), "`madang init` writes one; or name another file".to_owned())
            }
            io::ErrorKind::PermissionDenied => (
                format!("cannot read `{shown}`: permission denied"),
                format!("look at its rights with `ls -l {shown}`"),
            ),
            io::ErrorKind::IsADirectory => (
                format!("`{shown}` is a folder"),
                format!("name the file in it: `{}`", path.join("madang.toml").display()),
            ),
            _ => {
                (format!("cannot read `{shown}`: {error}"), "`madang init` writes one; or name another file".to_owned())
            }
        };
        let mut problem = Problem::error(&codes::UNREADABLE, "", message);
        problem.at(&Origin::file(path)).hint(hint);
        Problems::from(problem)
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    checked(bytes, path)
}

/// Refuses what is too long or not UTF-8, and drops a byte order mark.
fn checked(bytes: Vec<u8>, path: &Path) -> Result<String, Problems> {
    if bytes.len() as u64 > MAX_BYTES {
        let mut problem = Problem::error(&codes::TOO_LARGE, "", format!("`{}` is larger than 4 MiB", path.display()));
        problem.at(&Origin::file(path)).hint("is this the right file?");
        return Err(problem.into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        let mut problem = Problem::error(&codes::SYNTAX, "", "not valid TOML: this byte is not UTF-8 text");
        let (line, column) = (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX));
        problem.at(&Origin::File { path: Arc::from(path), line, column }).hint("save the file as UTF-8");
        Problems::from(problem)
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests;
