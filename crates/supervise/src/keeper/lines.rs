//! Lines: cuts what a process writes into lines, with a limit on their length.

use super::MAX_LINE;

/// Bytes of a line that has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Takes `bytes` and gives every line that ends in them. A line longer than [`MAX_LINE`] comes in pieces.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ended) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            while self.0.len() + text.len() > MAX_LINE {
                let (head, rest) = text.split_at(MAX_LINE - self.0.len());
                self.0.extend_from_slice(head);
                line(&self.0);
                self.0.clear();
                text = rest;
            }
            if !ended {
                self.0.extend_from_slice(text);
            } else if self.0.is_empty() {
                line(trimmed(text));
            } else {
                self.0.extend_from_slice(text);
                line(trimmed(&self.0));
                self.0.clear();
            }
        }
        if self.0.is_empty() {
            // An idle process keeps no buffer.
            self.0 = Vec::new();
        }
    }

    /// Gives what is left when nothing more comes: a last line without an end.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.0.is_empty() {
            line(trimmed(&self.0));
            self.0 = Vec::new();
        }
    }
}

/// Some programs end lines with CR LF also where nobody asked for it.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        }
        lines.finish(|line| found.push(format!("{}(no end)", String::from_utf8_lossy(line))));
        found
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        for chunks in [
            vec![b"one\ntwo\r\n\nthree".as_slice()],
            vec![b"one\nt", b"wo\r", b"\n\nth", b"ree"],
            vec![b"o", b"n", b"e", b"\n", b"two\r\n", b"\n", b"three"],
        ] {
            assert_eq!(cut(&chunks), ["one", "two", "", "three(no end)"], "{chunks:?}");
        }
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_and_memory_stays_bounded() {
        let endless = vec![b'x'; MAX_LINE * 2 + 10];
        let pieces: Vec<usize> = cut(&[&endless, b"\n"]).iter().map(String::len).collect();
        assert_eq!(pieces, [MAX_LINE, MAX_LINE, 10]);
        let exact = vec![b'x'; MAX_LINE];
        assert_eq!(cut(&[&exact, b"\n"]).len(), 1, "exactly the limit is one line");
    }
}
