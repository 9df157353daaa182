//! The key and the counting nonce of one direction.

use std::fmt;

use crate::crypto::{self, Secret};

/// After so many messages of a direction its key is replaced: what was said before stays secret from who steals the key
/// of now, and no key seals more than a fraction of what the cipher allows.
pub const REKEY_AFTER: u64 = 1 << 20;

/// The key of one direction, with the nonce of its next message. Wiped from memory when dropped.
///
/// It is not `Clone`: two users of one key would use a nonce twice.
pub struct TransportKey {
    // Boxed, so that moving it leaves no copies behind.
    key: Box<Secret>,
    nonce: u64,
    rekey_after: u64,
}

impl TransportKey {
    /// A direction with this key, whose first message has the nonce 0.
    pub fn new(key: &[u8; 32]) -> Self {
        let mut boxed = Box::<Secret>::default();
        boxed.copy_from_slice(key);
        Self {
            key: boxed,
            nonce: 0,
            rekey_after: REKEY_AFTER,
        }
    }

    /// The key of the next message.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The nonce of the next message: so many there were.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Seals the next message into `out`, and says how long it is.
    pub(crate) fn seal(&mut self, text: &[u8], out: &mut [u8]) -> usize {
        let length = crypto::seal(&self.key, self.nonce, &[], text, out);
        self.advance();
        length
    }

    /// Opens the next message into `text`, which is as long as it needs. One that is forged counts for nothing.
    #[must_use]
    pub(crate) fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> bool {
        let is_right = crypto::open(&self.key, self.nonce, &[], sealed, text);
        if is_right {
            self.advance();
        }
        is_right
    }

    fn advance(&mut self) {
        // It would take centuries to come to its end.
        self.nonce = self.nonce.saturating_add(1);
        if self.nonce.is_multiple_of(self.rekey_after) {
            let key = crypto::rekey(&self.key);
            self.key.copy_from_slice(&*key);
        }
    }
}

#[cfg(test)]
impl TransportKey {
    /// The same, replaced more often.
    pub(crate) fn rekeyed_after(mut self, messages: u64) -> Self {
        self.rekey_after = messages;
        self
    }

    /// The same, where that many messages are done with the key that it has.
    pub(crate) fn at(mut self, nonce: u64) -> Self {
        self.nonce = nonce;
        self
    }
}

/// Shows the nonce, which is no secret.
impl fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportKey")
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}
