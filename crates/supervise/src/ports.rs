//! Ports for instances: from a range of our own, each left alone for a while after use.
//!
//! The range lies below the ephemeral ports of Linux (32768 and up), so no outgoing connection sits on one. A port
//! that was just given back may still be called by somebody who has not heard; that call must not reach a stranger.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    time::Duration,
};

use madang_base::{Moment, Random};

/// Ports of instances.
pub(crate) const RANGE: RangeInclusive<u16> = 20_000..=29_999;

/// How long a port rests before another instance may get it.
pub(crate) const REST: Duration = Duration::from_secs(60);

/// Who has which port.
#[derive(Debug)]
pub(crate) struct Ports {
    taken: HashMap<u16, Use>,
    next: u16,
}

#[derive(Debug, Clone, Copy)]
enum Use {
    Now,
    Resting { until: Moment },
}

impl Ports {
    /// Starts somewhere in the range, so that two Madangs on one machine rarely try the same port at the same time.
    pub(crate) fn new(random: &mut Random) -> Self {
        let width = u32::from(RANGE.end() - RANGE.start()) + 1;
        let offset = u16::try_from(random.below(width)).unwrap_or_default();
        Self { taken: HashMap::new(), next: RANGE.start() + offset }
    }

    /// A port that nobody listens on. None when all of the range are in use.
    pub(crate) fn take(&mut self, now: Moment) -> Option<u16> {
        self.take_free(now, is_free)
    }

    fn take_free(&mut self, now: Moment, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        self.taken.retain(|_, used| match used {
            Use::Now => true,
            Use::Resting { until } => *until > now,
        });
        for _ in RANGE {
            let port = self.next;
            self.next = if port == *RANGE.end() { *RANGE.start() } else { port + 1 };
            if !self.taken.contains_key(&port) && is_free(port) {
                self.taken.insert(port, Use::Now);
                return Some(port);
            }
        }
        None
    }

    /// Notes a port that an adopted process has.
    pub(crate) fn adopt(&mut self, port: u16) {
        self.taken.insert(port, Use::Now);
    }

    /// The port's process ended.
    pub(crate) fn give_back(&mut self, port: u16, now: Moment) {
        self.taken.insert(port, Use::Resting { until: now + REST });
    }
}

/// Nobody listens there now, on loopback or on all addresses.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_port_rests_a_minute_and_a_taken_one_is_passed_over() {
        let mut ports = Ports { taken: HashMap::new(), next: *RANGE.end() };
        let free = |port| port != 20_000;
        assert_eq!(ports.take_free(at(0), free), Some(29_999));
        assert_eq!(ports.take_free(at(0), free), Some(20_001), "around the end, past one in use by a stranger");
        ports.give_back(29_999, at(10));
        let only = |wanted: u16| move |port| port == wanted;
        assert_eq!(ports.take_free(at(69), only(29_999)), None, "it rests");
        assert_eq!(ports.take_free(at(70), only(29_999)), Some(29_999));
        assert_eq!(ports.take_free(at(999), only(20_001)), None, "it was not given back");
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port), "taken on all addresses");
        drop(listener);
        assert!(is_free(port));
    }
}
