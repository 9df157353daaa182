//! The receiving side.

use std::io;

use tower_multiserver_core::{
    Address, Error,
    sealed::{Next, Open, Opened},
};

use crate::crypto::TAG;

use super::{FRAME_MAX, FrameError, LENGTH, TransportKey};

/// The longest message that a frame may announce, in bytes.
const MESSAGE_MAX: usize = FRAME_MAX - LENGTH;

/// Opens one direction of a connection.
///
/// Nothing of a frame comes out before all of it has been verified, and nothing at all after an error or the goodbye.
#[derive(Debug)]
pub struct Opener {
    key: TransportKey,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// Behind the goodbye.
    Ended,
    /// Dead for good.
    Failed(FrameError),
}

impl Opener {
    /// Begins a direction.
    pub fn new(key: TransportKey) -> Self {
        Self {
            key,
            state: State::Open,
        }
    }

    /// The key, with the nonce of the next message.
    pub fn key(&self) -> &TransportKey {
        &self.key
    }

    /// Whether nothing more can come: the peer has ended the direction, or it failed.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// Opens the frames of `sealed` that are there as a whole and that `text` has room for.
    ///
    /// The next call must offer again the bytes that this one did not read.
    ///
    /// # Errors
    ///
    /// [`TooShort`](FrameError::TooShort), [`TooLong`](FrameError::TooLong) or [`Forged`](FrameError::Forged), by a call
    /// that wrote nothing: what came before is handed out first. All further calls fail alike.
    pub fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> Result<Opened, FrameError> {
        let mut done = Opened {
            read: 0,
            written: 0,
            next: Next::Call,
        };
        loop {
            let (_, sealed) = sealed.split_at(done.read);
            let (_, text) = text.split_at_mut(done.written);
            done.next = match self.state {
                State::Open => match self.frame(sealed, text) {
                    Ok((read, written)) => {
                        done.read = done.read.saturating_add(read);
                        done.written = done.written.saturating_add(written);
                        continue;
                    }
                    Err(next) => next,
                },
                State::Ended => Next::Nothing,
                State::Failed(error) if done.written == 0 => return Err(error),
                State::Failed(_) => Next::Call,
            };
            // An error that has come up just now is told by the next round.
            if done.next != Next::Call || done.written > 0 {
                return Ok(done);
            }
        }
    }

    /// Tells that the transport has ended.
    ///
    /// # Errors
    ///
    /// [`Truncated`](FrameError::Truncated) unless the peer has said goodbye, or the error that was before.
    pub fn end(&mut self) -> Result<(), FrameError> {
        match self.state {
            State::Ended => Ok(()),
            State::Failed(error) => Err(error),
            State::Open => {
                self.state = State::Failed(FrameError::Truncated);
                Err(FrameError::Truncated)
            }
        }
    }

    /// Opens one frame: how much of `sealed` it took and how much text it gave, or what is missing.
    fn frame(&mut self, sealed: &[u8], text: &mut [u8]) -> Result<(usize, usize), Next> {
        let Some((length, rest)) = sealed.split_first_chunk::<LENGTH>() else {
            return Err(Next::Sealed);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        // Before anything is waited for.
        let Some(count) = length.checked_sub(TAG) else {
            return Err(self.fail(FrameError::TooShort));
        };
        if length > MESSAGE_MAX {
            return Err(self.fail(FrameError::TooLong));
        }
        let (Some(message), text) = (rest.get(..length), text.get_mut(..count)) else {
            return Err(Next::Sealed);
        };
        let text = text.ok_or(Next::Room(count))?;
        if !self.key.open(message, text) {
            return Err(self.fail(FrameError::Forged));
        }
        if count == 0 {
            self.state = State::Ended;
        }
        Ok((LENGTH + length, count))
    }

    fn fail(&mut self, error: FrameError) -> Next {
        self.state = State::Failed(error);
        Next::Call
    }
}

/// An [`Opener`] whose errors say where they happened: an [`io::Error`] that carries an [`Error`] with the
/// [kind](FrameError::kind) and the place, whose source is the [`FrameError`].
#[derive(Debug)]
pub struct PlacedOpener {
    opener: Opener,
    at: Box<Address>,
}

impl PlacedOpener {
    /// Opens what comes from `at`.
    pub fn new(opener: Opener, at: Address) -> Self {
        Self {
            opener,
            at: Box::new(at),
        }
    }

    fn place<T>(&self, result: Result<T, FrameError>) -> io::Result<T> {
        result.map_err(|error| {
            let placed = Error::new(error.kind(), error).at(|| Address::clone(&self.at));
            io::Error::new(error.io_kind(), placed)
        })
    }
}

impl Open for PlacedOpener {
    type Error = io::Error;

    fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> io::Result<Opened> {
        let opened = self.opener.open(sealed, text);
        self.place(opened)
    }

    fn end(&mut self) -> io::Result<()> {
        let ended = self.opener.end();
        self.place(ended)
    }

    fn is_over(&self) -> bool {
        self.opener.is_over()
    }
}
