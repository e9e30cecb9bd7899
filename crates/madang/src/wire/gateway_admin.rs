//! From the gateway to the readers of `/v1/events`: who calls whom, once a second, that another request was kept, and what
//! circuit breakers do.

use madang_admin::{Events, Level};
use madang_gateway::{Gateway, Turn};
use tokio::sync::broadcast::{Receiver, error::RecvError};

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

/// Tells of turns of circuit breakers until the gateway is gone.
pub(crate) async fn tell(mut turns: Receiver<Turn>, events: Events) {
    loop {
        match turns.recv().await {
            Ok(Turn { route, refuses, text }) => {
                let level = if refuses { Level::Warn } else { Level::Info };
                events.publish("breaker", level, &format!("route {route}"), &text);
            }
            // More at once than anybody reads; where they stand is in the list of routes.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        events.changed("routes");
    }
}
