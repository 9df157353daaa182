//! A circuit of its own for each peer.

use std::hash::{BuildHasher as _, Hash, RandomState};

use zeroize::Zeroizing;

use super::{Destination, proxy::Login};

/// Makes the names that a proxy keeps apart. Clones make the same ones; nobody else does.
#[derive(Clone, Debug, Default)]
pub(super) struct Isolation {
    keys: RandomState,
    whom: u64,
}

impl Isolation {
    pub(super) fn by(mut self, whom: impl Hash) -> Self {
        self.whom = self.keys.hash_one((self.whom, whom));
        self
    }

    /// As whom to log in for a connection to `to`. It tells the proxy nothing that it is not told anyway.
    pub(super) fn login(&self, to: &Destination) -> Login {
        let name = self.keys.hash_one((self.whom, to));
        Login {
            name: Zeroizing::new(format!("{name:016x}")),
            // It may not be empty.
            password: Zeroizing::new("0".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_multiserver_core::{FromSection as _, Section};

    use super::*;

    fn name(isolation: &Isolation, to: &str) -> String {
        let section: Section = format!("onion:{to}").parse().expect("a section");
        let to = Destination::from_section(&section).expect("a destination");
        isolation.login(&to).name.to_string()
    }

    #[test]
    fn names_differ_by_host_port_whom_and_value_and_are_else_the_same() {
        let (one, other) = (Isolation::default(), Isolation::default());
        let names = [
            name(&one, "a:1"),
            name(&one, "b:1"),
            name(&one, "a:2"),
            name(&one.clone().by("x"), "a:1"),
            name(&one.clone().by("y"), "a:1"),
            name(&one.clone().by("x").by("y"), "a:1"),
            name(&other, "a:1"),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{index} of {names:?}");
        }
        assert_eq!(names[0], name(&one.clone(), "a:1"));
        assert_eq!(names[3], name(&one.clone().by("x"), "a:1"));
    }
}
