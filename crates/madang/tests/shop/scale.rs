//! A number of instances asked for at run time: it outlives Madang, and an edit of the file ends it.

use madang_testkit::Signal;

use crate::{Folder, PATIENCE, Running};

fn stop(mut house: Running<'_>) {
    house.child.signal(Signal::Interrupt);
    assert_eq!(house.child.wait(PATIENCE).code(), Some(0), "{}", house.child.output());
}

#[test]
fn a_scaled_number_survives_a_restart_and_an_edit_of_the_file_ends_it() {
    let folder = Folder::with("[services.web]\ncommand = \"python3 web.py\"\ninstances = 1\n");
    folder.write("web.py", WEB);
    let first = folder.up();
    assert_eq!(first.ask(&["scale", "web", "3"]), "web: 3 instances, until the settings say other than 1\n");
    stop(first);

    let mut second = folder.up();
    second.has_healthy("web", 3);
    // Also when nobody had the time to say good-bye.
    second.child.signal(Signal::Kill);
    second.child.wait(PATIENCE);
    folder.is_empty_within(PATIENCE);
    let third = folder.up();
    third.has_healthy("web", 3);
    stop(third);

    folder.edit("instances = 1", "instances = 2");
    let fourth = folder.up();
    fourth.has_healthy("web", 2);
    stop(fourth);
    folder.edit("instances = 2", "instances = 1");
    let fifth = folder.up();
    fifth.has_healthy("web", 1);
    // And while it runs.
    fifth.ask(&["scale", "web", "3"]);
    fifth.has_healthy("web", 3);
    folder.edit("instances = 1", "instances = 2");
    fifth.has_healthy("web", 2);
    stop(fifth);
    let sixth = folder.up();
    sixth.has_healthy("web", 2);
}

const WEB: &str = r#"
import http.server, os
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"#;
