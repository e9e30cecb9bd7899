//! `madang explain CODE`: the long version of what a problem said in one line; the reason an answer of the gateway gives
//! (`host_missing`) stands for its code. `madang explain REQUEST-ID`: what became of a request. `madang explain KEY`: a
//! setting.

mod request;

use std::fmt::Write;

use madang_base::{Code, nearest};
use serde_json::{Value, json};

use crate::client::Client;
use crate::codes;
use crate::failure::{Exit, Failure, Report};
use crate::output::{Show, Table};
use crate::{reference, settings};

/// Characters of the longest text that is taken for a code with a slip in it; ids of requests are longer.
const LONGEST_CODE: usize = 7;

/// Explains a code or a request, or lists all codes. Only a request needs a Madang that runs.
pub(crate) fn run(
    what: Option<&str>,
    show: &Show,
    client: impl FnOnce() -> Result<Client, Failure>,
) -> Result<Exit, Failure> {
    match what {
        Some(id) if is_code(id) => {
            let code = find(id)?;
            show.print(&as_json(code), |_| page(code))
        }
        Some(reason) if let Some(code) = codes::of_reason(reason) => show.print(&as_json(code), |_| page(code)),
        Some(key) if let Some(key) = settings::keys().find(|known| known.covers(key)) => {
            show.print(&reference::key_as_json(key), |_| reference::key_page(key))
        }
        Some(id) => request::run(&client()?, id, show),
        None => {
            let all: Vec<Value> = codes::all().map(as_json).collect();
            show.print(&all, |_| {
                let mut table = Table::new(["CODE", "MEANS"]);
                codes::all().for_each(|code| table.row([code.id.to_owned(), code.title.to_owned()]));
                table.to_string()
            })
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= LONGEST_CODE && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("md"))
}

fn find(id: &str) -> Result<&'static Code, Report> {
    let id = id.to_ascii_uppercase();
    codes::all().find(|code| code.id == id).ok_or_else(|| {
        let hint = match nearest(&id, codes::all().map(|code| code.id)) {
            Some(near) => format!("did you mean `{near}`? `madang explain` lists all codes"),
            None => "`madang explain` lists all codes".to_owned(),
        };
        Report::wrong(format!("there is no code `{id}`")).hint(hint)
    })
}

fn as_json(code: &Code) -> Value {
    json!({ "code": code.id, "title": code.title, "explanation": code.explanation })
}

fn page(code: &Code) -> String {
    format!("{}: {}\n\n{}", code.id, code.title, wrapped(code.explanation))
}

/// Paragraphs in lines of less than 80 characters.
fn wrapped(text: &str) -> String {
    let mut page = String::new();
    for paragraph in text.split("\n\n") {
        let mut width = 0;
        for word in paragraph.split_whitespace() {
            if width > 0 && width + word.chars().count() >= 80 {
                page.push('\n');
                width = 0;
            }
            let space = if width > 0 { " " } else { "" };
            let _ = write!(page, "{space}{word}");
            width += space.len() + word.chars().count();
        }
        page.push_str("\n\n");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_any_case_and_a_slip_gets_the_nearest() {
        assert_eq!(find("md0501").unwrap().id, "MD0501");
        insta::assert_snapshot!(find("MD051").unwrap_err(), @r"
        error: there is no code `MD051`
        hint: did you mean `MD0351`? `madang explain` lists all codes
        ");
    }

    #[test]
    fn codes_and_requests_are_told_apart() {
        for (text, expected) in [
            ("MD0501", true),
            ("md0501", true),
            ("MDO501", true),
            ("0501", false),
            ("md", true),
            ("e1b2c3d4e5f60718", false),
            ("md-of-a-trusted-peer", false),
            ("é", false),
        ] {
            assert_eq!(is_code(text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_is_wrapped_and_keeps_its_paragraphs() {
        let explanation =
            "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen.\n\nLast.";
        let page = page(&Code { id: "MD9999", title: "a title", explanation });
        insta::assert_snapshot!(page, @r"
        MD9999: a title

        One two three four five six seven eight nine ten eleven twelve thirteen fourteen
        fifteen.

        Last.
        ");
    }
}
