use super::*;
use madang_registry::{InstanceId, Pages, Pairs, Port, Settings, Terms, eureka};
use madang_runtime::Scope;

fn instance(id: &str, address: &str, port: u16) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        host: "a-host".to_owned(),
        address: address.to_owned(),
        port: Port { number: port, enabled: true },
        secure_port: Port { number: 443, enabled: false },
        status: Status::Up,
        terms: Terms::default(),
        metadata: Pairs::new(),
        group: None,
        aliases: None,
        secure_aliases: None,
        pages: Pages::default(),
        stamp_ms: 1,
        check: None,
        notes: Pairs::new(),
    }
}

fn fixed(name: &str, port: u16) -> Fixed {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let member = Member::new(address.to_string(), address);
    Fixed { name: Name::parse(name).unwrap(), members: vec![member] }
}

/// What is called of `orders`, as `instance address availability`.
fn called(registry: &Handle, all_fixed: Vec<Fixed>) -> Vec<String> {
    let view = View { fixed: Arc::new(all_fixed), listed: registry.snapshot(), doubled: BTreeSet::new() };
    let members = view.called(&Name::parse("orders").unwrap()).members;
    members.iter().map(|one| format!("{} {} {:?}", one.instance, one.address, one.availability)).collect()
}

#[tokio::test]
async fn an_address_is_called_once_and_as_the_process_it_is() {
    let (folder, scope) = (madang_testkit::temp_dir(), Scope::new("test"));
    let registry = madang_registry::open(folder.path(), Settings::default(), &scope).unwrap();
    let orders = Name::parse("orders").unwrap();
    registry.register_supervised(&orders, vec![instance("orders-1#1", "127.0.0.1", 20_001)]);
    assert_eq!(called(&registry, vec![]), ["orders-1#1 127.0.0.1:20001 Ready"]);
    registry.register(&orders, eureka::FACE, instance("self", "127.0.0.1", 20_001)).unwrap();
    assert_eq!(called(&registry, vec![fixed("orders", 20_001)]), ["orders-1#1 127.0.0.1:20001 Ready"]);
    // Its own word that it is out of service counts, and it is still the same endpoint.
    let mut down = instance("self", "127.0.0.1", 20_001);
    (down.status, down.stamp_ms) = (Status::Down, 2);
    registry.register(&orders, eureka::FACE, down).unwrap();
    assert_eq!(called(&registry, vec![]), ["orders-1#1 127.0.0.1:20001 Unhealthy"]);
}

#[tokio::test]
async fn what_runs_elsewhere_is_called_beside_fixed_addresses_and_what_has_no_address_is_not() {
    let (folder, scope) = (madang_testkit::temp_dir(), Scope::new("test"));
    let registry = madang_registry::open(folder.path(), Settings::default(), &scope).unwrap();
    let orders = Name::parse("orders").unwrap();
    registry.register(&orders, eureka::FACE, instance("a", "10.0.0.7", 80)).unwrap();
    registry.register(&orders, eureka::FACE, instance("a-again", "10.0.0.7", 80)).unwrap();
    registry.register(&orders, eureka::FACE, instance("named", "orders.lan", 80)).unwrap();
    let mut closed = instance("tls", "10.0.0.8", 80);
    closed.port.enabled = false;
    registry.register(&orders, eureka::FACE, closed).unwrap();
    let expected = ["a-again 10.0.0.7:80 Ready", "127.0.0.1:9001 127.0.0.1:9001 Ready"];
    assert_eq!(called(&registry, vec![fixed("orders", 9_001), fixed("web", 9_002)]), expected);
}

#[tokio::test]
async fn changes_reach_the_directory_and_what_left_is_taken_away() {
    let (folder, scope) = (madang_testkit::temp_dir(), Scope::new("test"));
    let registry = madang_registry::open(folder.path(), Settings::default(), &scope).unwrap();
    let directory = Directory::default();
    let (a, orders) = (Name::parse("a").unwrap(), Name::parse("orders").unwrap());
    let (source, all_fixed) = watch::channel(Arc::new(vec![fixed("a", 9_001)]));
    let (fixed_ready, ready) = (directory.watch(&a), directory.watch(&orders));
    let reaches = async |watch: &madang_upstream::Watch, count| {
        while watch.endpoints().ready() != count {
            tokio::task::yield_now().await;
        }
    };
    let change = async {
        reaches(&fixed_ready, 1).await;
        registry.register(&orders, eureka::FACE, instance("x", "127.0.0.1", 9_003)).unwrap();
        reaches(&ready, 1).await;
        registry.cancel(&orders, &eureka::FACE, "x").unwrap();
        reaches(&ready, 0).await;
        source.send_replace(Arc::default());
        reaches(&fixed_ready, 0).await;
        drop(source);
    };
    tokio::join!(follow(registry.clone(), all_fixed, directory.clone()), change);
}
