//! What happens to files.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, chown, symlink},
        net::{UnixDatagram, UnixListener},
    },
    process::Command,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tower_multiserver::unix::Unix;

use crate::lab::{
    HANG, Lab, address, answers, bind, connect, inode, io_kind, kill, leave_dead_socket, mode,
    serve,
};

#[tokio::test]
async fn a_socket_is_its_owners_alone() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let _bound = bind(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(lab.files(), ["socket", "socket.lock"]);
    assert_eq!(mode(&lab.path("socket.lock")), 0o600);
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_the_new_one_is_its_owners_alone() {
    let lab = Lab::new();
    let path = lab.path("socket");
    leave_dead_socket(&path);
    fs::write(lab.path("socket.lock"), "").unwrap();
    let mut bound = bind(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    answers(&mut bound, &path).await;
}

#[tokio::test]
async fn a_live_server_keeps_its_socket() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let foreign = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let before = inode(&path);
    let error = bind(&path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
    assert_eq!(error.address(), Some(&address(&path)));
    assert_eq!((inode(&path), mode(&path)), (before, 0o755));
    assert_eq!(lab.files(), ["socket"]);
    kill(foreign, &path);

    let mut first = bind(&path).await.unwrap();
    let error = bind(&path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
    answers(&mut first, &path).await;
}

#[tokio::test]
async fn what_is_no_dead_socket_stays() {
    let lab = Lab::new();
    fs::write(lab.path("file"), "mine").unwrap();
    fs::write(lab.path("empty"), "").unwrap();
    fs::create_dir(lab.path("directory")).unwrap();
    symlink(lab.path("nowhere"), lab.path("dangling")).unwrap();
    leave_dead_socket(&lab.path("dead"));
    symlink(lab.path("dead"), lab.path("link")).unwrap();
    let fifo = Command::new("mkfifo").arg(lab.path("fifo")).status();
    assert!(fifo.unwrap().success());
    let _datagrams = UnixDatagram::bind(lab.path("datagrams")).unwrap();

    let before = lab.files();
    for name in [
        "file",
        "empty",
        "directory",
        "dangling",
        "link",
        "fifo",
        "datagrams",
    ] {
        let path = lab.path(name);
        let inode_before = inode(&path);
        let error = bind(&path).await.unwrap_err();
        assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse, "{name}");
        assert_eq!(inode(&path), inode_before, "{name}");
    }
    assert_eq!(lab.files(), before);
    assert_eq!(fs::read_to_string(lab.path("file")).unwrap(), "mine");
    assert!(
        fs::symlink_metadata(lab.path("dead"))
            .unwrap()
            .file_type()
            .is_socket()
    );
}

#[tokio::test]
async fn the_dead_socket_of_another_user_stays() {
    let lab = Lab::new();
    let path = lab.path("socket");
    leave_dead_socket(&path);
    if chown(&path, Some(1), None).is_err() {
        // Only root can give a file away.
        return;
    }
    let error = bind(&path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
    assert!(path.exists());
}

#[tokio::test]
async fn a_directory_that_everybody_may_write_to_changes_nothing() {
    let lab = Lab::new();
    fs::set_permissions(lab.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let path = lab.path("socket");
    leave_dead_socket(&path);
    let mut bound = bind(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    answers(&mut bound, &path).await;
}

#[tokio::test]
async fn the_lock_file_of_somebody_else_stays() {
    let lab = Lab::new();
    fs::write(lab.path("a.lock"), "mine").unwrap();
    fs::create_dir(lab.path("b.lock")).unwrap();
    symlink(lab.path("nowhere"), lab.path("c.lock")).unwrap();
    fs::write(lab.path("target"), "").unwrap();
    symlink(lab.path("target"), lab.path("d.lock")).unwrap();
    let fifo = Command::new("mkfifo").arg(lab.path("e.lock")).status();
    assert!(fifo.unwrap().success());
    let before = lab.files();
    for name in ["a", "b", "c", "d", "e"] {
        let error = bind(&lab.path(name)).await.unwrap_err();
        assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse, "{name}");
    }
    assert_eq!(lab.files(), before);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_not_made() {
    let lab = Lab::new();
    let error = bind(&lab.path("a/b")).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::NotFound);
    assert!(lab.files().is_empty());
}

#[tokio::test]
async fn the_files_go_when_the_server_is_told_to_close_and_connections_stay() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let lab = Lab::new();
    let path = lab.path("socket");
    let (shutdown, mut incoming) = serve(&Unix::new(), &path).await;
    let (mut ours, mut theirs) = connect(&Unix::new(), &path, &mut incoming).await;
    shutdown.start();
    assert!(incoming.next().await.is_none());
    assert!(lab.files().is_empty());

    theirs.write_all(b"still here").await.unwrap();
    let mut text = [0; 10];
    ours.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still here");
}

#[tokio::test]
async fn a_server_removes_nothing_but_its_own_files() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let bound = bind(&path).await.unwrap();
    for name in ["socket", "socket.lock"] {
        fs::remove_file(lab.path(name)).unwrap();
        fs::write(lab.path(name), "mine").unwrap();
    }
    drop(bound);
    assert_eq!(lab.files(), ["socket", "socket.lock"]);
}

#[tokio::test]
async fn a_server_whose_socket_was_unlinked_still_keeps_others_off() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let bound = bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let error = bind(&path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
    drop(bound);

    // Where its lock is gone too, the next server wins, and the end of the first does not touch it.
    let first = bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::remove_file(lab.path("socket.lock")).unwrap();
    let mut second = bind(&path).await.unwrap();
    drop(first);
    answers(&mut second, &path).await;
    let error = bind(&path).await.unwrap_err();
    assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_servers_that_race_for_a_path_one_wins() {
    let lab = Lab::new();
    let path = lab.path("socket");
    for round in 0..100 {
        if round % 2 == 0 {
            leave_dead_socket(&path);
        }
        let mut servers = JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            servers.spawn(async move { bind(&path).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = servers
            .join_all()
            .await
            .into_iter()
            .partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for error in lost {
            assert_eq!(io_kind(&error.unwrap_err()), io::ErrorKind::AddrInUse);
        }
        for bound in won {
            answers(&mut bound.unwrap(), &path).await;
        }
        assert!(lab.files().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_servers_that_come_and_go_at_most_one_is_there() {
    static HOLDERS: AtomicUsize = AtomicUsize::new(0);

    let lab = Lab::new();
    let path = lab.path("socket");
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let path = path.clone();
        servers.spawn(async move {
            let mut wins = 0;
            while wins < 200 {
                match bind(&path).await {
                    Ok(mut bound) => {
                        assert_eq!(HOLDERS.fetch_add(1, SeqCst), 0);
                        answers(&mut bound, &path).await;
                        assert_eq!(HOLDERS.fetch_sub(1, SeqCst), 1);
                        wins += 1;
                    }
                    Err(error) => {
                        assert_eq!(io_kind(&error), io::ErrorKind::AddrInUse);
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
    }
    tokio::time::timeout(HANG, servers.join_all())
        .await
        .unwrap();
    assert!(lab.files().is_empty());
}

#[tokio::test]
async fn a_listen_that_is_given_up_leaves_nothing() {
    let lab = Lab::new();
    let path = lab.path("socket");
    let _foreign = UnixListener::bind(&path).unwrap();
    let mut future = Box::pin(bind(&path));
    // It asks whether somebody listens.
    assert!(future.as_mut().now_or_never().is_none());
    assert_eq!(lab.files(), ["socket", "socket.lock"]);
    drop(future);
    assert_eq!(lab.files(), ["socket"]);
}
