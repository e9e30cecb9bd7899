//! The API as a page: operations by concept, what they take and answer, from the same document as `/openapi.json`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Required, Response, Schema};

use super::schema::{self, kind, one_line};
use super::{MADE, link, slug};
use crate::codes;

const ADDRESS: &str = "127.0.0.1:7070";

/// Bodies that may go on: curl shows each line as it comes.
const STREAMS: [&str; 2] = ["text/event-stream", "application/x-ndjson"];

/// The page.
pub(super) fn page(api: &OpenApi) -> String {
    let mut out = format!(
        "# The admin API\n{MADE}\nWhat the console and the command line use, too: at `listen.admin`, <http://{ADDRESS}> unless the settings say otherwise.\n\
         Bodies are JSON; a field that is there *if any* is `null` or left out when there is nothing to say. With `admin.token` set every\n\
         request but that for the health needs `-H 'Authorization: Bearer TOKEN'`. An unsuccessful answer is a\n\
         [problem](#problems). `/openapi.json` is this page for tools (OpenAPI 3.1.0).\n"
    );
    for tag in api.tags.iter().flatten() {
        let is_ours = |one: &Asked| one.operation.tags.iter().flatten().any(|of| *of == tag.name);
        let asked: Vec<_> = operations(api).filter(is_ours).collect();
        let about = tag.description.as_deref().unwrap_or_default();
        let _ = write!(out, "\n## {}\n\n{about}\n\n| request | tells or does |\n|---|---|\n", tag.name);
        for one in &asked {
            let _ = writeln!(out, "| [`{one}`](#{}) | {} |", slug(&one.to_string()), one.summary());
        }
        asked.iter().for_each(|one| one.write(api, &mut out));
        let _ = write!(out, "\n### Objects of {}\n", tag.name);
        let ours = |name: &str| name.split_once('.').is_some_and(|(of, _)| of == tag.name);
        schema::all(api)
            .filter(|(name, _)| ours(name))
            .for_each(|(name, one)| schema::section(api, name, one, &mut out));
    }
    problems(api, &mut out);
    out
}

/// What an unsuccessful answer is, and those that come before an operation is asked.
fn problems(api: &OpenApi, out: &mut String) {
    out.push_str("\n## Problems\n\nThe body of every unsuccessful answer (`application/problem+json`, RFC 9457).\n");
    schema::all(api).filter(|(name, _)| *name == "Problem").for_each(|(_, problem)| schema::fields(api, problem, out));
    out.push_str("\nBeside those that are named with an operation there are, for all it applies to:\n\n| status | problem |\n|---|---|\n");
    let shared = api.components.iter().flat_map(|components| &components.responses);
    let shared: Vec<_> = shared.filter_map(|(name, answer)| Some((name, own(answer)?))).collect();
    let given: BTreeSet<_> = operations(api)
        .flat_map(|one| &one.operation.responses.responses)
        .filter_map(|(status, answer)| match answer {
            RefOr::Ref(to) => Some((status, schema::name(&to.ref_location))),
            RefOr::T(_) => None,
        })
        .collect();
    for (status, name) in given {
        let answer = shared.iter().find(|(known, _)| *known == name).map_or("", |(_, answer)| &answer.description);
        let _ = writeln!(out, "| {status} | {} |", with_links(answer));
    }
}

/// One operation, and where it is.
struct Asked<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Operation,
}

fn operations(api: &OpenApi) -> impl Iterator<Item = Asked<'_>> {
    api.paths.paths.iter().flat_map(|(path, item)| {
        let all = [("GET", &item.get), ("PUT", &item.put), ("POST", &item.post), ("DELETE", &item.delete)];
        all.into_iter().filter_map(|(method, operation)| Some(Asked { method, path, operation: operation.as_ref()? }))
    })
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl<'a> Asked<'a> {
    fn summary(&self) -> &'a str {
        self.operation.summary.as_deref().unwrap_or_default()
    }

    fn parameters(&self) -> &'a [Parameter] {
        self.operation.parameters.as_deref().unwrap_or_default()
    }

    fn body(&self) -> Option<&'a RefOr<Schema>> {
        self.operation.request_body.as_ref()?.content.values().next()?.schema.as_ref()
    }

    /// The answers that are its own.
    fn answers(&self) -> impl Iterator<Item = (&'a str, &'a Response)> {
        self.operation.responses.responses.iter().filter_map(|(status, answer)| Some((status.as_str(), own(answer)?)))
    }

    fn write(&self, api: &OpenApi, out: &mut String) {
        let _ = write!(out, "\n### {self}\n\n{}", self.summary());
        if let Some(description) = &self.operation.description {
            let _ = write!(out, " {}", one_line(description));
        }
        let _ = write!(out, "\n\n```console\n$ {}\n```\n", self.curl(api));
        if !self.parameters().is_empty() || self.body().is_some() {
            out.push_str("\n| takes | value | meaning |\n|---|---|---|\n");
        }
        for one in self.parameters() {
            let place = match one.parameter_in {
                ParameterIn::Query => "",
                ParameterIn::Path => " in the path",
                ParameterIn::Header => " as a header",
                ParameterIn::Cookie => " as a cookie",
            };
            let value = one.schema.as_ref().map(kind).unwrap_or_default();
            let optional = if one.required == Required::True { "" } else { ", optional" };
            let meaning = one_line(one.description.as_deref().unwrap_or_default());
            let _ = writeln!(out, "| `{}`{place} | {value}{optional} | {meaning} |", one.name);
        }
        if let Some(body) = self.body() {
            let _ = writeln!(out, "| the body | {} |  |", kind(body));
        }
        out.push_str("\n| answers | body | meaning |\n|---|---|---|\n");
        for (status, answer) in self.answers() {
            let body = answer.content.iter().next().map_or_else(String::new, |(media, content)| {
                let value = content.schema.as_ref().map(kind).unwrap_or_default();
                if media.ends_with("json") && !STREAMS.contains(&media.as_str()) {
                    value
                } else {
                    format!("{value} as `{media}`")
                }
            });
            let _ = writeln!(out, "| {status} | {body} | {} |", with_links(&answer.description));
        }
    }

    /// A line to try.
    fn curl(&self, api: &OpenApi) -> String {
        let (mut place, mut mark) = (format!("{ADDRESS}{}", self.path), '?');
        for one in self.parameters() {
            let Some(value) = example(one) else { continue };
            match one.parameter_in {
                ParameterIn::Path => place = place.replace(&format!("{{{}}}", one.name), &value),
                ParameterIn::Query => {
                    let _ = write!(place, "{mark}{}={value}", one.name);
                    mark = '&';
                }
                ParameterIn::Header | ParameterIn::Cookie => {}
            }
        }
        let mut out = "curl ".to_owned();
        if self.answers().flat_map(|(_, answer)| answer.content.keys()).any(|media| STREAMS.contains(&media.as_str())) {
            out.push_str("-N ");
        }
        if !["GET", "POST"].contains(&self.method) {
            let _ = write!(out, "-X {} ", self.method);
        }
        if let Some(Schema::Object(body)) = self.body().and_then(|body| schema::resolved(api, body))
            && let Some(body) = &body.example
        {
            let _ = write!(out, "--json '{body}' ");
        }
        out + &if mark == '?' { place } else { format!("'{place}'") }
    }
}

/// The type of a parameter keeps its example to itself, but for JSON.
fn example(parameter: &Parameter) -> Option<String> {
    let parameter = serde_json::to_value(parameter).unwrap_or_default();
    parameter.get("example").and_then(Value::as_str).map(str::to_owned)
}

fn own(answer: &RefOr<Response>) -> Option<&Response> {
    match answer {
        RefOr::T(answer) => Some(answer),
        RefOr::Ref(_) => None,
    }
}

/// Every code leads to its explanation.
fn with_links(text: &str) -> String {
    codes::all().fold(one_line(text), |text, code| text.replace(code.id, &format!("[{}]({})", code.id, link(code))))
}
