//! From the supervisor's instances, and services with fixed addresses, to the endpoints callers pick from.
//!
//! Mapping only: what an instance's state means for a call is said here, and nowhere else.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use madang_balance::{Availability, Member};
use madang_base::Name;
use madang_supervise::{InstanceView, State};
use madang_upstream::Directory;
use tokio::sync::watch;

use crate::settings::Fixed;

/// Endpoints by service.
type Members = BTreeMap<Name, Vec<Member>>;

/// What the supervisor sees, as it changes.
pub(crate) type Views = watch::Receiver<Arc<Vec<InstanceView>>>;

/// Keeps `directory` in step until the supervisor is gone.
pub(crate) async fn follow(mut views: Views, mut fixed: watch::Receiver<Arc<Vec<Fixed>>>, directory: Directory) {
    let mut published = Members::new();
    loop {
        let wanted = members(&views.borrow_and_update(), &fixed.borrow_and_update());
        publish(&directory, &published, &wanted);
        published = wanted;
        let ended = tokio::select! {
            changed = views.changed() => changed.is_err(),
            changed = fixed.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}

fn publish(directory: &Directory, before: &Members, wanted: &Members) {
    for (service, members) in wanted.iter().filter(|(service, members)| before.get(*service) != Some(members)) {
        directory.publish(service, members.clone());
    }
    for service in before.keys().filter(|service| !wanted.contains_key(*service)) {
        directory.remove(service);
    }
}

/// A service that moves from a command to fixed addresses has both for a while: the settings decide.
fn members(views: &[InstanceView], fixed: &[Fixed]) -> Members {
    let mut all = Members::new();
    for view in views {
        let members = all.entry(view.service.clone()).or_default();
        members.extend(member(view));
    }
    all.extend(fixed.iter().map(|service| (service.name.clone(), service.members.clone())));
    all
}

fn member(view: &InstanceView) -> Option<Member> {
    let availability = match view.state {
        State::Healthy => Availability::Ready,
        State::Starting | State::Backoff => Availability::Starting,
        State::Unhealthy => Availability::Unhealthy,
        State::Stopping => Availability::Draining,
        State::Stopped => return None,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, view.port?));
    Some(Member { instance: view.identity(), address, weight: 1, availability })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(name: &str, port: u16) -> Fixed {
        let member = Member {
            instance: format!("127.0.0.1:{port}"),
            address: ([127, 0, 0, 1], port).into(),
            weight: 1,
            availability: Availability::Ready,
        };
        Fixed { name: Name::parse(name).unwrap(), members: vec![member] }
    }

    #[test]
    fn what_is_no_longer_wanted_is_taken_away_and_what_stays_keeps_its_identity() {
        let directory = Directory::default();
        let (a, b) = (Name::parse("a").unwrap(), Name::parse("b").unwrap());
        let first = members(&[], &[fixed("a", 9001), fixed("b", 9002)]);
        publish(&directory, &Members::new(), &first);
        let id = directory.watch(&a).endpoints().endpoints()[0].id;
        let second = members(&[], &[fixed("a", 9001)]);
        publish(&directory, &first, &second);
        assert_eq!(directory.watch(&a).endpoints().endpoints()[0].id, id);
        assert_eq!(directory.watch(&b).endpoints().ready(), 0);
    }

    #[tokio::test]
    async fn a_change_is_published_and_the_end_of_its_source_ends_it() {
        let (views, seen) = watch::channel(Arc::default());
        let (source, fixed_seen) = watch::channel(Arc::new(vec![fixed("a", 9001)]));
        let directory = Directory::default();
        let watched = directory.watch(&Name::parse("a").unwrap());
        let change = async {
            while watched.endpoints().ready() != 1 {
                tokio::task::yield_now().await;
            }
            source.send_replace(Arc::default());
            while watched.endpoints().ready() != 0 {
                tokio::task::yield_now().await;
            }
            drop(views);
        };
        tokio::join!(follow(seen, fixed_seen, directory.clone()), change);
    }
}
