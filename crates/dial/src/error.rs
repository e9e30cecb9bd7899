//! Why there was no answer.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::LengthLimitError;

/// One attempt that failed.
#[derive(Debug, thiserror::Error)]
#[error("{address} {failure}")]
pub struct DialError {
    /// Who was called.
    pub address: SocketAddr,
    /// What happened.
    #[source]
    pub failure: Failure,
}

/// What happened. Reads as the end of a sentence about the address.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody listens.
    #[error("refused the connection")]
    Refused,
    /// No route, or the network said no.
    #[error("cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// Too slow.
    #[error("did not {step} within {}", madang_base::format_duration(*after))]
    Timeout {
        /// What was waited for.
        step: Step,
        /// How long.
        after: Duration,
    },
    /// The other side reset the connection.
    #[error("reset the connection")]
    Reset,
    /// The other side closed before its answer was complete.
    #[error("closed the connection before the answer was complete")]
    Closed,
    /// The answer's body is larger than the caller takes.
    #[error("answered with more than {}", madang_base::format_size(*limit as u64))]
    TooLarge {
        /// The most the caller takes, in bytes.
        limit: usize,
    },
    /// Not HTTP/1, or not well-formed.
    #[error("did not answer in HTTP/1: {0}")]
    Protocol(String),
    /// Anything else the system reports.
    #[error("failed: {0}")]
    Io(#[source] io::Error),
}

/// What a timeout interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The TCP connection.
    Connect,
    /// The answer, with its body when that is collected.
    Answer,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "accept a connection",
            Self::Answer => "answer",
        })
    }
}

impl DialError {
    /// Nobody listens there: the usual answer of a service that is not up yet.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.failure, Failure::Refused)
    }

    /// Whether the time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.failure, Failure::Timeout { .. })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable(error),
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        // The system's reason sits somewhere down the chain.
        let mut cause: Option<&dyn Error> = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                let copy = io.raw_os_error().map_or_else(|| io.kind().into(), io::Error::from_raw_os_error);
                return copy.into();
            }
            cause = inner.source();
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Closed;
        }
        Self::Protocol(match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }
}

impl Failure {
    /// The failure behind an error of a limited body.
    pub(crate) fn of_body(error: Box<dyn Error + Send + Sync>, limit: usize) -> Self {
        if error.is::<LengthLimitError>() {
            return Self::TooLarge { limit };
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Self::Protocol(error.to_string()),
        }
    }

    pub(crate) fn at(self, address: SocketAddr) -> DialError {
        DialError { address, failure: self }
    }
}
