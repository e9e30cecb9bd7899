//! Help is part of the interface: every command opens with an example.

use crate::{folder, madang};

const COMMANDS: [&[&str]; 21] = [
    &[],
    &["init"],
    &["up"],
    &["serve"],
    &["check"],
    &["ps"],
    &["logs"],
    &["scale"],
    &["route"],
    &["route", "ls"],
    &["route", "explain"],
    &["registry"],
    &["registry", "ls"],
    &["registry", "watch"],
    &["registry", "explain"],
    &["breaker"],
    &["breaker", "simulate"],
    &["sim"],
    &["sim", "run"],
    &["sim", "keys"],
    &["explain"],
];

#[test]
fn every_command_opens_with_an_example_and_knows_both_global_options() {
    let dir = folder(&[]);
    let mut all = String::new();
    for command in COMMANDS {
        let mut words = command.to_vec();
        words.push("--help");
        let help = madang(dir.path(), &words);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{words:?}");
        assert!(help.out.starts_with("Example: madang "), "{words:?}: {}", help.out);
        assert!(help.out.contains("--admin <ADDR>") && help.out.contains("--port-offset <N>"), "{words:?}");
        all.push_str(&format!("$ madang {}\n{}\n", words.join(" "), help.out));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_keeper_is_nobodys_business() {
    let help = madang(folder(&[]).path(), &["--help"]);
    assert!(!help.out.contains("keeper"), "{}", help.out);
}

#[test]
fn a_misspelt_command_gets_the_nearest_and_exit_code_2() {
    let run = madang(folder(&[]).path(), &["chek"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    insta::assert_snapshot!(run.err, @r"
    error: unrecognized subcommand 'chek'

      tip: a similar subcommand exists: 'check'

    Usage: madang [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn both_global_options_are_taken_before_and_after_the_command() {
    let dir = folder(&[]);
    for words in [["--port-offset", "7", "explain", "MD0501"], ["explain", "MD0501", "--port-offset", "7"]] {
        assert_eq!(madang(dir.path(), &words).code, 0, "{words:?}");
    }
}
