//! The way to one Madang: what it says, and what waits to be told to it.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use super::{
    outbox::Outbox,
    protocol::{Command, MAX_COMMAND, Report, encode},
};

/// A connection. Nothing here ever waits.
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    inbox: Vec<u8>,
    pub(super) outbox: Outbox,
    /// The other side's process id, once it said hello.
    pub(super) pid: Option<u32>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Outbox::default(), pid: None })
    }

    /// The commands that are there now, and whether more may come: not after the end of the connection, nor after
    /// something that is no command. `buffer` is space to read into.
    pub(super) fn commands(&mut self, buffer: &mut [u8]) -> (Vec<Command>, bool) {
        let (mut commands, mut open) = (Vec::new(), true);
        while open {
            match self.stream.read(buffer) {
                Ok(0) => open = false,
                Ok(count) => {
                    self.inbox.extend_from_slice(&buffer[..count]);
                    open = self.parse(&mut commands) && self.inbox.len() <= MAX_COMMAND;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => open = false,
            }
        }
        (commands, open)
    }

    /// Takes the whole frames out of the inbox; false when one is no command.
    fn parse(&mut self, commands: &mut Vec<Command>) -> bool {
        let end = self.inbox.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for frame in self.inbox[..end].split(|byte| *byte == b'\n').filter(|frame| !frame.is_empty()) {
            match serde_json::from_slice(frame) {
                Ok(command) => commands.push(command),
                Err(error) => {
                    eprintln!("error: the keeper does not understand a command: {error}");
                    return false;
                }
            }
        }
        self.inbox.drain(..end);
        true
    }

    /// Where to tell news: nowhere before the greeting, which comes first.
    pub(super) fn news(&mut self) -> Option<&mut Outbox> {
        self.pid.is_some().then_some(&mut self.outbox)
    }

    /// Sends as much as the socket takes now.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.outbox.flush(&mut self.stream)
    }

    /// Sends a last frame, after everything that waits.
    pub(super) fn close_with(mut self, report: &Report) {
        // Best effort: who left already does not need it.
        let _ = self.stream.set_nonblocking(false);
        let _ = self.flush().and_then(|()| self.stream.write_all(&encode(report)));
    }
}
