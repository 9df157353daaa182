//! What of a stream is sealed and was not sent yet.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::{
    Seal,
    buffer::{Buffer, LARGE},
};

/// The sending direction.
#[derive(Debug)]
pub(super) struct Writer<S> {
    /// Until the goodbye.
    sealer: Option<S>,
    /// At most a batch of full frames, and a goodbye behind it.
    sealed: Option<Buffer>,
}

impl<S> Writer<S> {
    pub(super) fn new(sealer: S) -> Self {
        Self {
            sealer: Some(sealer),
            sealed: None,
        }
    }

    /// The memory held in buffers, in bytes.
    pub(super) fn held(&self) -> usize {
        self.sealed.as_ref().map_or(0, Buffer::size)
    }

    /// Whether the goodbye is sealed.
    pub(super) fn is_ended(&self) -> bool {
        self.sealer.is_none()
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_drained(&self) -> bool {
        self.sealed.is_none()
    }

    /// Sends all that is sealed.
    pub(super) fn poll_drain(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(sealed) = &mut self.sealed {
            match ready!(io.as_mut().poll_write(cx, sealed.filled()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => sealed.consume(count),
            }
            if sealed.is_empty() {
                self.sealed = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Seal> Writer<S> {
    /// A full frame.
    const FRAME: usize = S::TEXT_MAX + S::OVERHEAD;

    /// As many full frames as have room before a goodbye.
    const BATCH: usize = {
        assert!(
            Self::FRAME + S::GOODBYE_MAX <= LARGE,
            "a frame has no room in a buffer"
        );
        (LARGE - S::GOODBYE_MAX) / Self::FRAME * Self::FRAME
    };

    /// Seals a batch of `text`, and says how much of it that is. Call it when all is drained.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) after the goodbye.
    pub(super) fn seal(&mut self, text: &[u8]) -> io::Result<usize> {
        let sealer = self.sealer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let sealed = self.sealed.get_or_insert_with(Buffer::large);
        Ok(Self::seal_into(sealer, text, sealed))
    }

    /// The same for several texts in a row; short ones share a frame.
    pub(super) fn seal_vectored(&mut self, texts: &[IoSlice<'_>]) -> io::Result<usize> {
        let sealer = self.sealer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let sealed = self.sealed.get_or_insert_with(Buffer::large);
        let mut texts = texts.iter().filter(|text| !text.is_empty()).peekable();
        // What is in it has its room in the batch, since all frames but the last are full.
        let mut shared = Buffer::with_room(S::TEXT_MAX);
        let mut count = 0;
        while let Some(text) = texts.next() {
            let mut text = &text[..];
            let is_last = texts.peek().is_none();
            while !text.is_empty() && Self::room(sealed).len() >= Self::FRAME {
                let taken = if shared.is_empty() && (is_last || text.len() >= S::TEXT_MAX) {
                    let partial = match is_last {
                        true => None,
                        false => text.len().checked_rem(S::TEXT_MAX),
                    };
                    let length = text.len().saturating_sub(partial.unwrap_or(0));
                    Self::seal_into(sealer, text.split_at(length).0, sealed)
                } else {
                    let room = S::TEXT_MAX.saturating_sub(shared.filled().len());
                    let taken = text.len().min(room);
                    shared.push(text.split_at(taken).0);
                    if shared.filled().len() == S::TEXT_MAX {
                        Self::seal_into(sealer, shared.filled(), sealed);
                        shared.clear();
                    }
                    taken
                };
                count = taken.saturating_add(count);
                (_, text) = text.split_at(taken);
            }
        }
        Self::seal_into(sealer, shared.filled(), sealed);
        Ok(count)
    }

    /// Seals a frame without text, as the first thing.
    pub(super) fn greet(&mut self, seal: impl FnOnce(&mut S, &mut [u8]) -> usize) {
        if let Some(sealer) = &mut self.sealer {
            let sealed = self.sealed.get_or_insert_with(Buffer::large);
            let count = seal(sealer, Self::room(sealed));
            sealed.fill(count);
        }
    }

    /// Seals the goodbye, once.
    pub(super) fn end(&mut self) {
        if let Some(sealer) = self.sealer.take() {
            let sealed = self.sealed.get_or_insert_with(Buffer::large);
            let count = sealer.goodbye(sealed.room());
            sealed.fill(count);
        }
    }

    fn seal_into(sealer: &mut S, text: &[u8], sealed: &mut Buffer) -> usize {
        let done = sealer.seal(text, Self::room(sealed));
        sealed.fill(done.written);
        done.read
    }

    /// What is free of the batch, so that there is always room for a goodbye.
    fn room(sealed: &mut Buffer) -> &mut [u8] {
        let room = sealed.room();
        let spare = const { LARGE - Self::BATCH };
        let count = room.len().saturating_sub(spare);
        room.split_at_mut(count).0
    }
}
