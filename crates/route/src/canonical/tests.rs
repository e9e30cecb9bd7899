use super::*;
use proptest::prelude::*;

#[test]
fn a_path_is_brought_to_the_form_that_is_compared() {
    for (raw, expected) in [
        ("", "/"),
        ("/", "/"),
        ("*", "*"),
        ("/orders/7", "/orders/7"),
        ("/%6Frders/%37", "/orders/7"),
        ("/a%2fb%2Fc", "/a%2Fb%2Fc"),
        ("/a%25b%252e", "/a%25b%252e"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/caf\u{e9} \"x\"", "/caf%C3%A9%20%22x%22"),
        ("/a;v=1/b;c", "/a;v=1/b;c"),
        ("/!$&'()*+,;=:@-._~", "/!$&'()*+,;=:@-._~"),
        ("//a//b//", "//a//b//"),
        ("/a%5Cb", "/a%5Cb"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../../c", "/c"),
        ("/a/b/../..", "/"),
        ("/a//../b", "/a/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/...", "/a/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a/..b/.c", "/a/..b/.c"),
        ("/a/b..", "/a/b.."),
    ] {
        let mut scratch = "left over".to_owned();
        let path = canonical(raw, &mut scratch);
        assert_eq!(path, Ok(expected), "{raw}");
    }
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused() {
    for (raw, expected, reason) in [
        ("orders", PathError::NotAbsolute, "path_not_absolute"),
        ("**", PathError::NotAbsolute, "path_not_absolute"),
        ("http://a/b", PathError::NotAbsolute, "path_not_absolute"),
        ("/a%", PathError::Escape { at: 2 }, "path_bad_escape"),
        ("/a%2", PathError::Escape { at: 2 }, "path_bad_escape"),
        ("/a/b%2/c", PathError::Escape { at: 4 }, "path_bad_escape"),
        ("/a%g0", PathError::Escape { at: 2 }, "path_bad_escape"),
        ("/a%+1", PathError::Escape { at: 2 }, "path_bad_escape"),
        ("/a%u0041", PathError::Escape { at: 2 }, "path_bad_escape"),
        ("/a/%00", PathError::EscapedControl { at: 3 }, "path_escaped_control"),
        ("/a/%0d%0aX", PathError::EscapedControl { at: 3 }, "path_escaped_control"),
        ("/a\\..\\b", PathError::Character { at: 2, found: '\\' }, "path_bad_character"),
        ("/a\0", PathError::Character { at: 2, found: '\0' }, "path_bad_character"),
        ("/a\u{7f}", PathError::Character { at: 2, found: '\u{7f}' }, "path_bad_character"),
        ("/a?b", PathError::Character { at: 2, found: '?' }, "path_bad_character"),
        ("/a#b", PathError::Character { at: 2, found: '#' }, "path_bad_character"),
        ("/..", PathError::AboveRoot, "path_above_root"),
        ("/a/../../b", PathError::AboveRoot, "path_above_root"),
        ("/%2e%2e/etc", PathError::AboveRoot, "path_above_root"),
        ("/a/..;/b", PathError::DotParameters, "path_dot_parameters"),
        ("/a/.;x=1/b", PathError::DotParameters, "path_dot_parameters"),
        ("/a/%2e.;x/b", PathError::DotParameters, "path_dot_parameters"),
    ] {
        let error = canonical(raw, &mut String::new()).expect_err(raw);
        assert_eq!((error, error.reason()), (expected, reason), "{raw}");
    }
}

#[test]
fn a_path_that_stays_the_same_is_not_copied() {
    for raw in ["/orders/7", "/", "/a%2Fb", "/.well-known", "/a//b;c"] {
        let mut scratch = String::new();
        let path = canonical(raw, &mut scratch).unwrap();
        assert_eq!(path.as_ptr(), raw.as_ptr(), "{raw}");
    }
}

/// The same rules without a care for speed: resolve each segment into a list.
fn slowly(raw: &str) -> Result<String, ()> {
    let path = raw.strip_prefix('/').ok_or(())?;
    let mut kept: Vec<String> = Vec::new();
    let count = path.split('/').count();
    for (place, segment) in path.split('/').enumerate() {
        let mut text = String::new();
        let bytes = segment.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let (byte, length) = if bytes[at] == b'%' {
                let digits = segment.get(at + 1..at + 3).filter(|digits| !digits.contains('+')).ok_or(())?;
                (u8::from_str_radix(digits, 16).map_err(|_| ())?, 3)
            } else {
                (bytes[at], 1)
            };
            let stays_escaped = length == 3 && !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            if [0, b'\r', b'\n'].contains(&byte) || (length == 1 && b"\\?#".contains(&byte)) {
                return Err(());
            }
            if stays_escaped || !byte.is_ascii_graphic() || b"\"<>^`{|}%".contains(&byte) {
                text += &format!("%{byte:02X}");
            } else {
                text.push(char::from(byte));
            }
            at += length;
        }
        let last = place + 1 == count;
        match text.as_str() {
            "." => {}
            ".." => drop(kept.pop().ok_or(())?),
            _ if text.starts_with(".;") || text.starts_with("..;") => return Err(()),
            _ => {
                kept.push(text);
                continue;
            }
        }
        if last {
            kept.push(String::new());
        }
    }
    Ok(format!("/{}", kept.join("/")))
}

proptest! {
    #![proptest_config(crate::seeded(2_000))]

    #[test]
    fn the_canonical_path_is_canonical(raw in "(/([a.;\\\\%F?\u{e9} ]|%2[eEfF5]|%[046][01aA]|\\.\\.){0,4}){1,5}") {
        let mut scratch = String::new();
        let fast = canonical(&raw, &mut scratch).map(str::to_owned).map_err(|_| ());
        prop_assert_eq!(&fast, &slowly(&raw));
        if let Ok(path) = fast {
            let mut scratch = String::new();
            prop_assert_eq!(canonical(&path, &mut scratch), Ok(&*path), "a second pass changes nothing");
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
        }
    }
}
