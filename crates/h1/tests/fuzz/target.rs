//! The fuzz target: any bytes are a case, and every case must pass all checks. `tests/fuzz.rs` runs it over the corpus and
//! over changes of it; `crates/h1/fuzz` gives it to libFuzzer.

use madang_h1::{Asked, BodyLength};

use crate::checks::{check_body, check_connection, check_request, check_response};

/// First byte: how many of those behind it say where reads split. The rest is what arrives.
///
/// # Panics
/// When a check fails: that is a find.
#[allow(clippy::panic)] // it is how a find is told
pub(crate) fn target(case: &[u8]) {
    let Some((count, rest)) = case.split_first() else { return };
    let (splits, bytes) = rest.split_at(rest.len().min(usize::from(*count % 16)));
    // Small steps: most of what matters stands close together.
    let cuts: Vec<usize> =
        splits.iter().scan(0, |at, step| Some(std::mem::replace(at, *at + usize::from(*step)))).collect();
    let all = [
        check_request(bytes, &cuts),
        check_connection(bytes, &cuts),
        check_response(bytes, &cuts, Asked::Other),
        check_response(bytes, &cuts, Asked::Head),
        check_body(BodyLength::Chunked, bytes, &cuts),
        check_body(BodyLength::Length(7), bytes, &cuts),
    ];
    for result in all {
        if let Err(error) = result {
            panic!("{error}\n{}", bytes.escape_ascii());
        }
    }
}
