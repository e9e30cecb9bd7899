//! What Madang and its keeper say to each other: one JSON object per line, over a unix socket.
//!
//! Madang sends [`Command`]s, the keeper sends [`Report`]s. A running process is named by its *generation*, a number
//! Madang chose when it started the process and never uses again; the keeper refuses to guess by name or pid.
//! A Madang of one version may meet a keeper started by another, so both begin with `Hello`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Raised when a frame changes its meaning. Adding fields with a default does not.
pub const PROTOCOL: u32 = 1;

/// The longest command frame: an environment may have up to 2 MiB (`ARG_MAX`) before escaping.
pub const MAX_COMMAND: usize = 8 << 20;

/// The longest report frame: a `Listed` with thousands of processes.
pub const MAX_REPORT: usize = 8 << 20;

/// What becomes of the processes when Madang is gone without having stopped them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// Stop them: TERM, their grace, KILL. What `madang up` wants.
    Stop,
    /// Let them run for the next Madang to adopt. What `madang serve` wants.
    Keep,
}

impl OnLoss {
    /// As written in settings and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Keep => "keep",
        }
    }

    /// Reads `stop` or `keep`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "stop" => Some(Self::Stop),
            "keep" => Some(Self::Keep),
            _ => None,
        }
    }
}

/// Which of an instance's two outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = supervise::Stream)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Not the service: Madang speaks about the log itself, such as lines that were left out.
    Madang,
}

/// From Madang to the keeper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// The first frame of a connection; answered with [`Report::Hello`] or [`Report::Busy`].
    Hello {
        /// The sender's [`PROTOCOL`].
        protocol: u32,
        /// The sender's process id, told to a second Madang.
        pid: u32,
    },
    /// Answered with [`Report::Listed`], then with the last log lines of every process.
    List,
    /// Starts a process; answered with [`Report::Started`] or [`Report::StartFailed`].
    Start(Box<Start>),
    /// Sends one signal.
    Signal {
        /// To which process.
        generation: u64,
        /// Its number.
        signal: Signal,
        /// Whether the whole process group gets it.
        group: bool,
    },
    /// TERM to the group, the grace, KILL to the group. Ends with [`Report::Gone`].
    Stop {
        /// Which process.
        generation: u64,
        /// Milliseconds between TERM and KILL.
        grace_ms: u64,
    },
    /// Changes what happens at the loss of this connection, for processes that did not bring their own answer.
    OnLoss {
        /// The new answer.
        on_loss: OnLoss,
    },
    /// Changes how a process is treated.
    Update {
        /// Which process.
        generation: u64,
        /// From now on.
        care: Care,
    },
    /// Madang leaves and another comes: keep everything whatever `on_loss` says.
    Release,
    /// Stops all, as [`Self::Stop`] with each process's own grace, then ends the keeper.
    Shutdown,
    /// Kills all groups now, then ends the keeper.
    Kill,
}

/// Signals Madang sends through the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// `SIGHUP`: reload, for those who do.
    Hangup,
    /// `SIGINT`.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
    /// `SIGKILL`.
    Kill,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
}

/// Everything the keeper needs to run one process and to hand it over later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Names the process from now on.
    pub generation: u64,
    /// Whose process it is.
    pub service: String,
    /// Its place in the service, `orders-1`; also the name of the log file.
    pub instance: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory, absolute.
    pub dir: String,
    /// The whole environment: nothing of the keeper's own is added.
    pub env: Vec<(String, String)>,
    /// The port it was given. The keeper only remembers it.
    pub port: u16,
    /// A digest of what was asked for. The keeper only remembers it.
    pub fingerprint: String,
    /// How often the instance had been started again before. The keeper only remembers it.
    pub restarts: u32,
    /// How it is to be treated.
    pub care: Care,
}

/// How the keeper treats a process; may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Care {
    /// Milliseconds between TERM and KILL when the keeper itself has to stop it.
    pub grace_ms: u64,
    /// Its own answer to the loss of Madang.
    pub on_loss: Option<OnLoss>,
    /// When the log file is put aside.
    pub log_max_size: u64,
    /// How many log files put aside are kept.
    pub log_keep: u32,
}

/// A process the keeper has, as told to a Madang that connects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// As in [`Start`].
    pub generation: u64,
    /// As in [`Start`].
    pub service: String,
    /// As in [`Start`].
    pub instance: String,
    /// As in [`Start`].
    pub port: u16,
    /// As in [`Start`].
    pub fingerprint: String,
    /// As in [`Start`].
    pub restarts: u32,
    /// Process id, which is also its group.
    pub pid: u32,
    /// How long it has run.
    pub age_ms: u64,
    /// Whether it is on its way out already.
    pub stopping: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It left with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// From the keeper to Madang.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Report {
    /// The keeper is at the sender's service.
    Hello {
        /// The keeper's [`PROTOCOL`].
        protocol: u32,
        /// The keeper's process id.
        pid: u32,
    },
    /// Another Madang is connected. The keeper closes this connection.
    Busy {
        /// Its process id.
        pid: u32,
    },
    /// Sent by a keeper just started: another keeper has the folder. It takes over when that one ends.
    Waiting,
    /// Sent instead of `Hello` by a keeper that cannot work; it ends then.
    Failed {
        /// What went wrong.
        error: String,
    },
    /// The answer to [`Command::List`].
    Listed {
        /// All processes that live.
        processes: Vec<Listed>,
    },
    /// The process runs.
    Started {
        /// Which.
        generation: u64,
        /// Process id, which is also its group.
        pid: u32,
    },
    /// The process could not be started.
    StartFailed {
        /// Which.
        generation: u64,
        /// What the system said.
        error: String,
    },
    /// The process ended. What it left in its group follows on its own; see [`Self::Gone`].
    Exited {
        /// Which.
        generation: u64,
        /// How.
        exit: Exit,
    },
    /// Nothing is left in the process's group.
    Gone {
        /// Which.
        generation: u64,
    },
    /// A line was written.
    Log {
        /// By whom.
        service: String,
        /// By which instance.
        instance: String,
        /// Where.
        stream: Stream,
        /// When it was read, in milliseconds since 1970.
        time_ms: u64,
        /// The line without its end, at most [`super::MAX_LINE`] bytes.
        line: String,
    },
    /// Lines were left out of this connection, because Madang reads slower than the service writes. The file has them.
    Dropped {
        /// Whose.
        service: String,
        /// Of which instance.
        instance: String,
        /// How many.
        lines: u64,
    },
    /// Lines were left out of the log file, because it cannot be written.
    LogTrouble {
        /// Whose.
        service: String,
        /// Of which instance.
        instance: String,
        /// What the system said.
        error: String,
        /// How many.
        lines: u64,
    },
}

/// One frame: JSON and a line feed.
pub fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    // Fails for maps with keys that are not text and for numbers that are not finite; frames have neither.
    let mut bytes = serde_json::to_vec(frame).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A span as the protocol writes it.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_line_and_is_read_back() {
        let report = Report::Log {
            service: "orders".into(),
            instance: "orders-1".into(),
            stream: Stream::Stderr,
            time_ms: 7,
            line: "two\nlines and a \u{0} byte".into(),
        };
        let bytes = encode(&report);
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1, "only the end of the frame");
        assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
    }

    #[test]
    fn frames_look_as_documented() {
        for (frame, expected) in [
            (encode(&Command::Stop { generation: 3, grace_ms: 10 }), r#"{"type":"stop","generation":3,"grace_ms":10}"#),
            (encode(&Command::OnLoss { on_loss: OnLoss::Keep }), r#"{"type":"on_loss","on_loss":"keep"}"#),
            (encode(&Command::List), r#"{"type":"list"}"#),
            (
                encode(&Report::Exited { generation: 3, exit: Exit::Signal(9) }),
                r#"{"type":"exited","generation":3,"exit":{"signal":9}}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(frame).unwrap().trim_end(), expected);
        }
    }
}
