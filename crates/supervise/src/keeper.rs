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

mod lines;
mod logfile;
mod outbox;
mod process;
pub mod protocol;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::OpenOptionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, Mode, flock},
    process::{Resource, Rlimit, Signal, WaitOptions, getrlimit, setrlimit, setsid, umask, wait},
};

use self::{
    logfile::LogFile,
    outbox::Outbox,
    process::{Process, Tail},
    protocol::{Command, MAX_COMMAND, OnLoss, PROTOCOL, Report, Start, Stream, encode},
};
use crate::system;

/// The longest line; what is longer comes in pieces.
pub const MAX_LINE: usize = 16 << 10;

/// The socket's name in the data folder.
pub(crate) const SOCKET: &str = "keeper.sock";

/// The lock's name in the data folder; it holds the keeper's process id.
pub(crate) const LOCK: &str = "keeper.lock";

/// The variable every service process carries: the data folder of its keeper. A mark that survives everything.
pub(crate) const MARK: &str = "MADANG_KEEPER";

/// How often children are waited for that nobody watches: what services left behind.
const REAP: Duration = Duration::from_secs(1);

/// The same when some process has no exit watch.
const REAP_UNWATCHED: Duration = Duration::from_millis(20);

/// Bytes read from one pipe before the others have their turn.
const READ_TURN: usize = 256 << 10;

/// Bytes read from a pipe after its process ended: a pipe holds 64 KiB unless somebody made it larger.
const READ_LAST: usize = 1 << 20;

/// After the last KILL, how long the keeper stays for what does not die (a process the kernel holds).
const GIVE_UP: Duration = Duration::from_secs(5);

/// Pipes still open though their process is gone: held by something that left its group.
const MAX_LINGERING: usize = 64;

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
    let opened = open(options, madang.as_mut());
    let (lock, listener) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if let Some(madang) = &mut madang {
                madang.stream.set_nonblocking(false)?;
                madang.stream.write_all(&encode(&Report::Failed { error: error.to_string() }))?;
            }
            return Err(error);
        }
    };
    let mut keeper = Keeper {
        listener: Some(listener),
        madang,
        processes: BTreeMap::new(),
        logs: HashMap::new(),
        on_loss: options.on_loss,
        released: false,
        end: End::No,
        asked: HashSet::new(),
        reap_at: Instant::now(),
        limit: raise_descriptor_limit(),
        buffer: vec![0; 64 << 10],
    };
    if keeper.madang.is_none() {
        keeper.lost(Instant::now());
    }
    while !keeper.is_done(Instant::now()) {
        keeper.turn()?;
    }
    keeper.hide();
    drop(lock);
    Ok(())
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
            madang.outbox.flush(&mut madang.stream)?;
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

/// Three descriptors per process add up. The limit from before is what the services get.
fn raise_descriptor_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    before
}

/// The way to one Madang.
struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Outbox,
    /// Its process id, once it said hello.
    pid: u32,
}

impl Connection {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Outbox::default(), pid: 0 })
    }
}

#[derive(Debug, Clone, Copy)]
enum End {
    No,
    /// Everything is to end, at the latest (KILL) at this time.
    Asked {
        kill_at: Instant,
    },
}

/// What a descriptor that is ready means.
#[derive(Clone, Copy)]
enum Ready {
    Madang,
    Listener,
    Exit,
    Pipe { generation: u64, stream: Stream },
}

struct Keeper {
    /// Closed first when the end begins: nobody shall adopt what is about to stop.
    listener: Option<UnixListener>,
    madang: Option<Connection>,
    processes: BTreeMap<u64, Process>,
    /// By instance: an instance that is replaced shares its file with its successor.
    logs: HashMap<String, LogFile>,
    on_loss: OnLoss,
    /// Madang said it hands over.
    released: bool,
    end: End,
    /// What was left behind and has got TERM.
    asked: HashSet<i32>,
    reap_at: Instant,
    limit: Rlimit,
    buffer: Vec<u8>,
}

impl Keeper {
    /// Nothing runs and nobody will ask for anything.
    fn is_done(&self, now: Instant) -> bool {
        let empty = self.processes.values().all(Process::is_gone);
        match self.end {
            End::No => empty && self.madang.is_none(),
            End::Asked { kill_at } => {
                (empty && system::children(std::process::id()).is_empty()) || now >= kill_at + GIVE_UP
            }
        }
    }

    /// Waits for something to happen and handles it.
    fn turn(&mut self) -> io::Result<()> {
        for ready in self.wait()? {
            match ready {
                Ready::Madang => self.hear(),
                Ready::Listener => self.accept(),
                // Handled below with all others that ended.
                Ready::Exit => {}
                Ready::Pipe { generation, stream } => self.read(generation, stream, READ_TURN),
            }
        }
        let now = Instant::now();
        self.reap(now);
        self.settle(now);
        self.tell_log_trouble(now);
        if let Some(madang) = &mut self.madang
            && madang.outbox.flush(&mut madang.stream).is_err()
        {
            self.lost(now);
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Vec<Ready>> {
        let (mut meanings, mut fds) = (Vec::new(), Vec::new());
        // Madang first: when it is gone and the next one waits at the listener, that is the order of things.
        if let Some(madang) = &self.madang {
            let writable = if madang.outbox.waiting() > 0 { PollFlags::OUT } else { PollFlags::empty() };
            meanings.push(Ready::Madang);
            fds.push(PollFd::new(&madang.stream, PollFlags::IN | writable));
        }
        if let Some(listener) = &self.listener {
            meanings.push(Ready::Listener);
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        for process in self.processes.values() {
            if let Some(fd) = &process.exit_watch {
                meanings.push(Ready::Exit);
                fds.push(PollFd::new(fd, PollFlags::IN));
            }
            for pipe in &process.pipes {
                meanings.push(Ready::Pipe { generation: process.generation, stream: pipe.stream });
                fds.push(PollFd::new(&pipe.fd, PollFlags::IN));
            }
        }
        let timeout = self.due().map(|at| at.saturating_duration_since(Instant::now()));
        // Spans here are seconds; what does not fit is as good as never.
        let timeout = timeout.and_then(|span| Timespec::try_from(span).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        Ok(meanings.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(ready, _)| ready).collect())
    }

    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        let end = match self.end {
            End::No => None,
            End::Asked { .. } => Some(now + REAP_UNWATCHED),
        };
        let reap = (!self.processes.is_empty()).then_some(self.reap_at);
        self.processes.values().filter_map(|process| process.due(now)).chain(end).chain(reap).min()
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        while let Ok((stream, _)) = listener.accept() {
            let Ok(mut connection) = Connection::new(stream) else { continue };
            match &self.madang {
                Some(madang) => {
                    connection.outbox.push(&Report::Busy { pid: madang.pid });
                    // Best effort: a fresh socket takes a short frame, and who left again does not need it.
                    let _ = connection.outbox.flush(&mut connection.stream);
                }
                None => {
                    self.released = false;
                    self.madang = Some(connection);
                }
            }
        }
    }

    /// Reads what Madang says and does it.
    fn hear(&mut self) {
        while let Some(madang) = &mut self.madang {
            let mut open = match madang.stream.read(&mut self.buffer) {
                Ok(0) => false,
                Ok(count) => {
                    madang.inbox.extend_from_slice(&self.buffer[..count]);
                    madang.inbox.len() <= MAX_COMMAND
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => false,
            };
            // Also at the end: the last words of a Madang that leaves may be `release`.
            let end = madang.inbox.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let frames: Vec<u8> = madang.inbox.drain(..end).collect();
            for frame in frames.split(|byte| *byte == b'\n').filter(|frame| !frame.is_empty()) {
                match serde_json::from_slice(frame) {
                    Ok(command) => self.obey(command, Instant::now()),
                    Err(error) => {
                        eprintln!("error: the keeper does not understand a command: {error}");
                        open = false;
                    }
                }
            }
            if !open {
                return self.lost(Instant::now());
            }
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Hello { pid, .. } => {
                if let Some(madang) = &mut self.madang {
                    madang.pid = pid;
                }
                self.report(&Report::Hello { protocol: PROTOCOL, pid: std::process::id() });
            }
            Command::List => self.list(now),
            Command::Start(start) => {
                let generation = start.generation;
                let answer = match self.start(&start, now) {
                    Ok(pid) => Report::Started { generation, pid },
                    Err(error) => Report::StartFailed { generation, error },
                };
                self.report(&answer);
            }
            Command::Signal { generation, signal, group } => {
                if let Some(process) = self.processes.get(&generation) {
                    process.signal(number(signal), group);
                }
            }
            Command::Stop { generation, grace_ms } => match self.processes.get_mut(&generation) {
                Some(process) if !process.is_gone() => process.stop(now, Duration::from_millis(grace_ms)),
                // Gone before the command came: whoever waits for it must not wait for ever.
                _ => self.report(&Report::Gone { generation }),
            },
            Command::OnLoss { on_loss } => self.on_loss = on_loss,
            Command::Update { generation, care } => {
                if let Some(process) = self.processes.get_mut(&generation) {
                    process.set_care(&care);
                    if let Some(log) = self.logs.get_mut(&process.instance) {
                        log.set_limits(care.log_max_size, care.log_keep);
                    }
                }
            }
            Command::Release => self.released = true,
            Command::Shutdown => {
                for process in self.processes.values_mut() {
                    process.stop(now, process.grace);
                }
                self.begin_end(now);
            }
            Command::Kill => {
                for process in self.processes.values_mut() {
                    process.kill(now);
                }
                self.hide();
                self.end = End::Asked { kill_at: now };
            }
        }
    }

    fn list(&mut self, now: Instant) {
        let listed = self.processes.values().filter_map(|process| process.listed(now)).collect();
        let Some(madang) = &mut self.madang else { return };
        madang.outbox.push(&Report::Listed { processes: listed });
        for process in self.processes.values() {
            for (stream, time_ms, line) in process.tail.iter() {
                madang.outbox.push_log(&Report::Log {
                    service: process.service.clone(),
                    instance: process.instance.clone(),
                    stream: *stream,
                    time_ms: *time_ms,
                    line: line.clone(),
                });
            }
        }
    }

    fn start(&mut self, start: &Start, now: Instant) -> Result<u32, String> {
        if !matches!(self.end, End::No) {
            return Err("the keeper is ending".to_owned());
        }
        if self.processes.contains_key(&start.generation) {
            return Err(format!("generation {} runs already", start.generation));
        }
        // It becomes a file name.
        if start.instance.starts_with('.') || start.instance.contains(['/', '\0']) {
            return Err(format!("`{}` is no name for an instance", start.instance));
        }
        let process = Process::spawn(start, &self.limit, now).map_err(|error| match start.argv.first() {
            _ if !Path::new(&start.dir).is_dir() => format!("the working folder `{}` does not exist", start.dir),
            Some(program) => format!("cannot run `{program}`: {error}"),
            None => error.to_string(),
        })?;
        let pid = process.pid.as_raw_pid().unsigned_abs();
        if process.exit_watch.is_none() {
            self.reap_at = now;
        }
        self.logs
            .entry(start.instance.clone())
            .or_insert_with(|| {
                let path = Path::new("logs").join(format!("{}.log", start.instance));
                LogFile::new(path, start.care.log_max_size, start.care.log_keep)
            })
            .set_limits(start.care.log_max_size, start.care.log_keep);
        self.processes.insert(start.generation, process);
        Ok(pid)
    }

    /// Reads a pipe until it is empty or `budget` is used up, and records its lines.
    fn read(&mut self, generation: u64, stream: Stream, mut budget: usize) {
        let Some(process) = self.processes.get_mut(&generation) else { return };
        let Process { pipes, tail, service, instance, .. } = process;
        let Some(at) = pipes.iter().position(|pipe| pipe.stream == stream) else { return };
        let log = self.logs.get_mut(instance.as_str());
        let mut recorder = Recorder {
            service,
            instance,
            stream,
            time_ms: crate::unix_millis(),
            tail,
            outbox: self.madang.as_mut().map(|madang| &mut madang.outbox),
            text: Vec::new(),
            lines: 0,
        };
        while budget > 0 {
            match rustix::io::read(&pipes[at].fd, self.buffer.as_mut_slice()) {
                Ok(0) => {
                    pipes.remove(at).lines.finish(|line| recorder.line(line));
                    break;
                }
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    pipes[at].lines.push(&self.buffer[..count], |line| recorder.line(line));
                }
                Err(rustix::io::Errno::INTR) => {}
                // Nothing there now.
                Err(_) => break,
            }
        }
        recorder.write(log);
    }

    /// Waits for every child that has ended: the processes, and what they left behind.
    fn reap(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some(process) = self.processes.values().find(|process| process.leads(pid)) else { continue };
            let generation = process.generation;
            // Its last words come before the news of its end.
            for stream in [Stream::Stdout, Stream::Stderr] {
                self.read(generation, stream, READ_LAST);
            }
            if let Some(process) = self.processes.get_mut(&generation) {
                let Process { pipes, tail, service, instance, .. } = process;
                for pipe in pipes {
                    let mut recorder = Recorder {
                        service,
                        instance,
                        stream: pipe.stream,
                        time_ms: crate::unix_millis(),
                        tail,
                        outbox: self.madang.as_mut().map(|madang| &mut madang.outbox),
                        text: Vec::new(),
                        lines: 0,
                    };
                    pipe.lines.finish(|line| recorder.line(line));
                    recorder.write(self.logs.get_mut(instance.as_str()));
                }
                process.leader_ended(now);
            }
            self.report(&Report::Exited { generation, exit: process::exit(status) });
        }
        let unwatched = self.processes.values().any(|process| !process.is_gone() && process.exit_watch.is_none());
        self.reap_at = now + if unwatched { REAP_UNWATCHED } else { REAP };
    }

    /// Moves every process on, and the end when it has begun.
    fn settle(&mut self, now: Instant) {
        let gone: Vec<u64> = self
            .processes
            .values_mut()
            .filter_map(|process| process.settle(now).then_some(process.generation))
            .collect();
        for generation in gone {
            self.report(&Report::Gone { generation });
        }
        self.forget();
        let End::Asked { kill_at } = self.end else { return };
        for child in system::children(std::process::id()) {
            if self.processes.values().any(|process| process.leads(child)) {
                continue;
            }
            if now >= kill_at {
                system::signal_process(child, Signal::KILL);
            } else if self.asked.insert(child.as_raw_pid()) {
                system::signal_process(child, Signal::TERM);
            }
        }
    }

    /// Drops processes that are gone and whose pipes are closed, and log files nobody writes to.
    fn forget(&mut self) {
        let lingering =
            self.processes.values().filter(|process| process.is_gone() && !process.pipes.is_empty()).count();
        let mut surplus = lingering.saturating_sub(MAX_LINGERING);
        let before = self.processes.len();
        self.processes.retain(|_, process| {
            let drop_oldest = process.is_gone() && surplus > 0;
            surplus -= usize::from(drop_oldest && !process.pipes.is_empty());
            !process.is_gone() || !(process.pipes.is_empty() || drop_oldest)
        });
        if self.processes.len() < before {
            let processes = &self.processes;
            self.logs.retain(|instance, _| processes.values().any(|process| process.instance == *instance));
        }
    }

    fn tell_log_trouble(&mut self, now: Instant) {
        let Some(madang) = &mut self.madang else { return };
        for (instance, log) in &mut self.logs {
            if let Some(trouble) = log.take_trouble(now)
                && let Some(process) = self.processes.values().find(|process| process.instance == *instance)
            {
                madang.outbox.push(&Report::LogTrouble {
                    service: process.service.clone(),
                    instance: instance.clone(),
                    error: trouble.error,
                    lines: trouble.lines,
                });
            }
        }
    }

    /// Madang is gone: `on_loss` says what becomes of each process.
    fn lost(&mut self, now: Instant) {
        self.madang = None;
        if self.released {
            return;
        }
        let mut kept = false;
        for process in self.processes.values_mut().filter(|process| !process.is_gone()) {
            match process.on_loss.unwrap_or(self.on_loss) {
                OnLoss::Stop => process.stop(now, process.grace),
                OnLoss::Keep => kept = true,
            }
        }
        if !kept {
            self.begin_end(now);
        }
    }

    /// All processes were asked to stop: from here on the keeper only waits for its own end.
    fn begin_end(&mut self, now: Instant) {
        self.hide();
        if matches!(self.end, End::No) {
            let grace = self.processes.values().map(|process| process.grace).max().unwrap_or_default();
            self.end = End::Asked { kill_at: now + grace };
        }
    }

    /// Nobody finds this keeper any more.
    fn hide(&mut self) {
        if self.listener.take().is_some() {
            let _ = fs::remove_file(SOCKET);
        }
    }

    fn report(&mut self, report: &Report) {
        if let Some(madang) = &mut self.madang {
            madang.outbox.push(report);
        }
    }
}

/// Takes the lines of one read to the three places they go: the file, the tail, Madang.
struct Recorder<'a> {
    service: &'a str,
    instance: &'a str,
    stream: Stream,
    time_ms: u64,
    tail: &'a mut Tail,
    outbox: Option<&'a mut Outbox>,
    text: Vec<u8>,
    lines: u64,
}

impl Recorder<'_> {
    fn line(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.lines += 1;
        let line = String::from_utf8_lossy(line);
        self.tail.push(self.stream, self.time_ms, &line);
        if let Some(outbox) = &mut self.outbox {
            outbox.push_log(&Report::Log {
                service: self.service.to_owned(),
                instance: self.instance.to_owned(),
                stream: self.stream,
                time_ms: self.time_ms,
                line: line.into_owned(),
            });
        }
    }

    /// One write for all lines of a read.
    fn write(self, log: Option<&mut LogFile>) {
        if let Some(log) = log
            && self.lines > 0
        {
            log.append(&self.text, self.lines, Instant::now());
        }
    }
}

fn number(signal: protocol::Signal) -> Signal {
    match signal {
        protocol::Signal::Hangup => Signal::HUP,
        protocol::Signal::Interrupt => Signal::INT,
        protocol::Signal::Terminate => Signal::TERM,
        protocol::Signal::Kill => Signal::KILL,
        protocol::Signal::User1 => Signal::USR1,
        protocol::Signal::User2 => Signal::USR2,
    }
}
