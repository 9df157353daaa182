//! The sending direction, free of IO.

use std::{fmt, io};

use async_compression::core::util::{PartialBuffer, WriteBuffer};

use crate::format::{Encoder, Format};

/// Turns what is written into a compressed stream of one member.
pub(crate) struct Compressor {
    format: &'static Format,
    level: i32,
    stage: Stage,
    /// Whether the compressor holds back what a flush would give.
    holds_back: bool,
    /// Whether a flush has begun, which has to be finished before anything else.
    is_flushing: bool,
}

enum Stage {
    /// Nothing was written yet: most connections of a server wait, and a compressor takes up to some MiB.
    Idle,
    Open(Encoder),
    /// The end of the member is all that is left to give.
    Ending(Encoder),
    Ended,
}

impl Compressor {
    pub(crate) fn new(format: &'static Format, level: i32) -> Self {
        Self {
            format,
            level,
            stage: Stage::Idle,
            holds_back: false,
            is_flushing: false,
        }
    }

    /// Whether it takes no more.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ending(_) | Stage::Ended)
    }

    /// Whether all of the end has been given.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Whether the compressor holds back what [`flush`](Self::flush) would give.
    pub(crate) fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// Whether a flush has begun, which has to be finished before anything else.
    pub(crate) fn is_flushing(&self) -> bool {
        self.is_flushing
    }

    /// Takes some of `text`, which is not empty, and gives some of the stream: how many bytes of each. `output` has room.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) behind the end.
    pub(crate) fn encode(&mut self, text: &[u8], output: &mut [u8]) -> io::Result<(usize, usize)> {
        if let Stage::Idle = self.stage {
            self.stage = Stage::Open((self.format.encoder)(self.level));
        }
        let Stage::Open(encoder) = &mut self.stage else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut from = PartialBuffer::new(text);
        let mut to = WriteBuffer::new_initialized(output);
        encoder.encode(&mut from, &mut to)?;
        let read = from.written().len();
        self.holds_back |= read > 0;
        Ok((read, to.written_len()))
    }

    /// Gives what was held back, as far as there is room: how many bytes. Call it until nothing is.
    pub(crate) fn flush(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let Stage::Open(encoder) = &mut self.stage else {
            self.holds_back = false;
            return Ok(0);
        };
        let mut to = WriteBuffer::new_initialized(output);
        self.is_flushing = !encoder.flush(&mut to)?;
        self.holds_back = self.is_flushing;
        Ok(to.written_len())
    }

    /// Gives the end of the stream, as far as there is room: how many bytes. Call it until it is
    /// [finished](Self::is_finished).
    pub(crate) fn finish(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.holds_back = false;
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let mut encoder = match stage {
            Stage::Idle => (self.format.encoder)(self.level),
            Stage::Open(encoder) | Stage::Ending(encoder) => encoder,
            Stage::Ended => return Ok(0),
        };
        let mut to = WriteBuffer::new_initialized(output);
        if !encoder.finish(&mut to)? {
            self.stage = Stage::Ending(encoder);
        }
        Ok(to.written_len())
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("format", &self.format)
            .field("level", &self.level)
            .field("holds_back", &self.holds_back)
            .finish_non_exhaustive()
    }
}
