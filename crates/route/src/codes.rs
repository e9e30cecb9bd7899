//! The problems this crate can name, explained for `madang explain`.

use madang_base::Code;

/// A path pattern cannot be read.
pub const PATH_PATTERN: Code = Code {
    id: "MD0351",
    title: "path pattern not understood",
    explanation: "A route's `path` starts with `/` and is compared segment by segment: a word stands for itself, `?` for \
        one character, `*` for any characters within a segment, `{name}` for one segment, and `**` or `{*name}`, only \
        at the end, for all segments that follow, also none. A slash at the end counts: `/a` does not match `/a/`, \
        `/a/**` matches both. The message names the character at which reading stopped.",
};

/// A host pattern cannot be read.
pub const HOST_PATTERN: Code = Code {
    id: "MD0352",
    title: "host pattern not understood",
    explanation: "A route's `host` is a name such as `shop.example.com`, an IP address, or `*.example.com`, which takes \
        every name below `example.com` at any depth but not `example.com` itself. It has no scheme, port or path. A \
        route for every host leaves `host` out.",
};

/// A method is not a token in upper case.
pub const METHOD: Code = Code {
    id: "MD0353",
    title: "method not understood",
    explanation: "Methods are compared letter by letter (RFC 9110 §9.1), and all common ones are written in upper case: \
        `GET`, `POST`. A route for every method leaves `method` out.",
};

/// A header or query test is not a regular expression within the limit.
pub const VALUE_TEST: Code = Code {
    id: "MD0354",
    title: "value test not understood",
    explanation: "A header or query test is a regular expression that has to match a whole value: `v[12]` takes `v1` and \
        not `v10`. Look-around and back-references do not exist, so that no request can make a test slow. Most \
        punctuation has a meaning: write `'1\\.0'` for the text `1.0`.",
};

/// A route can never be chosen.
pub const SHADOWED: Code = Code {
    id: "MD0355",
    title: "route can never be chosen",
    explanation: "Another route takes every request this one would take and comes first, by precedence or, where both \
        are equally specific, by its place in the file. Make this route more specific, move it before the other, or \
        remove it. `madang route explain` shows which route takes a request and why the others do not.",
};

/// A request's path is refused.
pub const PATH_REFUSED: Code = Code {
    id: "MD0356",
    title: "path refused",
    explanation: "The path of the request can be read in two ways, and a gateway that reads it one way before a service \
        that reads it the other is how access rules are passed by: a broken `%` escape, `\\`, a control character, \
        `..` above the root, or a dot segment with parameters such as `..;x`. The client has to send it differently.",
};

/// All of them, in order.
pub const ALL: &[&Code] = &[&PATH_PATTERN, &HOST_PATTERN, &METHOD, &VALUE_TEST, &SHADOWED, &PATH_REFUSED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_explain_themselves_in_a_few_sentences() {
        for (number, code) in (351..).zip(ALL) {
            assert_eq!(code.id, format!("MD0{number}"));
            assert!(code.explanation.len() > 100 && code.explanation.ends_with('.'), "{code}");
            assert!(!code.explanation.contains("  "), "{code}: a line break left its indentation");
        }
    }
}
