//! From the supervisor to the readers of `/v1/events`: turns in the lives of processes, and how many there should be.

use std::sync::Arc;

use madang_admin::{Events, Level};
use madang_supervise::{Handle, ServiceView, State};

use crate::news::{News, Turn};

/// Tells `events` until the supervisor is gone. What is so already at this call is no news.
pub(crate) fn follow(supervisor: &Handle, events: Events) -> impl Future<Output = ()> + Send + use<> {
    let (mut views, mut services) = (supervisor.watch(), supervisor.watch_services());
    let mut news = News::since(&views.borrow_and_update());
    let mut known = Arc::clone(&services.borrow_and_update());
    async move {
        loop {
            let ended = tokio::select! {
                changed = views.changed() => changed.is_err(),
                changed = services.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
            let before = std::mem::replace(&mut known, Arc::clone(&services.borrow_and_update()));
            for (service, text) in scaled(&before, &known) {
                events.publish("scale", Level::Info, service, &text);
            }
            for turn in news.turns(&views.borrow_and_update()) {
                let subject = format!("{}/{}", turn.service, turn.instance);
                events.publish("process", level(&turn), &subject, &turn.text);
            }
            events.changed("processes");
        }
    }
}

const fn level(turn: &Turn) -> Level {
    match turn.state {
        State::Healthy | State::Stopping | State::Stopped => Level::Info,
        // It is told that it starts only when it ended before.
        State::Unhealthy | State::Backoff | State::Starting => Level::Warn,
    }
}

/// Services with another number of instances than `before`, and why.
fn scaled<'a>(before: &[ServiceView], now: &'a [ServiceView]) -> Vec<(&'a str, String)> {
    let changed = now.iter().filter_map(|new| {
        let old = before.iter().find(|old| old.service == new.service)?;
        let text = match &new.overlay {
            same if *same == old.overlay && old.wanted == new.wanted => return None,
            Some(overlay) => {
                format!("{} asked for {} instead of {}", overlay.author, instances(overlay.instances), old.wanted)
            }
            None => format!("the settings ask for {} instead of {}", instances(new.wanted), old.wanted),
        };
        Some((new.service.as_str(), text))
    });
    changed.collect()
}

fn instances(count: u32) -> String {
    format!("{count} {}", if count == 1 { "instance" } else { "instances" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_base::Name;
    use madang_supervise::Overlay;

    fn view(wanted: u32, author: Option<&str>) -> ServiceView {
        let overlay = author.map(|author| Overlay { instances: wanted, author: author.to_owned(), time_ms: 1 });
        ServiceView { service: Name::parse("orders").unwrap(), wanted, healthy: 0, in_file: 2, max: 8, overlay }
    }

    #[test]
    fn who_asked_for_another_number_is_said() {
        for (before, now, expected) in [
            (view(2, None), view(2, None), None),
            (view(2, None), view(3, Some("mina")), Some("mina asked for 3 instances instead of 2")),
            (view(3, Some("mina")), view(3, Some("mina")), None),
            (view(3, Some("mina")), view(1, Some("api")), Some("api asked for 1 instance instead of 3")),
            (view(3, Some("mina")), view(4, None), Some("the settings ask for 4 instances instead of 3")),
        ] {
            let (before, now) = ([before], [now]);
            let told = scaled(&before, &now).pop().map(|(_, text)| text);
            assert_eq!(told.as_deref(), expected, "{now:?}");
        }
        assert_eq!(scaled(&[], &[view(2, None)]), [], "a service that is new was not scaled");
    }
}
