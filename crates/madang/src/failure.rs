//! Why a command did not do what it was asked, and with which exit code it ends.
//!
//! `main` prints a failure once, to stderr, in the same form the problems of a settings file have.

use std::fmt;
use std::io;
use std::process::ExitCode;

use madang_base::Code;
use madang_settings::Problems;

use crate::output;

/// How the program ends. Part of the interface: scripts read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done; also after one Ctrl-C.
    Done,
    /// 1: the wish was clear and could not be met.
    CouldNot,
    /// 2: the command line or the settings are wrong.
    Wrong,
    /// 130: a second interrupt cut the stop short.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::CouldNot => 1,
            Exit::Wrong => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The settings are wrong, in one or many places.
    Settings(Problems),
    /// One thing went wrong.
    Report(Report),
    /// Whoever read our output has left (`madang logs -f | head`): nobody is there to be told.
    ReaderGone,
}

/// One thing that went wrong, where, and what to do. Boxed: results carry it, and nearly all of them are good.
#[derive(Debug)]
pub(crate) struct Report(Box<Told>);

#[derive(Debug)]
struct Told {
    message: String,
    place: Option<String>,
    detail: Option<String>,
    hints: Vec<String>,
    code: Option<String>,
    exit: Exit,
}

impl Report {
    /// Something that could not be done.
    pub(crate) fn could_not(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::CouldNot)
    }

    /// Something that was asked in a wrong way.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::Wrong)
    }

    fn new(message: String, exit: Exit) -> Self {
        Self(Box::new(Told { message, place: None, detail: None, hints: Vec::new(), code: None, exit }))
    }

    /// Where it is: a file and line, a setting.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    /// Lines that show it: the last words of a process.
    pub(crate) fn detail(mut self, lines: impl Into<String>) -> Self {
        self.0.detail = Some(lines.into());
        self
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    pub(crate) fn code(self, code: &'static Code) -> Self {
        self.code_id(code.id)
    }

    /// The code as another Madang told it.
    pub(crate) fn code_id(mut self, id: &str) -> Self {
        self.0.code = Some(id.to_owned());
        self
    }
}

impl Failure {
    /// Tells it, once, on stderr.
    pub(crate) fn print(&self) {
        match self {
            Self::Settings(problems) => output::problems(problems),
            Self::Report(report) => eprintln!("{report}"),
            Self::ReaderGone => {}
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) => Exit::Wrong,
            Self::Report(report) => report.0.exit,
            Self::ReaderGone => Exit::Done,
        }
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Settings(problems)
    }
}

/// Errors of writing to stdout; reading and other writing say in their own words what failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Report::could_not(format!("cannot write to the output: {error}")).into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(problems) => write!(f, "{problems}"),
            Self::Report(report) => write!(f, "{report}"),
            Self::ReaderGone => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.0.message)?;
        if let Some(place) = &self.0.place {
            write!(f, "\n  --> {place}")?;
        }
        for line in self.0.detail.iter().flat_map(|detail| detail.lines()) {
            write!(f, "\n  {line}")?;
        }
        for hint in &self.0.hints {
            write!(f, "\nhint: {hint}")?;
        }
        if let Some(id) = &self.0.code {
            write!(f, "\ncode: {id} (madang explain {id})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_where_and_what_to_do() {
        let report = Report::could_not("cannot listen on 127.0.0.1:8080: address already in use")
            .at("madang.toml:14, listen.gateway")
            .hint("`java` (pid 4121) holds the port; stop it or choose another `listen.gateway`")
            .hint("or run beside it: madang up --port-offset 1000")
            .code_id("MD0104");
        insta::assert_snapshot!(report, @r"
        error: cannot listen on 127.0.0.1:8080: address already in use
          --> madang.toml:14, listen.gateway
        hint: `java` (pid 4121) holds the port; stop it or choose another `listen.gateway`
        hint: or run beside it: madang up --port-offset 1000
        code: MD0104 (madang explain MD0104)
        ");
    }

    #[test]
    fn a_reader_that_left_is_not_a_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.exit(), Exit::Done);
        assert_eq!(failure.to_string(), "");
    }
}
