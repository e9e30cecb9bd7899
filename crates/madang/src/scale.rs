//! `madang scale`: how many instances of a service run, until the number in the settings file changes.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, encoded};
use crate::failure::{Exit, Failure};
use crate::output::Show;

/// Asks for `instances` and shows the service as it is then.
pub(crate) fn run(client: &Client, service: &str, instances: u32, show: &Show) -> Result<Exit, Failure> {
    let author = std::env::var("USER").unwrap_or_else(|_| "madang scale".to_owned());
    let path = format!("/v1/supervise/services/{}/scale", encoded(service));
    client.send(Method::POST, &path, Some(&json!({ "instances": instances, "author": author })))?;
    let services = client.get("/v1/supervise/services")?;
    let named = |view: &&Value| view["service"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(service));
    let mut view = services.as_array().into_iter().flatten().find(named).cloned().unwrap_or(Value::Null);
    // The list may be a moment older than the answer.
    view["wanted"] = instances.into();
    show.print(&view, text)
}

fn text(view: &Value) -> String {
    let (service, wanted, in_file) = (view["service"].as_str().unwrap_or_default(), &view["wanted"], &view["in_file"]);
    if wanted == in_file {
        return format!("{service}: {wanted} instances, as the settings say\n");
    }
    format!("{service}: {wanted} instances, until the settings say other than {in_file}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_how_long_it_holds() {
        let view = |wanted: u32| json!({ "service": "orders", "wanted": wanted, "in_file": 2 });
        assert_eq!(text(&view(4)), "orders: 4 instances, until the settings say other than 2\n");
        assert_eq!(text(&view(2)), "orders: 2 instances, as the settings say\n");
    }
}
