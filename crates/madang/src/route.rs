//! `madang route ls` and `madang route explain`: where requests go, and why.

use clap::Subcommand;
use serde_json::Value;

use crate::client::{Client, encoded};
use crate::failure::{Exit, Failure, Report};
use crate::output::{Show, Table};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the routes in the order they were written, with the endpoints behind them
    #[command(before_help = "Example: madang route ls")]
    Ls {
        #[command(flatten)]
        show: Show,
    },
    /// Says which route takes a request, and why each other one does not
    #[command(before_help = "Example: madang route explain POST /api/orders -H 'x-plan: gold'")]
    #[command(override_usage = "madang route explain [OPTIONS] [METHOD] <URL>")]
    Explain {
        /// The method, GET when left out, and the URL or path
        #[arg(required = true, num_args = 1..=2, value_name = "METHOD URL")]
        request: Vec<String>,
        /// A header of the request; may be repeated
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
        #[command(flatten)]
        show: Show,
    },
}

/// Does what `command` says.
pub(crate) fn run(client: &Client, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Ls { show } => show.print(&client.get("/v1/gateway/routes")?, list),
        Command::Explain { request, headers, show } => {
            let question = Question::read(request, headers)?;
            show.print(&client.get(&question.query())?, |verdicts| explanation(&question, verdicts))
        }
    }
}

/// A request that is asked about.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    method: String,
    host: String,
    path: String,
    headers: Vec<String>,
}

impl Question {
    fn read(request: &[String], headers: &[String]) -> Result<Self, Report> {
        let (method, url) = match request {
            [method, url] => (method.to_ascii_uppercase(), url),
            [url] => ("GET".to_owned(), url),
            _ => return Err(Report::wrong("give a path or a URL, and a method before it if it is not GET")),
        };
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => match rest.find(['/', '?']) {
                Some(at) => (&rest[..at], &rest[at..]),
                None => (rest, "/"),
            },
            None => ("", url.as_str()),
        };
        if host.is_empty() && !path.starts_with('/') {
            return Err(Report::wrong(format!("`{url}` is neither a path nor a URL"))
                .hint("for example `/orders/7` or `http://shop.example.com/orders/7?x=1`"));
        }
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        let path = path.split('#').next().unwrap_or_default().to_owned();
        if let Some(header) = headers.iter().find(|header| !header.contains(':')) {
            return Err(Report::wrong(format!("`{header}` is not a header")).hint("for example `-H 'x-plan: gold'`"));
        }
        // `Host` as a header wins, as it does on the wire.
        let named = headers
            .iter()
            .filter_map(|header| header.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("host"));
        let host = named.map_or(host, |(_, value)| value.trim());
        Ok(Self { method, host: without_port(host).to_owned(), path, headers: headers.to_vec() })
    }

    fn query(&self) -> String {
        format!(
            "/v1/gateway/routes/explain?method={}&host={}&path={}&headers={}",
            encoded(&self.method),
            encoded(&self.host),
            encoded(&self.path),
            encoded(&self.headers.join("\n"))
        )
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn list(routes: &Value) -> String {
    if rows(routes).is_empty() {
        return "there are no routes; `[[routes]]` in madang.toml adds one\n".to_owned();
    }
    let mut table = Table::new(["ID", "MATCH", "TO", "READY", "BREAKER", "FROM"]);
    for route in rows(routes) {
        let ready = format!("{}/{}", route["ready"], route["known"]);
        let ready = if route["to"] == "" { "-".to_owned() } else { ready };
        let breaker = route["breaker"]["state"].as_str().unwrap_or("-").replace('_', "-");
        table.row([text(route, "id"), text(route, "match"), text(route, "to"), ready, breaker, text(route, "origin")]);
    }
    table.to_string()
}

fn explanation(question: &Question, verdicts: &Value) -> String {
    let host = if question.host.is_empty() { String::new() } else { format!(" of {}", question.host) };
    let mut out = match rows(verdicts).iter().find(|verdict| verdict["chosen"] == true) {
        Some(route) => format!(
            "{} {}{host} takes route `{}` to {} ({} of {} endpoints ready, {})\n",
            question.method,
            question.path,
            text(route, "id"),
            if route["to"] == "" { "a filter that answers".to_owned() } else { text(route, "to") },
            route["ready"],
            route["known"],
            text(route, "origin")
        ),
        None => format!("no route takes {} {}{host}: the gateway answers 404\n", question.method, question.path),
    };
    let mut table = Table::new(["ROUTE", "VERDICT", "FROM"]);
    for verdict in rows(verdicts) {
        let said = match (verdict["chosen"] == true, verdict["matched"] == true) {
            (true, _) => "taken".to_owned(),
            (false, true) => "matches too, comes later".to_owned(),
            (false, false) => text(verdict, "reason"),
        };
        table.row([text(verdict, "id"), said, text(verdict, "origin")]);
    }
    if !rows(verdicts).is_empty() {
        out.push_str(&format!("\n{table}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(request: &[&str], headers: &[&str]) -> Result<Question, String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Question::read(&words(request), &words(headers)).map_err(|report| report.to_string())
    }

    #[test]
    fn a_request_is_a_method_and_a_path_or_url() {
        for (request, headers, expected) in [
            (["/orders"].as_slice(), [].as_slice(), ("GET", "", "/orders")),
            (&["post", "/orders?x=1#top"], &[], ("POST", "", "/orders?x=1")),
            (&["http://shop.example.com:8080/a/b"], &[], ("GET", "shop.example.com", "/a/b")),
            (&["http://shop.example.com"], &[], ("GET", "shop.example.com", "/")),
            (&["http://[::1]:8080?x"], &[], ("GET", "[::1]", "/?x")),
            (&["/x"], &["Host: a.example:80"], ("GET", "a.example", "/x")),
        ] {
            let found = question(request, headers).unwrap();
            assert_eq!((found.method.as_str(), found.host.as_str(), found.path.as_str()), expected, "{request:?}");
        }
        assert!(question(&["orders"], &[]).unwrap_err().contains("`orders` is neither a path nor a URL"));
        assert!(question(&["/"], &["x-plan"]).unwrap_err().contains("`x-plan` is not a header"));
    }

    #[test]
    fn an_explanation_says_what_is_taken_and_why_the_rest_is_not() {
        let asked = question(&["POST", "/api/orders"], &[]).unwrap();
        let route = |id: &str, matched: bool, chosen: bool, reason: &str| {
            json!({ "id": id, "match": "/x", "to": "service://orders", "ready": 2, "known": 2, "origin": "madang.toml:9:1",
                    "matched": matched, "chosen": chosen, "reason": reason })
        };
        let verdicts = json!([
            route("orders", true, true, ""),
            route("all", true, false, ""),
            route("catalog", false, false, "method is POST, not GET"),
        ]);
        insta::assert_snapshot!(explanation(&asked, &verdicts), @r"
        POST /api/orders takes route `orders` to service://orders (2 of 2 endpoints ready, madang.toml:9:1)

        ROUTE    VERDICT                   FROM
        orders   taken                     madang.toml:9:1
        all      matches too, comes later  madang.toml:9:1
        catalog  method is POST, not GET   madang.toml:9:1
        ");
        let none = explanation(&asked, &json!([]));
        assert_eq!(none, "no route takes POST /api/orders: the gateway answers 404\n");
    }
}
