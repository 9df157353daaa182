//! What all of them do.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, split},
    process::Command,
    time::timeout,
};
use tower_multiserver::{Connection, Io};

/// Longer than a bad network takes.
pub(crate) const HANG: Duration = Duration::from_secs(300);

pub(crate) async fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).status().await;
    assert!(done.expect("it runs").success(), "{program} {args:?}");
}

/// Sends so many bytes there and back, both at once, and compares. Then both directions end.
pub(crate) async fn intact(connection: Connection<impl Io>, count: usize) {
    let mut reader = all_back(connection, count).await;
    let mut more = Vec::new();
    let end = timeout(HANG, reader.read_to_end(&mut more)).await;
    end.expect("no hang").expect("an end");
    assert!(more.is_empty(), "{more:?}");
}

/// As much, where no direction ends before the other one.
pub(crate) async fn all_back<I: Io>(
    connection: Connection<I>,
    count: usize,
) -> ReadHalf<Connection<I>> {
    let sent: Vec<u8> = (0..count).map(|at| ((at * at) >> 7) as u8).collect();
    let digest = Sha256::digest(&sent);
    let (mut reader, mut writer) = split(connection);
    let send = async {
        writer.write_all(&sent).await.expect("sent");
        writer.shutdown().await.expect("ended");
    };
    let receive = async {
        let mut back = vec![0; count];
        reader.read_exact(&mut back).await.expect("all of it");
        back
    };
    let both = async { tokio::join!(send, receive).1 };
    let back = timeout(HANG, both).await.expect("no hang");
    assert_eq!(Sha256::digest(&back), digest);
    reader
}

pub(crate) fn measured(what: &str, time: Duration) {
    println!("\nmeasured faults\t{what}\t{:.1} s", time.as_secs_f64());
}
