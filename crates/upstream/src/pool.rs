//! Idle connections of one runtime, by endpoint.
//!
//! Last in, first out: a burst's extra connections age at the bottom and are swept. An entry also holds this
//! runtime's own handle of the endpoint, so that an attempt touches no shared reference count.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use madang_balance::Endpoint;
use madang_base::Moment;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;

use crate::attempt::Freshness;

/// Idle connections kept per endpoint and runtime; the oldest is closed to make room for one more.
const IDLE_PER_ENDPOINT: usize = 256;

/// An idle connection older than this is closed: below the 60 s after which many servers close theirs.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// An open connection to an endpoint, with nothing unread in it.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// It carried a request before. Its peer may have closed it in the meantime: a failure before the first
    /// answer byte says nothing about the endpoint.
    pub reused: bool,
}

/// One endpoint as this runtime uses it.
pub(crate) struct Entry {
    pub(crate) endpoint: Endpoint,
    idle: RefCell<Vec<(Moment, Connection)>>,
}

/// Entries by slot; an entry of an older generation is dropped with its connections.
#[derive(Default)]
pub(crate) struct Pool {
    entries: Vec<Option<Rc<Entry>>>,
}

impl Pool {
    pub(crate) fn entry(&mut self, endpoint: &Endpoint) -> Rc<Entry> {
        let slot = endpoint.id.slot as usize;
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        match &self.entries[slot] {
            Some(entry) if entry.endpoint.id == endpoint.id => Rc::clone(entry),
            _ => {
                let entry = Rc::new(Entry { endpoint: endpoint.clone(), idle: RefCell::default() });
                self.entries[slot] = Some(Rc::clone(&entry));
                entry
            }
        }
    }

    /// Closes what is too old or was closed by its peer, and forgets endpoints nobody uses.
    pub(crate) fn sweep(&mut self, now: Moment) {
        for slot in &mut self.entries {
            let Some(entry) = slot else { continue };
            entry
                .idle
                .borrow_mut()
                .retain(|(since, connection)| now.since(*since) < IDLE_LIMIT && is_quiet(connection));
            if entry.idle.borrow().is_empty() && Rc::strong_count(entry) == 1 {
                *slot = None;
            }
        }
    }

    pub(crate) fn idle(&self) -> usize {
        self.entries.iter().flatten().map(|entry| entry.idle.borrow().len()).sum()
    }
}

impl Entry {
    /// The connection used last that is still open.
    pub(crate) fn take(&self, freshness: Freshness) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some((_, connection)) = idle.pop() {
            if is_quiet(&connection) && (freshness == Freshness::Known || is_open(&connection)) {
                return Some(connection);
            }
        }
        None
    }

    pub(crate) fn put(&self, mut connection: Connection, now: Moment) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() == IDLE_PER_ENDPOINT {
            idle.remove(0);
        }
        connection.reused = true;
        idle.push((now, connection));
    }
}

/// Neither closed nor holding bytes nobody asked for. Costs no system call while nothing happened on the socket.
fn is_quiet(connection: &Connection) -> bool {
    matches!(connection.stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The same, asked of the kernel: an event may be on its way that the runtime has not seen yet.
fn is_open(connection: &Connection) -> bool {
    let peeked = rustix::net::recv(&connection.stream, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(peeked, Err(Errno::AGAIN))
}
