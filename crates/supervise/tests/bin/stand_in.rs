//! One program for tests, in three roles: the keeper, a Madang that can be killed, and a service.
//!
//! ```text
//! stand-in keeper …                      what `madang keeper` is
//! stand-in madang DIR ON_LOSS WORDS…     supervises one service `a` with two instances, command WORDS; prints its
//!                                        instances as a JSON line whenever they change
//! stand-in service [FLAGS…]              a small HTTP server on PORT
//!     --status N                           what `/health` answers (200)
//!     --say TEXT                           a line on standard output, first
//!     --lines N FILE                       N lines as fast as possible, then creates FILE
//!     --exit N                             ends with this code instead of serving
//!     --silent                             does not listen, and does not end
//! ```

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::ExitCode,
};

use madang_base::Name;
use madang_runtime::Scope;
use madang_settings::Origin;
use madang_supervise::{OnLoss, Options, Service, Supervisor, keeper};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let role = arguments.next().unwrap_or_default();
    match role.to_str() {
        Some("keeper") => keeper::main(arguments),
        Some("madang") => madang(arguments),
        Some("service") => service(arguments).unwrap_or(ExitCode::FAILURE),
        _ => ExitCode::from(2),
    }
}

fn madang(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = arguments.filter_map(|word| word.into_string().ok()).collect();
    let [dir, on_loss, command @ ..] = words.as_slice() else { return ExitCode::from(2) };
    let Some(on_loss) = OnLoss::parse(on_loss) else { return ExitCode::from(2) };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let Ok(name) = Name::parse("a") else { return ExitCode::FAILURE };
        let mut service = Service::new(name, command.to_vec(), env::temp_dir(), Origin::Flag("test".to_owned()));
        service.instances.min = 2;
        let scope = Scope::new("stand-in");
        let handle = match Supervisor::start(Options::new(dir.into(), on_loss), vec![service], &scope).await {
            Ok(handle) => handle,
            Err(error) => {
                println!("error: {error}");
                return ExitCode::FAILURE;
            }
        };
        let mut watch = handle.watch();
        loop {
            let views = watch.borrow_and_update().clone();
            println!("{}", serde_json::to_string(&*views).unwrap_or_default());
            if watch.changed().await.is_err() {
                return ExitCode::SUCCESS;
            }
        }
    })
}

fn service(arguments: impl Iterator<Item = OsString>) -> std::io::Result<ExitCode> {
    let mut arguments = arguments.filter_map(|word| word.into_string().ok());
    let mut status = "200".to_owned();
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match flag.as_str() {
            "--status" => status = value(),
            "--say" => println!("{}", value()),
            "--lines" => {
                let count: u32 = value().parse().unwrap_or_default();
                let mut out = std::io::stdout().lock();
                for number in 0..count {
                    writeln!(out, "line {number} of {count}, with a little more to make it look like one")?;
                }
                out.flush()?;
                File::create(value())?;
            }
            "--exit" => return Ok(ExitCode::from(value().parse::<u8>().unwrap_or(1))),
            "--silent" => loop {
                std::thread::park();
            },
            _ => return Ok(ExitCode::from(2)),
        }
    }
    let port: u16 = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or_default();
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        // A caller that leaves early is no reason to end.
        let _ = answer(&stream?, &status);
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(stream: &TcpStream, status: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = "still warming up";
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
