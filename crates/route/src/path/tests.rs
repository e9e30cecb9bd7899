use super::*;
use proptest::prelude::*;

fn pattern(text: &str) -> PathPattern {
    PathPattern::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn patterns_take_whole_segments() {
    for (text, taken, missed) in [
        ("/", &["/"][..], &["", "//", "/a", "*"][..]),
        ("/orders", &["/orders"], &["/orders/", "/Orders", "/orders2", "/order", "/orders/7", "/"]),
        ("/orders/", &["/orders/"], &["/orders", "/orders//"]),
        ("/a//b", &["/a//b"], &["/a/b", "/a///b"]),
        ("/*", &["/", "/a", "/%2F"], &["/a/", "/a/b", "//"]),
        ("/orders/*", &["/orders/7", "/orders/"], &["/orders", "/orders/7/", "/orders/7/lines"]),
        ("/orders/{id}", &["/orders/7"], &["/orders/", "/orders", "/orders/7/"]),
        ("/orders/*/lines", &["/orders/7/lines"], &["/orders//lines", "/orders/lines", "/orders/7/8/lines"]),
        ("/orders/{id}/lines", &["/orders/7/lines"], &["/orders//lines"]),
        (
            "/orders/**",
            &["/orders", "/orders/", "/orders/7", "/orders/7/lines/", "/orders//"],
            &["/ordersx", "/", "/x"],
        ),
        ("/orders/{*rest}", &["/orders", "/orders/", "/orders/7/lines"], &["/ordersx"]),
        ("/**", &["/", "/a", "/a/b/", "//"], &["*", ""]),
        ("/*/**", &["/a", "/a/b", "/a/"], &["/", "//a"]),
        ("/v?", &["/v1", "/v%2F"], &["/v", "/v10", "/v/"]),
        ("/v*", &["/v", "/v1", "/v1.2"], &["/w", "/av", "/v/1"]),
        ("/*.json", &["/.json", "/a.json", "/a.json.json"], &["/a.jso", "/ajson", "/a.json/"]),
        ("/{name}.json", &["/a.json"], &["/.json"]),
        ("/{a}-{b}", &["/1-2", "/1-2-3", "/--2"], &["/-2", "/1-", "/12"]),
        ("/a*b*c", &["/abc", "/axxbxxc", "/abcbc"], &["/ac", "/acb", "/abcd"]),
        ("/?*", &["/a", "/ab"], &["/"]),
        ("/*?{x}", &["/ab", "/abc"], &["/a", "/"]),
        ("/*F", &["/F", "/%2FF"], &["/%2F"]),
    ] {
        let pattern = pattern(text);
        for path in taken {
            assert!(pattern.matches(path), "`{text}` takes `{path}`");
        }
        for path in missed {
            assert!(!pattern.matches(path), "`{text}` does not take `{path}`");
        }
    }
}

#[test]
fn literals_are_compared_in_canonical_form() {
    for (text, path) in [
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/%6frders", "/orders"),
        ("/a b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%7Bb%7d", "/a%7Bb%7D"),
        ("/%2Ahidden", "/%2Ahidden"),
        ("/v1;x=1/a:b@c", "/v1;x=1/a:b@c"),
    ] {
        assert!(pattern(text).matches(path), "`{text}` takes `{path}`");
        let mut scratch = String::new();
        assert_eq!(crate::canonical(path, &mut scratch), Ok(path), "`{path}` is what a request has");
    }
}

#[test]
fn a_fault_is_named_with_its_place_and_a_way_out() {
    let long = format!("/{}", "x".repeat(MAX_LENGTH));
    let deep = "/x".repeat(MAX_SEGMENTS + 1);
    for (text, at, message, hint) in [
        ("", 1, "a path starts with `/`", "write `/`"),
        ("orders", 1, "a path starts with `/`", "write `/orders`"),
        ("/a/**/b", 4, "`**` is only allowed as the last segment", "use `*` or `{name}` for one segment"),
        ("/{*all}/b", 2, "`**` is only allowed as the last segment", "use `*`"),
        ("/a/b**", 5, "`**` is a segment of its own", "use `*` within a segment"),
        ("/***", 2, "`**` is a segment of its own", "use `*`"),
        ("/a{*b}", 3, "`**` is a segment of its own", "use `*`"),
        ("/a/{id", 4, "`{` has no `}` in its segment", "write a variable as `{name}`"),
        ("/a/id}", 6, "`}` has no `{` before it", "a brace itself is `%7B`"),
        ("/a/{}", 4, "`` is not a name for a variable", "use letters"),
        ("/{9}", 2, "`9` is not a name for a variable", "starting with a letter"),
        ("/{a b}", 2, "`a b` is not a name for a variable", "use letters"),
        ("/{id}/x/{id}", 9, "the variable `id` stands here for the second time", "its own name"),
        ("/{id:[0-9]+}", 2, "a variable cannot hold a regular expression", "write `{name}` alone"),
        ("/x{id:[^/]+}", 3, "a variable cannot hold a regular expression", "write `{name}` alone"),
        ("/{id:\\d{2}}", 2, "a variable cannot hold a regular expression", "write `{name}` alone"),
        ("/{a}{b}", 5, "nothing separates two wildcards", "put a character between"),
        ("/*{b}", 3, "nothing separates two wildcards", "put a character between"),
        ("/a/../b", 4, "`..` is never part of a path, it is resolved before paths are compared", "write the path"),
        ("/a/.", 4, "`.` is never part of a path, it is resolved before paths are compared", "write the path"),
        ("/%2e%2E", 2, "`%2e%2E` is never part of a path, it is resolved before paths are compared", "write the path"),
        ("/a%", 3, "`%` needs two hex digits", "is `%25`"),
        ("/\u{e9}%4\u{e9}", 3, "`%` needs two hex digits", "is `%25`"),
        ("/a%zz", 3, "`%` needs two hex digits", "is `%25`"),
        ("/a%00", 3, "`%00` cannot be part of a path", "remove it"),
        ("/a%0d", 3, "`%0d` cannot be part of a path", "remove it"),
        ("/a\\b", 3, "`\\` cannot be part of a path", "remove it"),
        ("/a#b", 3, "`#` cannot be part of a path", "remove it"),
        ("/a\tb", 3, "'\\t' cannot be part of a path", "remove it"),
        ("/\u{e9}/orders?id=7", 10, "a path has no query", "test it with `query`"),
        (&long, 1025, "a path pattern has at most 1024 bytes", "use `**`"),
        (&deep, 130, "a path pattern has at most 64 segments", "use `**`"),
    ] {
        let error = PathPattern::parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("path `{text}`, character {at}: {message}"));
        assert!(error.hint().contains(hint), "{text}: {}", error.hint());
    }
}

#[test]
fn the_more_specific_pattern_is_compared_as_less() {
    // Each line is more specific than the next one.
    let ordered = [
        "/orders/new/x",
        "/orders/new/*.json",
        "/orders/new/{id}",
        "/orders/new/**",
        "/orders/item-??",
        "/orders/item-*",
        "/orders/item*",
        "/orders/i*m",
        "/orders/i*",
        "/orders/*.json",
        "/orders/{a}-{b}",
        "/orders/??",
        "/orders/{id}/lines",
        "/orders/{id}/{line}",
        "/orders/{id}",
        "/orders/*/**",
        "/orders/**",
        "/o*/x",
        "/{any}/x",
        "/{any}/**",
        "/**",
    ];
    for (place, first) in ordered.iter().enumerate() {
        for second in &ordered[place + 1..] {
            assert_eq!(pattern(first).compare(&pattern(second)), Ordering::Less, "{first} before {second}");
            assert_eq!(pattern(second).compare(&pattern(first)), Ordering::Greater, "{second} after {first}");
        }
    }
    for (first, second) in
        [("/{a}/x", "/{b}/x"), ("/a/*", "/a/{x}"), ("/a", "/b"), ("/a/**", "/a/{*r}"), ("/?*", "/{x}")]
    {
        assert_eq!(pattern(first).compare(&pattern(second)), Ordering::Equal, "{first} and {second}");
    }
}

#[test]
fn a_pattern_covers_what_it_takes_all_of() {
    for (first, second, expected) in [
        ("/a", "/a", true),
        ("/a", "/a/", false),
        ("/a/**", "/a", true),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/**", true),
        ("/a/b/**", "/a/**", false),
        ("/**", "/x*/{y}", true),
        ("/a/*", "/a/**", false),
        ("/a/*", "/a/{id}", true),
        ("/a/{id}", "/a/*", false),
        ("/a/{id}", "/a/{other}", true),
        ("/v*", "/v?", true),
        ("/v?", "/v*", false),
        ("/v*", "/v1.*", true),
        ("/*b*", "/a*b", true),
        ("/a*b", "/*b*", false),
        ("/?*", "/x", true),
        ("/?*", "/", false),
        ("/{a}.json", "/*.json", false),
        ("/*.json", "/{a}.json", true),
        ("/*/x", "//x", false),
    ] {
        assert_eq!(pattern(first).covers(&pattern(second)), expected, "{first} covers {second}");
    }
}

/// A glob in its simplest form, tried in every way.
fn matches_slowly(glob: &[char], text: &[char]) -> bool {
    match (glob.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => matches_slowly(&glob[1..], text) || (!text.is_empty() && matches_slowly(glob, &text[1..])),
        (Some('?'), Some(_)) => matches_slowly(&glob[1..], &text[1..]),
        (Some(expected), Some(found)) if expected == found => matches_slowly(&glob[1..], &text[1..]),
        _ => false,
    }
}

proptest! {
    #![proptest_config(crate::seeded(2_000))]

    #[test]
    fn globs_match_like_their_slow_form(glob in "a?[ab*?]{0,7}", text in "[ab]{0,8}") {
        let slow: Vec<char> = glob.chars().collect();
        prop_assume!(!glob.contains("**") && !glob.is_empty());
        let expected = matches_slowly(&slow, &text.chars().collect::<Vec<_>>());
        let pattern = pattern(&format!("/x/{glob}"));
        prop_assert_eq!(pattern.matches(&format!("/x/{text}")), expected);
    }

    #[test]
    fn a_covered_pattern_takes_nothing_else(
        first in "(/[ab*?]{0,3}){1,3}(/\\*\\*)?", second in "(/[ab*?]{0,3}){1,3}(/\\*\\*)?", path in "(/[ab]{0,3}){1,4}",
    ) {
        let (Ok(first), Ok(second)) = (PathPattern::parse(&first), PathPattern::parse(&second)) else { return Ok(()) };
        if first.covers(&second) && second.matches(&path) {
            prop_assert!(first.matches(&path), "{} covers {} but not {}", first, second, path);
        }
        prop_assert!(first.covers(&first), "{} covers itself", first);
    }

    #[test]
    fn no_text_makes_reading_fail_in_another_way(text in "[/a.*?{}%0:#\u{e9} ]{0,12}") {
        if let Err(error) = PathPattern::parse(&text) {
            prop_assert!(error.at >= 1 && error.at <= text.chars().count() + 1, "{}", error);
            prop_assert!(!error.hint().is_empty());
        }
    }
}
