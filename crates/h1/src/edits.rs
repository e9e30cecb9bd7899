//! Edits over a head: which of its lines are dropped and which are added, without touching the bytes.

use crate::scan;

/// What a gateway changes about the fields of one head. Reuse one value: its buffer is allocated once.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// Bit i: `fields[i]` is not written.
    pub dropped: u128,
    added: Vec<u8>,
}

/// Why a field cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// RFC 9110 §5.6.2.
    #[error("a field name must be a token; use letters, digits and `-`")]
    Name,
    /// RFC 9110 §5.5.
    #[error("a field value cannot hold control characters such as CR, LF or NUL; remove or encode them")]
    Value,
}

impl Edits {
    /// Drops `fields[index]`. There are at most 128; a larger index names no field.
    pub const fn drop_field(&mut self, index: usize) {
        if index < u128::BITS as usize {
            self.dropped |= 1 << index;
        }
    }

    /// Adds a line `name: value`, behind those added before.
    ///
    /// # Errors
    /// When `name` is no token, or `value` holds a control other than HTAB: it could end the line and begin another.
    /// Nothing is added then.
    pub fn add(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        if !scan::is_token(name.as_bytes()) {
            return Err(EditError::Name);
        }
        if !scan::behind_value(value).is_empty() {
            return Err(EditError::Value);
        }
        self.added.reserve(name.len() + value.len() + 4);
        self.added.extend_from_slice(name.as_bytes());
        self.added.extend_from_slice(b": ");
        self.added.extend_from_slice(value);
        self.added.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Adds lines as they are, for a caller that made them itself: each must be valid and end with CR LF.
    pub fn add_lines(&mut self, lines: &[&[u8]]) {
        for line in lines {
            self.added.extend_from_slice(line);
        }
        debug_assert!(lines.is_empty() || self.added.ends_with(b"\r\n"), "lines end with CR LF");
    }

    /// Takes back every line added under `name`.
    pub fn drop_added(&mut self, name: &str) {
        if self.added.is_empty() {
            return;
        }
        let named = |line: &[u8]| {
            line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
        };
        let kept = self.added.split_inclusive(|byte| *byte == b'\n').filter(|line| !named(line));
        self.added = kept.flatten().copied().collect();
    }

    /// The added lines, each with CR LF: write them behind the kept ones.
    #[must_use]
    pub fn added(&self) -> &[u8] {
        &self.added
    }

    /// Forgets all edits; keeps the allocation.
    pub fn clear(&mut self) {
        self.dropped = 0;
        self.added.clear();
    }
}
