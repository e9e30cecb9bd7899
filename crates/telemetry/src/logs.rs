//! Logs: `tracing` events as lines on stderr, for people or for machines.

use std::env::VarError;
use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// What to log and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Text for people (default) or one JSON object per line.
    pub format: Format,
    /// Color in text; JSON never has any.
    pub color: Color,
    /// Which events: `info` (default), or per target: `info,madang_gateway=debug`.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Time, level, target, message, fields.
    #[default]
    Text,
    /// The same as one JSON object per line.
    Json,
}

/// When text has color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// When stderr is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("log filter `{filter}` cannot be read: {reason}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody installed logging before.
    #[error("logging is already set up")]
    Twice,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: Format::default(), color: Color::default(), filter: Self::DEFAULT_FILTER.to_owned() }
    }
}

impl LogSettings {
    /// The variable [`Self::from_env`] reads.
    pub const VARIABLE: &str = "MADANG_LOG";

    /// What is logged unless told otherwise: the life cycle, and what somebody must look at.
    pub const DEFAULT_FILTER: &str = "info";

    /// The defaults, with the filter from `MADANG_LOG` when that is set and not empty.
    ///
    /// # Errors
    /// [`LogError::Filter`] when the variable is not UTF-8.
    pub fn from_env() -> Result<Self, LogError> {
        let filter = match std::env::var(Self::VARIABLE) {
            Ok(filter) if !filter.trim().is_empty() => filter,
            Ok(_) | Err(VarError::NotPresent) => Self::DEFAULT_FILTER.to_owned(),
            Err(VarError::NotUnicode(filter)) => {
                let reason = format!("`{}` is not UTF-8", Self::VARIABLE);
                return Err(LogError::Filter { filter: filter.to_string_lossy().into_owned(), reason });
            }
        };
        Ok(Self { filter, ..Self::default() })
    }
}

/// Sends the events of the whole process to stderr from now on.
///
/// # Errors
/// [`LogError`]: a filter that cannot be read, or a second call.
pub fn init_logs(settings: &LogSettings) -> Result<(), LogError> {
    let color = match settings.color {
        Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        Color::Off => false,
    };
    match settings.format {
        Format::Text => text(&settings.filter, color, std::io::stderr)?.try_init(),
        Format::Json => json(&settings.filter, std::io::stderr)?.try_init(),
    }
    .map_err(|_| LogError::Twice)
}

fn text<W>(filter: &str, color: bool, to: W) -> Result<impl SubscriberInitExt, LogError>
where
    W: for<'a> MakeWriter<'a, Writer: Write> + Send + Sync + 'static,
{
    let filter = parse(filter)?;
    Ok(tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_ansi(color).finish())
}

fn json<W>(filter: &str, to: W) -> Result<impl SubscriberInitExt, LogError>
where
    W: for<'a> MakeWriter<'a, Writer: Write> + Send + Sync + 'static,
{
    let filter = parse(filter)?;
    Ok(tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(to).finish())
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter)
        .map_err(|error| LogError::Filter { filter: filter.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn maker(&self) -> impl Fn() -> Self + use<> {
            let page = self.clone();
            move || page.clone()
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn text_is_one_line_per_event_with_color_only_when_asked() {
        for (color, escapes) in [(false, false), (true, true)] {
            let page = Page::default();
            let guard = text("info", color, page.maker()).unwrap().set_default();
            info!(service = "orders", "lease expired");
            debug!("not this one");
            drop(guard);
            let text = page.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("lease expired"), "{text}");
            assert_eq!(text.contains('\u{1b}'), escapes, "{text:?}");
        }
    }

    #[test]
    fn json_is_one_object_per_event_with_the_fields_at_the_top() {
        let page = Page::default();
        let guard = json("info", page.maker()).unwrap().set_default();
        info!(service = "orders", idle_s = 91, "lease expired");
        drop(guard);
        let line: serde_json::Value = serde_json::from_str(&page.text()).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "lease expired");
        assert_eq!(line["service"], "orders");
        assert_eq!(line["idle_s"], 91);
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error_that_shows_it() {
        let Err(error) = parse("madang=lauter") else { panic!("accepted") };
        assert!(error.to_string().starts_with("log filter `madang=lauter` cannot be read: "), "{error}");
    }
}
