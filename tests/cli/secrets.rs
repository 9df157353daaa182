//! What is never printed.

use crate::harness::{Ended, Program, connect, file, key, run};

/// The base64 of 32 bytes.
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

const KEY: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";

fn assert_hidden(ended: &Ended) {
    let all = ended.told.concat() + &String::from_utf8_lossy(&ended.stdout);
    assert!(
        !all.contains(&SEED[..20]) && !all.contains(&SEED[20..40]),
        "{all}"
    );
}

#[tokio::test]
async fn a_seed_dials_as_its_key_and_is_shown_to_nobody() {
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &["--echo"]).await;
    let address = format!("{at}:{SEED}");
    let (_directory, path) = file("invite", &address);
    let mut remotes = Vec::new();
    for (argument, input) in [
        (address.clone(), String::new()),
        (format!("@{}", path.display()), String::new()),
        ("-".to_owned(), format!("{address}\n")),
    ] {
        let client = connect(&argument, &[], input.as_bytes()).await;
        assert_eq!(client.code, Some(0), "{:?}", client.told);
        assert_hidden(&client);
        remotes.push(server.event("connection").await["remote"].clone());
    }
    // The same key each time, so it is the seed's.
    assert!(
        remotes.iter().all(|remote| *remote == remotes[0]),
        "{remotes:?}"
    );
    server.signal("TERM").await;
    assert_hidden(&server.end().await);
}

#[tokio::test]
async fn no_failure_shows_a_seed() {
    let shs = format!("~shs:{KEY}:{SEED}");
    for address in [
        format!("net:127.0.0.1:1{shs}"),
        format!("nothing:127.0.0.1:1{shs}"),
        format!("net:127.0.0.1:1{shs}~frob"),
        format!("net:127.0.0.1:1{shs}:{SEED}"),
        format!("net:127.0.0.1:1!{shs}"),
        format!("net:127.0.0.1:1{shs};;"),
        format!("net:127.0.0.1:1~{SEED}"),
        format!("net:127.0.0.1:{SEED}"),
        SEED.to_owned(),
        format!("@{SEED}"),
    ] {
        let nonsense = format!("--{address}");
        for args in [
            &["connect", &address, "--json"][..],
            &["connect", &address],
            &["listen", &address],
            &["listen", &address, "--to", &address],
            &["address", "check", &address],
            &["address", "explain", &address],
            &["connect", "net:a:1", &address],
            &["listen", "net:a:1", &nonsense],
            &["listen", "net:a:1~shs", "--allow", &address],
            &["key", "new", "a", &address],
            &[&address],
        ] {
            assert_hidden(&run(args).await);
        }
    }
}

#[tokio::test]
async fn neither_the_app_key_nor_a_private_key_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let (key, _) = key(&directory, "secret").await;
    let private = std::fs::read_to_string(&key).expect("a file");
    let private = private.split("\"private\": \"").nth(1).expect("one")[..40].to_owned();
    let args = ["--echo", "--key", &key, "--app-key", SEED];
    let (mut server, at) = Program::listen("net:127.0.0.1:0~shs", &args).await;
    let client = connect(&at, &["--app-key", SEED, "--key", &key], b"").await;
    let refused = connect(&at, &["--app-key", KEY], b"").await;
    server.event("error").await;
    server.signal("TERM").await;
    let server = server.end().await;
    let misspelt = connect(&at, &["--app-key", &format!("{SEED}=")], b"").await;
    let codes = [client.code, refused.code, server.code, misspelt.code];
    assert_eq!(codes, [Some(0), Some(4), Some(0), Some(2)]);
    for ended in [client, refused, server, misspelt] {
        assert_hidden(&ended);
        assert!(!ended.told.concat().contains(&private));
    }
}
