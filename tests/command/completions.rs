//! The completion scripts and the manual pages: a shell loads the scripts, and every verb has a page.

use std::process::Command;

use crate::support::sandbox::Sandbox;

/// What bash offers for the last of `words`.
fn bash_offers(script: &str, words: &str) -> Vec<String> {
    let ask = "COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _valuesim valuesim \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\" && echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["--norc", "-euc", &format!("{script}\n{ask}"), "bash", words]).output();
    let output = output.expect("bash is installed: make test is a bash script, too");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    let script = Sandbox::new().run(&["completions", "bash"]).expect_success().stdout;
    assert_eq!(bash_offers(&script, "valuesim st"), ["status"]);
    assert_eq!(bash_offers(&script, "valuesim dead re"), ["replay"]);
    assert_eq!(bash_offers(&script, "valuesim run --dry"), ["--dry-run"]);
    assert_eq!(bash_offers(&script, "valuesim completions z"), ["zsh"]);
}

#[test]
fn every_shell_has_a_script_that_names_all_verbs() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(&["completions", shell]).expect_success().stdout;
        for verb in ["run", "coordinate", "work", "simulate-provider", "completions", "man"] {
            assert!(script.contains(verb), "{verb} is not in the script for {shell}");
        }
    }
    sandbox.run(&["completions", "tcsh"]).expect_code(2).check_error(&["tcsh", "bash", "zsh"]);
}

#[test]
fn every_verb_has_a_manual_page_to_which_the_first_page_refers() {
    let sandbox = Sandbox::new();
    sandbox.run(&["man", "--output", "share/man1"]).expect_success();
    let pages = std::fs::read_dir(sandbox.path("share/man1")).unwrap().map(|page| page.unwrap().path());
    let pages: Vec<String> = pages.map(|page| page.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for page in ["valuesim.1", "valuesim-run.1", "valuesim-dead.1", "valuesim-dead-list.1", "valuesim-man.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not among {pages:?}");
    }
    let first = sandbox.run(&["man"]).expect_success().stdout;
    for name in pages.iter().filter(|name| {
        name.starts_with("valuesim-") && !name[9..].contains('-') || name.starts_with("valuesim-simulate-")
    }) {
        let reference = name.strip_suffix(".1").unwrap().replace('-', "\\-");
        assert!(first.contains(&format!("{reference}(1)")), "{reference} is not in\n{first}");
    }
}

#[test]
fn a_manual_page_is_that_of_its_verb() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!("man_synth", sandbox.run(&["man", "synth"]).expect_success().stdout);
    let page = sandbox.run(&["man", "dead", "list"]).expect_success().stdout;
    assert!(page.contains("\\fBvaluesim dead list\\fR"), "{page}");
    sandbox.run(&["man", "dead", "lost"]).expect_code(2).check_error(&["there is no verb \"dead lost\"", "--help"]);
}
