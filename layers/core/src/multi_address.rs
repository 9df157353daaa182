//! Several ways to reach one peer.

use std::{
    fmt::{self, Write},
    slice,
    str::FromStr,
    vec,
};

use crate::{
    Address, Error,
    grammar::{End, Reader, text_form},
};

/// Several ways to reach one peer, such as `net:example.com:8008~shs:KEY;wss://example.com~shs:KEY`, the preferred one
/// first.
///
/// It is never empty. As in an [`Address`], secrets leave it only as text and by its sections; `Debug` prints the
/// [`redacted`](Self::redacted) form. To tell whether other multiserver applications accept a text, see
/// [`grammar::check`](crate::grammar::check).
///
/// # Example
///
/// ```
/// use tower_multiserver_core::{Address, MultiAddress};
///
/// let both: MultiAddress = "net:h:8008~noauth;unix:/tmp/a!;b~noauth".parse()?;
/// let second = both.iter().nth(1).expect("two addresses");
/// assert_eq!(second.transport().args(), Some("/tmp/a;b"));
/// # Ok::<_, tower_multiserver_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MultiAddress {
    /// Never empty.
    addresses: Vec<Address>,
}

impl MultiAddress {
    /// One address, to which others may be added.
    pub fn new(first: Address) -> Self {
        Self {
            addresses: vec![first],
        }
    }

    /// Adds the least preferred address.
    pub fn push(&mut self, address: Address) {
        self.addresses.push(address);
    }

    /// The addresses, the preferred one first. There is at least one.
    pub fn iter(&self) -> slice::Iter<'_, Address> {
        self.addresses.iter()
    }

    /// Without what may be a secret: each address [redacted](Address::redacted).
    #[must_use]
    pub fn redacted(&self) -> Self {
        let addresses = self.iter().map(Address::redacted);
        Self {
            addresses: addresses.collect(),
        }
    }
}

impl From<Address> for MultiAddress {
    fn from(address: Address) -> Self {
        Self::new(address)
    }
}

impl Extend<Address> for MultiAddress {
    fn extend<I: IntoIterator<Item = Address>>(&mut self, addresses: I) {
        self.addresses.extend(addresses);
    }
}

impl IntoIterator for MultiAddress {
    type Item = Address;
    type IntoIter = vec::IntoIter<Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.addresses.into_iter()
    }
}

impl<'a> IntoIterator for &'a MultiAddress {
    type Item = &'a Address;
    type IntoIter = slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for MultiAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
        let mut addresses = Vec::new();
        loop {
            let (address, end) = Address::read(&mut reader)?;
            addresses.push(address);
            if end == End::Text {
                return Ok(Self { addresses });
            }
        }
    }
}

impl fmt::Display for MultiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.iter().enumerate() {
            if index > 0 {
                f.write_char(';')?;
            }
            fmt::Display::fmt(address, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for MultiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.redacted().to_string();
        f.debug_tuple("MultiAddress").field(&text).finish()
    }
}

text_form!(MultiAddress);

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

    #[test]
    fn the_preferred_address_comes_first() {
        let [a, b, c] =
            ["channel:a", "channel:b", "channel:c"].map(|a| Address::try_from(a).unwrap());
        let mut addresses = MultiAddress::from(a.clone());
        addresses.push(b.clone());
        addresses.extend([c.clone()]);
        assert_eq!(addresses.to_string(), "channel:a;channel:b;channel:c");
        assert_eq!((&addresses).into_iter().collect::<Vec<_>>(), [&a, &b, &c]);
        assert_eq!(addresses.into_iter().collect::<Vec<_>>(), [a, b, c]);
    }

    #[test]
    fn debug_shows_no_secret_of_any_address() {
        let text = format!("net:h:1~shs:K:{SEED};channel~shs:K:{SEED};{SEED}");
        let addresses: MultiAddress = text.parse().unwrap();
        assert_eq!(
            format!("{addresses:?}"),
            "MultiAddress(\"net:h:1~shs:K:…;channel~shs:K:…;…\")"
        );
        assert_eq!(addresses.to_string(), text);
    }
}
