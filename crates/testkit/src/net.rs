//! Ports and folders of a test's own.

use std::net::{Ipv4Addr, TcpListener};

/// A loopback port that nobody listens on at the moment.
///
/// Another process may take it before the caller binds it. Prefer port 0 where the program under test can say what it
/// got; this is for programs that must be told, like Madang's `--set listen.gateway=…`.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A fresh folder that is removed when the value is dropped.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("madang-test-").tempdir().expect("the temporary folder is writable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound() {
        TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).unwrap();
    }

    #[test]
    fn a_folder_goes_with_its_value() {
        let folder = temp_dir();
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
