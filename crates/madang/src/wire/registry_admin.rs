//! From the registry to the readers of `/v1/events`: who came and left, and what is said of whom.
//!
//! Instances that Madang runs are told about by `supervise_admin`; here only what they register themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use madang_admin::{Events, Level};
use madang_base::Name;
use madang_registry::{Face, Handle, Listed, ServiceView, Snapshot, Status, Why};

/// The least time between two looks, so that ten thousand registrations are not ten thousand looks.
const PACE: Duration = Duration::from_millis(100);
/// Self-preservation begins without a change that would wake anybody.
const LOOK: Duration = Duration::from_secs(1);
/// Sentences about one service in one look. More are one sentence with numbers.
const MOST: usize = 20;

/// Tells `events` until the registry is gone. What is listed at this call was restored.
pub(crate) fn follow(registry: Handle, events: Events) -> impl Future<Output = ()> + Send {
    let mut changes = registry.watch();
    let mut known = registry.snapshot();
    async move {
        for (service, view) in known.services() {
            let restored = view.instances.iter().filter(|listed| is_told(listed)).count();
            if restored > 0 {
                let text =
                    format!("{restored} of its instances restored from before the start, each with one whole lease");
                events.publish("registry", Level::Info, service.as_str(), &text);
            }
        }
        let (mut held, mut woken) = (BTreeMap::new(), false);
        loop {
            let now = registry.snapshot();
            for name in now.changed_since(&known) {
                tell(&events, name, differences(name, &known, &now, |id| registry.why_removed(name, id)));
            }
            let preserved: BTreeMap<Name, String> = registry.preserved().into_iter().collect();
            for (service, why) in preserved.iter().filter(|(service, _)| !held.contains_key(*service)) {
                events.publish("registry", Level::Warn, service.as_str(), why);
            }
            (known, held) = (now, preserved);
            if woken {
                ["registry", "routes"].into_iter().for_each(|what| events.changed(what));
            }
            tokio::time::sleep(PACE).await;
            woken = match tokio::time::timeout(LOOK, changes.changed()).await {
                Ok(Ok(())) => true,
                Ok(Err(_)) => return,
                Err(_) => false,
            };
        }
    }
}

/// One sentence about one instance.
#[derive(Debug, PartialEq, Eq)]
struct News {
    kind: &'static str,
    level: Level,
    instance: String,
    text: String,
}

fn tell(events: &Events, service: &Name, news: Vec<News>) {
    if let Some(text) = summary(&news) {
        return events.publish("registry", Level::Info, service.as_str(), &text);
    }
    for News { kind, level, instance, text } in news {
        events.publish(kind, level, &format!("{service}/{instance}"), &text);
    }
}

/// What is said instead of more sentences than anybody reads.
fn summary(news: &[News]) -> Option<String> {
    (news.len() > MOST).then(|| format!("{} instances came, left or changed at once", news.len()))
}

fn differences(service: &Name, before: &Snapshot, now: &Snapshot, why: impl Fn(&str) -> Option<Why>) -> Vec<News> {
    let none = ServiceView::default();
    let view = |snapshot: &Snapshot| snapshot.service(service.as_str()).cloned();
    let (before, now) = (view(before), view(now));
    let (before, now) = (before.as_deref().unwrap_or(&none), now.as_deref().unwrap_or(&none));
    let (mut gone, mut rest) = (Vec::new(), Vec::new());
    for changed in now.changes_since(before) {
        match changed {
            (Some(old), None) => gone.extend(is_told(old).then(|| left(old, why(old.instance.id.as_str())))),
            (None, Some(new)) => rest.extend(is_told(new).then(|| came(new))),
            (Some(old), Some(new)) => rest.extend(moved(old, new)),
            (None, None) => {}
        }
    }
    gone.append(&mut rest);
    gone
}

fn is_told(listed: &Listed) -> bool {
    listed.face != Face::SUPERVISE
}

fn news(kind: &'static str, level: Level, listed: &Listed, text: String) -> News {
    News { kind, level, instance: listed.instance.id.to_string(), text }
}

fn came(new: &Listed) -> News {
    let port = if new.instance.port.enabled { new.instance.port } else { new.instance.secure_port };
    let place = format!("{}:{}", new.instance.address, port.number);
    news("registry", Level::Info, new, format!("registered by {} as `{}`, {place}", new.face, new.status))
}

fn left(old: &Listed, why: Option<Why>) -> News {
    let (level, text) = match why {
        Some(Why::Expired) => (Level::Warn, "removed: its lease ran out"),
        Some(Why::Cancelled) => (Level::Info, "deregistered"),
        Some(Why::ProcessEnded) => (Level::Info, "removed: its process has ended"),
        None => (Level::Info, "no longer registered"),
    };
    news("registry", level, old, text.to_owned())
}

fn moved(old: &Listed, new: &Listed) -> Option<News> {
    if old.overridden != new.overridden {
        let text = match &new.overridden {
            Some(overridden) => format!("{} set the status to `{}`", overridden.by, overridden.status),
            None => format!("the override is gone; the status is `{}`", new.status),
        };
        return Some(news("override", Level::Info, new, text));
    }
    let level = match new.status {
        Status::Up | Status::Starting | Status::OutOfService => Level::Info,
        Status::Down | Status::Unknown => Level::Warn,
    };
    let text = || format!("`{}`, was `{}`", new.status, old.status);
    (is_told(new) && old.status != new.status).then(|| news("registry", level, new, text()))
}

#[cfg(test)]
mod tests;
