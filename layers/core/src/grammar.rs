//! The text of addresses: how it is read, and the strict grammar that other programs hold it to.
//!
//! `;` stands between addresses, `~` between sections, `:` between the parts of a section, and `!` before a character
//! takes its meaning away. Addresses are read as multiserver 3.8 reads them, which lets much more pass than the grammar of
//! [multiserver-address] 1.0.1: blanks, letters of any script, names in capitals. It differs from JavaScript in two places:
//! `!;` is a semicolon inside a section, as the grammar has it, and a section without a name is refused.
//!
//! Scuttlebutt applications accept only what passes the grammar. [`check`] tells whether an address is one to publish.
//!
//! ```
//! use tower_multiserver_core::{Address, grammar};
//!
//! let address: Address = "unix:/tmp/a b/socket~noauth".parse()?;
//! let error = grammar::check(&address.to_string()).expect_err("a blank");
//! assert_eq!(error.offset(), 11);
//! # Ok::<_, tower_multiserver_core::Error>(())
//! ```
//!
//! [multiserver-address]: https://www.npmjs.com/package/multiserver-address

use std::{error, fmt};

use crate::{Error, ErrorKind};

/// Checks a text against the strict grammar of multiserver-address 1.0.1.
///
/// ```text
/// multiaddress = address *( ";" address )
/// address      = protocol *( "~" protocol )
/// protocol     = name *( ":" data )
/// name         = %x61-7A 1*( %x61-7A / DIGIT / "-" )     ; lower case, two characters or more
/// data         = *( char / escaped )
/// char         = %x22-39 / %x3C-7D                       ; visible ASCII without ! : ; ~
/// escaped      = "!" ( "!" / ":" / ";" / "~" )
/// ```
///
/// Whatever passes can also be parsed as a [`MultiAddress`](crate::MultiAddress).
///
/// # Errors
///
/// The first byte that the grammar does not allow, or the end of the text if more should follow.
pub fn check(text: &str) -> Result<(), SyntaxError> {
    let mut state = State::NameStart;
    for (offset, byte) in text.bytes().enumerate() {
        state = match (state, byte) {
            (State::NameStart, b'a'..=b'z') => State::NameSecond,
            (State::NameSecond | State::Name, b'a'..=b'z' | b'0'..=b'9' | b'-') => State::Name,
            (State::Name | State::Data, b':') => State::Data,
            (State::Name | State::Data, b'~' | b';') => State::NameStart,
            (State::Data, b'!') => State::Escape,
            (State::Data, 0x22..=0x39 | 0x3c..=0x7d) => State::Data,
            (State::Escape, b'!' | b':' | b';' | b'~') => State::Data,
            (state, _) => return Err(state.expected_at(offset)),
        };
    }
    match state {
        State::Name | State::Data => Ok(()),
        state => Err(state.expected_at(text.len())),
    }
}

/// Where a text stops being an address, and what should stand there.
///
/// It is the [`source`](error::Error::source) of the errors of parsing. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    offset: usize,
    expected: &'static str,
}

impl SyntaxError {
    /// At the byte `offset`, `expected` should stand: for other ways of writing addresses.
    pub fn new(offset: usize, expected: &'static str) -> Self {
        Self { offset, expected }
    }

    /// What should stand there.
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// The place in the text, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

impl error::Error for SyntaxError {}

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Self {
        Self::new(ErrorKind::InvalidAddress, error)
    }
}

#[derive(Clone, Copy)]
enum State {
    NameStart,
    NameSecond,
    Name,
    Data,
    Escape,
}

impl State {
    fn expected_at(self, offset: usize) -> SyntaxError {
        let expected = match self {
            Self::NameStart => "a lower-case letter",
            Self::NameSecond => "a lower-case letter, a digit or `-`",
            Self::Name => "a lower-case letter, a digit, `-`, `:`, `~` or `;`",
            Self::Data => "visible ASCII",
            Self::Escape => "`!`, `:`, `;` or `~`",
        };
        SyntaxError { offset, expected }
    }
}

/// Reads a text section by section, in one pass.
pub(crate) struct Reader<'a> {
    rest: &'a str,
    /// Where `rest` begins.
    offset: usize,
}

/// What ended a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `~`: another section of this address follows.
    Section,
    /// `;`: another address follows.
    Address,
    Text,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            offset: 0,
        }
    }

    /// The next section, unescaped. It has a name.
    pub(crate) fn section(&mut self) -> Result<(String, End), SyntaxError> {
        let start = self.offset;
        let (escaped, end, rest) = split(self.rest);
        let section = unescape(escaped);
        if section.is_empty() || section.starts_with(':') {
            return Err(SyntaxError {
                offset: start,
                expected: "the name of a protocol",
            });
        }
        let separator = usize::from(end != End::Text);
        let len = escaped.len().saturating_add(separator);
        self.offset = start.saturating_add(len);
        self.rest = rest;
        Ok((section, end))
    }

    /// The error of a caller that wanted less than the text has: `expected` at the separator just passed.
    pub(crate) fn expected(&self, expected: &'static str) -> SyntaxError {
        let offset = self.offset.saturating_sub(1);
        SyntaxError { offset, expected }
    }
}

/// The text before the first separator without a `!` before it, and the text behind it.
fn split(text: &str) -> (&str, End, &str) {
    let mut is_escaped = false;
    let mut end = End::Text;
    let parts = text.split_once(|c| {
        match c {
            _ if std::mem::take(&mut is_escaped) => {}
            '!' => is_escaped = true,
            '~' => end = End::Section,
            ';' => end = End::Address,
            _ => {}
        }
        end != End::Text
    });
    let (before, behind) = parts.unwrap_or((text, ""));
    (before, end, behind)
}

/// `!` and a character are that character; a `!` at the end is itself.
fn unescape(text: &str) -> String {
    // Never grown, so no copy of what may be a secret is left behind.
    let mut unescaped = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        unescaped.push(match c {
            '!' => chars.next().unwrap_or('!'),
            c => c,
        });
    }
    unescaped
}

/// The conversions that every type with an address's text form has, from its `FromStr` and `Display`.
macro_rules! text_form {
    ($type:ty) => {
        impl TryFrom<&str> for $type {
            type Error = $crate::Error;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $type {
            type Error = $crate::Error;

            fn try_from(text: &String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::Error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                zeroize::Zeroizing::new(text).parse()
            }
        }

        /// As text, with its secrets.
        #[cfg(feature = "serde")]
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        /// From text.
        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
                text.parse().map_err(|error: $crate::Error| {
                    let source = std::error::Error::source(&error);
                    let source = source.map(ToString::to_string).unwrap_or_default();
                    serde::de::Error::custom(format_args!("{error}: {source}"))
                })
            }
        }
    };
}
pub(crate) use text_form;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_and_what_should_stand_there() {
        let error = check("net:a b").unwrap_err();
        assert_eq!(error.offset(), 5);
        assert_eq!(error.to_string(), "expected visible ASCII at byte 5");
        let unfinished = check("net:a!").unwrap_err();
        assert_eq!(unfinished.offset(), 6);
    }

    #[test]
    fn an_escape_hides_the_first_byte_of_a_long_character_and_no_separator() {
        assert!(split("a!é~b;c") == ("a!é", End::Section, "b;c"));
        assert!(split("a!!;b") == ("a!!", End::Address, "b"));
        assert!(split("a!~b") == ("a!~b", End::Text, ""));
        assert_eq!(unescape("a!é!!!"), "aé!!");
    }
}
