//! The keeper's loop: waits for Madang, for output and for ends, and handles what came.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    os::unix::net::UnixListener,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Resource, Rlimit, Signal, WaitOptions, getrlimit, setrlimit, wait},
};

use super::{
    SOCKET,
    connection::Connection,
    logfile::LogFile,
    process::{self, GIVE_UP, Process},
    protocol::{self, Command, OnLoss, PROTOCOL, Report, Start, Stream},
    record::{self, Words},
};
use crate::system;

/// How often children are waited for that nobody watches: what services left behind.
const REAP: Duration = Duration::from_secs(1);

/// The same when some process has no exit watch.
const REAP_UNWATCHED: Duration = Duration::from_millis(20);

/// Pipes still open though their process is gone: held by something that left its group.
const MAX_LINGERING: usize = 64;

/// Space to read into.
const BUFFER: usize = 64 << 10;

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

/// All there is to keep.
pub(super) struct Keeper {
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
    /// With nothing to keep yet. Without a Madang there will never be.
    pub(super) fn new(listener: UnixListener, madang: Option<Connection>, on_loss: OnLoss) -> Self {
        let now = Instant::now();
        let mut keeper = Self {
            listener: Some(listener),
            madang,
            processes: BTreeMap::new(),
            logs: HashMap::new(),
            on_loss,
            released: false,
            end: End::No,
            asked: HashSet::new(),
            reap_at: now,
            limit: raise_descriptor_limit(),
            buffer: vec![0; BUFFER],
        };
        if keeper.madang.is_none() {
            keeper.lost(now);
        }
        keeper
    }

    /// Works until there is nothing left to do.
    ///
    /// # Errors
    /// When the system cannot even wait any more.
    pub(super) fn run(mut self) -> io::Result<()> {
        while !self.is_done(Instant::now()) {
            self.turn()?;
        }
        self.hide();
        Ok(())
    }

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
        let all = self.wait()?;
        let now = Instant::now();
        for ready in all {
            match ready {
                Ready::Madang => self.hear(now),
                Ready::Listener => self.accept(),
                // Handled below with all others that ended.
                Ready::Exit => {}
                Ready::Pipe { generation, stream } => self.read(generation, stream, Words::More),
            }
        }
        self.reap(now);
        self.settle(now);
        self.tell_log_trouble(now);
        if self.madang.as_mut().is_some_and(|madang| madang.flush().is_err()) {
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
                    connection.outbox.push(&Report::Busy { pid: madang.pid.unwrap_or_default() });
                    // Best effort: a fresh socket takes a short frame, and who left again does not need it.
                    let _ = connection.flush();
                }
                None => {
                    self.released = false;
                    self.madang = Some(connection);
                }
            }
        }
    }

    /// Does what Madang says. Also at the end: the last words of one that leaves may be `release`.
    fn hear(&mut self, now: Instant) {
        let Some(madang) = &mut self.madang else { return };
        let (commands, open) = madang.commands(&mut self.buffer);
        for command in commands {
            self.obey(command, now);
        }
        if !open {
            self.lost(now);
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Hello { pid, .. } => {
                if let Some(madang) = &mut self.madang {
                    madang.pid = Some(pid);
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
        let Some(outbox) = self.madang.as_mut().and_then(Connection::news) else { return };
        outbox.push(&Report::Listed { processes: listed });
        for process in self.processes.values() {
            for (stream, time_ms, line) in process.tail.iter() {
                outbox.push_log(&Report::Log {
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

    fn read(&mut self, generation: u64, stream: Stream, words: Words) {
        let Some(process) = self.processes.get_mut(&generation) else { return };
        let log = self.logs.get_mut(&process.instance);
        let outbox = self.madang.as_mut().and_then(Connection::news);
        record::read(process, stream, words, log, outbox, &mut self.buffer);
    }

    /// Waits for every child that has ended: the processes, and what they left behind.
    fn reap(&mut self, now: Instant) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some(process) = self.processes.values().find(|process| process.leads(pid)) else { continue };
            let generation = process.generation;
            // Its last words come before the news of its end.
            for stream in [Stream::Stdout, Stream::Stderr] {
                self.read(generation, stream, Words::Last);
            }
            if let Some(process) = self.processes.get_mut(&generation) {
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
        let Some(outbox) = self.madang.as_mut().and_then(Connection::news) else { return };
        for (instance, log) in &mut self.logs {
            if let Some(trouble) = log.take_trouble(now)
                && let Some(process) = self.processes.values().find(|process| process.instance == *instance)
            {
                outbox.push(&Report::LogTrouble {
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
        if let Some(outbox) = self.madang.as_mut().and_then(Connection::news) {
            outbox.push(report);
        }
    }
}

/// Three descriptors per process add up. The limit from before is what the services get.
fn raise_descriptor_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    before
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
