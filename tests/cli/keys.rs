//! `key new` and `key show`.

use std::fs;

use crate::harness::{file, key, run};

#[tokio::test]
async fn a_new_key_is_its_owners_alone_and_its_id_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, id) = key(&directory, "secret").await;
    assert!(id.starts_with('@') && id.ends_with(".ed25519"), "{id}");
    let shown = run(&["key", "show", &path]).await;
    assert_eq!((shown.code, shown.text()), (Some(0), &*format!("{id}\n")));
    assert!(fs::read_to_string(&path).expect("a file").contains(&id));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

#[tokio::test]
async fn a_key_is_shown_by_its_peer_id_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, id) = key(&directory, "secret").await;
    let shown = run(&["key", "show", "--peer-id", &path]).await;
    let peer: tower_multiserver::PeerId = shown.text().trim_end().parse().expect("a peer id");
    assert_eq!((shown.code, peer.public_key().to_ssb_id()), (Some(0), id));
}

#[tokio::test]
async fn an_existing_file_is_never_overwritten() {
    let (_directory, path) = file("secret", "precious");
    let again = run(&["key", "new", &path.display().to_string()]).await;
    assert_eq!((again.code, again.text()), (Some(2), ""));
    assert!(
        again.told[0].contains(&path.display().to_string()),
        "{:?}",
        again.told
    );
    assert_eq!(fs::read_to_string(&path).expect("a file"), "precious");
}

#[tokio::test]
async fn what_is_no_key_file_is_2_and_not_quoted() {
    for text in ["precious", "{\"private\": \"precious\"}"] {
        let (_directory, path) = file("secret", text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(&path, private).expect("ours");
        }
        let shown = run(&["key", "show", &path.display().to_string()]).await;
        assert_eq!((shown.code, shown.text()), (Some(2), ""));
        assert!(
            !shown.told.concat().contains("precious"),
            "{:?}",
            shown.told
        );
    }
}
