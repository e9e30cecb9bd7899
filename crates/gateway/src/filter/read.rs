//! From settings to filters.

use std::sync::Arc;
use std::time::Duration;

use madang_settings::{Fields, Node, Problems, Value};

use super::Filter;
use super::body::BufferRequest;
use super::fault::Delay;
use super::headers::{Edit, Headers};
use super::path::{Redirect, StripPrefix};
use crate::codes;
use crate::exchange::Direction;
use crate::settings::set;

/// Fields that delimit messages or end at the next hop; filters leave them to the gateway.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads one entry of `filters`.
pub(crate) fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Arc<dyn Filter>> {
    if let Value::Table(entries) = &node.value
        && entries.len() != 1
    {
        problems
            .error(&codes::BAD_FILTER, key, format!("a filter has one name, found {}", entries.len()))
            .at(&node.origin)
            .hint("write one table per filter: `filters = [{ strip_prefix = 1 }, { delay = \"10ms\" }]`");
        return None;
    }
    let mut fields = Fields::new(node, key, problems)?;
    let filter = read_named(&mut fields, problems);
    fields.finish(problems);
    filter
}

fn read_named(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Arc<dyn Filter>> {
    let mut found: Option<Arc<dyn Filter>> = None;
    if let Some(segments) = fields.integer("strip_prefix", 1..=20, problems) {
        found = Some(Arc::new(StripPrefix { segments }));
    }
    for (name, direction, edit) in [
        ("set_request_header", Direction::Request, Edit::Set as fn(String, String) -> Edit),
        ("add_request_header", Direction::Request, Edit::Add),
        ("set_response_header", Direction::Response, Edit::Set),
        ("add_response_header", Direction::Response, Edit::Add),
    ] {
        if let Some(mut table) = fields.table(name, problems) {
            let entries: Vec<(&str, &Node)> = table.entries().collect();
            let edits = entries.into_iter().filter_map(|(header, node)| {
                let value = read_value(header, node, &table.key(header), problems)?;
                check_name(header, node, &table.key(header), problems).then(|| edit(header.to_owned(), value))
            });
            found = Some(Arc::new(Headers { direction, edits: edits.collect() }));
        }
    }
    for (name, direction) in
        [("remove_request_header", Direction::Request), ("remove_response_header", Direction::Response)]
    {
        if let Some(headers) = fields.strings(name, problems) {
            if let Some(node) = fields.node(name) {
                for header in &headers {
                    check_name(header, node, &fields.key(name), problems);
                }
            }
            found = Some(Arc::new(Headers { direction, edits: headers.into_iter().map(Edit::Remove).collect() }));
        }
    }
    if let Some(mut redirect) = fields.table("redirect", problems) {
        found = read_redirect(&mut redirect, problems);
        redirect.finish(problems);
    }
    if let Some(most) = fields.size_in("buffer_request", 1..=64 * 1024 * 1024, problems) {
        found = Some(Arc::new(BufferRequest { most: usize::try_from(most).unwrap_or(usize::MAX) }));
    }
    if let Some(wait) = fields.duration_in("delay", Duration::ZERO..=Duration::from_secs(60), problems) {
        found = Some(Arc::new(Delay { wait }));
    }
    found
}

fn read_redirect(redirect: &mut Fields<'_>, problems: &mut Problems) -> Option<Arc<dyn Filter>> {
    let mut status = 302;
    let statuses = [301, 302, 303, 307, 308];
    set(&mut status, redirect.integer("status", 301..=308, problems));
    if !statuses.contains(&status) {
        redirect
            .report(&codes::BAD_FILTER, "status", format!("{status} is not a redirect with a location"), problems)
            .hint("use 301, 302, 303, 307 or 308");
    }
    let keep_path = redirect.boolean("keep_path", problems).unwrap_or(false);
    let Some(url) = redirect.string("url", problems) else {
        if redirect.origin("url").is_none() {
            redirect.missing("url", "\"https://example.com\"", problems);
        }
        return None;
    };
    if url.is_empty() || url.bytes().any(|byte| !byte.is_ascii_graphic()) {
        redirect
            .report(&codes::BAD_HEADER, "url", "a location is made of visible ASCII characters", problems)
            .hint("encode other characters with %");
        return None;
    }
    Some(Arc::new(Redirect { status, url, keep_path }))
}

fn read_value(header: &str, node: &Node, key: &str, problems: &mut Problems) -> Option<String> {
    let Value::String(value) = &node.value else {
        problems
            .error(&codes::BAD_HEADER, key, format!("the value of `{header}` must be a text"))
            .at(&node.origin)
            .hint("write it in quotes");
        return None;
    };
    if value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        problems
            .error(&codes::BAD_HEADER, key, format!("the value of `{header}` has a control character"))
            .at(&node.origin)
            .hint("a header's value is one line");
        return None;
    }
    Some(value.clone())
}

fn check_name(header: &str, node: &Node, key: &str, problems: &mut Problems) -> bool {
    let fine = !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let ours = OURS.contains(&header.to_ascii_lowercase().as_str());
    if !fine {
        problems
            .error(&codes::BAD_HEADER, key, format!("`{header}` is not a header name"))
            .at(&node.origin)
            .hint("letters, digits and `-`");
    } else if ours {
        problems
            .error(&codes::BAD_HEADER, key, format!("`{header}` is not for filters to change"))
            .at(&node.origin)
            .hint("the gateway writes it; remove this line");
    }
    fine && !ours
}
