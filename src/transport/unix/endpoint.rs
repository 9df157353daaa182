//! Where a unix socket is.

use std::path::{Path, PathBuf};

use tower_multiserver_core::{Error, FromSection, Section};

/// Where a unix socket is: the arguments of `unix:PATH` and `unix:@NAME`.
///
/// ```
/// use tower_multiserver::{FromSection, Section, unix::Endpoint};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let section: Section = "unix:/run/app.sock".parse()?;
/// assert_eq!(Endpoint::from_section(&section)?, Endpoint::Path("/run/app.sock".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The absolute path of a file.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the `@`.
    Abstract(String),
}

/// A socket address holds one byte more, which ends the path or begins the name (unix(7)).
const MAX_LEN: usize = match HAS_ABSTRACT_NAMES {
    true => 107,
    false => 103,
};

const HAS_ABSTRACT_NAMES: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Endpoint {
    /// The form that the system's calls take.
    pub(super) fn to_path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Abstract(name) => PathBuf::from(format!("\0{name}")),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('\0') {
            return Err("a NUL in the path");
        }
        let name = text.strip_prefix('@');
        if name.unwrap_or(text).len() > MAX_LEN {
            return Err("the path is longer than a socket's can be");
        }
        match name {
            Some("") => Err("an abstract name is not empty"),
            Some(name) if HAS_ABSTRACT_NAMES => Ok(Self::Abstract(name.to_owned())),
            Some(_) => Err("there are abstract names on Linux only"),
            None if !Path::new(text).is_absolute() => Err("the path is not absolute"),
            None => match text.rsplit('/').next() {
                Some("" | "." | "..") => Err("the path names no file"),
                _ => Ok(Self::Path(text.into())),
            },
        }
    }
}

impl FromSection for Endpoint {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match section.args() {
            None | Some("") => Err(Error::unsupported("`unix` needs a path, `unix:PATH`")),
            Some(text) => Self::parse(text).map_err(Error::unsupported),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_hold_anything_but_nul() {
        for path in [
            "/a",
            "/tmp/a:b c/é",
            "/tmp/;~!",
            "/a/../b",
            "/a.b/..c",
            "/@a",
        ] {
            let section = Section::new("unix").arg(path);
            let endpoint = Endpoint::from_section(&section).unwrap();
            assert_eq!(endpoint, Endpoint::Path(path.into()));
            assert_eq!(endpoint.to_path(), PathBuf::from(path));
        }
    }

    #[test]
    fn what_is_no_absolute_path_of_a_file_is_not_understood() {
        for path in [
            "a",
            "a/b",
            "./a",
            "../../etc/x",
            "~/a",
            " /a",
            "/",
            "/a/",
            "/a/.",
            "/a/..",
            "/a\0b",
            "\0a",
            "@",
            "@a\0",
        ] {
            let section = Section::new("unix").arg(path);
            let error = Endpoint::from_section(&section).unwrap_err();
            assert!(error.is_unsupported(), "{path:?}");
        }
        for section in [Section::new("unix"), Section::new("unix").arg("")] {
            assert!(Endpoint::from_section(&section).is_err());
        }
    }

    #[test]
    fn a_path_has_at_most_the_length_that_the_system_takes() {
        let path = |len: usize| Endpoint::parse(&format!("/{}", "é".repeat((len - 1) / 2)));
        assert!(path(MAX_LEN).is_ok());
        assert!(path(MAX_LEN + 2).is_err());
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn an_abstract_name_begins_with_an_at_sign() {
        let name = "a".repeat(MAX_LEN);
        let endpoint = Endpoint::parse(&format!("@{name}")).unwrap();
        assert_eq!(endpoint.to_path(), PathBuf::from(format!("\0{name}")));
        assert!(Endpoint::parse(&format!("@{name}a")).is_err());
    }
}
