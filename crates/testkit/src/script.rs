//! A TCP server that does what a test wrote down: reads so far, writes these bytes, closes or breaks the connection.
//!
//! Each connection has its own script; the last script serves all further connections too. Bytes are kept as they
//! came, also those of steps that fail, so that a test can say what was and what was not sent.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a connection waits for bytes its script asks for. A test that needs longer has another problem.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What the server keeps of one connection; it stops reading there.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// One thing the server does on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads until these bytes have come since the last step that read.
    ReadUntil(Vec<u8>),
    /// Reads this many bytes more.
    Read(usize),
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Says that no more bytes will come, but goes on reading.
    Finish,
    /// Reads until the peer closes.
    ReadToEnd,
    /// Breaks the connection with a reset. Later steps are not played.
    Reset,
}

impl Step {
    /// [`Step::ReadUntil`] these bytes.
    pub fn read_until(bytes: impl AsRef<[u8]>) -> Self {
        Self::ReadUntil(bytes.as_ref().to_vec())
    }

    /// [`Step::Write`] these bytes.
    pub fn write(bytes: impl AsRef<[u8]>) -> Self {
        Self::Write(bytes.as_ref().to_vec())
    }
}

/// A listener on loopback that plays scripts; connections close after their last step. Stops when dropped.
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    stopped: bool,
    connections: Vec<Connection>,
}

struct Connection {
    received: Vec<u8>,
    ended: bool,
    /// Lets a drop of the server end a connection that waits for bytes.
    stream: Option<TcpStream>,
}

impl ScriptedServer {
    /// Listens on a free port. The first connection plays `scripts[0]`, the next `scripts[1]`, those past the end the last.
    pub fn start(scripts: Vec<Vec<Step>>) -> Self {
        assert!(!scripts.is_empty(), "a scripted server needs a script");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &scripts, &theirs));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> usize {
        lock(&self.shared).connections.len()
    }

    /// The bytes connection `index` has sent so far; empty when there is no such connection.
    pub fn received(&self, index: usize) -> Vec<u8> {
        lock(&self.shared).connections.get(index).map(|connection| connection.received.clone()).unwrap_or_default()
    }

    /// Whether connection `index` has played its last step (or failed in one) and is closed.
    pub fn has_ended(&self, index: usize) -> bool {
        lock(&self.shared).connections.get(index).is_some_and(|connection| connection.ended)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.stopped = true;
        for stream in shared.connections.iter().filter_map(|connection| connection.stream.as_ref()) {
            let _ = stream.shutdown(Shutdown::Both); // it may be closed already
        }
        drop(shared);
        let _ = TcpStream::connect(self.address); // wakes `accept`, which then sees `stopped`
    }
}

fn accept(listener: &TcpListener, scripts: &[Vec<Step>], shared: &Arc<Mutex<Shared>>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut guard = lock(shared);
        if guard.stopped {
            return;
        }
        let index = guard.connections.len();
        guard.connections.push(Connection { received: Vec::new(), ended: false, stream: stream.try_clone().ok() });
        drop(guard);
        let script = scripts[index.min(scripts.len() - 1)].clone();
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = play(stream, &script, index, &shared); // a failed step ends the connection: that is what is observed
            let mut guard = lock(&shared);
            guard.connections[index].stream = None; // closes: this was the last handle
            guard.connections[index].ended = true;
        });
    }
}

fn play(mut stream: TcpStream, script: &[Step], index: usize, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    let mut consumed = 0;
    for step in script {
        match step {
            Step::ReadUntil(bytes) => consumed = read(&mut stream, index, shared, |all| end_of(all, consumed, bytes))?,
            Step::Read(count) => {
                consumed =
                    read(&mut stream, index, shared, |all| Some(consumed + count).filter(|end| *end <= all.len()))?;
            }
            Step::ReadToEnd => match read(&mut stream, index, shared, |_| None) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                other => consumed = other?,
            },
            Step::Write(bytes) => stream.write_all(bytes)?,
            Step::Finish => stream.shutdown(Shutdown::Write)?,
            Step::Reset => {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads until `done` gives the end of what was awaited, counted from the connection's first byte.
fn read(
    stream: &mut TcpStream,
    index: usize,
    shared: &Mutex<Shared>,
    done: impl Fn(&[u8]) -> Option<usize>,
) -> std::io::Result<usize> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = done(&lock(shared).connections[index].received) {
            return Ok(end);
        }
        let count = stream.read(&mut buffer)?;
        let received = &mut lock(shared).connections[index].received;
        if count == 0 || received.len() + count > KEPT_BYTES {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&buffer[..count]);
    }
}

fn end_of(all: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    all[from..].windows(wanted.len().max(1)).position(|window| window == wanted).map(|at| from + at + wanted.len())
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    #[test]
    fn two_requests_on_one_connection_are_told_apart() {
        let server = ScriptedServer::start(vec![vec![
            Step::read_until("\n"),
            Step::write("one"),
            Step::read_until("\n"),
            Step::write("two"),
        ]]);
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(b"a\nb\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "onetwo");
        assert_eq!(server.received(0), b"a\nb\n");
    }

    #[test]
    fn later_connections_play_the_last_script() {
        let server = ScriptedServer::start(vec![vec![Step::write("first")], vec![Step::write("later")]]);
        let answers: Vec<String> = (0..3)
            .map(|_| {
                let mut answer = String::new();
                TcpStream::connect(server.address()).unwrap().read_to_string(&mut answer).unwrap();
                answer
            })
            .collect();
        assert_eq!(answers, ["first", "later", "later"]);
    }

    #[test]
    fn a_reset_reaches_the_client_as_one() {
        let server = ScriptedServer::start(vec![vec![Step::read_until("x"), Step::Reset]]);
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(b"x").unwrap();
        let error = client.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_dropped_server_closes_connections_that_wait() {
        let server = ScriptedServer::start(vec![vec![Step::ReadToEnd]]);
        let mut client = TcpStream::connect(server.address()).unwrap();
        eventually("the connection is accepted", Duration::from_secs(5), || (server.connections() == 1).then_some(()));
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    }
}
