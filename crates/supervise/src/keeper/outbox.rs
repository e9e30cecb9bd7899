//! The way to Madang: frames wait here until its socket takes them, and the keeper never waits.
//!
//! Log frames may fill [`LOG_LIMIT`]; beyond that they are left out and counted, and the count is told before the
//! instance's next line. Everything else always fits: Madang causes it, so a Madang that reads nothing causes nothing.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
};

use super::protocol::{Report, encode};

/// Bytes of frames that may wait before log lines are left out.
const LOG_LIMIT: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    left_out: BTreeMap<(String, String), u64>,
}

impl Outbox {
    /// Queues a frame that must arrive.
    pub(super) fn push(&mut self, report: &Report) {
        self.bytes.extend_from_slice(&encode(report));
    }

    /// Queues a log line, or counts it when there is no room.
    pub(super) fn push_log(&mut self, report: &Report) {
        let Report::Log { service, instance, .. } = report else { return self.push(report) };
        if self.waiting() >= LOG_LIMIT {
            *self.left_out.entry((service.clone(), instance.clone())).or_default() += 1;
            return;
        }
        if !self.left_out.is_empty() {
            self.tell_left_out();
        }
        self.push(report);
    }

    /// Writes as much as `socket` takes now.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(super) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        loop {
            if self.waiting() == 0 && !self.left_out.is_empty() {
                self.tell_left_out();
            }
            if self.waiting() == 0 {
                break;
            }
            match socket.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        // Moving what is left costs less than growing for ever; done when at least half is gone.
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
            if self.bytes.is_empty() {
                self.bytes = Vec::new();
            }
        }
        Ok(())
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn tell_left_out(&mut self) {
        for ((service, instance), lines) in std::mem::take(&mut self.left_out) {
            self.push(&Report::Dropped { service, instance, lines });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::protocol::Stream, *};

    /// Takes `room` bytes, then would block.
    struct Socket {
        room: usize,
        got: Vec<u8>,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room).min(1000);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.got.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(number: usize) -> Report {
        Report::Log {
            service: "a".into(),
            instance: "a-1".into(),
            stream: Stream::Stdout,
            time_ms: 0,
            line: format!("{number} {}", "x".repeat(1000)),
        }
    }

    #[test]
    fn a_full_outbox_leaves_out_lines_and_tells_how_many_but_keeps_every_exit() {
        let mut outbox = Outbox::default();
        for number in 0..10_000 {
            outbox.push_log(&line(number));
        }
        let full = outbox.waiting();
        assert!((LOG_LIMIT..LOG_LIMIT + 2000).contains(&full), "{full} bytes wait");
        outbox.push(&Report::Gone { generation: 7 });

        let mut socket = Socket { room: usize::MAX, got: Vec::new() };
        outbox.flush(&mut socket).unwrap();
        let reports: Vec<Report> =
            socket.got.split(|byte| *byte == b'\n').filter_map(|text| serde_json::from_slice(text).ok()).collect();
        let lines = reports.iter().filter(|report| matches!(report, Report::Log { .. })).count() as u64;
        let left_out = reports.iter().find_map(|report| match report {
            Report::Dropped { lines, .. } => Some(*lines),
            _ => None,
        });
        assert_eq!(left_out.map(|count| count + lines), Some(10_000), "every line is sent or counted");
        assert!(reports.contains(&Report::Gone { generation: 7 }));
        assert_eq!(outbox.waiting(), 0);
    }

    #[test]
    fn a_slow_reader_gets_every_byte_in_order() {
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for number in 0..50 {
            outbox.push_log(&line(number));
            expected.extend(encode(&line(number)));
        }
        let mut socket = Socket { room: 0, got: Vec::new() };
        while outbox.waiting() > 0 {
            socket.room = 700;
            outbox.flush(&mut socket).unwrap();
        }
        assert!(socket.got == expected);
    }
}
