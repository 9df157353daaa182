//! The sending side.

use tower_multiserver_core::sealed::{Seal, Sealed};

use super::{LENGTH, OVERHEAD, TEXT_MAX, TransportKey};

/// Seals one direction of a connection.
#[derive(Debug)]
pub struct Sealer(TransportKey);

impl Sealer {
    /// Begins a direction.
    pub fn new(key: TransportKey) -> Self {
        Self(key)
    }

    /// The key, with the nonce of the next message.
    pub fn key(&self) -> &TransportKey {
        &self.0
    }

    /// Seals as much of `text` as `out` has room for, in frames as long as they may be.
    ///
    /// A frame takes [`OVERHEAD`] bytes more than its text. Where `out` has room for no text, nothing happens.
    pub fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
        let mut done = Sealed::default();
        loop {
            let (_, text) = text.split_at(done.read);
            let (_, out) = out.split_at_mut(done.written);
            let room = out.len().saturating_sub(OVERHEAD);
            let length = text.len().min(TEXT_MAX).min(room);
            if length == 0 {
                return done;
            }
            let (text, _) = text.split_at(length);
            done.written = done.written.saturating_add(self.frame(text, out));
            done.read = done.read.saturating_add(length);
        }
    }

    /// The end of the direction.
    pub fn goodbye(mut self) -> [u8; OVERHEAD] {
        let mut goodbye = [0; OVERHEAD];
        self.frame(&[], &mut goodbye);
        goodbye
    }

    fn frame(&mut self, text: &[u8], out: &mut [u8]) -> usize {
        let (length, message) = out.split_at_mut(LENGTH);
        let count = self.0.seal(text, message);
        length.copy_from_slice(&(count as u16).to_be_bytes());
        count.saturating_add(LENGTH)
    }
}

impl Seal for Sealer {
    const TEXT_MAX: usize = TEXT_MAX;
    const OVERHEAD: usize = OVERHEAD;
    const GOODBYE_MAX: usize = OVERHEAD;

    fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
        self.seal(text, out)
    }

    fn goodbye(self, out: &mut [u8]) -> usize {
        let (out, _) = out.split_at_mut(OVERHEAD);
        out.copy_from_slice(&self.goodbye());
        OVERHEAD
    }
}
