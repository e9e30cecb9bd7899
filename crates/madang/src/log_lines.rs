//! Log lines for people: who wrote it, in a color per service, then the line.

use std::collections::HashMap;

use madang_supervise::{LogLine, Stream};

use crate::output::Color;

/// Cyan, yellow, magenta, green, blue and their bright sisters; red is for what is wrong.
const STYLES: [&str; 9] = ["36", "33", "35", "32", "34", "96", "93", "95", "94"];

/// Formats lines; the column of names is as wide as the widest seen so far.
#[derive(Debug)]
pub(crate) struct LogLines {
    color: Color,
    width: usize,
    styles: HashMap<String, &'static str>,
}

impl LogLines {
    pub(crate) fn new(color: Color) -> Self {
        Self { color, width: 0, styles: HashMap::new() }
    }

    /// Makes room for a name.
    pub(crate) fn expect(&mut self, instance: &str) {
        self.width = self.width.max(instance.chars().count());
    }

    /// `orders-1 | listening on 20001`.
    pub(crate) fn format(&mut self, line: &LogLine) -> String {
        let instance = if line.instance.is_empty() { "madang" } else { &line.instance };
        self.expect(instance);
        let next = STYLES[self.styles.len() % STYLES.len()];
        let style = *self.styles.entry(line.service.clone()).or_insert(next);
        let style = if line.stream == Stream::Madang { "2" } else { style };
        let name = self.color.paint(style, &format!("{instance:width$} |", width = self.width));
        format!("{name} {}", shown(&line.line))
    }
}

/// A service may color its lines, but not move the cursor or ring: of escape sequences only SGR (`ESC [ … m`) is kept.
fn shown(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let sequence = rest
            .strip_prefix("\u{1b}[")
            .map(|inner| 2 + inner.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(inner.len()));
        match sequence {
            Some(end) if rest[end..].starts_with('m') => {
                out.push_str(&rest[..=end]);
                rest = &rest[end + 1..];
            }
            _ => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                rest = &rest[length..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(instance: &str, text: &str) -> LogLine {
        let service = instance.split('-').next().unwrap_or_default().to_owned();
        LogLine { time_ms: 0, service, instance: instance.into(), stream: Stream::Stdout, line: text.into() }
    }

    #[test]
    fn names_are_in_a_column_and_each_service_has_its_color() {
        let mut lines = LogLines::new(Color::Off);
        lines.expect("catalog-1");
        assert_eq!(lines.format(&line("web-1", "hello")), "web-1     | hello");
        let mut lines = LogLines::new(Color::On);
        let (web, orders) = (lines.format(&line("web-1", "x")), lines.format(&line("orders-1", "x")));
        assert_eq!(web, "\u{1b}[36mweb-1 |\u{1b}[0m x");
        assert_eq!(orders, "\u{1b}[33morders-1 |\u{1b}[0m x");
        assert_eq!(lines.format(&line("web-2", "x")), "\u{1b}[36mweb-2    |\u{1b}[0m x");
    }

    #[test]
    fn a_line_cannot_move_the_cursor_and_may_have_color() {
        for (text, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "[2J[1;1Hgone"),
            ("a\rb\u{7}c", "abc"),
            ("cut\u{1b}[", "cut["),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }
}
