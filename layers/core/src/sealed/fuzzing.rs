//! The body of a fuzz target: two ends do as they like, and each hears what the other one said.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use arbitrary::{Result, Unstructured};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::*;

/// A frame is its text between its length and as many bytes as make up the overhead: frames of the real sizes, at no cost.
struct Plain<const TEXT: usize, const OVERHEAD: usize> {
    ended: bool,
}

const LENGTH: usize = 4;

impl<const TEXT: usize, const OVERHEAD: usize> Plain<TEXT, OVERHEAD> {
    fn new() -> Self {
        Self { ended: false }
    }
}

impl<const TEXT: usize, const OVERHEAD: usize> Seal for Plain<TEXT, OVERHEAD> {
    const TEXT_MAX: usize = TEXT;
    const OVERHEAD: usize = OVERHEAD;
    const GOODBYE_MAX: usize = OVERHEAD;

    fn seal(&mut self, text: &[u8], out: &mut [u8]) -> Sealed {
        let mut done = Sealed::default();
        loop {
            let (text, out) = (&text[done.read..], &mut out[done.written..]);
            let room = out.len().saturating_sub(OVERHEAD);
            let length = text.len().min(TEXT).min(room);
            if length == 0 {
                return done;
            }
            out[..LENGTH].copy_from_slice(&(length as u32).to_be_bytes());
            out[OVERHEAD..][..length].copy_from_slice(&text[..length]);
            done.read += length;
            done.written += OVERHEAD + length;
        }
    }

    fn goodbye(self, out: &mut [u8]) -> usize {
        out[..OVERHEAD].fill(0);
        OVERHEAD
    }
}

impl<const TEXT: usize, const OVERHEAD: usize> Open for Plain<TEXT, OVERHEAD> {
    type Error = io::Error;

    fn open(&mut self, sealed: &[u8], text: &mut [u8]) -> io::Result<Opened> {
        let nothing = |next| Opened {
            read: 0,
            written: 0,
            next,
        };
        if self.ended {
            return Ok(nothing(Next::Nothing));
        }
        let Some(length) = sealed
            .get(..OVERHEAD)
            .and_then(|header| header.first_chunk())
        else {
            return Ok(nothing(Next::Sealed));
        };
        let length = u32::from_be_bytes(*length) as usize;
        self.ended = length == 0;
        Ok(
            match (sealed[OVERHEAD..].get(..length), text.get_mut(..length)) {
                (None, _) => nothing(Next::Sealed),
                (_, None) => nothing(Next::Room(length)),
                (Some(sealed), Some(text)) => {
                    text.copy_from_slice(sealed);
                    Opened {
                        read: OVERHEAD + length,
                        written: length,
                        next: Next::Call,
                    }
                }
            },
        )
    }

    fn end(&mut self) -> io::Result<()> {
        match self.ended {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn is_over(&self) -> bool {
        self.ended
    }
}

/// One end, and how much it has said and heard of what it says: a row of bytes of which each tells its place.
struct End<const TEXT: usize, const OVERHEAD: usize> {
    io: SealedIo<DuplexStream, Plain<TEXT, OVERHEAD>, Plain<TEXT, OVERHEAD>>,
    said: usize,
    heard: usize,
    ended: bool,
}

/// Reads, writes, flushes and ends of any sizes, over a transport of any size.
pub fn operations(data: &[u8]) {
    let mut u = Unstructured::new(data);
    // The sizes of a toy, of a box stream and of noise.
    let _ = match u.int_in_range(0..=2) {
        Ok(0) => run::<255, 5>(&mut u),
        Ok(1) => run::<4096, 34>(&mut u),
        _ => run::<65_517, 18>(&mut u),
    };
}

fn run<const TEXT: usize, const OVERHEAD: usize>(u: &mut Unstructured<'_>) -> Result<()> {
    let (a, b) = duplex(match u.arbitrary()? {
        true => u.int_in_range(10..=300)?,
        false => u.int_in_range(1000..=200_000)?,
    });
    let takes_shutdown = u.arbitrary()?;
    let mut ends = [a, b].map(|io| End::<TEXT, OVERHEAD> {
        io: SealedIo::new(io, Plain::new(), Plain::new(), takes_shutdown),
        said: 0,
        heard: 0,
        ended: false,
    });
    while !u.is_empty() {
        let [a, b] = &mut ends;
        let (end, other) = match u.arbitrary()? {
            true => (a, b),
            false => (b, a),
        };
        match u.int_in_range(0..=4)? {
            0 | 1 => end.read(length(u)?, other),
            2 => end.write(length(u)?),
            3 => end.flush(),
            _ => end.shutdown(),
        }
    }
    // Whatever was said is heard, and then the end.
    for _ in 0..4_000_000 {
        let [a, b] = &mut ends;
        a.shutdown();
        b.shutdown();
        a.read(100_000, b);
        b.read(100_000, a);
        if (a.heard, b.heard) == (b.said, a.said) {
            return Ok(());
        }
    }
    unreachable!("they hear each other out");
}

/// Mostly short, so that most runs are.
fn length(u: &mut Unstructured<'_>) -> Result<usize> {
    match u.int_in_range(0..=31)? {
        0 => u.int_in_range(0..=100_000),
        _ => u.int_in_range(0..=300),
    }
}

impl<const TEXT: usize, const OVERHEAD: usize> End<TEXT, OVERHEAD> {
    fn read(&mut self, length: usize, other: &Self) {
        let mut space = vec![0; length];
        let mut buf = ReadBuf::new(&mut space);
        match self.pin().poll_read(&mut context(), &mut buf) {
            Poll::Pending => assert!(buf.filled().is_empty(), "what is read is told"),
            Poll::Ready(read) => {
                read.expect("nobody breaks the transport");
                let is_end = buf.filled().is_empty() && length > 0;
                assert!(
                    !is_end || other.ended && self.heard == other.said,
                    "no end before it"
                );
                for byte in buf.filled() {
                    assert_eq!(*byte, at(self.heard));
                    self.heard += 1;
                }
                assert!(self.heard <= other.said);
            }
        }
    }

    fn write(&mut self, length: usize) {
        let text: Vec<u8> = (self.said..self.said + length).map(at).collect();
        match self.pin().poll_write(&mut context(), &text) {
            Poll::Pending => {}
            Poll::Ready(Ok(count)) => {
                assert!(count > 0 || length == 0 && !self.ended);
                self.said += count;
            }
            Poll::Ready(Err(error)) => {
                assert!(
                    self.ended && error.kind() == io::ErrorKind::BrokenPipe,
                    "{error}"
                );
            }
        }
    }

    fn flush(&mut self) {
        if let Poll::Ready(flushed) = self.pin().poll_flush(&mut context()) {
            flushed.expect("nobody breaks the transport");
        }
    }

    fn shutdown(&mut self) {
        self.ended = true;
        let polled = pin!(&mut self.io).poll_shutdown(&mut context());
        if let Poll::Ready(shut) = polled {
            shut.expect("nobody breaks the transport");
        }
    }

    fn pin(&mut self) -> Pin<&mut (impl AsyncRead + AsyncWrite + use<TEXT, OVERHEAD>)> {
        Pin::new(&mut self.io)
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The byte at a place.
fn at(place: usize) -> u8 {
    (place ^ place >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("sealed_operations", operations);
    }
}
