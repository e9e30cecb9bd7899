//! Chunk lines (RFC 9112 §7.1): what stands between the data of a chunked body.
//!
//! The whole state is in `Chunk`, so that a body may be cut anywhere. Only the plain grammar passes: no white space, no
//! sign, no bare line feed, extensions as `;name`, `;name=token` or `;name="quoted"`. `step` knows it all, byte by byte;
//! `whole_line` takes what nearly all lines look like at once.

use crate::fault::Fault;
use crate::scan::{NOT_TOKEN, TOKEN};

/// Where in the framing the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the size; `digits` have been read.
    Size { size: u64, digits: u8 },
    /// In an extension of a chunk of `size` bytes.
    Extension { size: u64, part: Extension },
    /// At the LF of a chunk line.
    LineFeed { size: u64 },
    /// In the data; at least one byte is left.
    Data { left: u64 },
    /// At the CR behind the data.
    DataCr,
    /// At the LF behind the data.
    DataLf,
    /// Behind the line of the last chunk.
    Trailers,
}

/// Where in an extension the next byte stands (RFC 9112 §7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Behind `;`.
    NameStart,
    /// In the name.
    Name,
    /// Behind `=`.
    ValueStart,
    /// In a value that is a token.
    Token,
    /// In a quoted value.
    Quoted,
    /// Behind a backslash in a quoted value.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
}

/// More digits than a 64-bit number has are refused, leading zeros or not.
const DIGITS_MAX: u8 = 16;
/// Others count signed; the same bound as for Content-Length.
const SIZE_MAX: u64 = i64::MAX as u64;

impl Chunk {
    /// The start of a body.
    pub(crate) const START: Self = Self::Size { size: 0, digits: 0 };

    /// The state behind a line that is whole and has no extension, and its length. `None` says nothing about the line but
    /// that `step` must read it.
    #[inline]
    pub(crate) fn whole_line(self, input: &[u8]) -> Option<(Self, usize)> {
        match self {
            Self::START => {
                let (mut size, mut digits) = (0, 0);
                while digits < usize::from(DIGITS_MAX)
                    && let Some(digit) = input.get(digits).and_then(|&byte| hex(byte))
                {
                    size = size << 4 | u64::from(digit);
                    digits += 1;
                }
                let plain = digits > 0 && size <= SIZE_MAX && input[digits..].starts_with(b"\r\n");
                let next = if size == 0 { Self::Trailers } else { Self::Data { left: size } };
                plain.then_some((next, digits + 2))
            }
            Self::DataCr if input.starts_with(b"\r\n") => Some((Self::START, 2)),
            _ => None,
        }
    }

    /// The state after `byte`, which is framing: never called in `Data` or `Trailers`. `extensions` is how many bytes of
    /// extensions the message may still have.
    pub(crate) fn step(self, byte: u8, extensions: &mut usize) -> Result<Self, Fault> {
        match self {
            Self::Size { size, digits } => match (hex(byte), byte) {
                (Some(_), _) if digits == DIGITS_MAX => Err(Fault::ChunkSize),
                (Some(digit), _) => Ok(Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }),
                _ if digits == 0 || size > SIZE_MAX => Err(Fault::ChunkSize),
                (None, b'\r') => Ok(Self::LineFeed { size }),
                (None, b';') => {
                    spend(extensions)?;
                    Ok(Self::Extension { size, part: Extension::NameStart })
                }
                // RFC 9112 §2.2: a bare LF is no line end here.
                (None, b'\n') => Err(Fault::LineEnd),
                (None, _) => Err(Fault::ChunkSize),
            },
            Self::Extension { size, part } => match part.step(byte)? {
                Some(part) => {
                    spend(extensions)?;
                    Ok(Self::Extension { size, part })
                }
                None => Ok(Self::LineFeed { size }),
            },
            Self::LineFeed { .. } if byte != b'\n' => Err(Fault::LineEnd),
            Self::LineFeed { size: 0 } => Ok(Self::Trailers),
            Self::LineFeed { size } => Ok(Self::Data { left: size }),
            Self::DataCr if byte == b'\r' => Ok(Self::DataLf),
            Self::DataLf if byte == b'\n' => Ok(Self::START),
            // RFC 9112 §7.1: chunk-data CRLF. Anything else, and sender and receiver disagree about the size.
            Self::DataCr | Self::DataLf | Self::Data { .. } | Self::Trailers => Err(Fault::ChunkEnd),
        }
    }
}

/// RFC 9112 §7.1.1: a recipient limits the total length of extensions.
#[inline]
fn spend(extensions: &mut usize) -> Result<(), Fault> {
    *extensions = extensions.checked_sub(1).ok_or(Fault::ChunkExtensionsLarge)?;
    Ok(())
}

impl Extension {
    /// The part after `byte`; `None` when `byte` is the CR that ends the line.
    fn step(self, byte: u8) -> Result<Option<Self>, Fault> {
        let token = TOKEN[byte as usize] & NOT_TOKEN == 0;
        match (self, byte) {
            (Self::NameStart | Self::Name, _) if token => Ok(Some(Self::Name)),
            (Self::ValueStart | Self::Token, _) if token => Ok(Some(Self::Token)),
            (Self::Name, b'=') => Ok(Some(Self::ValueStart)),
            (Self::ValueStart, b'"') => Ok(Some(Self::Quoted)),
            (Self::Name | Self::Token | Self::QuotedEnd, b';') => Ok(Some(Self::NameStart)),
            (Self::Name | Self::Token | Self::QuotedEnd, b'\r') => Ok(None),
            (Self::Quoted, b'"') => Ok(Some(Self::QuotedEnd)),
            (Self::Quoted, b'\\') => Ok(Some(Self::Escaped)),
            // RFC 9110 §5.6.4: HTAB, SP, visible ASCII and obs-text.
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Ok(Some(Self::Quoted)),
            (_, b'\n') => Err(Fault::LineEnd),
            _ => Err(Fault::ChunkExtension),
        }
    }
}

#[inline]
fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_line_is_what_its_steps_say() {
        for line in [
            "5\r\n",
            "0\r\n",
            "00\r\n",
            "aF09\r\n",
            "7fffffffffffffff\r\n",
            "0000000000000001\r\n",
            "\r\n",
            "x\r\n",
            "5;a\r\n",
        ] {
            for start in [Chunk::START, Chunk::DataCr] {
                let mut extensions = 10;
                let steps = line.bytes().try_fold(start, |chunk, byte| chunk.step(byte, &mut extensions));
                match start.whole_line(line.as_bytes()) {
                    Some((end, length)) => assert_eq!((Ok(end), length), (steps, line.len()), "{line:?} {start:?}"),
                    None => assert!(steps.is_err() || line.contains(';'), "{line:?} {start:?}"),
                }
            }
        }
        for cut in ["", "5", "5\r", "8000000000000000\r\n", "00000000000000001\r\n"] {
            assert_eq!(Chunk::START.whole_line(cut.as_bytes()), None, "{cut:?}");
        }
    }
}
