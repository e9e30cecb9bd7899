//! A look at TOML text without parsing it: how deep does it nest, which bracket is still open?
//!
//! The parser bounds brackets but not dotted keys (`a.a.a.a`), and a tree of a million levels cannot even be dropped
//! without overflowing the stack: `too_deep` runs first. The tokens here are cut exactly like the parser cuts them,
//! also in broken text, so that nothing hides from the count in what only one of the two takes for a string.

/// How deep values may nest: brackets and the dots of keys together.
pub(crate) const MAX_DEPTH: usize = 64;

/// The offset at which `text` nests deeper than [`MAX_DEPTH`].
pub(crate) fn too_deep(text: &str) -> Option<usize> {
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut depth = 0;
    for (at, byte) in tokens(text) {
        match byte {
            b'.' => depth += 1,
            b'[' | b'{' => {
                open.push((closing(byte), depth));
                depth += 1;
            }
            // A bracket that closes nothing is an error, and the parser goes on inside of what is open.
            b']' | b'}' => depth = open.pop_if(|(close, _)| *close == byte).map_or(depth, |(_, before)| before),
            b'\n' => depth = open.last().map_or(0, |(_, before)| before + 1),
            b',' => depth = open.last().map_or(depth, |(_, before)| before + 1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// The innermost bracket that is open at `until`: its offset and its byte.
pub(crate) fn open_bracket(text: &str, until: usize) -> Option<(usize, u8)> {
    let mut open: Vec<(usize, u8)> = Vec::new();
    for (at, byte) in tokens(text).take_while(|(at, _)| *at < until) {
        match byte {
            b'[' | b'{' => open.push((at, byte)),
            b']' | b'}' => {
                open.pop_if(|(_, opened)| closing(*opened) == byte);
            }
            _ => {}
        }
    }
    open.pop()
}

/// Where the last token that begins before `until` begins.
pub(crate) fn token_start(text: &str, until: usize) -> Option<usize> {
    tokens(text).map(|(at, _)| at).take_while(|at| *at < until).last()
}

const fn closing(open: u8) -> u8 {
    if open == b'[' { b']' } else { b'}' }
}

/// All tokens: where each begins, and its first byte, which tells what it is.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let token = (at, *bytes.get(at)?);
        at = token_end(bytes, at);
        Some(token)
    })
}

/// Where the token that begins at `at` ends; always later than `at`.
pub(crate) fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let until = |stop: &[u8]| rest.iter().position(|byte| stop.contains(byte)).map_or(bytes.len(), |found| at + found);
    match rest[0] {
        b'.' | b'=' | b',' | b'[' | b']' | b'{' | b'}' | b' ' | b'\t' | b'\r' | b'\n' => at + 1,
        b'#' => until(b"\r\n"),
        quote @ (b'"' | b'\'') if rest.starts_with(&[quote; 3]) => long_string_end(bytes, at + 3, quote),
        quote @ (b'"' | b'\'') => string_end(bytes, at + 1, quote),
        // Quotes inside belong to the word, in case the opening one is missing.
        _ => until(b".=,[]{} \t#\r\n"),
    }
}

fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ if is_escape(bytes, at, quote) => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn long_string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        if bytes[at..].starts_with(&[quote; 3]) {
            // Up to two more quotes belong to the text: `""""quoted""""`.
            let more = bytes[at + 3..].iter().take(2).take_while(|byte| **byte == quote).count();
            return at + 3 + more;
        }
        at += if is_escape(bytes, at, quote) { 2 } else { 1 };
    }
    at
}

/// Only these two escapes hide a byte that would end the text.
fn is_escape(bytes: &[u8], at: usize, quote: u8) -> bool {
    quote == b'"' && bytes[at] == b'\\' && matches!(bytes.get(at + 1), Some(b'\\' | b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_brackets_count_and_strings_do_not() {
        let dots = "a.".repeat(70);
        let (half, other) = (["a"; 33].join("."), ["b"; 33].join("."));
        for (text, deep) in [
            (format!("{dots}a = 1"), true),
            (format!("[{dots}a]"), true),
            (format!("x = {}", "[".repeat(65)), true),
            (format!("x = {}", "[".repeat(64)), false),
            (format!("x = {{ {half} = {{ {other} = 1 }} }}"), true),
            (format!("x = {{ ] , {half} = {{ ] , {other} = 1 }} }}"), true),
            (format!("x = \"{dots}\""), false),
            (format!("x = '{dots}' # {dots}"), false),
            (format!("x = \"\"\"\n{dots}\\\"\"\" {dots} \"\"\""), false),
            (format!("x = '''\n{dots}\\''' # {dots}"), false),
            (format!("x = [ {} ]", "1.5, ".repeat(500)), false),
            ("a.b = 1\n".repeat(500), false),
            ("a = [[1.5], {b = 1}]\n".repeat(500), false),
        ] {
            assert_eq!(too_deep(&text).is_some(), deep, "{text}");
        }
    }

    #[test]
    fn a_quote_in_a_bare_word_hides_nothing() {
        assert!(too_deep(&format!("x\"{}", "a.".repeat(70))).is_some());
    }

    #[test]
    fn the_innermost_open_bracket_is_found() {
        for (text, expected) in [
            ("a = [1, {b = 2}", Some((4, b'['))),
            ("a = [1, {b = 2]", Some((8, b'{'))),
            ("a = [1]", None),
            ("a = \"[\" # [", None),
        ] {
            assert_eq!(open_bracket(text, text.len()), expected, "{text}");
        }
    }
}
