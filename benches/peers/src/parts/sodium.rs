//! The frames of the box stream by libsodium, in C: what other implementations of Secret Handshake have.

use alkali::{
    mem::FullAccess,
    symmetric::cipher::xsalsa20poly1305::{Key, Nonce, decrypt_detached, encrypt_detached},
};
use tower_multiserver::shs::box_stream::{BODY_MAX, HEADER};

use crate::Result;

use super::time;

const TAG: usize = 16;

/// `theirs` are the frames of `text` by the library, which must be the same.
pub(super) fn measure(
    mut add: impl FnMut(&str, f64) -> Option<f64>,
    (bytes, nonce): (&[u8; 32], Nonce),
    text: &[u8],
    theirs: &[u8],
) -> Result<()> {
    let mut key = Key::<FullAccess>::new_empty()?;
    key.copy_from_slice(bytes);
    let (mut sealed, mut opened) = (vec![0; theirs.len()], vec![0; text.len()]);
    seal(&key, nonce, text, &mut sealed)?;
    open(&key, nonce, &sealed, &mut opened)?;
    if sealed != theirs || opened != text {
        return Err("libsodium and the library have not the same frames".into());
    }
    add(
        "libsodium sealed",
        time(|| seal(&key, nonce, text, &mut sealed).is_ok())?,
    );
    add(
        "libsodium opened",
        time(|| open(&key, nonce, &sealed, &mut opened).is_ok())?,
    );
    Ok(())
}

fn seal(key: &Key<FullAccess>, mut nonce: Nonce, text: &[u8], sealed: &mut [u8]) -> Result<()> {
    let frames = sealed.chunks_mut(HEADER + BODY_MAX);
    for (text, frame) in text.chunks(BODY_MAX).zip(frames) {
        let (head, body) = frame.split_at_mut(HEADER);
        let of_head = take(&mut nonce);
        let (_, _, tag) = encrypt_detached(text, key, Some(&take(&mut nonce)), body)?;
        let mut header = [0; HEADER - TAG];
        header[..2].copy_from_slice(&(text.len() as u16).to_be_bytes());
        header[2..].copy_from_slice(&tag);
        let (_, _, tag) = encrypt_detached(&header, key, Some(&of_head), &mut head[TAG..])?;
        head[..TAG].copy_from_slice(&tag);
    }
    Ok(())
}

fn open(key: &Key<FullAccess>, mut nonce: Nonce, sealed: &[u8], text: &mut [u8]) -> Result<()> {
    let frames = sealed.chunks(HEADER + BODY_MAX);
    for (text, frame) in text.chunks_mut(BODY_MAX).zip(frames) {
        let (tag, rest) = frame.split_first_chunk::<TAG>().ok_or("cut off")?;
        let (head, body) = rest.split_at(HEADER - TAG);
        let mut header = [0; HEADER - TAG];
        decrypt_detached(head, tag, key, &take(&mut nonce), &mut header)?;
        let (_, tag) = header.split_last_chunk::<TAG>().ok_or("cut off")?;
        decrypt_detached(body, tag, key, &take(&mut nonce), text)?;
    }
    Ok(())
}

/// This nonce; and it is the next one then.
fn take(nonce: &mut Nonce) -> Nonce {
    let this = *nonce;
    for byte in nonce.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    this
}
