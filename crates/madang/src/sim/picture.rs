//! The result of a run on a terminal: tables, a latency distribution, and lines over time. Nothing needs color.

use std::fmt::Write;
use std::time::Duration;

use madang_base::format_duration;
use madang_sim::{Bin, Report, Slice};

use crate::output::Table;

/// Columns of the longest bar.
const WIDTH: f64 = 48.0;
/// One in so many is too rare for a bar of its own.
const RARE: u64 = 1_000;
/// Eighths of a column, and of a line.
const ACROSS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const UP: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One run.
pub(crate) fn of(report: &Report) -> String {
    let mut out = format!("{}, {}, seed {}\n", report.scenario, report.policy, report.seed);
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{}\n", circumstances(report));
    let mut table = Table::new(["MEAN LATENCY", "P50", "P90", "P95", "P99", "P99.9", "MAX"]);
    let latency = &report.latency;
    let all =
        [latency.mean_s, latency.p50_s, latency.p90_s, latency.p95_s, latency.p99_s, latency.p999_s, latency.max_s];
    table.row(all.map(span));
    let _ = writeln!(out, "{table}");
    let _ = writeln!(out, "{}", requests(report));
    let _ = writeln!(out, "{}", groups(report));
    out.push_str(&distribution(&report.distribution));
    out.push_str(&over_time(report));
    out
}

/// Several runs that differ in `key`, side by side.
pub(crate) fn compared(key: &str, values: &[&str], reports: &[Report]) -> String {
    let mut out = String::new();
    if let Some(first) = reports.first() {
        let _ = writeln!(out, "{}, seed {}\n{}\n", first.scenario, first.seed, circumstances(first));
    }
    let heads = [
        key.to_ascii_uppercase(),
        "MEAN".into(),
        "P50".into(),
        "P90".into(),
        "P99".into(),
        "P99.9".into(),
        "MAX".into(),
        "NOT OK".into(),
        "OK/S".into(),
    ];
    let mut rows = vec![heads];
    for (value, report) in values.iter().zip(reports) {
        let latency = &report.latency;
        let [mean, p50, p90, p99, p999, max] =
            [latency.mean_s, latency.p50_s, latency.p90_s, latency.p99_s, latency.p999_s, latency.max_s].map(span);
        let lost = report.requests.arrived - report.requests.succeeded;
        let lost = share(ratio(lost, report.requests.arrived));
        rows.push([
            (*value).to_owned(),
            mean,
            p50,
            p90,
            p99,
            p999,
            max,
            lost,
            figure(report.requests.throughput_per_s),
        ]);
    }
    out.push_str(&columns(&rows));
    let most = reports.iter().flat_map(|report| &report.timeline).map(|slice| slice.p99_s).fold(0.0, f64::max);
    let end = reports.first().map_or(0.0, |report| report.end_s);
    let _ = writeln!(out, "\np99 over time, 0s to {}; a full column is {}", span(end), span(most));
    let width = values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
    for (value, report) in values.iter().zip(reports) {
        let line = sparkline(&report.timeline, |slice| slice.p99_s, most);
        let _ = writeln!(out, "  {value:width$}  {line}");
    }
    out
}

/// What was simulated, in a sentence.
fn circumstances(report: &Report) -> String {
    let servers =
        if report.servers == 1 { "1 server" } else { &format!("{} servers", thousands(u64::from(report.servers))) };
    let warmup = match report.warmup_s {
        0.0 => String::new(),
        warmup => format!("; the first {} are not counted", span(warmup)),
    };
    format!(
        "{servers}, {} requests a second for {}, load {:.2}{warmup}",
        figure(report.load * report.capacity_per_s),
        span(report.end_s),
        report.load
    )
}

fn requests(report: &Report) -> String {
    let all = &report.requests;
    let mut rows = vec![
        ["REQUESTS".to_owned(), "SUCCEEDED".to_owned()].to_vec(),
        vec![thousands(all.arrived), share(ratio(all.succeeded, all.arrived))],
    ];
    // What did not happen is not shown.
    for (name, count) in
        [("FAILED", all.failed), ("REFUSED", all.refused), ("TIMED OUT", all.timed_out), ("UNSERVED", all.unserved)]
    {
        if count > 0 {
            rows[0].push(name.to_owned());
            rows[1].push(share(ratio(count, all.arrived)));
        }
    }
    if all.retries > 0 {
        rows[0].push("RETRIES".to_owned());
        rows[1].push(thousands(all.retries));
    }
    rows[0].push("SUCCEEDED/S".to_owned());
    rows[1].push(figure(all.throughput_per_s));
    columns(&rows)
}

fn groups(report: &Report) -> String {
    let mut table = Table::new(["SERVERS", "COUNT", "SHARE", "BUSY", "WAITING", "MEAN", "FAILED", "REFUSED"]);
    for group in &report.groups {
        table.row([
            group.name.clone(),
            thousands(u64::from(group.servers)),
            share(group.share),
            share(group.utilisation),
            format!("{:.2}", group.waiting),
            span(group.mean_s),
            share(ratio(group.failed, group.tries)),
            share(ratio(group.refused, group.tries)),
        ]);
    }
    table.to_string()
}

/// A bar for each span of latencies; the rare ones at both ends are brought together.
fn distribution(bins: &[Bin]) -> String {
    let all: u64 = bins.iter().map(|bin| bin.count).sum();
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let (mut below, mut kept) = (0, Vec::new());
    let mut rest = 0;
    for (place, bin) in bins.iter().enumerate() {
        below += bin.count;
        rest += bin.count;
        let last = place + 1 == bins.len();
        let rare = below < all / RARE || all - below < all / RARE;
        if last || !rare {
            kept.push((bin.to_s, below, rest));
            rest = 0;
        }
    }
    let mut out = format!("{:>8}  {:>7}\n", "UP TO", "OF ALL");
    for (to, below, count) in kept {
        let bar = bar(ratio(count, most) * WIDTH);
        let line = format!("{:>8}  {:>7}  {bar}", span(to), share(ratio(below, all)));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push('\n');
    out
}

fn over_time(report: &Report) -> String {
    let line = &report.timeline;
    let Some(width) = line.get(1).map(|slice| slice.from_s).filter(|_| line.len() > 1) else { return String::new() };
    let last = span(report.end_s);
    let mut out = format!("{:<13}0s{last:>pad$}   A FULL COLUMN\n", "OVER TIME", pad = line.len().saturating_sub(2));
    let mut add = |name: &str, value: &dyn Fn(&Slice) -> f64, show: &dyn Fn(f64) -> String| {
        let most = line.iter().map(value).fold(0.0, f64::max);
        if most > 0.0 {
            let _ = writeln!(out, "{name:<13}{}   {}", sparkline(line, value, most), show(most));
        }
    };
    let per_second = |count: u64| ratio(count, 1) / width;
    add("arrived/s", &|slice| per_second(slice.arrived), &figure);
    add("succeeded/s", &|slice| per_second(slice.succeeded), &figure);
    add("not ok/s", &|slice| per_second(slice.failed), &figure);
    add("mean", &|slice| slice.mean_s, &span);
    add("p99", &|slice| slice.p99_s, &span);
    add("waiting", &|slice| slice.waiting, &figure);
    out
}

fn sparkline(line: &[Slice], value: impl Fn(&Slice) -> f64, most: f64) -> String {
    let column = |slice: &Slice| {
        let part = value(slice) / most;
        if part > 0.0 { UP[eighths(part, UP.len() - 1)] } else { ' ' }
    };
    line.iter().map(column).collect()
}

/// A bar of so many columns.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most WIDTH
fn bar(columns: f64) -> String {
    let full = columns as usize;
    let rest = ((columns - columns.floor()) * 8.0) as usize;
    // Something is never nothing.
    let end = if full == 0 && rest == 0 && columns > 0.0 { ACROSS[1] } else { ACROSS[rest.min(7)] };
    "█".repeat(full) + end
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // 0 to 7
fn eighths(part: f64, last: usize) -> usize {
    ((part * (last + 1) as f64) as usize).min(last)
}

/// Rows whose columns are as wide as their widest cell, for tables whose columns depend on what happened.
fn columns<R: AsRef<[String]>>(rows: &[R]) -> String {
    let count = rows.first().map_or(0, |row| row.as_ref().len());
    let width =
        |column: usize| rows.iter().filter_map(|row| row.as_ref().get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).filter_map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn span(seconds: f64) -> String {
    // Three digits, as `12.3ms`.
    format_duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e12)))
}

#[allow(clippy::cast_precision_loss)] // shown with few digits
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// A share in percent; one that is nearly nothing or nearly all is not rounded to that.
fn share(share: f64) -> String {
    let percent = share * 100.0;
    let rounds_off = (percent > 0.0 && percent < 0.05) || (99.95..100.0).contains(&percent);
    if rounds_off { format!("{percent:.3}%") } else { format!("{percent:.1}%") }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative
fn figure(number: f64) -> String {
    match number {
        number if number >= 1_000.0 => thousands(number.round() as u64),
        number if number >= 10.0 => format!("{number:.0}"),
        number => format!("{number:.2}"),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        for (number, expected) in [(0.5, "0.50"), (12.3, "12"), (1_234.5, "1,235"), (1e7, "10,000,000")] {
            assert_eq!(figure(number), expected);
        }
        for (part, expected) in
            [(0.0, "0.0%"), (0.0001, "0.010%"), (0.5, "50.0%"), (0.9999, "99.990%"), (1.0, "100.0%")]
        {
            assert_eq!(share(part), expected);
        }
    }

    #[test]
    fn a_bar_of_something_is_never_empty() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(0.001), "▏");
        assert_eq!(bar(2.5), "██▌");
        assert_eq!(bar(3.0), "███");
    }
}
