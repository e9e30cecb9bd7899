//! Problems: everything that is wrong with a set of settings, shown at once.

use std::fmt::{self, Write as _};

use madang_base::Code;

use crate::Origin;

/// Whether a problem stops the settings from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The settings are refused.
    Error,
    /// The settings work, perhaps not as meant.
    Warning,
}

/// Whether rendered text carries terminal colors. Nothing depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Text alone.
    Plain,
    /// ANSI bold, red for errors and yellow for warnings.
    Colored,
}

/// One thing that is wrong, with the place, the way out and the code.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, values in backticks, no final period.
    pub message: String,
    /// The dotted key it is about: `services.orders.instances`; empty for the file as a whole.
    pub key: String,
    /// Where the value was written.
    pub origin: Option<Origin>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The stable code, explained by `madang explain`.
    pub code: &'static Code,
    /// Other places that matter, each with what it is.
    pub related: Vec<(String, Origin)>,
}

impl Problem {
    /// An error about `key`.
    #[must_use]
    pub fn error(code: &'static Code, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, key.into(), message.into())
    }

    /// A warning about `key`.
    #[must_use]
    pub fn warning(code: &'static Code, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, key.into(), message.into())
    }

    fn new(severity: Severity, code: &'static Code, key: String, message: String) -> Self {
        Self { severity, message, key, origin: None, hint: None, code, related: Vec::new() }
    }

    /// Sets the place.
    pub fn at(&mut self, origin: &Origin) -> &mut Self {
        self.origin = Some(origin.clone());
        self
    }

    /// Sets what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds another place that matters: `first set here`.
    pub fn related(&mut self, label: impl Into<String>, origin: &Origin) -> &mut Self {
        self.related.push((label.into(), origin.clone()));
        self
    }

    /// The problem in house style, without a final newline.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (tint, bold, plain) = match (style, self.severity) {
            (Style::Plain, _) => ("", "", ""),
            (Style::Colored, Severity::Error) => ("\x1b[1;31m", "\x1b[1m", "\x1b[0m"),
            (Style::Colored, Severity::Warning) => ("\x1b[1;33m", "\x1b[1m", "\x1b[0m"),
        };
        let mut text = format!("{tint}{word}{plain}{bold}: {}{plain}", indented(&self.message, "       "));
        let key = printable(&self.key);
        let _ = match (&self.origin, key.is_empty()) {
            (Some(origin), true) => write!(text, "\n  --> {}", printable(&origin.to_string())),
            (Some(origin), false) => write!(text, "\n  --> {}, {key}", printable(&origin.to_string())),
            (None, false) => write!(text, "\n  --> {key}"),
            (None, true) => Ok(()),
        };
        for (label, origin) in &self.related {
            let _ = write!(text, "\n  --> {}, {}", printable(&origin.to_string()), printable(label));
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n{bold}hint{plain}: {}", indented(hint, "      "));
        }
        let _ = write!(text, "\n{bold}code{plain}: {0} (madang explain {0})", self.code.id);
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

/// All problems found so far.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// No problems yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an error about `key`; place, hint and related places are chained on the answer.
    pub fn error(&mut self, code: &'static Code, key: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::error(code, key, message))
    }

    /// Adds a warning about `key`; place, hint and related places are chained on the answer.
    pub fn warning(&mut self, code: &'static Code, key: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::warning(code, key, message))
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) -> &mut Problem {
        self.0.push_mut(problem)
    }

    /// Adds all of another set.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// True when at least one is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// True when there is none, not even a warning.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many, warnings included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in the order a reader of the file meets them; then variables, flags, and those without a place.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        let mut sorted: Vec<&Problem> = self.0.iter().collect();
        sorted.sort_by(|a, b| match (&a.origin, &b.origin) {
            (Some(a), Some(b)) => a.rank().cmp(&b.rank()),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        sorted.into_iter()
    }

    /// All in house style, an empty line between two, without a final newline.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let all: Vec<String> = self.iter().map(|problem| problem.render(style)).collect();
        all.join("\n\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Values come from files and variables; none of them may move the cursor of the reader's terminal.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Like `printable`, but lines stay lines, aligned under the first.
fn indented(text: &str, indent: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join(&format!("\n{indent}"))
}

#[cfg(test)]
mod tests;
