//! Who listens on a port: read from `/proc`, for the error that names the program in the way.
//!
//! Only asked after a bind has failed, so it may take a few milliseconds. On other systems than Linux the answer is
//! always "unknown".

use std::fmt;
use std::net::SocketAddr;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// Its process id.
    pub pid: u32,
    /// Its short name, at most 15 bytes, as `ps` shows it.
    pub name: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {})", self.name, self.pid)
    }
}

/// The process whose listener keeps others from listening on `address`; `None` when there is none, or when it belongs
/// to a user whose files we may not see.
#[must_use]
pub fn of_port(address: SocketAddr) -> Option<PortOwner> {
    #[cfg(target_os = "linux")]
    return linux::of_port(address);
    #[cfg(not(target_os = "linux"))]
    return None.filter(|_: &PortOwner| address.port() > 0);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::path::Path;

    use super::PortOwner;

    pub(super) fn of_port(address: SocketAddr) -> Option<PortOwner> {
        let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| table.lines().filter_map(listener).collect::<Vec<_>>())
            .filter(|(held, _)| conflict(*held, address))
            .map(|(_, inode)| inode)
            .collect();
        if inodes.is_empty() {
            return None;
        }
        fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            if !holds(&process.path(), &inodes) {
                return None;
            }
            let name = fs::read_to_string(process.path().join("comm")).ok()?.trim_end().to_owned();
            Some(PortOwner { pid, name })
        })
    }

    /// One line of `/proc/net/tcp`, when it is a listener: its address and inode (proc(5)).
    pub(super) fn listener(line: &str) -> Option<(SocketAddr, u64)> {
        const LISTEN: &str = "0A";
        let mut columns = line.split_ascii_whitespace();
        let local = columns.nth(1)?;
        if columns.nth(1)? != LISTEN {
            return None;
        }
        let inode = columns.nth(5)?.parse().ok()?;
        let (ip, port) = local.split_once(':')?;
        Some((SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?), inode))
    }

    /// Words of 32 bits, each printed as the machine reads it.
    fn ip_of(hex: &str) -> Option<IpAddr> {
        let word = |at: usize| {
            let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
            Some(word.to_ne_bytes())
        };
        match hex.len() {
            8 => Some(Ipv4Addr::from(word(0)?).into()),
            32 => {
                let mut bytes = [0; 16];
                for at in 0..4 {
                    bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
                }
                Some(Ipv6Addr::from(bytes).to_canonical())
            }
            _ => None,
        }
    }

    fn conflict(held: SocketAddr, wanted: SocketAddr) -> bool {
        let (a, b) = (held.ip(), wanted.ip().to_canonical());
        held.port() == wanted.port() && (a == b || a.is_unspecified() || b.is_unspecified())
    }

    fn holds(process: &Path, inodes: &[u64]) -> bool {
        let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
        files.flatten().any(|file| {
            let Ok(target) = fs::read_link(file.path()) else { return false };
            target
                .to_str()
                .and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
                .is_some_and(|inode| inodes.contains(&inode))
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_table_is_read() {
        if cfg!(target_endian = "big") {
            return;
        }
        for (line, expected) in [
            (
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41234 1 \
                 0000000000000000 100 0 0 10 0",
                Some(("127.0.0.1:8080", 41234)),
            ),
            (
                "   1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A \
                 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0",
                Some(("[::1]:22", 77)),
            ),
            // Established, not listening.
            ("   2: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000 1000 0 1 1", None),
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", None),
            ("", None),
        ] {
            let expected = expected.map(|(address, inode)| (address.parse().unwrap(), inode));
            assert_eq!(linux::listener(line), expected, "{line}");
        }
    }

    #[test]
    fn the_owner_of_a_listener_is_found_also_through_the_address_for_all() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let all = SocketAddr::new([0, 0, 0, 0].into(), address.port());
        for asked in [address, all] {
            let owner = of_port(asked).unwrap();
            assert_eq!(owner.pid, std::process::id(), "{asked}");
            assert!(owner.to_string().ends_with(&format!(" (pid {})", owner.pid)), "{owner}");
        }
        drop(listener);
        assert_eq!(of_port(address), None);
    }
}
