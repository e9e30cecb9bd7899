//! Origins: the place a value came from, shown with every problem.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::convert;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A place in a file; lines and columns count from 1, columns in characters. Line 0 is the file as a whole.
    File {
        /// The path as the operator gave it.
        path: Arc<Path>,
        /// The line, 0 for the whole file.
        line: u32,
        /// The column of the key, or of the value inside an array.
        column: u32,
    },
    /// An environment variable, by name.
    Variable(String),
    /// A `--set` flag, by its text: `services.orders.instances=3`.
    Flag(String),
}

impl Origin {
    /// A file as a whole, for problems that have no line.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self::File { path: path.into(), line: 0, column: 0 }
    }

    /// Files first, by place; then variables; then flags.
    pub(crate) fn rank(&self) -> (u8, &Path, u32, u32, &str) {
        match self {
            Self::File { path, line, column } => (0, path, *line, *column, ""),
            Self::Variable(name) => (1, Path::new(""), 0, 0, name),
            Self::Flag(text) => (2, Path::new(""), 0, 0, text),
        }
    }

    /// True for what an operator gives as bare text, outside of any file.
    pub(crate) const fn is_overlay(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Variable(_) | Self::Flag(_) => true,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(text) => match text.split_once('=') {
                Some((key, _)) if convert::is_secret(key) => write!(f, "--set {key}=…"),
                _ => write!(f, "--set {text}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_reads_like_the_place_it_names() {
        let file = |line, column| Origin::File { path: Path::new("madang.toml").into(), line, column };
        for (origin, expected) in [
            (file(14, 3), "madang.toml:14:3"),
            (file(0, 0), "madang.toml"),
            (Origin::Variable("MADANG_A__B".into()), "variable MADANG_A__B"),
            (Origin::Flag("a.b=1".into()), "--set a.b=1"),
            (Origin::Flag("admin.token=abc".into()), "--set admin.token=…"),
        ] {
            assert_eq!(origin.to_string(), expected);
        }
    }
}
