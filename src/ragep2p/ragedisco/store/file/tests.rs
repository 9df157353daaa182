use std::fmt::Write as _;

use tempfile::TempDir;

use super::{
    super::super::testing::{announcement, peer},
    *,
};

struct Fixture {
    directory: TempDir,
    store: FileStore,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = FileStore::new(directory.path().join("peers"));
        Self { directory, store }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("peers")
    }

    fn set(&self, text: impl AsRef<[u8]>) {
        fs::write(self.path(), text).expect("written");
    }

    fn files(&self) -> Vec<OsString> {
        let files = fs::read_dir(self.directory.path()).expect("a directory");
        files
            .map(|file| file.expect("a file").file_name())
            .collect()
    }
}

fn entry(seed: u8, counter: u64) -> Entry {
    Entry::of(&announcement(seed, "10.0.0.1:1", counter))
}

fn io_error(error: BoxError) -> io::Error {
    *error.downcast::<io::Error>().expect("an error of IO")
}

#[tokio::test]
async fn what_was_written_is_read_by_another_and_of_the_wanted_peers_only() {
    let fixture = Fixture::new();
    let nothing = fixture.store.read(&[peer(1)]).await.expect("read");
    assert_eq!(nothing, []);
    let all = [entry(1, 0), entry(2, 0), entry(3, 0)];
    fixture.store.write(&all).await.expect("written");

    let store = FileStore::new(fixture.path());
    let found = store.read(&[peer(2), peer(4)]).await.expect("read");
    assert_eq!(found, [entry(2, 0)]);
    assert_eq!(fixture.files(), ["peers"]);
}

#[tokio::test]
async fn a_newer_entry_replaces_that_of_its_peer_and_no_other() {
    let fixture = Fixture::new();
    let old = [entry(1, 0), entry(2, 0)];
    fixture.store.write(&old).await.expect("written");
    fixture.store.write(&[entry(2, 9)]).await.expect("written");
    let mut found = fixture.store.read(&[peer(1), peer(2)]).await.expect("read");
    found.sort_by_key(|entry| entry.peer != peer(1));
    assert_eq!(found, [entry(1, 0), entry(2, 9)]);
}

#[tokio::test]
async fn a_damaged_file_is_left_as_it_is_and_the_error_says_where() {
    let fixture = Fixture::new();
    fixture.store.write(&[entry(1, 0)]).await.expect("written");
    let good = fs::read_to_string(fixture.path()).expect("read");
    for damage in [
        &b"nonsense"[..],
        b"nonsense CgA=",
        b"12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz",
        b"12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz CgA",
        b"12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz !",
        b"\xff\xfe\x00",
        b" #",
    ] {
        let damaged = [good.as_bytes(), damage, b"\n"].concat();
        fixture.set(&damaged);
        let read = fixture.store.read(&[peer(1)]).await.map(drop);
        let write = fixture.store.write(&[entry(1, 1)]).await;
        for result in [read, write] {
            let error = io_error(result.expect_err("damaged"));
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let place = format!("`{}`: line 3: ", fixture.path().display());
            assert!(error.to_string().contains(&place), "{error}");
        }
        assert_eq!(fs::read(fixture.path()).expect("read"), damaged);
    }
}

#[tokio::test]
async fn a_cut_file_is_an_error_or_a_part_of_the_whole_and_never_a_panic() {
    let fixture = Fixture::new();
    let all = [entry(1, 0), entry(2, 0)];
    fixture.store.write(&all).await.expect("written");
    let whole = fs::read(fixture.path()).expect("read");
    for len in 0..whole.len() {
        fixture.set(&whole[..len]);
        match fixture.store.read(&[peer(1), peer(2)]).await {
            Ok(found) => assert!(found.len() <= 2),
            Err(error) => assert_eq!(io_error(error).kind(), io::ErrorKind::InvalidData),
        }
    }
}

#[tokio::test]
async fn a_file_too_long_is_not_read() {
    let fixture = Fixture::new();
    fixture.set(vec![b'\n'; 4 * 1024 * 1024]);
    assert_eq!(fixture.store.read(&[peer(1)]).await.expect("read"), []);
    fixture.set(vec![b'\n'; 4 * 1024 * 1024 + 1]);
    let error = fixture.store.read(&[peer(1)]).await.expect_err("too long");
    assert_eq!(io_error(error).kind(), io::ErrorKind::FileTooLarge);
}

#[tokio::test]
async fn what_a_crash_left_behind_does_not_disturb_the_next_write() {
    let fixture = Fixture::new();
    fs::write(fixture.directory.path().join("peers.tmp"), "half").expect("written");
    fixture.store.write(&[entry(1, 0)]).await.expect("written");
    let found = fixture.store.read(&[peer(1)]).await.expect("read");
    assert_eq!(found, [entry(1, 0)]);
    assert_eq!(fixture.files(), ["peers"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("missing").join("peers");
    let store = FileStore::new(&path);
    let error = io_error(store.write(&[entry(1, 0)]).await.expect_err("no directory"));
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test]
async fn of_too_many_peers_the_written_ones_stay() {
    let fixture = Fixture::new();
    let mut text = String::new();
    for number in 0..MAX_PEERS {
        let mut key = [0xff; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let peer = PeerId::from(tower_multiserver_core::PublicKey::from_bytes(key));
        writeln!(text, "{peer} AAAA").expect("a text");
    }
    fixture.set(text);
    let new = [entry(1, 0), entry(2, 0)];
    fixture.store.write(&new).await.expect("written");
    let kept = read(&fixture.path()).expect("read");
    assert_eq!(kept.len(), MAX_PEERS);
    assert!(new.iter().all(|entry| kept.contains_key(&entry.peer)));
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let fixture = Fixture::new();
    fixture.store.write(&[entry(1, 0)]).await.expect("written");
    let metadata = fs::metadata(fixture.path()).expect("a file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}
