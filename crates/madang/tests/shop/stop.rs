//! Stopping: in order, completely, and at once when asked twice.

use std::time::{Duration, Instant};

use madang_testkit::{Signal, get};

use crate::{Folder, PATIENCE};

#[test]
fn one_ctrl_c_stops_everything_in_order_and_exits_0() {
    for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
        let folder = Folder::shop();
        let mut shop = folder.up();
        // As a terminal does: to the whole group.
        shop.child.signal_group(signal);
        assert_eq!(shop.child.wait(PATIENCE).code(), Some(0), "{signal:?}: {}", shop.child.output());
        let said = shop.child.output();
        assert!(said.contains("Stopping shop.") && said.contains("Everything has stopped."), "{said}");
        assert_eq!(folder.processes(), [], "{signal:?}");
        assert!(get(folder.gateway(), "/").is_err());
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once_with_130() {
    let folder = Folder::with("[services.stubborn]\ncommand = \"python3 stubborn.py\"\nstop = { grace = \"5m\" }\n");
    folder.write(
        "stubborn.py",
        r#"
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: print("I stay", flush=True))
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"#,
    );
    let mut house = folder.up();
    house.child.signal(Signal::Interrupt);
    house.child.line_with("| I stay", PATIENCE);
    let again = Instant::now();
    house.child.signal(Signal::Interrupt);
    assert_eq!(house.child.wait(PATIENCE).code(), Some(130), "{}", house.child.output());
    assert!(again.elapsed() < Duration::from_secs(5), "it took {:?}", again.elapsed());
    folder.is_empty_within(PATIENCE);
}

#[test]
fn ctrl_c_before_everything_is_up_stops_too() {
    let folder = Folder::with("[services.slow]\ncommand = \"sleep 600\"\n");
    let mut house = folder.start(&["up"]);
    house.child.line_with("waiting for slow-1", PATIENCE);
    house.child.signal(Signal::Interrupt);
    assert_eq!(house.child.wait(PATIENCE).code(), Some(0), "{}", house.child.output());
    folder.is_empty_within(PATIENCE);
}
