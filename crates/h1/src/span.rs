//! A range of a head's bytes, small enough to copy.

/// Bytes `start..end`, counted from the start of the bytes given to `parse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// `start..end`. Heads are at most 16 MiB (`Limits`), so that offsets always fit.
    #[allow(clippy::cast_possible_truncation)]
    #[inline]
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes this span covers.
    ///
    /// # Panics
    /// When `bytes` are not the ones the span was made from and are too short.
    #[must_use]
    #[inline]
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// How many bytes.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers nothing.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }
}
