//! Ports for instances: from a range of our own, each left alone for a while after use.
//!
//! The range lies below the ephemeral ports of Linux (32768 and up), so no outgoing connection sits on one. A port
//! that was just given back may still be called by somebody who has not heard; that call must not reach a stranger.
//!
//! Between giving a port and the service's own bind nobody listens there, and another Madang might give the same port:
//! then its service would answer our checks. So a given port is also *reserved* under a name all Madangs of the machine
//! know, until its instance is healthy or gone.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    os::unix::net::UnixDatagram,
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

#[derive(Debug)]
enum Use {
    /// The reservation ends when the service listens itself.
    Now(Option<Reservation>),
    Resting {
        until: Moment,
    },
}

impl Ports {
    /// Starts somewhere in the range, so that two Madangs on one machine rarely try the same port at the same time.
    pub(crate) fn new(random: &mut Random) -> Self {
        let width = u32::from(RANGE.end() - RANGE.start()) + 1;
        let offset = u16::try_from(random.below(width)).unwrap_or_default();
        Self { taken: HashMap::new(), next: RANGE.start() + offset }
    }

    /// A port that nobody listens on and nobody else has reserved. None when there is none in the range.
    pub(crate) fn take(&mut self, now: Moment) -> Option<u16> {
        self.take_if(now, |port| Reservation::make(port).filter(|_| is_free(port)))
    }

    fn take_if(&mut self, now: Moment, reserve: impl Fn(u16) -> Option<Reservation>) -> Option<u16> {
        self.taken.retain(|_, used| match used {
            Use::Now(_) => true,
            Use::Resting { until } => *until > now,
        });
        for _ in RANGE {
            let port = self.next;
            self.next = if port == *RANGE.end() { *RANGE.start() } else { port + 1 };
            if !self.taken.contains_key(&port)
                && let Some(reservation) = reserve(port)
            {
                self.taken.insert(port, Use::Now(Some(reservation)));
                return Some(port);
            }
        }
        None
    }

    /// Notes a port that an adopted process has.
    pub(crate) fn adopt(&mut self, port: u16) {
        self.taken.insert(port, Use::Now(None));
    }

    /// The port's process listens now, which keeps others away by itself.
    pub(crate) fn settle(&mut self, port: u16) {
        if let Some(Use::Now(reservation)) = self.taken.get_mut(&port) {
            *reservation = None;
        }
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

/// A claim to a port that other Madangs see and that no service can stumble over: an abstract unix socket, which lives
/// in the same network namespace as the port itself and ends with its process.
#[derive(Debug)]
struct Reservation(#[allow(dead_code, reason = "held, not used")] Option<UnixDatagram>);

impl Reservation {
    /// None when another has it.
    #[cfg(target_os = "linux")]
    fn make(port: u16) -> Option<Self> {
        use std::os::linux::net::SocketAddrExt as _;
        let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("madang/port/{port}")).ok()?;
        match UnixDatagram::bind_addr(&name) {
            Ok(socket) => Some(Self(Some(socket))),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
            // No descriptor left, say: better a port without a claim than none.
            Err(_) => Some(Self(None)),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn make(_: u16) -> Option<Self> {
        Some(Self(None))
    }
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
        let free = |port| (port != 20_000).then_some(Reservation(None));
        assert_eq!(ports.take_if(at(0), free), Some(29_999));
        assert_eq!(ports.take_if(at(0), free), Some(20_001), "around the end, past one in use by a stranger");
        ports.give_back(29_999, at(10));
        let only = |wanted: u16| move |port| (port == wanted).then_some(Reservation(None));
        assert_eq!(ports.take_if(at(69), only(29_999)), None, "it rests");
        assert_eq!(ports.take_if(at(70), only(29_999)), Some(29_999));
        assert_eq!(ports.take_if(at(999), only(20_001)), None, "it was not given back");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn two_madangs_never_give_the_same_port_even_before_anybody_listens() {
        let new = || Ports { taken: HashMap::new(), next: 23_456 };
        let (mut one, mut other) = (new(), new());
        let first = one.take(at(0)).unwrap();
        let second = other.take(at(0)).unwrap();
        assert_ne!(first, second);
        one.settle(first);
        let mut third = Ports { taken: HashMap::new(), next: first };
        assert_eq!(third.take(at(0)), Some(first), "once its service should listen, listening is what counts");
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
