//! `address check` and `address convert`.

use std::fmt::Write as _;

use tower_multiserver::{
    Address, MultiAddress, grammar,
    ssb::{self, Form},
};

use crate::{
    dial,
    failure::{Failure, root},
    input, print,
    report::harmless,
};

/// Says for each address whether it could be dialed. Fails when none could.
pub(crate) fn check(argument: &str) -> Result<(), Failure> {
    let text = input::text(argument)?;
    let addresses = ssb::parse(&text)?;
    let strict = match text.parse::<MultiAddress>() {
        Ok(same) if same == addresses => grammar::check(&text),
        // Its other forms have grammars of their own.
        _ => grammar::check(&addresses.to_string()),
    };

    let mut report = String::new();
    let mut understood = false;
    for address in &addresses {
        let verdict = match dial::check(address) {
            Ok(()) => {
                understood = true;
                "understood".to_owned()
            }
            Err(error) => format!("not understood: {}", root(&error)),
        };
        line(&mut report, &shown(address), &verdict);
    }
    let strict = match strict {
        Ok(()) => "holds".to_owned(),
        Err(error) => format!("does not hold: {error}"),
    };
    line(&mut report, "strict grammar", &strict);
    print(&report)?;
    match understood {
        true => Ok(()),
        false => Err(Failure::usage("none of the addresses is understood")),
    }
}

/// Prints the addresses in another form.
pub(crate) fn convert(argument: &str, to: Form) -> Result<(), Failure> {
    let addresses = input::addresses(argument)?;
    let text = ssb::to_text(&addresses, to)?;
    print(&text)?;
    print("\n")
}

/// An address without secrets.
pub(crate) fn shown(address: &Address) -> String {
    harmless(&address.redacted().to_string())
}

/// Adds what is said of a subject.
pub(crate) fn line(report: &mut String, subject: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(report, "{subject}: {}", harmless(words));
}
