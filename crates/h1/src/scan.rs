//! Byte classes, and searches that take eight bytes at a time.
//!
//! "Eight at a time" is plain integer arithmetic on a little-endian word: a byte test sets the high bit of each byte that
//! passes. Sums may carry a false hit into a byte *above* a true one, never below, so the lowest hit is exact, and it is
//! the only one used.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Splits `bytes` before the first `needle`; `None` when there is none.
#[inline(always)]
pub(crate) fn split_before(bytes: &[u8], needle: u8) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let hits = zero_bytes(u64::from_le_bytes(*chunk) ^ (ONES * u64::from(needle)));
        if hits != 0 {
            return bytes.split_at_checked(bytes.len() - rest.len() + lowest(hits));
        }
        rest = tail;
    }
    let at = rest.iter().position(|&byte| byte == needle)?;
    bytes.split_at_checked(bytes.len() - rest.len() + at)
}

/// What of `bytes` begins with the first byte that a field value may not hold (RFC 9110 §5.5: a control other than HTAB),
/// which is where a well-formed value ends; empty when there is none.
#[inline(always)]
pub(crate) fn behind_value(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        while let Some((block, tail)) = rest.split_first_chunk::<16>()
            && !has_control(block)
        {
            rest = tail;
        }
        // The hit is within two words, or the end is near.
        let Some((chunk, tail)) = rest.split_first_chunk::<8>() else { break };
        let word = u64::from_le_bytes(*chunk);
        let hits = unusual_bytes(word);
        if hits == 0 {
            rest = tail;
            continue;
        }
        let at = lowest(hits);
        let byte = (word >> (at * 8)) as u8;
        if byte == b'\r' || is_control(byte) {
            return &rest[at..];
        }
        rest = &rest[at + 1..];
    }
    let at = rest.iter().position(|&byte| is_control(byte)).unwrap_or(rest.len());
    &rest[at..]
}

/// A control other than HTAB.
#[inline]
const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Whether a block holds a control, HTAB included. Without a branch per byte, compilers make vector code of it.
#[inline]
fn has_control(block: &[u8; 16]) -> bool {
    block.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == 0x7f))
}

/// Marks the bytes that are zero.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Marks the bytes below 0x20 or above 0x7e, controls and non-ASCII: whichever is first is marked exactly.
#[inline]
const fn unusual_bytes(word: u64) -> u64 {
    (word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES)) & HIGHS
}

#[inline]
const fn lowest(hits: u64) -> usize {
    (hits.trailing_zeros() / 8) as usize
}

/// A table that gives each byte a class; 0 is "ordinary, go on".
pub(crate) type Classes = [u8; 256];

/// All classes that occur in `bytes`, or-ed together.
#[inline(always)]
pub(crate) fn classes_in(bytes: &[u8], table: &Classes) -> u8 {
    // The last eight bytes may overlap those before: cheaper than up to seven single steps.
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().fold(0, |found, &byte| found | table[byte as usize]);
    };
    let (mut rest, mut found) = (bytes, classes_in_word(last, table));
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        found |= classes_in_word(chunk, table);
        rest = tail;
    }
    found
}

/// All classes that occur in eight bytes, without a branch.
#[inline(always)]
pub(crate) fn classes_in_word(word: &[u8; 8], table: &Classes) -> u8 {
    word.iter().fold(0, |found, &byte| found | table[byte as usize])
}

/// The byte is no token character (RFC 9110 §5.6.2).
pub(crate) const NOT_TOKEN: u8 = 1;
/// A token character, but one that CGI-like servers turn into `-`.
pub(crate) const UNDERSCORE: u8 = 2;

/// Classes of bytes in field names and methods.
pub(crate) const TOKEN: Classes = {
    let mut table = [NOT_TOKEN; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = 0;
        }
        byte += 1;
    }
    let others = b"!#$%&'*+-.^`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = 0;
        at += 1;
    }
    table[b'_' as usize] = UNDERSCORE;
    table
};

/// `?`: the query begins (once).
pub(crate) const QUERY: u8 = 1;
/// `%`: an escape begins.
pub(crate) const ESCAPE: u8 = 2;
/// The target ends here, well (a space) or badly.
pub(crate) const STOP: u8 = 4;

/// Classes of bytes in a request target. RFC 3986 also forbids `[ ] { | } ^`, but browsers and SDKs send them and
/// nobody reads them in two ways, so they pass. Refused are the space, controls, non-ASCII, `#` (fragments stay with the
/// client), `\` (some read it as `/`) and the delimiters `"`, `<`, `>` and the backquote.
pub(crate) const TARGET: Classes = {
    let mut table = [STOP; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = match byte as u8 {
            b'"' | b'<' | b'>' | b'`' | b'\\' | b'#' => STOP,
            b'?' => QUERY,
            b'%' => ESCAPE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Whether `bytes` is a token: not empty, token characters only.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && classes_in(bytes, &TOKEN) & NOT_TOKEN == 0
}

/// `bytes` without spaces and tabs at either end (RFC 9110 §5.6.3 OWS).
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    while let [start @ .., b' ' | b'\t'] = rest {
        rest = start;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_searches_agree_with_slow_ones_at_every_offset_and_for_every_byte() {
        for byte in 0..=255_u8 {
            for length in 0..=20_usize {
                for at in 0..length {
                    // 0x80 and 0x21 surround the byte: neighbors of both tests and of the borrow.
                    let mut text = vec![if at % 2 == 0 { 0x21 } else { 0x80 }; length];
                    text[at] = byte;
                    let slow = text.iter().position(|&b| (b < 0x20 && b != b'\t') || b == 0x7f).unwrap_or(length);
                    assert_eq!(length - behind_value(&text).len(), slow, "{byte:#x} at {at} of {length}");
                    for needle in [b':', byte] {
                        let slow = text.iter().position(|&b| b == needle).map(|at| text.split_at(at));
                        assert_eq!(split_before(&text, needle), slow, "{byte:#x} at {at} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_value_may_hold_tabs_and_any_bytes_above_ascii() {
        assert_eq!(behind_value(b"\t\t\t\t\t\t\t\t\tabcdefgh\t\tx\r"), b"\r");
        assert_eq!(behind_value(b""), b"");
        let long: Vec<u8> = (0..100).map(|at| if at % 3 == 0 { 0xff } else { b'\t' }).collect();
        assert_eq!(behind_value(&long), b"");
    }

    #[test]
    fn classes_are_found_wherever_they_stand() {
        for length in 0..40 {
            for at in 0..length {
                let mut name = vec![b'a'; length];
                name[at] = b'_';
                assert_eq!(classes_in(&name, &TOKEN), UNDERSCORE, "{at} of {length}");
            }
        }
    }

    #[test]
    fn token_characters_are_those_of_the_grammar() {
        for byte in 0..=255_u8 {
            let is = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[byte]), is, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }
}
