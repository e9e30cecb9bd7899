//! The keeper: a small program that is the parent of every service process, so that nothing is lost with Madang.
//!
//! It is Madang's own binary started again as `madang keeper`, with one thread and one `poll` loop. It owns what must
//! outlive Madang: the processes, the pipes they write to, their exit codes. It decides nothing about services; it
//! starts, signals and stops what it is told, and when Madang is gone it does what `on_loss` says.
//!
//! - It is the leader of its own session: Ctrl-C on the terminal reaches Madang alone.
//! - It is a subreaper: what a service starts and leaves behind becomes the keeper's child, so it is found and ended.
//! - It never waits for Madang ([`outbox`]) and never lets a service wait (pipes are always read).
//! - A lock in the data folder makes it the only one there; the folder and its socket are its user's alone.
//!
//! Who calls: the binary, with the arguments after the word `keeper`.

mod connection;
mod lines;
mod logfile;
mod outbox;
mod process;
pub mod protocol;
mod record;
mod turn;

use std::{
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::OpenOptionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    process::ExitCode,
};

use rustix::{
    fs::{FlockOperation, Mode, flock},
    process::{setsid, umask},
};

use self::{
    connection::Connection,
    protocol::{OnLoss, Report},
    turn::Keeper,
};

/// The longest line; what is longer comes in pieces.
pub const MAX_LINE: usize = 16 << 10;

/// The socket's name in the data folder.
pub(crate) const SOCKET: &str = "keeper.sock";

/// The lock's name in the data folder; it holds the keeper's process id.
pub(crate) const LOCK: &str = "keeper.lock";

/// The variable every service process carries: the data folder of its keeper. A mark that survives everything.
pub(crate) const MARK: &str = "MADANG_KEEPER";

/// Runs the keeper until there is nothing left to keep.
///
/// `--dir DIR` is the data folder, `--on-loss stop|keep` what happens when Madang is gone (`stop` unless given), and
/// `--connected` says that standard input is the socket to the Madang that started it.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the keeper of {} failed: {error}", options.dir.display());
            ExitCode::FAILURE
        }
    }
}

struct Options {
    dir: PathBuf,
    on_loss: OnLoss,
    connected: bool,
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let (mut dir, mut on_loss, mut connected) = (None, OnLoss::Stop, false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--dir") => dir = arguments.next().map(PathBuf::from),
                Some("--on-loss") => {
                    let value = arguments.next().unwrap_or_default();
                    on_loss = value
                        .to_str()
                        .and_then(OnLoss::parse)
                        .ok_or_else(|| format!("`--on-loss` is `stop` or `keep`, not `{}`", value.display()))?;
                }
                Some("--connected") => connected = true,
                _ => return Err(format!("the keeper does not know `{}`", argument.display())),
            }
        }
        Ok(Self { dir: dir.ok_or("the keeper needs `--dir DIR`")?, on_loss, connected })
    }
}

fn run(options: &Options) -> io::Result<()> {
    // Fails when we lead a group already, which is as good.
    let _ = setsid();
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut madang = options.connected.then(connection_on_stdin).transpose()?;
    match open(options, madang.as_mut()) {
        // The lock is held until the very end.
        Ok((_lock, listener)) => Keeper::new(listener, madang, options.on_loss).run(),
        Err(error) => {
            if let Some(madang) = madang {
                madang.close_with(&Report::Failed { error: error.to_string() });
            }
            Err(error)
        }
    }
}

/// Takes standard input as the connection and puts nothing in its place.
fn connection_on_stdin() -> io::Result<Connection> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Connection::new(stream)
}

/// The lock and the listener of the folder. Waits while another keeper has them: it is on its way out, or Madang
/// turns to that one.
fn open(options: &Options, madang: Option<&mut Connection>) -> io::Result<(File, UnixListener)> {
    // A socket's path may have 107 bytes; relative to the folder it is always short.
    env::set_current_dir(&options.dir)?;
    let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(LOCK)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if let Some(madang) = madang {
            madang.outbox.push(&Report::Waiting);
            madang.flush()?;
        }
        flock(&lock, FlockOperation::LockExclusive)?;
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    match fs::remove_file(SOCKET) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(SOCKET);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok((lock, listener))
}
