//! What of a box stream is sealed and was not sent yet.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::box_stream::{BODY_MAX, Sealer};

use super::buffer::{Buffer, FRAME};

/// The sending direction.
#[derive(Debug)]
pub(super) struct Writer {
    /// Until the goodbye.
    sealer: Option<Sealer>,
    /// At most a batch, and a goodbye behind it.
    sealed: Option<Buffer>,
}

impl Writer {
    pub(super) fn new(sealer: Sealer) -> Self {
        Self {
            sealer: Some(sealer),
            sealed: None,
        }
    }

    /// Whether the goodbye is sealed.
    pub(super) fn is_ended(&self) -> bool {
        self.sealer.is_none()
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_drained(&self) -> bool {
        self.sealed.is_none()
    }

    /// Seals a batch of `text`, and says how much of it that is. Call it when all is drained.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) after the goodbye.
    pub(super) fn seal(&mut self, text: &[u8]) -> io::Result<usize> {
        let sealer = self.sealer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let sealed = self.sealed.get_or_insert_with(Buffer::batch);
        Ok(seal(sealer, text, sealed))
    }

    /// The same for several texts in a row; short ones share a frame.
    pub(super) fn seal_vectored(&mut self, texts: &[IoSlice<'_>]) -> io::Result<usize> {
        let sealer = self.sealer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let sealed = self.sealed.get_or_insert_with(Buffer::batch);
        let mut texts = texts.iter().filter(|text| !text.is_empty()).peekable();
        // What is in it has its room in the batch, since all frames but the last are full.
        let mut shared = Buffer::frame();
        let mut count = 0;
        while let Some(text) = texts.next() {
            let mut text = &text[..];
            let is_last = texts.peek().is_none();
            while !text.is_empty() && sealed.room().len() >= FRAME {
                let taken = if shared.is_empty() && (is_last || text.len() >= BODY_MAX) {
                    let partial = if is_last { 0 } else { text.len() % BODY_MAX };
                    seal(sealer, &text[..text.len() - partial], sealed)
                } else {
                    let taken = text.len().min(BODY_MAX - shared.filled().len());
                    shared.push(&text[..taken]);
                    if shared.filled().len() == BODY_MAX {
                        seal(sealer, shared.filled(), sealed);
                        shared.clear();
                    }
                    taken
                };
                count += taken;
                text = &text[taken..];
            }
        }
        seal(sealer, shared.filled(), sealed);
        Ok(count)
    }

    /// Seals an empty frame, as the first thing.
    pub(super) fn seal_nothing(&mut self) {
        if let Some(sealer) = &mut self.sealer {
            let sealed = self.sealed.get_or_insert_with(Buffer::batch);
            sealed.push(&sealer.seal_nothing());
        }
    }

    /// Seals the goodbye, once.
    pub(super) fn end(&mut self) {
        if let Some(sealer) = self.sealer.take() {
            let sealed = self.sealed.get_or_insert_with(Buffer::batch);
            sealed.push(&sealer.goodbye());
        }
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

fn seal(sealer: &mut Sealer, text: &[u8], sealed: &mut Buffer) -> usize {
    let done = sealer.seal(text, sealed.room());
    sealed.fill(done.written);
    done.read
}
