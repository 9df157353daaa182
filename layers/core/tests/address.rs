//! The text of addresses: any text at all, long texts, serde. What the JavaScript packages make of them is in
//! `address_vectors.rs`.

#![cfg(test)]

use proptest::prelude::*;
use tower_multiserver_core::{Address, Error, ErrorKind, MultiAddress, Section, grammar};

const KEY: &str = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";
const SEED: &str = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";

/// Any text, and such that is mostly separators.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ah!~;:é\n]{0,24}"]
}

fn section() -> impl Strategy<Value = Section> {
    let name = prop_oneof!["[^:]{1,8}", "[a!~;é]{1,8}"];
    (name, prop::collection::vec(text(), 0..4)).prop_map(|(name, args)| {
        let section = Section::new(name);
        args.into_iter().fold(section, Section::arg)
    })
}

fn address() -> impl Strategy<Value = Address> {
    (section(), prop::collection::vec(section(), 0..4)).prop_map(|(transport, above)| {
        let mut address = Address::new(transport);
        above.into_iter().for_each(|section| address.push(section));
        address
    })
}

fn multi_address() -> impl Strategy<Value = MultiAddress> {
    (address(), prop::collection::vec(address(), 0..4)).prop_map(|(first, others)| {
        let mut addresses = MultiAddress::new(first);
        addresses.extend(others);
        addresses
    })
}

/// What the grammar of multiserver-address allows.
const SECTION: &str = "[a-z][a-z0-9-]{1,3}(:(([\"-9<-}]|![!:;~]){0,4})){0,3}";

fn strict() -> impl Strategy<Value = String> {
    let address = prop::collection::vec(SECTION, 1..4).prop_map(|sections| sections.join("~"));
    prop::collection::vec(address, 1..4).prop_map(|addresses| addresses.join(";"))
}

proptest! {
    #[test]
    fn any_section_survives_its_text(section in section()) {
        prop_assert_eq!(section.to_string().parse::<Section>().unwrap(), section);
    }

    #[test]
    fn any_address_survives_its_text(address in address()) {
        prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
    }

    #[test]
    fn any_list_of_addresses_survives_its_text(addresses in multi_address()) {
        prop_assert_eq!(addresses.to_string().parse::<MultiAddress>().unwrap(), addresses);
    }

    #[test]
    fn any_text_is_a_list_of_addresses_or_refused_where_it_goes_wrong(text in text()) {
        match text.parse::<MultiAddress>() {
            Ok(addresses) => {
                prop_assert_eq!(addresses.to_string().parse::<MultiAddress>().unwrap(), addresses);
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidAddress);
                prop_assert!(text.is_char_boundary(offset(&error)));
            }
        }
    }

    #[test]
    fn what_the_grammar_allows_passes_and_can_be_parsed(text in strict()) {
        prop_assert_eq!(grammar::check(&text), Ok(()));
        prop_assert!(text.parse::<MultiAddress>().is_ok());
    }

    #[test]
    fn a_character_outside_the_grammar_is_refused_at_its_place(
        text in strict(),
        place: prop::sample::Index,
        foreign in prop::sample::select(vec![' ', '\t', '\n', '\0', '\u{7f}', 'é', '😀']),
    ) {
        let mut text = text;
        let place = place.index(text.len() + 1);
        text.insert(place, foreign);
        prop_assert_eq!(grammar::check(&text).unwrap_err().offset(), place);
    }

    /// However the text around it is cut or escaped.
    #[test]
    fn a_seed_after_a_key_is_never_shown(
        before in around(),
        key in prop::sample::select(vec![KEY, "AAAAAAAAAA//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "@", ""]),
        colon in prop::sample::select(vec![":", "!:", ":@"]),
        after in around(),
    ) {
        let text = format!("net:h{before}shs:{key}{colon}{SEED}{after}");
        let shown = match text.parse::<MultiAddress>() {
            Ok(addresses) => format!("{addresses:?} {}", addresses.redacted()),
            Err(error) => format!("{error:?} {error}"),
        };
        prop_assert!(!shown.contains(&SEED[..8]), "{} as {}", text, shown);
    }
}

fn around() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", ":", "~", "!~", "!;", ";a", "!", "!!", "!:", "//", "@", "/", "80", ".ed25519", KEY,
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..8).prop_map(|pieces| pieces.concat())
}

fn offset(error: &Error) -> usize {
    let source = std::error::Error::source(error).unwrap();
    let syntax: &grammar::SyntaxError = source.downcast_ref().unwrap();
    syntax.offset()
}

#[test]
fn a_section_without_a_name_is_refused_at_its_place() {
    for (text, place) in [
        ("", 0),
        ("~", 0),
        (":8008", 0),
        ("!:a", 0),
        ("a~", 2),
        ("a;;b", 2),
        ("a;b~:c", 4),
        ("é!~!;;", 7),
    ] {
        let error = text.parse::<MultiAddress>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
        assert_eq!(offset(&error), place, "{text}");
    }
}

#[test]
fn one_address_holds_no_second_one() {
    let error = Address::try_from("é:b;c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert_eq!(offset(&error), 4);
}

const MEBIBYTE: usize = 1 << 20;

#[test]
fn a_mebibyte_of_separators_is_refused_at_the_first() {
    for separator in ["~", ";", ":"] {
        let error = separator.repeat(MEBIBYTE).parse::<MultiAddress>();
        assert_eq!(offset(&error.unwrap_err()), 0);
    }
}

#[test]
fn a_mebibyte_of_escapes_is_one_section() {
    for length in [MEBIBYTE, MEBIBYTE + 1] {
        let section: Section = "!".repeat(length).parse().unwrap();
        assert_eq!(section.text().len(), length.div_ceil(2));
    }
}

#[test]
fn a_mebibyte_of_sections_or_addresses_is_read_without_recursion() {
    let address: Address = format!("{}a", "a~".repeat(MEBIBYTE / 2)).parse().unwrap();
    assert_eq!(address.sections().len(), MEBIBYTE / 2 + 1);
    let addresses: MultiAddress = format!("{}a", "a;".repeat(MEBIBYTE / 2)).parse().unwrap();
    assert_eq!(addresses.iter().count(), MEBIBYTE / 2 + 1);
}

#[test]
fn a_mebibyte_that_may_hold_secrets_everywhere_is_redacted_in_one_pass() {
    for piece in ["//a:b", "//a@b", "////", "a=."] {
        for after in ["", "@"] {
            let text = piece.repeat(MEBIBYTE / piece.len());
            let section: Section = format!("ws{text}{after}").parse().unwrap();
            assert!(!section.redacted().text().is_empty());
        }
    }
}

#[cfg(feature = "serde")]
mod serde {
    use super::*;

    #[test]
    fn all_three_are_strings_with_their_secrets() {
        let text = format!("net:h:1!;2~shs:{KEY}:{SEED}");
        let json = format!("\"{text}\"");
        let address: Address = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&address).unwrap(), json);
        let addresses: MultiAddress = serde_json::from_str(&json).unwrap();
        assert_eq!(addresses, MultiAddress::from(address.clone()));
        assert_eq!(serde_json::to_string(&addresses).unwrap(), json);
        let section = &address.sections()[1];
        let json = serde_json::to_string(section).unwrap();
        assert_eq!(&serde_json::from_str::<Section>(&json).unwrap(), section);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let json = format!("\"shs:{KEY}:{SEED}~\"");
        let error = serde_json::from_str::<Address>(&json).unwrap_err();
        assert!(error.to_string().contains("byte 94"), "{error}");
        assert!(!error.to_string().contains(SEED));
    }
}
