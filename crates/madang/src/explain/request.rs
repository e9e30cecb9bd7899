//! What became of a request: a timeline of its hops and calls, then the story in sentences.

use std::time::{Duration, SystemTime};

use madang_base::format_duration;
use madang_gateway::api::{CallView, StoryView};
use serde_json::Value;

use super::wrapped;
use crate::client::{Client, encoded};
use crate::failure::{Exit, Failure, Report};
use crate::output::{Color, Show};

/// Explains the request with that id.
pub(super) fn run(client: &Client, id: &str, show: &Show) -> Result<Exit, Failure> {
    let answer = client.get(&format!("/v1/gateway/requests/{}", encoded(id)))?;
    let hops: Vec<StoryView> = serde_json::from_value(Value::clone(&answer)).map_err(|_| {
        Report::could_not("the Madang that answers tells requests in another form").hint("is it older?")
    })?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    show.print(&answer, |_| page(&hops, now, Color::of_stdout()))
}

/// One line of the timeline.
struct Line {
    /// Milliseconds after the first hop began.
    at: f64,
    took: f64,
    kind: String,
    what: String,
    result: String,
}

fn page(hops: &[StoryView], now: Duration, color: Color) -> String {
    let Some(first) = hops.first() else { return String::new() };
    let request = &first.request;
    let ago = now.saturating_sub(Duration::from_millis(request.at_ms));
    let title =
        format!("{} got {} after {}: {}", asked(first), request.status, millis(request.duration_ms), request.why,);
    let mut lines = Vec::new();
    for hop in hops {
        let at = hop.clock_us.saturating_sub(first.clock_us) as f64 / 1_000.0;
        lines.push(hop_line(hop, at));
        lines.extend(hop.calls.iter().map(|call| call_line(call, at)));
    }
    // Stable: a hop comes before the calls it made.
    lines.sort_by(|a, b| a.at.total_cmp(&b.at));
    let rows = lines
        .iter()
        .map(|line| [millis(line.at), millis(line.took), line.kind.clone(), line.what.clone(), line.result.clone()]);
    let heads = ["AT", "TOOK", "HOP", "WHAT", "CAME OF IT"].map(str::to_owned);
    let table = aligned(&std::iter::once(heads).chain(rows).collect::<Vec<_>>());
    let ago = format_duration(Duration::from_secs(ago.as_secs()));
    let story: Vec<String> = hops.iter().map(|hop| hop.text.clone()).collect();
    format!("{}, {ago} ago\n\n{table}\n{}", color.paint("1", &title), wrapped(&story.join("\n\n")))
}

/// Columns as wide as their widest cell. The first two are times and end below each other.
fn aligned(rows: &[[String; 5]]) -> String {
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [at, took, kind, what] = [0, 1, 2, 3].map(wide);
    let line = |[a, b, c, d, e]: &[String; 5]| format!("{a:>at$}  {b:>took$}  {c:kind$}  {d:what$}  {e}\n");
    rows.iter().map(line).collect()
}

/// `POST /api/orders`; what was no request has neither.
fn asked(hop: &StoryView) -> String {
    let request = &hop.request;
    if request.method.is_empty() {
        return "something that is not a request".to_owned();
    }
    format!("{} {}", request.method, request.path)
}

fn hop_line(hop: &StoryView, at: f64) -> Line {
    let request = &hop.request;
    let by = hop.caller.as_ref().map(|caller| format!(" by {caller}")).unwrap_or_default();
    let to = if request.to == "-" { String::new() } else { format!(" to {}", request.to) };
    let reason = request.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
    Line {
        at,
        took: request.duration_ms,
        kind: request.side.clone(),
        what: format!("{}{by}{to}", asked(hop)),
        result: format!("{}{reason}", request.status),
    }
}

fn call_line(call: &CallView, at: f64) -> Line {
    let address = if call.instance == call.address { String::new() } else { format!(" at {}", call.address) };
    let reused = if call.reused { ", kept connection" } else { "" };
    let status = call.status.map(|status| format!(" {status}")).unwrap_or_default();
    let error = call.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    Line {
        at: at + call.started_ms,
        took: call.duration_ms,
        kind: "  call".to_owned(),
        what: format!("{}{address}{reused}", call.instance),
        result: format!("{}{status}{error}", call.outcome),
    }
}

fn millis(millis: f64) -> String {
    format!("{millis:.1} ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_gateway::api::RequestView;

    fn hop(side: &str, path: &str, to: &str, clock_us: u64, duration_ms: f64) -> StoryView {
        let (id, method, host) = ("e1b2c3d4e5f60718".into(), "POST".into(), "shop.io".into());
        let (path, to, side, why) = (path.into(), to.into(), side.into(), "failed".into());
        let (reason, route) = (None, Some("orders".into()));
        let request = RequestView {
            id,
            at_ms: 5_000,
            side,
            method,
            host,
            path,
            status: 502,
            reason,
            why,
            duration_ms,
            route,
            to,
            attempts: 1,
        };
        let (matched, text) = ("it matches".into(), format!("{} was told.", request.path));
        let (caller, detail, calls) = (None, None, Vec::new());
        StoryView { request, caller, matched, detail, clock_us, request_bytes: 0, response_bytes: 0, calls, text }
    }

    fn call(instance: &str, started_ms: f64, duration_ms: f64, outcome: &str) -> CallView {
        let (instance, address, outcome) = (instance.into(), "127.0.0.1:20001".into(), outcome.into());
        let (head_ms, status, reused, error) = (None, None, false, None);
        CallView { instance, address, started_ms, duration_ms, head_ms, outcome, status, reused, error }
    }

    #[test]
    fn hops_and_calls_stand_on_one_line_of_time() {
        let mut edge = hop("edge", "/api/orders", "orders", 1_000_000, 115.2);
        edge.calls = vec![
            CallView { status: Some(503), ..call("orders-1", 0.1, 13.0, "retried") },
            CallView { status: Some(502), reused: true, ..call("orders-2", 100.4, 14.6, "answered") },
        ];
        let mut egress = hop("egress", "/catalog/products/tea-bowl", "catalog", 1_001_900, 2.0);
        egress.caller = Some("orders".into());
        egress.request.reason = Some("connect_failed".into());
        let refused = Some("nothing listens there".into());
        egress.calls = vec![CallView { error: refused, ..call("catalog-1", 0.1, 0.2, "connect_failed") }];
        let page = page(&[edge, egress], Duration::from_secs(17), Color::Off);
        insta::assert_snapshot!(page, @r"
        POST /api/orders got 502 after 115.2 ms: failed, 12s ago

              AT      TOOK  HOP     WHAT                                                  CAME OF IT
          0.0 ms  115.2 ms  edge    POST /api/orders to orders                            502
          0.1 ms   13.0 ms    call  orders-1 at 127.0.0.1:20001                           retried 503
          1.9 ms    2.0 ms  egress  POST /catalog/products/tea-bowl by orders to catalog  502 connect_failed
          2.0 ms    0.2 ms    call  catalog-1 at 127.0.0.1:20001                          connect_failed: nothing listens there
        100.4 ms   14.6 ms    call  orders-2 at 127.0.0.1:20001, kept connection          answered 502

        /api/orders was told.

        /catalog/products/tea-bowl was told.
        ");
    }

    #[test]
    fn what_was_no_request_can_be_explained_as_well() {
        let mut hop = hop("edge", "", "-", 7, 0.3);
        hop.request.method.clear();
        let page = page(&[hop], Duration::ZERO, Color::Off);
        assert!(page.starts_with("something that is not a request got 502 after 0.3 ms: failed, 0s ago\n"), "{page}");
    }
}
