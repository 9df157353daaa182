//! One way to reach a peer.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use crate::{
    Error, FromSection, Section,
    grammar::{End, Reader, SyntaxError, text_form},
    section::Place,
};

/// One way to reach a peer, such as `net:example.com:8008~shs:KEY`: a transport, and the transforms over it from the
/// innermost to the outermost.
///
/// It is also the request of a dial. A layer [takes](Self::take) its own section off the end and calls the service below
/// with the rest; the transport at the bottom [finishes](Self::finish) it.
///
/// An address is never empty. It may hold secrets, which only its text form (`Display`, serde) and its sections let out;
/// `Debug` prints the [`redacted`](Self::redacted) form.
///
/// # Example
///
/// ```
/// use tower_multiserver_core::{Address, Section};
///
/// let address: Address = "net:example.com:8008~noauth".parse()?;
/// assert_eq!(*address.transport(), Section::new("net").arg("example.com").arg(8008));
/// assert_eq!(address.transforms(), [Section::new("noauth")]);
///
/// let ((), rest) = address.take("noauth")?;
/// let net: Section = rest.finish("net")?;
/// assert_eq!(net.args(), Some("example.com:8008"));
/// # Ok::<_, tower_multiserver_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Never empty.
    sections: Vec<Section>,
}

impl Address {
    /// An address of a transport alone.
    pub fn new(transport: Section) -> Self {
        Self {
            sections: vec![transport],
        }
    }

    /// Lays one more section over this address.
    pub fn push(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// The sections, the transport first. There is at least one.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section, which says how to reach the peer.
    pub fn transport(&self) -> &Section {
        self.parts().0
    }

    /// The sections over the transport, the innermost first. There may be none.
    pub fn transforms(&self) -> &[Section] {
        self.parts().1
    }

    /// Takes the last section off if it is called `name`; returns its arguments, and the address below it.
    ///
    /// # Errors
    ///
    /// Of the kind [`Unsupported`](crate::ErrorKind::Unsupported), so that a server with several stacks tries the next one:
    /// the last section has another name (names are compared exactly, capitals count) or arguments of another type, or
    /// nothing is left for the transport.
    pub fn take<A: FromSection>(mut self, name: &str) -> Result<(A, Self), Error> {
        let args = self.last_as(name)?;
        if self.sections.len() == 1 {
            return Err(self.refused(format!("`{name}` has no transport below it")));
        }
        self.sections.pop();
        Ok((args, self))
    }

    /// The arguments of the only section, which is called `name`: for transports.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take), and if there are more sections than this one.
    pub fn finish<A: FromSection>(self, name: &str) -> Result<A, Error> {
        match self.sections.len() {
            1 => self.last_as(name),
            n => {
                let last = self.last().shown_name();
                Err(self.refused(format!(
                    "expected `{name}` alone, found {n} sections up to `{last}`"
                )))
            }
        }
    }

    /// Without what may be a secret, to be shown to anyone. `…` takes the place of
    ///
    /// - all that follows the first argument of each section but the first: the seed in `shs:KEY:SEED`;
    /// - anywhere but in a first argument, each text of 40 characters or more that could be base64, and so a key or a seed;
    /// - in a URL, what stands before the host: `ws://user:password@host`.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let places = std::iter::once(Place::Transport).chain(std::iter::repeat(Place::Transform));
        let sections = self.sections.iter().zip(places);
        let sections = sections.map(|(section, place)| section.redacted_at(place));
        Self {
            sections: sections.collect(),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<(Self, End), SyntaxError> {
        let mut sections = Vec::new();
        loop {
            let (section, end) = Section::read(reader)?;
            sections.push(section);
            if end != End::Section {
                return Ok((Self { sections }, end));
            }
        }
    }

    #[expect(clippy::expect_used, reason = "no way to make one leaves it empty")]
    fn parts(&self) -> (&Section, &[Section]) {
        let parts = self.sections.split_first();
        parts.expect("an address is never empty")
    }

    fn last(&self) -> &Section {
        let (transport, transforms) = self.parts();
        transforms.last().unwrap_or(transport)
    }

    fn last_as<A: FromSection>(&self, name: &str) -> Result<A, Error> {
        let last = self.last();
        if last.name() != name {
            let found = last.shown_name();
            return Err(self.refused(format!("expected `{name}`, found `{found}`")));
        }
        A::from_section(last).map_err(|error| match error.is_unsupported() {
            true => error.at(|| self.clone()),
            false => self.refused(error),
        })
    }

    fn refused(&self, why: impl Into<crate::BoxError>) -> Error {
        Error::unsupported(why).at(|| self.clone())
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
        match Self::read(&mut reader)? {
            (address, End::Text) => Ok(address),
            _ => Err(reader.expected("the end of the address").into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                f.write_char('~')?;
            }
            fmt::Display::fmt(section, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.redacted().to_string();
        f.debug_tuple("Address").field(&text).finish()
    }
}

text_form!(Address);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const KEY: &str = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";
    const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

    fn address(text: &str) -> Address {
        text.replace('S', SEED).replace('K', KEY).parse().unwrap()
    }

    #[derive(Debug)]
    struct Port;

    impl FromSection for Port {
        fn from_section(section: &Section) -> Result<Self, Error> {
            let port = section.args().unwrap_or_default().parse::<u16>();
            port.map(|_| Port)
                .map_err(|error| Error::new(ErrorKind::InvalidAddress, error))
        }
    }

    #[test]
    fn each_layer_takes_its_own_section_and_the_transport_the_first() {
        let (shs, rest) = address("net:h:1~shs:K~gzip")
            .take::<()>("gzip")
            .and_then(|((), rest)| rest.take::<Section>("shs"))
            .unwrap();
        assert_eq!(shs.args(), Some(KEY));
        assert_eq!(rest, address("net:h:1"));
        assert_eq!(rest.finish::<Section>("net").unwrap().args(), Some("h:1"));
    }

    #[test]
    fn what_a_layer_does_not_understand_is_unsupported() {
        let refusals = [
            address("net:h:1").take::<()>("noauth").unwrap_err(),
            address("net:h:1~shs:K").take::<()>("noauth").unwrap_err(),
            address("net:h:1~NoAuth").take::<()>("noauth").unwrap_err(),
            address("net:h:1~noauth:K")
                .take::<()>("noauth")
                .unwrap_err(),
            address("net:h:1~port:x").take::<Port>("port").unwrap_err(),
            address("noauth").take::<()>("noauth").unwrap_err(),
            address("ws://h").finish::<Section>("net").unwrap_err(),
            address("port:99999").finish::<Port>("port").unwrap_err(),
            address("net:h:1~net:i:1")
                .finish::<Section>("net")
                .unwrap_err(),
            address("net:h:1~noauth")
                .finish::<Section>("net")
                .unwrap_err(),
        ];
        for error in refusals {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(error.address().is_some(), "{error:?}");
        }
    }

    #[test]
    fn a_refusal_holds_no_secret() {
        for text in [
            "net:h:1~shs:K:S",
            "net:h:1~S",
            "S~noauth",
            "S",
            "shs:K:S",
            "h:8008:@K.ed25519~S",
            "net:h:1!~shs:K:S",
            "net:h:1!~shs:K:S!;net:h:1~noauth",
        ] {
            let taken = address(text).take::<()>("shs").unwrap_err();
            let finished = address(text).finish::<()>("shs").unwrap_err();
            for error in [taken, finished] {
                let source = std::error::Error::source(&error).unwrap();
                let shown = format!("{error} {error:?} {source}");
                assert!(!shown.contains(SEED), "{shown}");
            }
        }
    }

    #[test]
    fn debug_shows_an_address_without_its_secrets() {
        for (text, shown) in [
            ("net:h:1~shs:K:S", "net:h:1~shs:K:…"),
            (
                "net:h:1~shs:K:S~pw:alice:bob~gzip",
                "net:h:1~shs:K:…~pw:alice:…~gzip",
            ),
            ("shs:K:S", "shs:K:…"),
            ("h:8008:@K.ed25519~S", "h:8008:@….ed25519~…"),
            ("net:h:1!~shs:K:S", "net:h:1!~shs:…:…"),
            ("ws://user:pass@h:80/p~shs:K", "ws://…@h:80/p~shs:K"),
        ] {
            let shown = shown.replace('K', KEY);
            assert_eq!(
                format!("{:?}", address(text)),
                format!("Address(\"{shown}\")")
            );
            assert_eq!(address(text).redacted().to_string(), shown);
        }
    }

    #[test]
    fn control_characters_reach_no_log() {
        let address = address("net:h\r\n\u{1b}[31m:1~a\u{202e}b");
        let error = address.clone().take::<()>("noauth").unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        for shown in [
            format!("{address:?}"),
            error.to_string(),
            source.to_string(),
        ] {
            assert!(
                !shown.contains(['\r', '\n', '\u{1b}', '\u{202e}']),
                "{shown:?}"
            );
        }
    }
}
