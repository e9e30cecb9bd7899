//! The way from Madang to its keeper: finds the one that runs or starts one, then carries frames both ways.
//!
//! A keeper that is started gets one end of a socket pair as its standard input, so the two are connected from the
//! first moment: a Madang that dies in between is noticed, and there is nothing to wait for. A keeper that runs already
//! is found by its socket in the data folder.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use madang_runtime::Scope;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixStream, unix::OwnedReadHalf},
    process::Child,
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use crate::{
    codes,
    keeper::{
        MARK, SOCKET,
        protocol::{Command, Listed, MAX_REPORT, OnLoss, PROTOCOL, Report, Stream, encode},
    },
    logs::{LogLine, Logs},
    system,
};

/// How long the keeper of an earlier run may take to end. Longer than the default grace of a service.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// How long a keeper may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Between two looks for a keeper that is expected.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes asked for in one read.
const READ: usize = 32 << 10;

/// Frames on their way; Madang waits when that many commands are, and the keeper keeps its reports.
const QUEUE: usize = 1024;

/// Why Madang has no keeper.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is not there and cannot be made, or cannot be written.
    #[error("cannot use the data folder `{}`: {source}", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another Madang has the keeper.
    #[error("another Madang (pid {pid}) runs the services of `{}`", path.display())]
    Busy {
        /// Its process id.
        pid: u32,
        /// Which folder.
        path: PathBuf,
    },
    /// It cannot be started.
    #[error("the keeper did not start: {0}")]
    Keeper(String),
    /// It was started by a Madang that speaks differently.
    #[error("the keeper (pid {pid}) of `{}` is of another version (protocol {found}, not {PROTOCOL})", path.display())]
    Version {
        /// The keeper's process id.
        pid: u32,
        /// Its protocol.
        found: u32,
        /// Which folder.
        path: PathBuf,
    },
}

impl StartError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static madang_base::Code {
        match self {
            Self::Folder { .. } => &codes::FOLDER_UNUSABLE,
            Self::Busy { .. } => &codes::FOLDER_BUSY,
            Self::Keeper(_) => &codes::KEEPER_START,
            Self::Version { .. } => &codes::KEEPER_VERSION,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Folder { path, .. } => format!("look at `ls -ld {}`", path.display()),
            Self::Busy { pid, .. } => format!("`madang ps` shows what it runs; `kill {pid}` stops it"),
            Self::Keeper(_) => "`keeper.log` in the data folder may say more".to_owned(),
            Self::Version { pid, .. } => {
                format!("stop the services with the Madang that started them, or `kill {pid}` and start again")
            }
        }
    }
}

/// A connected keeper. Dropping it closes the connection, and the keeper does what `on_loss` says.
pub(crate) struct Link {
    commands: mpsc::Sender<Vec<u8>>,
    reports: mpsc::Receiver<Report>,
    scope: Scope,
    pid: u32,
    /// When this Madang started it.
    child: Option<Child>,
}

/// Where and how to find a keeper.
pub(crate) struct Place {
    /// The data folder, absolute.
    pub(crate) dir: PathBuf,
    /// The program that is the keeper, with its first arguments.
    pub(crate) command: Vec<OsString>,
    pub(crate) on_loss: OnLoss,
}

impl Link {
    /// Connects to the keeper of the folder, starts one when there is none, and learns what it runs.
    pub(crate) async fn establish(
        place: &Place,
        logs: &Arc<Logs>,
        scope: &Scope,
    ) -> Result<(Self, Vec<Listed>), StartError> {
        let mut wire = Wire::find(place).await?;
        let failed = |error: io::Error| StartError::Keeper(error.to_string());
        wire.send(&Command::OnLoss { on_loss: place.on_loss }).await.map_err(failed)?;
        wire.send(&Command::List).await.map_err(failed)?;
        let listed = loop {
            // Anything else is news from before the list, which the list knows.
            if let Report::Listed { processes } = wire.next().await.map_err(failed)? {
                break processes;
            }
        };
        Ok((wire.run(logs, scope), listed))
    }

    /// Queues a command. Waits when the keeper does not take them; is lost when the keeper is.
    pub(crate) async fn send(&self, command: &Command) {
        // Fails when the writer ended, and then `next` tells.
        let _ = self.commands.send(encode(command)).await;
    }

    /// The next report; none when the keeper is gone. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// The next report if there is one now.
    pub(crate) fn try_next(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// The keeper's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Closes the connection after what was queued, and waits for the keeper's end if it is ours and was told to end.
    pub(crate) async fn close(self) {
        let Self { commands, scope, child, .. } = self;
        drop(commands);
        let _ = scope.shutdown(ANSWER).await;
        if let Some(mut child) = child {
            // Reaps it; a keeper that stays behind keeps its services, and that is its task.
            let _ = timeout(LOOK, child.wait()).await;
        }
    }
}

/// A connection before it is in use.
struct Wire {
    stream: UnixStream,
    frames: Frames,
    pid: u32,
    child: Option<Child>,
}

impl Wire {
    /// A keeper that said hello: one that runs, or a new one.
    async fn find(place: &Place) -> Result<Self, StartError> {
        // One that runs may be leaving just now; a second look then finds the way free.
        if let Some(running) = Self::find_running(&place.dir).await? {
            return Ok(running);
        }
        let mut own = Self::start(place)?;
        match timeout(ANSWER, own.greeting(&place.dir)).await {
            Ok(Ok(Greeting::Ready)) => Ok(own),
            Ok(Ok(Greeting::Waiting)) => own.take_over(&place.dir).await,
            Ok(Ok(Greeting::Closed)) => Err(own.why_it_ended().await),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                own.end().await;
                Err(StartError::Keeper(format!("it did not answer within {} s", ANSWER.as_secs())))
            }
        }
    }

    /// The keeper at the folder's socket, unless it closes the connection.
    async fn find_running(dir: &Path) -> Result<Option<Self>, StartError> {
        let Some(mut running) = Self::connect(dir).await else { return Ok(None) };
        if running.send(&hello()).await.is_err() {
            return Ok(None);
        }
        match timeout(ANSWER, running.greeting(dir)).await {
            Ok(Ok(Greeting::Ready)) => Ok(Some(running)),
            Ok(Ok(Greeting::Waiting | Greeting::Closed)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Keeper("the keeper that runs does not answer".to_owned())),
        }
    }

    /// Waits with a keeper of our own that found the folder locked: until it is its turn, or until the one that holds
    /// the folder turns out to be free.
    async fn take_over(mut self, dir: &Path) -> Result<Self, StartError> {
        info!(folder = %dir.display(), "an earlier run is still stopping its services; waiting for it");
        let give_up = Instant::now() + TAKE_OVER;
        let mut busy = None;
        while Instant::now() < give_up {
            match timeout(LOOK, self.greeting(dir)).await {
                Ok(Ok(Greeting::Ready)) => return Ok(self),
                Ok(Ok(Greeting::Closed)) => return Err(self.why_it_ended().await),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Greeting::Waiting)) | Err(_) => {}
            }
            // Said to be busy a look ago, and not with us.
            if let Some(busy) = busy.take() {
                self.end().await;
                return Err(busy);
            }
            match Self::find_running(dir).await {
                Ok(Some(running)) => {
                    self.end().await;
                    return Ok(running);
                }
                Err(error @ StartError::Busy { .. }) => busy = Some(error),
                Err(error) => return Err(error),
                Ok(None) => {}
            }
        }
        self.end().await;
        Err(StartError::Keeper(format!(
            "an earlier keeper holds the data folder for more than {} s",
            TAKE_OVER.as_secs()
        )))
    }

    async fn connect(dir: &Path) -> Option<Self> {
        let (path, _folder) = socket_path(dir).ok()?;
        let stream = UnixStream::connect(path).await.ok()?;
        Some(Self { stream, frames: Frames::default(), pid: 0, child: None })
    }

    /// Starts a keeper and says hello.
    fn start(place: &Place) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::Keeper(error.to_string());
        kill_leftovers(&place.dir);
        let (program, arguments) =
            place.command.split_first().ok_or_else(|| failed(io::Error::other("no program is given")))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(place.dir.join("keeper.log"));
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .arg("--dir")
            .arg(&place.dir)
            .args(["--on-loss", place.on_loss.as_str(), "--connected"])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(log.map_err(failed)?)
            .spawn()
            .map_err(|error| StartError::Keeper(format!("cannot run `{}`: {error}", program.display())))?;
        // Fits into an empty socket's buffer, so it does not wait for the keeper.
        (&ours).write_all(&encode(&hello())).map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let stream = UnixStream::from_std(ours).map_err(failed)?;
        Ok(Self { stream, frames: Frames::default(), pid: 0, child: Some(child) })
    }

    async fn greeting(&mut self, dir: &Path) -> Result<Greeting, StartError> {
        match self.next().await {
            Ok(Report::Hello { protocol: PROTOCOL, pid }) => {
                self.pid = pid;
                Ok(Greeting::Ready)
            }
            Ok(Report::Hello { protocol, pid }) => {
                Err(StartError::Version { pid, found: protocol, path: dir.to_owned() })
            }
            Ok(Report::Busy { pid }) => Err(StartError::Busy { pid, path: dir.to_owned() }),
            Ok(Report::Waiting) => Ok(Greeting::Waiting),
            Ok(Report::Failed { error }) => Err(StartError::Keeper(error)),
            Ok(_) => Err(StartError::Keeper("it does not begin with a greeting".to_owned())),
            Err(_) => Ok(Greeting::Closed),
        }
    }

    async fn send(&mut self, command: &Command) -> io::Result<()> {
        self.stream.write_all(&encode(command)).await
    }

    /// Dropping the future loses nothing.
    async fn next(&mut self) -> io::Result<Report> {
        loop {
            if let Some(report) = self.frames.take()? {
                return Ok(report);
            }
            if self.stream.read_buf(self.frames.room()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn end(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill().await;
        }
    }

    async fn why_it_ended(mut self) -> StartError {
        let status = match &mut self.child {
            Some(child) => timeout(ANSWER, child.wait()).await.ok().and_then(Result::ok),
            None => None,
        };
        StartError::Keeper(
            status.map_or_else(|| "it closed the connection".to_owned(), |status| format!("it ended with {status}")),
        )
    }

    /// Puts the connection to use.
    fn run(self, logs: &Arc<Logs>, scope: &Scope) -> Link {
        let scope = scope.child("keeper");
        let (read, mut write) = self.stream.into_split();
        let (commands, mut queue) = mpsc::channel::<Vec<u8>>(QUEUE);
        let (sender, reports) = mpsc::channel(QUEUE);
        scope.spawn("to-keeper", async move {
            while let Some(frame) = queue.recv().await {
                if write.write_all(&frame).await.is_err() {
                    break;
                }
            }
        });
        let (logs, reader) = (Arc::clone(logs), scope.clone());
        scope.spawn("from-keeper", async move {
            let _ = reader.until_cancelled(carry(read, self.frames, &logs, &sender)).await;
        });
        Link { commands, reports, scope, pid: self.pid, child: self.child }
    }
}

enum Greeting {
    Ready,
    Waiting,
    Closed,
}

fn hello() -> Command {
    Command::Hello { protocol: PROTOCOL, pid: std::process::id() }
}

/// Reads frames until the keeper is gone. Lines go straight to the logs: before the news of an end come the last words.
async fn carry(
    mut read: OwnedReadHalf,
    mut frames: Frames,
    logs: &Logs,
    reports: &mpsc::Sender<Report>,
) -> io::Result<()> {
    loop {
        while let Some(report) = frames.take()? {
            match report {
                Report::Log { service, instance, stream, time_ms, line } => {
                    logs.push(LogLine { time_ms, service, instance, stream, line });
                }
                Report::Dropped { service, instance, lines } => {
                    let line = format!("{lines} lines came too fast and were left out here; the log file has them");
                    logs.push(LogLine {
                        time_ms: crate::unix_millis(),
                        service,
                        instance,
                        stream: Stream::Madang,
                        line,
                    });
                }
                Report::LogTrouble { service, instance, error, lines } => {
                    let line = format!("{lines} lines are missing in the log file: {error}");
                    logs.push(LogLine {
                        time_ms: crate::unix_millis(),
                        service,
                        instance,
                        stream: Stream::Madang,
                        line,
                    });
                }
                other => {
                    if reports.send(other).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if read.read_buf(frames.room()).await? == 0 {
            return Ok(());
        }
    }
}

/// Bytes from the keeper, cut into frames.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    /// Where the first frame not taken begins.
    start: usize,
    /// Up to here there is no end of it.
    seen: usize,
}

impl Frames {
    fn take(&mut self) -> io::Result<Option<Report>> {
        let Some(length) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n') else {
            self.seen = self.bytes.len();
            let too_long = self.seen - self.start > MAX_REPORT;
            return if too_long { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
        };
        let end = self.seen + length;
        let report = serde_json::from_slice(&self.bytes[self.start..end])?;
        self.start = end + 1;
        self.seen = self.start;
        Ok(Some(report))
    }

    /// Where to read more to; frames taken make room.
    fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.reserve(READ);
        &mut self.bytes
    }
}

/// Kills what a keeper that was killed left behind. A keeper that ends takes its socket with it, so a socket without
/// one is the sign. Call it only when no keeper runs.
pub(crate) fn kill_leftovers(dir: &Path) {
    if dir.join(SOCKET).exists() {
        let killed = system::kill_marked(MARK, &dir.to_string_lossy());
        warn!(killed, "the last keeper was killed; killed what it left behind");
    }
}

/// The way to the socket, and what must stay open while it is used. A socket's path may have 107 bytes; the way
/// through an open folder is short whatever the folder is called.
fn socket_path(dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let direct = dir.join(SOCKET);
    if direct.as_os_str().len() < 108 {
        return Ok((direct, None));
    }
    let folder = File::open(dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
    Ok((path, Some(folder)))
}
