//! From the listeners to the environment of services: how each reaches the others by name, and registers itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use madang_base::Name;
use madang_supervise::Environment;
use tokio::sync::watch;

use crate::settings::Listen;

/// The names of all services, as they change.
pub(crate) type Names = watch::Receiver<Arc<BTreeSet<Name>>>;

/// `MADANG_EGRESS` and `MADANG_URL_<SERVICE>` for each service unless egress is off, with the name of the service they are for, so
/// that the gateway knows who calls; `MADANG_EUREKA` unless that is off.
pub(crate) fn environment(listen: &Listen, names: Names) -> Environment {
    let listen = listen.clone();
    Box::new(move |service| variables(&listen, service, &names.borrow()))
}

fn variables(listen: &Listen, service: &Name, names: &BTreeSet<Name>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Some(egress) = listen.egress {
        let base = format!("http://{egress}/@{service}");
        all.push(("MADANG_EGRESS".to_owned(), base.clone()));
        all.extend(names.iter().map(|name| (variable(name), format!("{base}/{name}"))));
    }
    if let Some(eureka) = listen.eureka {
        all.push(("MADANG_EUREKA".to_owned(), format!("http://{eureka}/eureka")));
    }
    all
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
    fn every_service_is_reached_by_its_name_and_the_registry_by_its_own() {
        let names = ["catalog", "my-shop.v2"].map(|name| Name::parse(name).unwrap()).into_iter().collect();
        let address = |port: u16| Some(([127, 0, 0, 1], port).into());
        let listen = Listen { gateway: None, admin: None, egress: address(7071), eureka: address(8761) };
        let expected = [
            ("MADANG_EGRESS", "http://127.0.0.1:7071/@orders"),
            ("MADANG_URL_CATALOG", "http://127.0.0.1:7071/@orders/catalog"),
            ("MADANG_URL_MY_SHOP_V2", "http://127.0.0.1:7071/@orders/my-shop.v2"),
            ("MADANG_EUREKA", "http://127.0.0.1:8761/eureka"),
        ];
        let found = variables(&listen, &Name::parse("orders").unwrap(), &names);
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
