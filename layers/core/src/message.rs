//! The messages of a handshake, whose lengths are known.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Error, Io};

/// Sends a message of a handshake, and flushes. `gone` is the error where the peer has closed, which may be its way to
/// refuse.
///
/// # Errors
///
/// `gone`, or what else is wrong with the transport.
pub async fn send_message(
    io: &mut impl Io,
    message: &[u8],
    gone: impl FnOnce() -> Error,
) -> Result<(), Error> {
    let sent = async {
        io.write_all(message).await?;
        io.flush().await
    };
    sent.await.map_err(|error| gone_or(gone, error))
}

/// Receives a message of a handshake, and not a byte more: what comes behind it belongs to what comes after. `gone` is
/// the error where the peer has closed, which may be its way to refuse.
///
/// # Errors
///
/// `gone`, or what else is wrong with the transport.
pub async fn receive_message<const N: usize>(
    io: &mut impl Io,
    gone: impl FnOnce() -> Error,
) -> Result<[u8; N], Error> {
    let mut message = [0; N];
    match io.read_exact(&mut message).await {
        Ok(_) => Ok(message),
        Err(error) => Err(gone_or(gone, error)),
    }
}

fn gone_or(gone: impl FnOnce() -> Error, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::WriteZero => gone(),
        _ => error.into(),
    }
}
