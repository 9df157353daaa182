//! What other processes and other users meet.

use std::{
    env,
    io::{self, BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use tokio::runtime::Builder;
use tower_multiserver::{
    Address, Scope, Shutdown, StackExt as _,
    unix::{PeerCredentials, Unix},
};

use crate::lab::{HANG, Lab, address, answers, bind, io_kind, mode};

const ROLE: &str = "TOWER_MULTISERVER_TEST_ROLE";
const PLACE: &str = "TOWER_MULTISERVER_TEST_PLACE";

/// This program again, as another process.
fn child(role: &str, place: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "processes::child_process",
            "--ignored",
            "--nocapture",
        ])
        .env(ROLE, role)
        .env(PLACE, place)
        .stdout(Stdio::piped());
    command
}

/// Waits until the child says so.
fn ready(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")));
}

#[test]
#[ignore = "it is what the other tests of this file start"]
fn child_process() {
    let place = env::var(PLACE).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    match &*env::var(ROLE).unwrap() {
        "serve" => runtime.block_on(async {
            let _bound = bind(Path::new(&place)).await.unwrap();
            println!("ready");
            std::future::pending::<()>().await;
        }),
        "again and again" => {
            println!("ready");
            loop {
                drop(runtime.block_on(bind(Path::new(&place))).unwrap());
            }
        }
        "come and go" => {
            let path = Path::new(&place);
            let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
            thread::scope(|scope| {
                let watch = scope.spawn(|| {
                    while !done.load(SeqCst) {
                        if let Ok(metadata) = path.symlink_metadata() {
                            use std::os::unix::fs::PermissionsExt as _;

                            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
                            seen.fetch_add(1, SeqCst);
                        }
                    }
                });
                for round in 1.. {
                    drop(runtime.block_on(bind(path)).unwrap());
                    // Where processors are few, the turns of who watches may long come at the wrong times.
                    let has_seen = round >= 500 && seen.load(SeqCst) > 0;
                    if has_seen || watch.is_finished() {
                        break;
                    }
                }
                done.store(true, SeqCst);
                watch.join().unwrap();
            });
        }
        "dial" => {
            let dialed = runtime.block_on(async {
                let unix = Unix::new().abstract_names(true);
                unix.dial(place.parse::<Address>().unwrap()).await
            });
            match dialed {
                Ok(_) => println!("connected"),
                Err(error) => println!("{:?}", io_kind(&error)),
            }
        }
        role => panic!("no such role: {role}"),
    }
}

#[tokio::test]
async fn a_server_that_was_killed_can_be_started_again() {
    let lab = Lab::new();
    let path = lab.path("socket");
    for _ in 0..3 {
        let mut server = child("serve", path.to_str().unwrap()).spawn().unwrap();
        ready(&mut server);
        let error = bind(&path).await.unwrap_err();
        assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(lab.files(), ["socket", "socket.lock"]);
    }
    let mut bound = bind(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    answers(&mut bound, &path).await;
    drop(bound);
    assert!(lab.files().is_empty());
}

/// Wherever it was: with a lock file, or a socket that does not listen yet, or one that is about to go.
#[tokio::test]
async fn a_server_that_was_killed_as_it_came_or_went_can_be_started_again() {
    let lab = Lab::new();
    let path = lab.path("socket");
    for _ in 0..30 {
        let mut server = child("again and again", path.to_str().unwrap())
            .spawn()
            .unwrap();
        ready(&mut server);
        server.kill().unwrap();
        server.wait().unwrap();
        let mut bound = bind(&path).await.unwrap();
        assert_eq!(mode(&path), 0o600);
        answers(&mut bound, &path).await;
        drop(bound);
        assert!(lab.files().is_empty());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn there_is_no_moment_at_which_others_can_connect() {
    let lab = Lab::new();
    let path = lab.path("socket");
    // Under a mask that takes no right away.
    let this = child("come and go", path.to_str().unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$0\" \"$@\""]);
    command.arg(this.get_program()).args(this.get_args());
    for (name, value) in this.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_is_refused_by_a_file_and_a_stranger_to_a_name() {
    const NOBODY: u32 = 65534;

    let lab = Lab::new();
    let path = lab.path("socket");
    let dial = |place: &str| {
        let mut command = child("dial", place);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command.output()
    };
    let _bound = bind(&path).await.unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(lab.path(""), open).unwrap();
    let Ok(output) = dial(&address(&path).to_string()) else {
        // Only root can become another user, and only where the other may run this program.
        return;
    };
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("PermissionDenied"), "{output}");

    let name = format!("unix:@tower-multiserver-test-{}", std::process::id());
    let unix = Unix::new().abstract_names(true);
    let (_shutdown, closing) = Shutdown::new();
    let mut incoming = unix
        .listen(name.parse::<Address>().unwrap(), closing)
        .await
        .unwrap();
    let dialing = tokio::task::spawn_blocking(move || {
        let mut command = child("dial", &name);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command.output()
    });
    let accepted = tokio::time::timeout(HANG, incoming.next()).await.unwrap();
    let accepted = accepted.unwrap().unwrap();
    let peer = accepted.info().get::<PeerCredentials>().unwrap();
    assert_eq!((peer.uid, peer.gid), (NOBODY, NOBODY));
    assert_eq!(accepted.info().scope(), Scope::Public);
    let output = String::from_utf8(dialing.await.unwrap().unwrap().stdout).unwrap();
    assert!(output.contains("connected"), "{output}");
}
