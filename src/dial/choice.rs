//! Which addresses of a list may be dialed, and in which order.

use std::{collections::VecDeque, error, fmt};

use tower_multiserver_core::{Address, Error, MultiAddress};

use super::Attempts;

/// Why an address was left out: the source of an error of kind [`Unsupported`](crate::ErrorKind::Unsupported) among the
/// [`Attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotTried {
    /// It holds a seed, and such addresses were not asked for.
    Seed,
    /// Another one had been tried, of which one goes through Tor and one does not.
    OtherWay,
    /// As many as are allowed were tried before it.
    TooMany,
    /// The time for the whole list was over.
    TooLate,
}

impl fmt::Display for NotTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seed => "left out, since it holds a seed",
            Self::OtherWay => "left out, since onion addresses do not mix with others",
            Self::TooMany => "left out, since too many stand before it",
            Self::TooLate => "left out, since the time was over",
        })
    }
}

impl error::Error for NotTried {}

/// What was asked for by name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    pub(super) mix_onion: bool,
    pub(super) allow_seeds: bool,
}

/// How an address is reached, as far as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Onion,
    Open,
}

/// Addresses that wait to be dialed.
#[derive(Debug)]
pub(super) struct Queue {
    /// Those of either way, with their places in the list. Apart, so that the ones that must wait are not walked for each of
    /// the others.
    onion: VecDeque<(usize, Address)>,
    open: VecDeque<(usize, Address)>,
    /// That of the addresses which are being dialed, or which have been.
    way: Option<Way>,
    /// Whether something was sent that way.
    is_final: bool,
}

impl Queue {
    /// Those addresses that may be dialed; the others join `attempts`.
    pub(super) fn new(addresses: MultiAddress, choice: Choice, attempts: &mut Attempts) -> Self {
        let mut queue = Self {
            onion: VecDeque::new(),
            open: VecDeque::new(),
            way: None,
            is_final: false,
        };
        for (place, address) in addresses.into_iter().enumerate() {
            match choice.allow_seeds || !has_seed(&address) {
                true => queue
                    .waiting(choice.way(&address))
                    .push_back((place, address)),
                false => attempts.push(&address, Error::unsupported(NotTried::Seed)),
            }
        }
        queue
    }

    /// Whether there is one that may be dialed now.
    pub(super) fn has_next(&self) -> bool {
        self.next_way().is_some()
    }

    /// The next one, which will be dialed now.
    pub(super) fn next(&mut self) -> Option<Address> {
        let way = self.next_way()?;
        let (_, address) = self.waiting(way).pop_front()?;
        self.way = Some(way);
        Some(address)
    }

    /// One has failed; `is_last` if no other is being dialed. Returns whether anything was sent for it.
    pub(super) fn failed(&mut self, error: &Error, is_last: bool) -> bool {
        // To find out that a stack does not understand an address is free of side effects.
        let was_dialed = !error.is_unsupported();
        self.is_final |= was_dialed;
        if is_last && !self.is_final {
            self.way = None;
        }
        was_dialed
    }

    /// Nothing more will be dialed; what waits joins `attempts`.
    pub(super) fn close(self, why: NotTried, attempts: &mut Attempts) {
        let waiting = [(Way::Onion, self.onion), (Way::Open, self.open)];
        let mut left: Vec<_> = waiting
            .into_iter()
            .flat_map(|(way, addresses)| {
                let why = match self.way.is_some_and(|taken| taken != way) {
                    true => NotTried::OtherWay,
                    false => why,
                };
                addresses
                    .into_iter()
                    .map(move |(place, address)| (place, address, why))
            })
            .collect();
        left.sort_by_key(|(place, ..)| *place);
        for (_, address, why) in left {
            attempts.push(&address, Error::unsupported(why));
        }
    }

    /// The way of the next one.
    fn next_way(&self) -> Option<Way> {
        let waiting = [(Way::Onion, &self.onion), (Way::Open, &self.open)];
        let may_go = |way| self.way.is_none_or(|taken| taken == way);
        let waiting = waiting.into_iter().filter(|(way, _)| may_go(*way));
        let firsts = waiting.filter_map(|(way, addresses)| Some((addresses.front()?.0, way)));
        firsts.min_by_key(|(place, _)| *place).map(|(_, way)| way)
    }

    fn waiting(&mut self, way: Way) -> &mut VecDeque<(usize, Address)> {
        match way {
            Way::Onion => &mut self.onion,
            Way::Open => &mut self.open,
        }
    }
}

impl Choice {
    fn way(self, address: &Address) -> Way {
        match !self.mix_onion && is_onion(address) {
            true => Way::Onion,
            false => Way::Open,
        }
    }
}

pub(super) fn is_onion(address: &Address) -> bool {
    address.transport().name() == "onion"
}

/// Whether a section over the transport has a second argument, such as the seed in `shs:KEY:SEED`: what
/// [`Address::redacted`] takes for a secret by its place.
pub(super) fn has_seed(address: &Address) -> bool {
    let transforms = address.transforms();
    let mut args = transforms.iter().filter_map(|section| section.args());
    args.any(|args| args.contains(':'))
}

#[cfg(test)]
mod tests {
    use tower_multiserver_core::ErrorKind;

    use super::*;

    fn queue(text: &str, choice: Choice) -> (Queue, Attempts) {
        let mut attempts = Attempts::default();
        let queue = Queue::new(text.parse().unwrap(), choice, &mut attempts);
        (queue, attempts)
    }

    fn next(queue: &mut Queue) -> Option<String> {
        queue.next().map(|address| address.to_string())
    }

    #[test]
    fn what_was_not_understood_decides_no_way() {
        let (mut queue, _) = queue("onion:a;net:b;onion:c", Choice::default());
        assert_eq!(next(&mut queue).unwrap(), "onion:a");
        // As long as it may still be dialed, only its like may be too.
        assert_eq!(next(&mut queue).unwrap(), "onion:c");
        let unsupported = Error::unsupported("");
        assert!(!queue.failed(&unsupported, false) && !queue.has_next());
        assert!(!queue.failed(&unsupported, true) && queue.has_next());
        assert_eq!(next(&mut queue).unwrap(), "net:b");
    }

    #[test]
    fn what_was_dialed_decides_the_way() {
        for (text, left_out) in [
            ("onion:a;net:b", "net:b"),
            ("net:a;onion:b", "onion:b"),
            ("ws://a;onion:b~shs", "onion:b~shs"),
        ] {
            let (mut queue, mut attempts) = queue(text, Choice::default());
            queue.next().unwrap();
            assert!(queue.failed(&Error::new(ErrorKind::Io, ""), true) && !queue.has_next());
            queue.close(NotTried::TooMany, &mut attempts);
            let (address, error) = attempts.iter().next().unwrap();
            assert_eq!(address.to_string(), left_out);
            let why = error::Error::source(error).unwrap().downcast_ref();
            assert_eq!(why, Some(&NotTried::OtherWay));
        }
    }

    #[test]
    fn a_mixture_that_is_asked_for_is_taken_in_order() {
        let choice = Choice {
            mix_onion: true,
            ..Choice::default()
        };
        let (mut queue, _) = queue("net:a;onion:b;net:c", choice);
        let taken: Vec<_> = std::iter::from_fn(|| next(&mut queue)).collect();
        assert_eq!(taken, ["net:a", "onion:b", "net:c"]);
    }

    #[test]
    fn a_second_argument_of_a_transform_is_a_seed() {
        for (text, seed) in [
            ("net:h:1~shs:KEY", false),
            ("net:h:1~shs:KEY:SEED", true),
            ("net:h:1~noise:KEY:SEED~gzip", true),
            ("net:h:1~shs:KEY:", true),
            ("net:fe80::1:8008~noauth", false),
            (
                "ws://h:80/a/path/that/is/as/long/as/the/base64/of/a/key",
                false,
            ),
        ] {
            assert_eq!(has_seed(&text.parse().unwrap()), seed, "{text}");
        }
    }
}
