//! The sending side of a box stream.

use tower_multiserver_core::sealed::{Seal, Sealed};

use super::{BODY_MAX, BoxKey, HEADER};

/// Seals one direction of a connection.
#[derive(Debug)]
pub struct Sealer(pub(super) BoxKey);

impl Sealer {
    /// Begins a direction.
    pub fn new(key: BoxKey) -> Self {
        Self(key)
    }

    /// The key, with the nonce of the next box.
    pub fn key(&self) -> &BoxKey {
        &self.0
    }

    /// Seals as much of `text` as `out` has room for, in frames as long as they may be.
    ///
    /// A frame takes [`HEADER`] bytes more than its text. Where `out` has room for no text, nothing happens.
    pub fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
        let mut done = Sealed::default();
        loop {
            let (_, text) = text.split_at(done.read);
            let (_, out) = out.split_at_mut(done.written);
            let length = text
                .len()
                .min(BODY_MAX)
                .min(out.len().saturating_sub(HEADER));
            if length == 0 {
                return done;
            }
            let (text, _) = text.split_at(length);
            let (out, _) = out.split_at_mut(length.saturating_add(HEADER));
            done.written = done.written.saturating_add(self.frame(text, out));
            done.read = done.read.saturating_add(length);
        }
    }

    /// A frame without text. The peer's application sees nothing of it.
    pub fn seal_nothing(&mut self) -> [u8; HEADER] {
        let mut frame = [0; HEADER];
        self.frame(&[], &mut frame);
        frame
    }

    /// The end of the direction.
    pub fn goodbye(mut self) -> [u8; HEADER] {
        let mut goodbye = [0; HEADER];
        self.header([0; 18], &mut goodbye);
        goodbye
    }

    fn frame(&mut self, text: &[u8], frame: &mut [u8]) -> usize {
        let (header, body) = frame.split_at_mut(HEADER);
        let tag = self.0.seal(1, text, body);
        let [high, low] = (text.len() as u16).to_be_bytes();
        let mut plain = [0; 18];
        plain[0] = high;
        plain[1] = low;
        plain[2..].copy_from_slice(&tag);
        self.header(plain, header);
        self.0.advance(2);
        frame.len()
    }

    pub(super) fn header(&mut self, plain: [u8; 18], header: &mut [u8]) {
        let (tag, sealed) = header.split_at_mut(16);
        tag.copy_from_slice(&self.0.seal(0, &plain, sealed));
    }
}

impl Seal for Sealer {
    const TEXT_MAX: usize = BODY_MAX;
    const OVERHEAD: usize = HEADER;
    const GOODBYE_MAX: usize = HEADER;

    fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
        self.seal(text, out)
    }

    fn goodbye(self, out: &mut [u8]) -> usize {
        let (out, _) = out.split_at_mut(HEADER);
        out.copy_from_slice(&self.goodbye());
        HEADER
    }
}
