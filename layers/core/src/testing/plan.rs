//! What happens in one case.

use fastrand::Rng;

use super::{Fault, Manner, Side};

/// In so many pieces all that is said goes over the wire at most, and about so many times as many polls it takes.
const GRAINS: usize = 200;

/// What happens in one case, drawn by its seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) manner: Manner,
    /// So much either side has to say, the dialer first.
    pub(super) lengths: [u64; 2],
    /// Which bits its bytes use, so that some texts are easily compressed.
    pub(super) mask: u8,
    /// So much is read or written at most in one call.
    pub(super) piece: usize,
    /// So many calls of 256 are cancelled.
    pub(super) cancels: u8,
    /// Whether the halves of a side are in tasks of their own.
    pub(super) splits: [bool; 2],
    pub(super) trouble: Option<(Side, Trouble)>,
}

/// What goes wrong, and with whom it begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// With what the side sends.
    Fault(Fault),
    /// The side drops its handshake after so many polls.
    Abandon(usize),
    /// The side drops its connection when it has said so much.
    Leave(u64),
}

impl Plan {
    /// A short and smooth conversation.
    pub(super) fn smooth(trouble: Option<(Side, Trouble)>) -> Self {
        Self {
            seed: 0,
            manner: Manner::SMOOTH,
            lengths: [5, 7],
            mask: 0xff,
            piece: 10,
            cancels: 0,
            splits: [false, true],
            trouble,
        }
    }

    /// Over a transport that holds no less than `room` bytes.
    pub(super) fn draw(seed: u64, room: usize) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let most = if rng.u8(..16) == 0 { 17 } else { 12 };
        let lengths = [size(rng, most), size(rng, most)];
        // However narrow the pipe, a case is short: so many seeds more can be run.
        let grain = 1 + (lengths[0] + lengths[1]) as usize / GRAINS;
        let mut manner = Manner::draw(rng, grain);
        manner.capacity = manner.capacity.max(room);
        Self {
            seed,
            manner,
            lengths: [lengths[0] - 1, lengths[1] - 1],
            mask: rng.choice([0xff, 0x0f, 0x01]).unwrap_or(0),
            piece: (size(rng, 14) as usize).max(grain),
            cancels: rng.choice([0, 40, 128]).unwrap_or(0),
            splits: [rng.bool(), rng.bool()],
            trouble: Self::draw_trouble(rng, lengths),
        }
    }

    fn draw_trouble(rng: &mut Rng, lengths: [u64; 2]) -> Option<(Side, Trouble)> {
        let side = rng.choice(Side::BOTH)?;
        let trouble = match rng.u8(..8) {
            0..4 => return None,
            4 => Trouble::Fault(Fault::Cut(size(rng, 13) - 1)),
            5 => Trouble::Fault(Fault::Flip {
                byte: size(rng, 13) - 1,
                bit: rng.u8(..8),
            }),
            6 => Trouble::Abandon(size(rng, 6) as usize),
            _ => Trouble::Leave(rng.u64(..lengths[side as usize])),
        };
        Some((side, trouble))
    }
}

/// From 1 to 2^`most`, small ones as often as large ones.
pub(super) fn size(rng: &mut Rng, most: u32) -> u64 {
    let most = rng.u32(..=most);
    1 + rng.u64(..1 << most)
}
