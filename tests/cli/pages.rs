//! `completions` and `man`.
#![cfg(unix)]

use std::{fs, process::Command};

use crate::harness::run;

/// Runs `program`; `None` where it is not installed, which is said unless it must be.
fn optional(program: &str, args: &[&str]) -> Option<std::process::Output> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let required =
                std::env::var("MULTISERVER_INTEROP").is_ok_and(|value| value == "required");
            assert!(!required, "{program}: {error}");
            eprintln!("skipped: {program} is not here");
            None
        }
    }
}

/// What bash offers for the last word, which may be empty.
fn bash(line: &[&str]) -> Vec<String> {
    let script = r#"
        program=$1
        shift
        source <("$program" completions bash)
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _multiserver "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let program = env!("CARGO_BIN_EXE_multiserver");
    let bash = Command::new("bash")
        .args(["-euc", script, "bash", program])
        .args(line)
        .output()
        .expect("bash runs");
    assert!(
        bash.status.success(),
        "{}",
        String::from_utf8_lossy(&bash.stderr)
    );
    let words = String::from_utf8_lossy(&bash.stdout);
    words.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(bash(&["multiserver", "lis"]), ["listen"]);
    assert_eq!(
        bash(&["multiserver", "ping", "--co"]),
        ["--count", "--config"]
    );
    assert_eq!(bash(&["multiserver", "key", "n"]), ["new"]);
    let shells = bash(&["multiserver", "completions", ""]);
    for shell in ["bash", "fish", "zsh"] {
        assert!(shells.iter().any(|word| word == shell), "{shells:?}");
    }
}

#[tokio::test]
async fn each_shell_has_its_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).await;
        assert_eq!(script.code, Some(0), "{shell}");
        for word in ["forward", "invite", "interval", "swarm"] {
            assert!(script.text().contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(&["completions", "other"]).await.code, Some(2));
}

#[tokio::test]
async fn the_manual_pages_are_well_formed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("man").display().to_string();
    let ended = run(&["man", &path]).await;
    assert_eq!(
        (ended.code, ended.text()),
        (Some(0), ""),
        "{:?}",
        ended.told
    );
    let mut names = Vec::new();
    for page in fs::read_dir(&path).expect("a directory") {
        let page = page.expect("an entry").path();
        names.push(page.file_name().expect("a name").display().to_string());
        let page = page.display().to_string();
        let Some(lint) = optional("mandoc", &["-Tlint", "-Werror", &page]) else {
            return;
        };
        let said = String::from_utf8_lossy(&lint.stdout);
        assert!(lint.status.success(), "{said}");
    }
    for name in [
        "multiserver.1",
        "multiserver-forward.1",
        "multiserver-key-new.1",
        "multiserver-rage-send.1",
        "multiserver-swarm-join.1",
    ] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }

    let page = run(&["man"]).await;
    assert_eq!(page.code, Some(0));
    let main = format!("{path}/multiserver.1");
    assert_eq!(page.text(), fs::read_to_string(&main).expect("a page"));
    let Some(shown) = optional("mandoc", &["-Tutf8", &main]) else {
        return;
    };
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("Exit codes:"), "{shown}");
}
