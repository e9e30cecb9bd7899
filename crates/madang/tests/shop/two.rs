//! Two Madangs at once: each says who is in the way and what to do.

use madang_testkit::free_port;

use crate::Folder;

#[test]
fn a_second_one_in_the_same_folder_is_told_who_is_there() {
    let folder = Folder::with("");
    let first = folder.up();
    let admin = format!("listen.admin=127.0.0.1:{}", free_port());
    let second = folder.command(&["up", "--set", &admin]).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    let pid = first.child.pid();
    assert!(
        said.contains(&format!("error: another Madang (pid {pid}) already runs with the data folder `.madang`")),
        "{said}"
    );
    assert!(said.contains(&format!("`kill {pid}`")) && said.contains("code: MD0503"), "{said}");
    assert_eq!(first.ask(&["ps"]), "no instances run here\n");
}

#[test]
fn a_second_one_on_the_same_ports_gets_the_whole_command_that_works() {
    let folder = Folder::with("");
    let first = folder.up();
    let mut other = Folder::with("");
    other.offset = folder.offset;
    let refused = other.command(&["up"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let gateway = folder.gateway();
    assert!(said.starts_with(&format!("error: cannot listen on {gateway}: address already in use")), "{said}");
    assert!(said.contains(&format!("`madang` (pid {}) holds the port", first.child.pid())), "{said}");
    let command = said.lines().find_map(|line| line.strip_prefix("hint: this works now: madang ")).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    let ["up", "--port-offset", offset] = words.as_slice() else { panic!("{words:?}") };
    other.offset = offset.parse().unwrap();
    drop(other.up());
}
