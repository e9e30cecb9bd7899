//! What commands show: aligned columns for people, JSON for programs.
//!
//! Nothing depends on color: it only repeats what the words say, on a terminal and without `NO_COLOR`.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use madang_settings::{Problems, Style};
use serde::Serialize;

use crate::failure::{Exit, Failure};

/// How a command shows its result.
#[derive(Debug, Clone, Args)]
pub(crate) struct Show {
    /// Prints JSON, whose shape is stable, instead of columns
    #[arg(long)]
    pub(crate) json: bool,
}

impl Show {
    /// Prints `value` as JSON, or what `people` makes of it.
    pub(crate) fn print<T: Serialize + ?Sized>(
        &self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<Exit, Failure> {
        let text = if self.json {
            serde_json::to_string_pretty(value).map_err(io::Error::other)? + "\n"
        } else {
            people(value)
        };
        print(&text)?;
        Ok(Exit::Done)
    }
}

/// Writes `text` to stdout as it is.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Problems go to stderr, all at once.
pub(crate) fn problems(problems: &Problems) {
    let style = if is_plain(io::stderr().is_terminal()) { Style::Plain } else { Style::Colored };
    let mut err = io::stderr().lock();
    // Nobody can be told that stderr is gone.
    let _ = writeln!(err, "{}", problems.render(style));
}

/// Warnings, when there are any.
pub(crate) fn warnings(warnings: &Problems) {
    if !warnings.is_empty() {
        problems(warnings);
    }
}

/// No color: not a terminal, one that knows none, or a wish (no-color.org).
fn is_plain(terminal: bool) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !terminal || refused || dumb
}

/// Columns as wide as their widest cell, two spaces apart; the last one is not padded.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(heads: [&'static str; COLUMNS]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    fn widths(&self) -> [usize; COLUMNS] {
        let mut widths = self.heads.map(|head| head.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let heads = self.heads.map(str::to_owned);
        for row in std::iter::once(&heads).chain(&self.rows) {
            let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Whether escape sequences may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    On,
    Off,
}

impl Color {
    /// On when stdout is a terminal that understands color and `NO_COLOR` is empty (no-color.org).
    pub(crate) fn of_stdout() -> Self {
        if is_plain(io::stdout().is_terminal()) { Self::Off } else { Self::On }
    }

    /// `text` in a style (an SGR parameter list: `1` bold, `2` dim, `36` cyan).
    pub(crate) fn paint(self, style: &str, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["SERVICE", "PID", "STATE"]);
        table.row(["orders".into(), "123456".into(), "healthy".into()]);
        table.row(["web".into(), "7".into(), "backoff".into()]);
        insta::assert_snapshot!(table, @r"
        SERVICE  PID     STATE
        orders   123456  healthy
        web      7       backoff
        ");
    }

    #[test]
    fn without_color_nothing_but_the_text_is_written() {
        assert_eq!(Color::Off.paint("1", "up"), "up");
        assert_eq!(Color::On.paint("1", "up"), "\u{1b}[1mup\u{1b}[0m");
    }
}
