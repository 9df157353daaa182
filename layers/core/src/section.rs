//! One protocol of an address.

mod redact;

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use zeroize::{Zeroize, Zeroizing};

use self::redact::redact;
use crate::{
    Error,
    grammar::{End, Reader, SyntaxError, text_form},
};

pub(crate) use self::redact::Place;

/// One protocol of an [`Address`](crate::Address) with its arguments, such as `net:example.com:8008` or `shs:KEY`.
///
/// A section keeps its text whole, since protocols read their arguments in their own ways: an IPv6 host, a URL and a path
/// may all hold colons. [`FromSection`] turns it into typed arguments.
///
/// As text (`Display`, `FromStr`, serde) `!`, `~` and `;` are escaped by a `!` before them; [`name`](Self::name),
/// [`args`](Self::args) and [`text`](Self::text) are free of escapes. A section may hold a secret, such as the seed in
/// `shs:KEY:SEED`. Only those conversions let it out; `Debug` prints the [`redacted`](Self::redacted) form, and the memory
/// is wiped on drop.
///
/// # Example
///
/// ```
/// use tower_multiserver_core::Section;
///
/// let section = Section::new("unix").arg("/tmp/a~b:c");
/// assert_eq!(section.to_string(), "unix:/tmp/a!~b:c");
/// assert_eq!(section.name(), "unix");
/// assert_eq!(section.args(), Some("/tmp/a~b:c"));
/// assert_eq!(Section::try_from("unix:/tmp/a!~b:c")?, section);
/// # Ok::<_, tower_multiserver_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Section {
    /// Unescaped. It is not empty and does not begin with a colon.
    text: String,
}

impl Section {
    /// A section without arguments.
    ///
    /// # Panics
    ///
    /// If `name` is empty or holds a colon. Parse what comes from outside.
    pub fn new(name: impl Into<String>) -> Self {
        let text = name.into();
        assert!(
            !text.is_empty() && !text.contains(':'),
            "the name of a section is not empty and holds no colon"
        );
        Self { text }
    }

    /// Appends an argument: a colon and `arg`, whose own colons are not escaped.
    #[must_use]
    pub fn arg(self, arg: impl fmt::Display) -> Self {
        let arg = Zeroizing::new(arg.to_string());
        // Never grown, so no copy of a secret is left behind.
        let lens = [self.text.len(), ":".len(), arg.len()];
        let mut text = String::with_capacity(lens.iter().sum());
        text.push_str(&self.text);
        text.push(':');
        text.push_str(&arg);
        Self { text }
    }

    /// What stands before the first colon. It is never empty, and lower case as a rule; names are compared exactly.
    pub fn name(&self) -> &str {
        self.split().0
    }

    /// All that stands after the first colon: nothing for `noauth`, an empty text for `noauth:`.
    pub fn args(&self) -> Option<&str> {
        self.split().1
    }

    /// Name and arguments, without escapes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Without what may be a secret, to be shown to anyone.
    ///
    /// The section is taken for the first of an address, as in [`Address::redacted`](crate::Address::redacted), which
    /// says what is left out. Of those above the first, an address shows less.
    #[must_use]
    pub fn redacted(&self) -> Self {
        self.redacted_at(Place::Transport)
    }

    pub(crate) fn redacted_at(&self, place: Place) -> Self {
        let text = redact(&self.text, place);
        Self { text }
    }

    /// The name for a message: without secrets and control characters.
    pub(crate) fn shown_name(&self) -> String {
        self.redacted().name().escape_debug().to_string()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<(Self, End), SyntaxError> {
        let (text, end) = reader.section()?;
        Ok((Self { text }, end))
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.text.split_once(':') {
            Some((name, args)) => (name, Some(args)),
            None => (&self.text, None),
        }
    }
}

/// The typed arguments of a section.
///
/// ```
/// use tower_multiserver_core::{Error, FromSection, Section};
///
/// /// `throttle:BYTES`, a second.
/// struct Rate(u32);
///
/// impl FromSection for Rate {
///     fn from_section(section: &Section) -> Result<Self, Error> {
///         let rate = section.args().unwrap_or_default();
///         rate.parse().map(Self).map_err(Error::unsupported)
///     }
/// }
///
/// assert_eq!(Rate::from_section(&Section::new("throttle").arg(4096))?.0, 4096);
/// # Ok::<_, Error>(())
/// ```
pub trait FromSection: Sized {
    /// Reads the arguments. The caller has compared the name.
    ///
    /// # Errors
    ///
    /// The arguments are not of this type. An address makes the error's kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported), so that another stack may be tried. It must not repeat a secret.
    fn from_section(section: &Section) -> Result<Self, Error>;
}

/// No arguments.
impl FromSection for () {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args() {
            None => Ok(()),
            Some(_) => {
                let name = section.shown_name();
                Err(Error::unsupported(format!("`{name}` takes no arguments")))
            }
        }
    }
}

/// The section as it is.
impl FromSection for Section {
    fn from_section(section: &Section) -> Result<Self, Error> {
        Ok(section.clone())
    }
}

impl FromStr for Section {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
        match Self::read(&mut reader)? {
            (section, End::Text) => Ok(section),
            _ => Err(reader.expected("the end of the section").into()),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|char| {
            if matches!(char, '!' | '~' | ';') {
                f.write_char('!')?;
            }
            f.write_char(char)
        })
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.redacted().to_string();
        f.debug_tuple("Section").field(&text).finish()
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

text_form!(Section);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn the_name_ends_at_the_first_colon() {
        for (text, name, args) in [
            ("noauth", "noauth", None),
            ("noauth:", "noauth", Some("")),
            ("net:::1:8008", "net", Some("::1:8008")),
            ("net!::1", "net", Some(":1")),
            ("a!~b:c!;d", "a~b", Some("c;d")),
        ] {
            let section: Section = text.parse().unwrap();
            assert_eq!((section.name(), section.args()), (name, args), "{text}");
        }
    }

    #[test]
    fn the_text_of_one_section_holds_no_separator() {
        for text in ["net:h~noauth", "net:h;net:i", "net:h~", "net:h;"] {
            let error = Section::try_from(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
        }
    }

    #[test]
    fn no_arguments_means_not_even_empty_ones() {
        assert!(<()>::from_section(&Section::new("noauth")).is_ok());
        for text in ["noauth:", "noauth:KEY"] {
            let error = <()>::from_section(&text.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn debug_shows_no_seed_and_no_control_characters() {
        let seed = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";
        let section = Section::new("shs").arg("a\n").arg(seed);
        assert_eq!(format!("{section:?}"), r#"Section("shs:a\n:…")"#);
        assert_eq!(section.to_string(), format!("shs:a\n:{seed}"));
    }

    #[test]
    #[should_panic(expected = "not empty")]
    fn an_empty_name_is_a_bug() {
        let _ = Section::new("");
    }

    #[test]
    #[should_panic(expected = "holds no colon")]
    fn a_name_with_a_colon_is_a_bug() {
        let _ = Section::new("net:h");
    }
}
