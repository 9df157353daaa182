//! The receiving side of a box stream.

use tower_multiserver_core::sealed::{Next, Open, Opened};

use crate::secretbox::Tag;

use super::{BODY_MAX, BoxKey, BoxStreamError, HEADER};

/// So many empty frames are passed over in one call, before others get their turn. Opening that many takes about as long
/// as opening a dozen full ones.
const EMPTY_TURN: usize = 64;

/// So many empty frames may follow each other without a pause: half a MiB of nothing. A peer that keeps a connection
/// alive with one a second has stalled for four hours when it reaches it.
const EMPTY_MAX: usize = 16_384;

/// Opens one direction of a connection.
///
/// Nothing of a frame comes out before all of it has been verified, and nothing at all after an error or the goodbye.
#[derive(Debug)]
pub struct Opener {
    key: BoxKey,
    state: State,
    /// The empty frames in a row.
    empty: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a header.
    Header,
    /// Behind a header that announced a body.
    Body { length: usize, tag: Tag },
    /// Behind the goodbye.
    Ended,
    /// Dead for good.
    Failed(BoxStreamError),
}

impl Opener {
    /// Begins a direction.
    pub fn new(key: BoxKey) -> Self {
        Self {
            key,
            state: State::Header,
            empty: 0,
        }
    }

    /// The key, with the nonce of the next box.
    pub fn key(&self) -> &BoxKey {
        &self.key
    }

    /// Whether nothing more can come: the peer has ended the direction, or it failed.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Failed(_))
    }

    /// Opens the frames of `sealed` that are there as a whole and that `text` has room for.
    ///
    /// The next call must offer again the bytes that this one did not read.
    ///
    /// # Errors
    ///
    /// [`Forged`](BoxStreamError::Forged), [`TooLong`](BoxStreamError::TooLong) or [`Empty`](BoxStreamError::Empty), by
    /// a call that wrote nothing: what came before is handed out first. All further calls fail alike.
    pub fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> Result<Opened, BoxStreamError> {
        let mut done = Opened {
            read: 0,
            written: 0,
            next: Next::Call,
        };
        let turn = self.empty.saturating_add(EMPTY_TURN);
        while self.empty < turn {
            let (_, sealed) = sealed.split_at(done.read);
            let (_, text) = text.split_at_mut(done.written);
            match self.state {
                State::Header => {
                    let Some((header, _)) = sealed.split_first_chunk() else {
                        done.next = Next::Sealed;
                        return Ok(done);
                    };
                    self.header(header);
                    done.read = done.read.saturating_add(HEADER);
                }
                State::Body { length, tag } => {
                    done.next = match (sealed.get(..length), text.get_mut(..length)) {
                        (None, _) => Next::Sealed,
                        (_, None) => Next::Room(length),
                        (Some(sealed), Some(text)) => {
                            self.body(&tag, sealed, text);
                            if let State::Header = self.state {
                                done.read = done.read.saturating_add(length);
                                done.written = done.written.saturating_add(length);
                            }
                            continue;
                        }
                    };
                    return Ok(done);
                }
                State::Ended => {
                    done.next = Next::Nothing;
                    return Ok(done);
                }
                State::Failed(error) if done.written == 0 => return Err(error),
                State::Failed(_) => break,
            }
        }
        done.next = Next::Call;
        Ok(done)
    }

    /// Tells that the peer has sent no more for now, so that the count of empty frames begins anew.
    pub fn pause(&mut self) {
        self.empty = 0;
    }

    /// Tells that the transport has ended.
    ///
    /// # Errors
    ///
    /// [`Truncated`](BoxStreamError::Truncated) unless the peer has said goodbye, or the error that was before.
    pub fn end(&mut self) -> Result<(), BoxStreamError> {
        match self.state {
            State::Ended => Ok(()),
            State::Failed(error) => Err(error),
            State::Header | State::Body { .. } => {
                self.state = State::Failed(BoxStreamError::Truncated);
                Err(BoxStreamError::Truncated)
            }
        }
    }

    fn header(&mut self, header: &[u8; HEADER]) {
        let mut plain = [0; 18];
        let parts = header.split_first_chunk();
        let is_right = parts.is_some_and(|(tag, sealed)| self.key.open(tag, sealed, &mut plain));
        self.state = if !is_right {
            State::Failed(BoxStreamError::Forged)
        } else if plain == [0; 18] {
            State::Ended
        } else {
            self.key.advance(1);
            let [high, low, tag @ ..] = plain;
            match u16::from_be_bytes([high, low]).into() {
                length @ 0..=BODY_MAX => State::Body { length, tag },
                _ => State::Failed(BoxStreamError::TooLong),
            }
        };
    }

    fn body(&mut self, tag: &Tag, sealed: &[u8], text: &mut [u8]) {
        if !self.key.open(tag, sealed, text) {
            self.state = State::Failed(BoxStreamError::Forged);
            return;
        }
        // Only now: a forged box must not move the nonce.
        self.key.advance(1);
        self.empty = match sealed.len() {
            0 => self.empty.saturating_add(1),
            _ => 0,
        };
        self.state = match self.empty {
            EMPTY_MAX.. => State::Failed(BoxStreamError::Empty),
            _ => State::Header,
        };
    }
}

impl Open for Opener {
    type Error = BoxStreamError;

    fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> Result<Opened, BoxStreamError> {
        self.open(sealed, text)
    }

    fn pause(&mut self) {
        self.pause();
    }

    fn end(&mut self) -> Result<(), BoxStreamError> {
        self.end()
    }

    fn is_over(&self) -> bool {
        self.is_over()
    }
}
