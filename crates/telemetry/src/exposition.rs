//! The text Prometheus reads: format 0.0.4 (prometheus.io, "Exposition formats", "Text-based format").
//!
//! Written from scratch at each scrape by whoever owns the meters. Families come out in the order they were first
//! named, each with one HELP and one TYPE, also when several writers add samples to it in turn.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use crate::histogram::Snapshot;

/// The media type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics being written.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Block>,
    index: HashMap<&'static str, usize>,
}

#[derive(Debug)]
struct Block {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    samples: String,
}

impl Exposition {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A family of numbers that only grow; `name` ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        Family(self.block(name, help, "counter"))
    }

    /// A family of numbers that go up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        Family(self.block(name, help, "gauge"))
    }

    /// A family of durations by size; `name` ends in `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &'static str) -> HistogramFamily<'_> {
        HistogramFamily(self.block(name, help, "histogram"))
    }

    /// The first word about a family stands: a later one with other help or kind only adds samples.
    fn block(&mut self, name: &'static str, help: &'static str, kind: &'static str) -> &mut Block {
        debug_assert!(is_metric_name(name), "`{name}` is not a metric name");
        let families = &mut self.families;
        let at = *self.index.entry(name).or_insert_with(|| {
            families.push(Block { name, help, kind, samples: String::new() });
            families.len() - 1
        });
        debug_assert_eq!(families[at].kind, kind, "`{name}` has two kinds");
        &mut families[at]
    }

    /// The page as text. A family without samples is left out.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for family in self.families.iter().filter(|family| !family.samples.is_empty()) {
            let Block { name, help, kind, samples } = family;
            text.push_str("# HELP ");
            text.push_str(name);
            text.push(' ');
            escape(&mut text, help, false);
            text.push_str("\n# TYPE ");
            text.push_str(name);
            text.push(' ');
            text.push_str(kind);
            text.push('\n');
            text.push_str(samples);
        }
        text
    }
}

/// A family of plain numbers, to add samples to.
#[derive(Debug)]
pub struct Family<'a>(&'a mut Block);

impl Family<'_> {
    /// Adds one sample. `labels` come from a bounded set: a route id, never a raw path.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) -> &mut Self {
        self.0.line("", labels, None, value.into());
        self
    }
}

/// A family of histograms, to add samples to.
#[derive(Debug)]
pub struct HistogramFamily<'a>(&'a mut Block);

impl HistogramFamily<'_> {
    /// Adds one histogram: a line per bucket, the sum in seconds and the count.
    pub fn sample(&mut self, labels: &[(&str, &str)], histogram: &Snapshot) -> &mut Self {
        for (bound, count) in histogram.cumulative() {
            self.0.line("_bucket", labels, Some(Number::Seconds(bound)), Number::Integer(count));
        }
        let count = Number::Integer(histogram.count());
        self.0.line("_bucket", labels, Some(Number::Float(f64::INFINITY)), count);
        self.0.line("_sum", labels, None, Number::Seconds(histogram.sum()));
        self.0.line("_count", labels, None, count);
        self
    }
}

impl Block {
    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], le: Option<Number>, value: Number) {
        let text = &mut self.samples;
        text.push_str(self.name);
        text.push_str(suffix);
        let mut opening = '{';
        for (label, value) in labels {
            debug_assert!(is_label_name(label), "`{label}` is not a label name");
            text.push(opening);
            text.push_str(label);
            text.push_str("=\"");
            escape(text, value, true);
            text.push('"');
            opening = ',';
        }
        if let Some(bound) = le {
            text.push(opening);
            push(text, format_args!("le=\"{bound}\""));
            opening = ',';
        }
        if opening == ',' {
            text.push('}');
        }
        push(text, format_args!(" {value}\n"));
    }
}

/// A value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A count.
    Integer(u64),
    /// A count that may be below zero.
    Signed(i64),
    /// A duration, to the nanosecond.
    Seconds(Duration),
    /// Anything else, in base units: bytes, ratios.
    Float(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Integer(value as u64)
    }
}

impl From<Duration> for Number {
    fn from(value: Duration) -> Self {
        Self::Seconds(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            // Not through a float: 1.6384 s would come out as 1.6383999999999999.
            Self::Seconds(value) => match value.subsec_nanos() {
                0 => write!(f, "{}", value.as_secs()),
                nanos => write!(f, "{}.{}", value.as_secs(), format!("{nanos:09}").trim_end_matches('0')),
            },
            // The format wants Go's spelling of the special values.
            Self::Float(value) if value == f64::INFINITY => f.write_str("+Inf"),
            Self::Float(value) if value == f64::NEG_INFINITY => f.write_str("-Inf"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

fn push(text: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = text.write_fmt(args);
}

/// Backslash and line feed are escaped everywhere, the quote only where one ends the text.
fn escape(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

fn is_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && name != "le"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Histogram;

    #[test]
    fn a_family_is_introduced_once_however_its_samples_come() {
        let mut out = Exposition::new();
        for (service, running, restarts) in [("orders", 2_i64, 7_u64), ("web", 0, 0)] {
            out.gauge("madang_supervise_instances", "Instances running.").sample(&[("service", service)], running);
            out.counter("madang_supervise_restarts_total", "Restarts.").sample(&[("service", service)], restarts);
        }
        out.gauge("madang_unused", "Never sampled.");
        assert_eq!(
            out.render(),
            "# HELP madang_supervise_instances Instances running.\n\
             # TYPE madang_supervise_instances gauge\n\
             madang_supervise_instances{service=\"orders\"} 2\n\
             madang_supervise_instances{service=\"web\"} 0\n\
             # HELP madang_supervise_restarts_total Restarts.\n\
             # TYPE madang_supervise_restarts_total counter\n\
             madang_supervise_restarts_total{service=\"orders\"} 7\n\
             madang_supervise_restarts_total{service=\"web\"} 0\n"
        );
    }

    #[test]
    fn help_and_labels_are_escaped() {
        let mut out = Exposition::new();
        out.gauge("up", "a \\ and\n\"quotes\"").sample(&[("a", "x\"y\\z\n"), ("b", "é")], 1_u64);
        assert_eq!(
            out.render(),
            "# HELP up a \\\\ and\\n\"quotes\"\n# TYPE up gauge\nup{a=\"x\\\"y\\\\z\\n\",b=\"é\"} 1\n"
        );
    }

    #[test]
    fn numbers_are_spelled_as_prometheus_reads_them() {
        for (number, expected) in [
            (Number::from(u64::MAX), "18446744073709551615"),
            (Number::from(-3_i64), "-3"),
            (Number::from(0.1), "0.1"),
            (Number::from(Duration::from_secs(3)), "3"),
            (Number::from(Duration::from_micros(1_638_400)), "1.6384"),
            (Number::from(Duration::from_nanos(5)), "0.000000005"),
            (Number::from(f64::INFINITY), "+Inf"),
            (Number::from(f64::NEG_INFINITY), "-Inf"),
            (Number::from(f64::NAN), "NaN"),
        ] {
            assert_eq!(number.to_string(), expected);
        }
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_a_sum_and_a_count() {
        let histogram = Histogram::new();
        for micros in [50, 100, 150, 1_500_000, 200_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut out = Exposition::new();
        out.histogram("d_seconds", "Durations.").sample(&[("route", "a")], &histogram.snapshot());
        let text = out.render();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 22 + 2);
        for (at, expected) in [
            (0, "# HELP d_seconds Durations."),
            (1, "# TYPE d_seconds histogram"),
            (2, "d_seconds_bucket{route=\"a\",le=\"0.0001\"} 2"),
            (3, "d_seconds_bucket{route=\"a\",le=\"0.0002\"} 3"),
            (15, "d_seconds_bucket{route=\"a\",le=\"0.8192\"} 3"),
            (16, "d_seconds_bucket{route=\"a\",le=\"1.6384\"} 4"),
            (22, "d_seconds_bucket{route=\"a\",le=\"104.8576\"} 4"),
            (23, "d_seconds_bucket{route=\"a\",le=\"+Inf\"} 5"),
            (24, "d_seconds_sum{route=\"a\"} 201.5003"),
            (25, "d_seconds_count{route=\"a\"} 5"),
        ] {
            assert_eq!(lines[at], expected);
        }
    }
}
