//! From the gateway to the readers of `/v1/events`: who calls whom, once a second, and that another request was kept.

use madang_admin::Events;
use madang_gateway::Gateway;

/// Tells `events` for as long as they are told.
pub(crate) fn follow(gateway: Gateway, events: &Events) {
    let told = events.clone();
    let mut kept = gateway.kept_total();
    events.every_second("traffic", move || {
        let before = std::mem::replace(&mut kept, gateway.kept_total());
        if kept != before {
            told.changed("requests");
        }
        gateway.traffic()
    });
}
