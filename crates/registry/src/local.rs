//! Which addresses are this machine's.

use std::net::{IpAddr, UdpSocket};

/// Whether `address` is one of ours: loopback, or one a socket can be bound to.
///
/// Binding asks the kernel without listing interfaces. Where `net.ipv4.ip_nonlocal_bind` is set every address counts.
pub(crate) fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    if address.is_loopback() {
        return true;
    }
    let special = address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255; 4]);
    !special && UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_here_and_a_documentation_address_is_not() {
        for (text, expected) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("192.0.2.1", false), ("0.0.0.0", false)]
        {
            assert_eq!(is_here(text.parse().unwrap()), expected, "{text}");
        }
    }
}
