//! Binding TCP listeners, with an error that says who is in the way.

use std::io;
use std::net::{SocketAddr, TcpListener};

use madang_base::Code;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket_with, sockopt};

use crate::codes;
use crate::owner::{self, PortOwner};

/// Connections the kernel keeps for one listener until they are accepted. Above it the kernel leaves the client's SYN
/// unanswered and the client tries again; Linux cuts it to `net.core.somaxconn` (4096 since 5.4).
pub const BACKLOG: i32 = 1024;

/// Whether several listeners may share an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// One listener has the address alone.
    No,
    /// `SO_REUSEPORT`: listeners of this user share the connections. A plain bind is tried first, so that an address
    /// that is already in use is an error and not half the traffic; for several listeners use [`bind_group`].
    Port,
}

/// Why there is no listener. Reads as a message; [`BindError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("cannot listen on {address}: address already in use")]
    Taken {
        /// The address asked for.
        address: SocketAddr,
        /// Who it is, when the system shows it.
        owner: Option<PortOwner>,
    },
    /// The system does not allow this user to.
    #[error("cannot listen on {address}: permission denied")]
    Denied {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address is not one of this machine.
    #[error("cannot listen on {address}: this machine has no such address")]
    NotLocal {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else the system reports.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

impl BindError {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::Taken { .. } => &codes::PORT_TAKEN,
            Self::Denied { .. } => &codes::PORT_DENIED,
            Self::NotLocal { .. } => &codes::ADDRESS_NOT_LOCAL,
            Self::Other { .. } => &codes::CANNOT_LISTEN,
        }
    }

    /// The address asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Taken { address, .. }
            | Self::Denied { address }
            | Self::NotLocal { address }
            | Self::Other { address, .. } => *address,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { owner: Some(owner), .. } if owner.pid == std::process::id() => {
                Some("this Madang already listens there; choose another `listen`".to_owned())
            }
            Self::Taken { owner: Some(owner), .. } => {
                Some(format!("{owner} holds the port; stop it or choose another `listen`"))
            }
            Self::Taken { address, owner: None } => Some(format!(
                "`sudo ss -ltnp 'sport = :{}'` names who holds the port; stop it or choose another `listen`",
                address.port()
            )),
            Self::Denied { address } if address.port() < 1024 => {
                Some("ports below 1024 need a privilege; choose one from 1024 on".to_owned())
            }
            Self::Denied { .. } => None,
            Self::NotLocal { .. } => Some("`127.0.0.1` is this machine alone, `0.0.0.0` all its addresses".to_owned()),
            Self::Other { .. } => None,
        }
    }

    fn new(address: SocketAddr, errno: Errno) -> Self {
        match errno {
            Errno::ADDRINUSE => Self::Taken { address, owner: owner::of_port(address) },
            Errno::ACCESS | Errno::PERM => Self::Denied { address },
            Errno::ADDRNOTAVAIL => Self::NotLocal { address },
            errno => Self::Other { address, source: errno.into() },
        }
    }
}

/// A non-blocking listener on `address`; port 0 takes a free one.
///
/// `SO_REUSEADDR` is set: connections of an earlier process that wait out their end do not hold the address.
///
/// # Errors
/// [`BindError`], with the owner of a taken port where the system shows it.
pub fn bind_tcp(address: SocketAddr, reuse: Reuse) -> Result<TcpListener, BindError> {
    match reuse {
        Reuse::No => open(address, reuse),
        Reuse::Port => probe(address).and_then(|address| open(address, reuse)),
    }
    .map_err(|errno| BindError::new(address, errno))
}

/// `count` listeners (at least one) that share `address` through `SO_REUSEPORT`, one per worker. Port 0 takes one
/// free port for all.
///
/// # Errors
/// [`BindError`] as [`bind_tcp`]; all or none are open.
pub fn bind_group(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let first = bind_tcp(address, Reuse::Port)?;
    let shared = first.local_addr().map_err(|source| BindError::Other { address, source })?;
    let mut group = vec![first];
    while group.len() < count {
        group.push(open(shared, Reuse::Port).map_err(|errno| BindError::new(address, errno))?);
    }
    Ok(group)
}

/// Binds without `SO_REUSEPORT` and lets go: fails where anybody listens, ourselves included. Gives the address with
/// its port.
fn probe(address: SocketAddr) -> Result<SocketAddr, Errno> {
    let socket = bound(address, Reuse::No)?;
    SocketAddr::try_from(rustix::net::getsockname(&socket)?).map_err(|_| Errno::AFNOSUPPORT)
}

fn open(address: SocketAddr, reuse: Reuse) -> Result<TcpListener, Errno> {
    let socket = bound(address, reuse)?;
    // Two sockets may be bound with SO_REUSEADDR as long as neither listens: this call, too, says "in use".
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn bound(address: SocketAddr, reuse: Reuse) -> Result<rustix::fd::OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = stream_socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if reuse == Reuse::Port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(not(target_vendor = "apple"))]
fn stream_socket(family: AddressFamily) -> Result<rustix::fd::OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

#[cfg(target_vendor = "apple")]
fn stream_socket(family: AddressFamily) -> Result<rustix::fd::OwnedFd, Errno> {
    // No flags at creation there; a child started between the calls would inherit the socket.
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[test]
    fn a_taken_port_names_its_owner_and_what_to_do() {
        let holder = bind_tcp(loopback(), Reuse::No).unwrap();
        let address = holder.local_addr().unwrap();
        for reuse in [Reuse::No, Reuse::Port] {
            let error = bind_tcp(address, reuse).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot listen on {address}: address already in use"), "{reuse:?}");
            assert_eq!(error.code().id, "MD0104");
            if cfg!(target_os = "linux") {
                let BindError::Taken { owner: Some(owner), .. } = &error else { panic!("{reuse:?}: {error:?}") };
                assert_eq!(owner.pid, std::process::id());
            }
        }
    }

    #[test]
    fn the_hint_names_the_program_or_how_to_find_it() {
        let address = ([127, 0, 0, 1], 8761).into();
        let owner = Some(PortOwner { pid: 4121, name: "java".to_owned() });
        for (owner, expected) in [
            (owner, "`java` (pid 4121) holds the port; stop it or choose another `listen`"),
            (None, "`sudo ss -ltnp 'sport = :8761'` names who holds the port; stop it or choose another `listen`"),
        ] {
            assert_eq!(BindError::Taken { address, owner }.hint().as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_shared_port_is_refused_to_a_second_group() {
        let group = bind_group(loopback(), 3).unwrap();
        let address = group[0].local_addr().unwrap();
        assert_eq!(group.len(), 3);
        assert!(group.iter().all(|listener| listener.local_addr().unwrap() == address));
        assert!(matches!(bind_group(address, 2), Err(BindError::Taken { .. })));
        assert!(matches!(bind_tcp(address, Reuse::No), Err(BindError::Taken { .. })));
    }

    #[test]
    fn a_port_is_free_again_when_its_listeners_are_gone() {
        let group = bind_group(loopback(), 2).unwrap();
        let address = group[0].local_addr().unwrap();
        drop(group);
        bind_group(address, 2).unwrap();
    }

    #[test]
    fn an_address_of_another_machine_is_said_to_be_one() {
        // 192.0.2.0/24 is for documentation (RFC 5737): nobody has it.
        let error = bind_tcp("192.0.2.1:7070".parse().unwrap(), Reuse::No).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:7070: this machine has no such address");
        assert_eq!(error.code().id, "MD0106");
    }

    #[test]
    fn a_listener_does_not_block() {
        let listener = bind_tcp(loopback(), Reuse::Port).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
