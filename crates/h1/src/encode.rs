//! Writes messages. The caller puts the parts together: first line, fields, added lines, an empty line, the body.
//!
//! Methods, targets, reasons and trailers are written as given: they come from a parsed message or from our own code.
//! What comes from elsewhere goes through `Edits::add`, which checks it.

use crate::field::Field;

/// Writes `method SP target SP HTTP/1.1 CRLF`. We speak HTTP/1.1 to everybody (RFC 9110 §2.5).
#[inline]
pub fn write_request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    const END: &[u8] = b" HTTP/1.1\r\n";
    out.reserve(method.len() + 1 + target.len() + END.len());
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(END);
}

/// Writes `HTTP/1.1 SP status SP reason CRLF`. `status` has three digits; what is above is cut off.
#[inline]
pub fn write_status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    let digit = |number: u16| b'0' + (number % 10) as u8;
    let start = *b"HTTP/1.1 ";
    out.reserve(start.len() + 4 + reason.len() + 2);
    out.extend_from_slice(&start);
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Writes the lines of `fields` whose bit in `dropped` is not set; `bytes` are those the head was parsed from. Lines
/// between two dropped ones are one copy.
#[inline]
pub fn write_fields(out: &mut Vec<u8>, bytes: &[u8], fields: &[Field], dropped: u128) {
    let (Some(first), Some(last)) = (fields.first(), fields.last()) else { return };
    let (mut start, end) = (first.line.start as usize, last.line.end as usize);
    out.reserve(end - start);
    let mut dropped = dropped;
    while dropped != 0 {
        let Some(field) = fields.get(dropped.trailing_zeros() as usize) else { break };
        dropped &= dropped - 1;
        out.extend_from_slice(&bytes[start..field.line.start as usize]);
        start = field.line.end as usize;
    }
    out.extend_from_slice(&bytes[start..end]);
}

/// Writes `number` in decimal, for Content-Length and the like.
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    // 2^64 has 20 digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes `data` as one chunk (RFC 9112 §7.1). Empty data writes nothing: an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    out.reserve(data.len() + 20);
    write_chunk_start(out, data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Writes the line before a chunk of `length` bytes, for a caller that sends the data from where it lies and CR LF
/// behind it. `length` is not 0: that line would end the body.
pub fn write_chunk_start(out: &mut Vec<u8>, length: usize) {
    debug_assert_ne!(length, 0, "an empty chunk ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        out.push(b"0123456789abcdef"[length >> (at * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk, `trailers` (whole lines with CR LF, as `BodyDecoder::trailers` gives them; may be empty), and
/// the empty line.
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.reserve(trailers.len() + 5);
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
