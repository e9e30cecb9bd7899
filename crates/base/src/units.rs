//! Texts with units: `"10s"`, `"64MiB"`. A bare number is refused, because nobody remembers which unit it has.

use std::time::Duration;

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number at the front.
    #[error("`{0}` does not start with a number")]
    Number(String),
    /// A number without a unit.
    #[error("`{text}` has no unit; use one of {units}")]
    Missing {
        /// The text as given.
        text: String,
        /// The units that exist.
        units: &'static str,
    },
    /// A unit nobody knows.
    #[error("`{unit}` is not a unit; use one of {units}")]
    Unknown {
        /// What stood where the unit is expected.
        unit: String,
        /// The units that exist.
        units: &'static str,
    },
    /// More than fits.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

const DURATIONS: &[(&str, f64)] =
    &[("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];
const DURATION_UNITS: &str = "ns, us, ms, s, m, h, d";

const SIZES: &[(&str, f64)] = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];
const SIZE_UNITS: &str = "B, kB, MB, GB, KiB, MiB, GiB";

/// Reads `"250ms"`, `"1.5s"`, `"2m"`, `"1h30m"`.
///
/// # Errors
/// One [`UnitError`] per rule; 100 years is the most.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let seconds = parse(text, DURATIONS, DURATION_UNITS)?;
    if seconds > 3_155_760_000.0 {
        return Err(UnitError::TooLarge(text.to_owned()));
    }
    // Through nanoseconds: "0.1s" is 100 ms and not 100.000001 ms.
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Reads `"512B"`, `"64MiB"`, `"1.5GB"` as bytes.
///
/// # Errors
/// One [`UnitError`] per rule; 2^53 bytes is the most.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let bytes = parse(text, SIZES, SIZE_UNITS)?;
    if bytes > 9_007_199_254_740_992.0 {
        return Err(UnitError::TooLarge(text.to_owned()));
    }
    Ok(bytes.round() as u64)
}

fn parse(text: &str, table: &[(&str, f64)], units: &'static str) -> Result<f64, UnitError> {
    let mut rest = text.trim();
    let mut total = 0.0;
    loop {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number: f64 = rest[..number_end].parse().map_err(|_| UnitError::Number(text.to_owned()))?;
        rest = rest[number_end..].trim_start();
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        if unit.is_empty() {
            return Err(UnitError::Missing { text: text.to_owned(), units });
        }
        let Some((_, factor)) = table.iter().find(|(name, _)| *name == unit) else {
            return Err(UnitError::Unknown { unit: unit.to_owned(), units });
        };
        total += number * factor;
        rest = rest[unit_end..].trim_start();
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// The shortest text [`parse_duration`] reads back, rounded to three digits of its largest unit: `1.5s`, `2m`, `250ms`.
#[must_use]
pub fn format_duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let (factor, unit) = match seconds {
        0.0 => return "0s".to_owned(),
        s if s >= 86_400.0 => (86_400.0, "d"),
        s if s >= 3_600.0 => (3_600.0, "h"),
        s if s >= 60.0 => (60.0, "m"),
        s if s >= 1.0 => (1.0, "s"),
        s if s >= 1e-3 => (1e-3, "ms"),
        s if s >= 1e-6 => (1e-6, "us"),
        _ => (1e-9, "ns"),
    };
    format!("{}{unit}", short(seconds / factor))
}

/// A size for people, in binary units: `512B`, `1.5KiB`, `64MiB`.
#[must_use]
#[allow(clippy::cast_precision_loss)] // three digits are shown
pub fn format_size(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (factor, unit) = match bytes {
        b if b >= 1_073_741_824.0 => (1_073_741_824.0, "GiB"),
        b if b >= 1_048_576.0 => (1_048_576.0, "MiB"),
        b if b >= 1024.0 => (1024.0, "KiB"),
        _ => (1.0, "B"),
    };
    format!("{}{unit}", short(bytes / factor))
}

/// At most two decimals, none that are zero.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, expected) in [
            ("10s", Ok(10_000)),
            ("250ms", Ok(250)),
            ("1.5s", Ok(1_500)),
            ("1h30m", Ok(5_400_000)),
            ("0s", Ok(0)),
            ("10", Err(UnitError::Missing { text: "10".into(), units: DURATION_UNITS })),
            ("10 sec", Err(UnitError::Unknown { unit: "sec".into(), units: DURATION_UNITS })),
            ("soon", Err(UnitError::Number("soon".into()))),
            ("-1s", Err(UnitError::Number("-1s".into()))),
            ("99999d", Err(UnitError::TooLarge("99999d".into()))),
        ] {
            assert_eq!(parse_duration(text).map(|span| span.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, expected) in [
            ("64MiB", Ok(67_108_864)),
            ("1.5kB", Ok(1_500)),
            ("16B", Ok(16)),
            ("16", Err(UnitError::Missing { text: "16".into(), units: SIZE_UNITS })),
            ("16kb", Err(UnitError::Unknown { unit: "kb".into(), units: SIZE_UNITS })),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["1.5s", "2m", "250ms", "3d", "12us", "7ns", "0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["512B", "1.5KiB", "64MiB", "2GiB"] {
            assert_eq!(format_size(parse_size(text).unwrap()), text);
        }
    }
}
