//! What a peer can make large, and how large.

/// Limits on one message. Reaching one is a refusal with its own reason, never a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, first line and empty line included. Default 64 KiB; values above 16 MiB count as 16 MiB.
    pub head_bytes: usize,
    /// Fields of a head, and of a trailer section. Default 100; values above 128 count as 128.
    pub fields: usize,
    /// Bytes of a request target. Default 8 KiB (RFC 9112 §3 asks for at least 8000 bytes of request line).
    pub target_bytes: usize,
    /// Bytes of a trailer section. Default 16 KiB.
    pub trailer_bytes: usize,
    /// Bytes of chunk extensions in one message, all chunks together. Default 16 KiB.
    pub extension_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 65_536, fields: 100, target_bytes: 8192, trailer_bytes: 16_384, extension_bytes: 16_384 }
    }
}

impl Limits {
    /// Spans are 32 bits wide; 16 MiB is far above any use and far below that.
    pub(crate) const HEAD_BYTES_MAX: usize = 1 << 24;
    /// A field's number is a bit of a `u128`.
    pub(crate) const FIELDS_MAX: usize = 128;

    #[inline]
    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes.min(Self::HEAD_BYTES_MAX)
    }

    #[inline]
    pub(crate) fn fields(&self) -> usize {
        self.fields.min(Self::FIELDS_MAX)
    }
}
