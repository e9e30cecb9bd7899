//! `madang explain CODE`: the long version of what a problem said in one line.

use std::fmt::Write;

use madang_base::{Code, nearest};
use serde_json::{Value, json};

use crate::codes;
use crate::failure::{Exit, Failure, Report};
use crate::output::{Show, Table};

/// Explains `code`, or lists all codes.
pub(crate) fn run(code: Option<&str>, show: &Show) -> Result<Exit, Failure> {
    match code {
        Some(id) => {
            let code = find(id)?;
            show.print(&as_json(code), |_| page(code))
        }
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
    let mut page = format!("{}: {}\n\n", code.id, code.title);
    for paragraph in code.explanation.split("\n\n") {
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
