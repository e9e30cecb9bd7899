//! From the gateway's egress listener to the environment of services: how each reaches the others by name.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use madang_base::Name;
use madang_supervise::Environment;
use tokio::sync::watch;

/// The names of all services, as they change.
pub(crate) type Names = watch::Receiver<Arc<BTreeSet<Name>>>;

/// `MADANG_EGRESS`, and `MADANG_URL_<SERVICE>` for each service; nothing when egress is off.
pub(crate) fn environment(egress: Option<SocketAddr>, names: Names) -> Environment {
    Box::new(move |_| match egress {
        Some(egress) => variables(egress, &names.borrow()),
        None => Vec::new(),
    })
}

fn variables(egress: SocketAddr, names: &BTreeSet<Name>) -> Vec<(String, String)> {
    let base = format!("http://{egress}");
    let urls = names.iter().map(|name| (variable(name), format!("{base}/{name}")));
    std::iter::once(("MADANG_EGRESS".to_owned(), base.clone())).chain(urls).collect()
}

/// `my-shop.v2` becomes `MADANG_URL_MY_SHOP_V2`.
fn variable(name: &Name) -> String {
    let upper = name.as_str().to_ascii_uppercase();
    format!("MADANG_URL_{}", upper.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_reached_by_its_name() {
        let names = ["catalog", "my-shop.v2"].map(|name| Name::parse(name).unwrap()).into_iter().collect();
        let found = variables(([127, 0, 0, 1], 7071).into(), &names);
        let expected = [
            ("MADANG_EGRESS", "http://127.0.0.1:7071"),
            ("MADANG_URL_CATALOG", "http://127.0.0.1:7071/catalog"),
            ("MADANG_URL_MY_SHOP_V2", "http://127.0.0.1:7071/my-shop.v2"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
