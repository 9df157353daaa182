//! The receiving direction, free of IO.

use std::fmt;

use async_compression::core::util::{PartialBuffer, WriteBuffer};

use crate::{
    CompressionError,
    format::{Decoder, Format, malformed},
    limits::Limits,
};

/// So many bytes in a row may bring nothing. A block of zstd may take 128 KiB before its content comes, and no header that
/// is meant well comes near that; but empty members, empty blocks, skippable frames of 4 GiB and endless file names cost
/// the peer only what it sends, and us our time.
pub const EMPTY_MAX: u64 = 256 << 10;

/// Turns a stream of one direction into what was compressed, byte by byte as it is asked for.
pub(crate) struct Decompressor {
    format: &'static Format,
    /// From the first byte to the last.
    decoder: Option<Decoder>,
    stage: Stage,
    /// Whether the transport can end this direction, so that a member's end need not be that of the stream.
    may_go_on: bool,
    /// Whether a whole member has been read.
    has_content: bool,
    limits: Limits,
    read: u64,
    written: u64,
    /// How many bytes went in since the last one came out.
    empty: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the first byte of a member.
    Start,
    Member {
        is_skippable: bool,
    },
    Over,
    Failed(CompressionError),
}

/// What [`Decompressor::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// So many bytes of the input are done with.
    pub(crate) read: usize,
    /// So many bytes of the output are filled.
    pub(crate) written: usize,
    pub(crate) next: Next,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More may come out of what is there.
    Call,
    /// It needs more input, or the word that there is none: [`Decompressor::end`].
    Input,
    /// The peer has ended the stream.
    Nothing,
}

impl Decompressor {
    pub(crate) fn new(format: &'static Format, limits: Limits, may_go_on: bool) -> Self {
        Self {
            format,
            decoder: None,
            stage: Stage::Start,
            may_go_on,
            has_content: false,
            limits,
            read: 0,
            written: 0,
            empty: 0,
        }
    }

    /// Whether nothing more can come: the peer has ended the stream, or it failed.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over | Stage::Failed(_))
    }

    /// Decodes some of `input` into `output`, which has room.
    ///
    /// # Errors
    ///
    /// For good, once there is one.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Decoded, CompressionError> {
        let nothing = |next| Decoded {
            read: 0,
            written: 0,
            next,
        };
        match (&self.stage, input.first()) {
            (Stage::Failed(error), _) => return Err(error.clone()),
            (Stage::Over, _) => return Ok(nothing(Next::Nothing)),
            (Stage::Start, None) => return Ok(nothing(Next::Input)),
            (Stage::Start, Some(first)) => {
                if !(self.format.fits)(*first) {
                    return Err(self.fail(CompressionError::Window));
                }
                let is_skippable = (self.format.is_skippable)(*first);
                self.stage = Stage::Member { is_skippable };
            }
            (Stage::Member { .. }, _) => {}
        }
        self.step(input, output).map_err(|error| self.fail(error))
    }

    /// The transport has ended: a [truncation](CompressionError::Truncated), unless it is over or between two members. The
    /// next [`decode`](Self::decode) tells.
    pub(crate) fn end(&mut self) {
        match &self.stage {
            Stage::Start if self.has_content => self.finish(),
            Stage::Start | Stage::Member { .. } => {
                self.fail(CompressionError::Truncated);
            }
            Stage::Over | Stage::Failed(_) => {}
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Decoded, CompressionError> {
        let room = match self.limits.room(self.read, self.written) {
            Ok(room) => usize::try_from(room).unwrap_or(usize::MAX),
            // An end may still come, and so may what makes room for one byte more.
            Err(_) => 0,
        };
        let mut probe = [0];
        let (target, is_probe) = match room {
            0 => (&mut probe[..], true),
            room => {
                let (target, _) = output.split_at_mut(output.len().min(room));
                (target, false)
            }
        };
        let (read, written, is_end) = self.run(input, target)?;
        self.read = self.read.saturating_add(read as u64);
        if is_probe && written > 0 {
            self.limits.room(self.read, self.written)?;
            for (to, byte) in output.iter_mut().zip(probe) {
                *to = byte;
            }
        }
        self.written = self.written.saturating_add(written as u64);
        self.empty = match written {
            0 => self.empty.saturating_add(read as u64),
            _ => 0,
        };
        if self.empty > EMPTY_MAX {
            return Err(CompressionError::Empty);
        }
        if is_end {
            self.end_member()?;
        }
        let next = match self.stage {
            Stage::Over => Next::Nothing,
            _ if is_end || read > 0 || written > 0 => Next::Call,
            _ if input.is_empty() => Next::Input,
            // It would go on for ever.
            _ => return Err(CompressionError::Malformed("no progress".to_owned())),
        };
        Ok(Decoded {
            read,
            written,
            next,
        })
    }

    /// Lets the decoder work: bytes read, bytes written, and whether the member has ended.
    fn run(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(usize, usize, bool), CompressionError> {
        let decoder = self.decoder.get_or_insert_with(self.format.decoder);
        let mut from = PartialBuffer::new(input);
        let mut to = WriteBuffer::new_initialized(output);
        let is_end = match decoder.decode(&mut from, &mut to) {
            Ok(is_end) => is_end,
            Err(error) => match (self.format.failure)(&error, !input.is_empty()) {
                Some(failure) => return Err(failure),
                None => false,
            },
        };
        Ok((from.written().len(), to.written_len(), is_end))
    }

    fn end_member(&mut self) -> Result<(), CompressionError> {
        let is_skippable = self.stage == Stage::Member { is_skippable: true };
        self.has_content |= !is_skippable;
        let goes_on = is_skippable || (self.format.has_members && self.may_go_on);
        match &mut self.decoder {
            Some(decoder) if goes_on => {
                self.stage = Stage::Start;
                decoder.reinit().map_err(|error| malformed(&error))
            }
            _ => {
                self.finish();
                Ok(())
            }
        }
    }

    fn finish(&mut self) {
        self.stage = Stage::Over;
        self.decoder = None;
    }

    fn fail(&mut self, error: CompressionError) -> CompressionError {
        self.stage = Stage::Failed(error.clone());
        self.decoder = None;
        error
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("format", &self.format)
            .field("stage", &self.stage)
            .field("read", &self.read)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
