//! XML bodies, as the JSON they would have been: attributes are `@name`, text beside attributes is `$`.
//!
//! No DOCTYPE and no entities but the five of XML itself: nothing can expand. Depth and length are limited.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::value::{Object, Value};

const MAX_DEPTH: usize = 16;

/// Attributes of one element; each is compared with those before it.
const MAX_ATTRIBUTES: usize = 16;

struct Open {
    name: String,
    fields: Object<'static>,
    text: String,
}

/// Reads a document; the error is for the client.
pub(super) fn parse(text: &str) -> Result<Value<'static>, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = Object::default();
    loop {
        match reader.read_event().map_err(|error| format!("malformed XML: {error}"))? {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH {
                    return Err(format!("malformed XML: deeper than {MAX_DEPTH} elements"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root),
            Event::End(_) => {
                if let Some(done) = open.pop() {
                    close(done, &mut open, &mut root);
                }
            }
            Event::Text(piece) => add(&mut open, &piece),
            Event::CData(piece) => add(&mut open, &piece),
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().map_err(|error| format!("malformed XML: {error}"))?,
                };
                let Some(character) = character else { return Err("malformed XML: entities are refused".to_owned()) };
                add(&mut open, character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err("malformed XML: a DOCTYPE is refused".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() && !root.is_empty() => return Ok(Value::Object(root)),
            Event::Eof => return Err("malformed XML: it ends too early".to_owned()),
        }
    }
}

fn add(open: &mut [Open], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>) -> Result<Open, String> {
    let mut fields = Object::default();
    for (count, attribute) in start.attributes().enumerate() {
        if count == MAX_ATTRIBUTES {
            return Err(format!("malformed XML: an element with more than {MAX_ATTRIBUTES} attributes"));
        }
        let attribute = attribute.map_err(|error| format!("malformed XML: {error}"))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| format!("malformed XML: {error}"))?;
        fields.push(format!("@{}", attribute.key.as_ref()), Value::Text(value.into_owned().into()));
    }
    Ok(Open { name: unescape(start.name().as_ref()), fields, text: String::new() })
}

/// discovery-wire §1.5: `__` is `_`, `_-` is `$`.
fn unescape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let pair = if c == '_' { rest.next_if(|next| matches!(next, '_' | '-')) } else { None };
        out.push(if pair == Some('-') { '$' } else { c });
    }
    out
}

fn close(done: Open, open: &mut [Open], root: &mut Object<'static>) {
    let Open { name, mut fields, text } = done;
    let value = if fields.is_empty() {
        Value::Text(text.trim().to_owned().into())
    } else {
        if !text.trim().is_empty() {
            fields.push("$", Value::Text(text.trim().to_owned().into()));
        }
        Value::Object(fields)
    };
    open.last_mut().map_or(root, |parent| &mut parent.fields).push(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_text_and_escaped_names_are_read() {
        let found = parse(
            "<?xml version='1.0'?><instance><port enabled=\"true\">80</port><m><a__b>x&amp;&#65;</a__b><c/></m></instance>",
        );
        let expected = br#"{"instance": {"port": {"@enabled": "true", "$": "80"}, "m": {"a_b": "x&A", "c": ""}}}"#;
        assert_eq!(found, Value::parse(expected));
    }

    #[test]
    fn what_expands_nests_or_breaks_is_refused() {
        for text in [
            "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><instance>&a;</instance>",
            "<instance>&a;</instance>",
            "<instance>",
            "<a></b>",
            "",
            "<a b=\"&x;\"/>",
            &"<a>".repeat(17),
            &format!("<a {}/>", (0..17).map(|n| format!("a{n}='' ")).collect::<String>()),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
