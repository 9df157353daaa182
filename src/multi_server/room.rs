//! How many connections a server has at once.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_multiserver_core::{BoxIo, Connection, Error, ErrorKind, Io};

/// Room for so many connections, shared by the addresses of one server. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    max: usize,
}

impl Room {
    pub(super) fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(max)),
            max,
        }
    }

    /// Gives the connection a place until it is dropped, or turns it away.
    pub(super) fn admit<I: Io>(&self, connection: Connection<I>) -> Result<Connection, Error> {
        match self.free.clone().try_acquire_owned() {
            Ok(place) => Ok(connection.map(|io| BoxIo::new(Placed { io, _place: place }))),
            Err(_) => {
                let reason = format!("there are {} connections already", self.max);
                let address = || connection.info().address().clone();
                Err(Error::new(ErrorKind::Overloaded, reason).at(address))
            }
        }
    }
}

/// A stream that takes a place.
#[pin_project]
struct Placed<I> {
    #[pin]
    io: I,
    _place: OwnedSemaphorePermit,
}

impl<I: AsyncRead> AsyncRead for Placed<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for Placed<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tower_multiserver_core::Section;

    use super::*;

    #[test]
    fn a_place_is_taken_until_the_connection_is_dropped() {
        let room = Room::new(1);
        let peer = || Connection::new(duplex(1).0, Section::new("pipe"));
        let first = room.admit(peer()).unwrap();
        // What is known of it takes none.
        let info = first.info().clone();
        assert_eq!(
            room.admit(peer()).unwrap_err().kind(),
            ErrorKind::Overloaded
        );
        drop(first);
        assert!(room.clone().admit(peer()).is_ok());
        drop(info);
    }
}
