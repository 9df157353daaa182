//! What a connection is made of.

use std::{
    io,
    task::{Context, Poll},
};

use futures_core::TryStream;
use futures_util::{Sink, SinkExt as _, TryStreamExt as _};
use tower_multiserver_core::BoxError;

/// A pipe of texts, for both directions: a stream and a sink of strings, whole and at most once each, in any order.
/// Implemented for every type that fits.
///
/// A pipe of lines is one: tokio-util's `Framed` with its `LinesCodec`, over a child's stdin and stdout. Give such a codec
/// a longest line; a message that comes from here has less than 65 KiB.
pub trait Pipe:
    TryStream<Ok = String, Error: Into<BoxError>>
    + Sink<String, Error: Into<BoxError>>
    + Send
    + Unpin
    + 'static
{
}

impl<P> Pipe for P where
    P: TryStream<Ok = String, Error: Into<BoxError>>
        + Sink<String, Error: Into<BoxError>>
        + Send
        + Unpin
        + 'static
{
}

/// A pipe whose errors are those of IO.
#[derive(Debug)]
pub(super) struct Texts<P>(pub(super) P);

impl<P: Pipe> Texts<P> {
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<String>>> {
        self.0.try_poll_next_unpin(cx).map_err(into_io)
    }

    /// Waits for room for one text.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready_unpin(cx).map_err(into_io)
    }

    /// Sends a text, for which there is room.
    pub(super) fn send(&mut self, text: String) -> io::Result<()> {
        self.0.start_send_unpin(text).map_err(into_io)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush_unpin(cx).map_err(into_io)
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_unpin(cx).map_err(into_io)
    }
}

/// Keeps an error of IO as it is.
fn into_io(error: impl Into<BoxError>) -> io::Error {
    match error.into().downcast() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}
