//! The texts of `vectors/address-vectors.json`: what npm multiserver-address 1.0.1 and multiserver 3.8.2 make of each, and
//! what we make of it.

#![cfg(test)]

use serde_json::Value;
use tower_multiserver_core::{Address, ErrorKind, MultiAddress, Section, grammar};

/// The sections of each address of a list, without escapes.
type Split = Vec<Vec<String>>;

struct Row {
    input: String,
    /// Whether the grammar of multiserver-address allows it.
    valid: bool,
    /// Where the parser of multiserver-address gave up.
    error: Option<String>,
    /// What that parser made of it: name and data of each section of each address.
    decoded: Option<Vec<Vec<Vec<String>>>>,
    /// What multiserver makes of it.
    multiserver_split: Split,
}

/// Why we split a text in another way than multiserver does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Differs {
    /// `!;` is a semicolon in a section, as in the grammar. multiserver cuts at each `;`, and loses such addresses.
    EscapedSemicolon,
    /// There is a section without a name. multiserver hands it to its plugins, none of which understands it but
    /// `noauth`, which takes any text for its own. We refuse it.
    NoName,
}

/// How many rows there are of each.
const ROWS: usize = 239;
const AS_MULTISERVER: usize = 188;
const ESCAPED_SEMICOLON: usize = 30;
const NO_NAME: usize = 21;
/// Rows in which an escaped colon is part of a piece of data.
const ESCAPED_COLON: usize = 35;

impl Row {
    /// From the vectors alone, not from what we make of them.
    fn differs(&self) -> Option<Differs> {
        let mut data = self.decoded.iter().flatten().flatten().flatten();
        if data.any(|piece| piece.contains(';')) {
            return Some(Differs::EscapedSemicolon);
        }
        let mut sections = self.multiserver_split.iter().flatten();
        sections
            .any(|section| section.is_empty() || section.starts_with(':'))
            .then_some(Differs::NoName)
    }

    /// `decoded` with the pieces of a section put together again.
    fn decoded_split(&self) -> Option<Split> {
        let addresses = self.decoded.as_ref()?.iter();
        let sections = |address: &Vec<Vec<String>>| address.iter().map(|s| s.join(":")).collect();
        Some(addresses.map(sections).collect())
    }
}

#[test]
fn each_text_is_split_as_multiserver_splits_it_but_for_two_of_its_defects() {
    let mut seen = [0; 3];
    for row in rows() {
        let input = &row.input;
        match row.differs() {
            None => {
                seen[0] += 1;
                assert_eq!(split(input), row.multiserver_split, "{input:?}");
            }
            Some(Differs::EscapedSemicolon) => {
                seen[1] += 1;
                assert_ne!(split(input), row.multiserver_split, "{input:?}");
                assert_eq!(Some(split(input)), row.decoded_split(), "{input:?}");
            }
            Some(Differs::NoName) => {
                seen[2] += 1;
                let error = input.parse::<MultiAddress>().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{input:?}");
            }
        }
    }
    assert_eq!(seen, [AS_MULTISERVER, ESCAPED_SEMICOLON, NO_NAME]);
}

#[test]
fn the_grammar_allows_exactly_what_multiserver_address_allows() {
    for row in rows() {
        let checked = grammar::check(&row.input);
        assert_eq!(checked.is_ok(), row.valid, "{:?}", row.input);
    }
}

#[test]
fn the_grammar_gives_up_where_multiserver_address_does() {
    for row in rows() {
        let checked = grammar::check(&row.input).map_err(|error| error.offset());
        let place = row.error.as_ref().map(|error| place(&row.input, error));
        assert_eq!(checked.err(), place, "{:?}", row.input);
    }
}

#[test]
fn what_the_grammar_allows_means_the_same_to_us() {
    let mut escaped_colons = 0;
    for row in rows().into_iter().filter(|row| row.valid) {
        let ours: MultiAddress = row.input.parse().unwrap();
        assert_eq!(
            Some(split(&row.input)),
            row.decoded_split(),
            "{:?}",
            row.input
        );
        let sections = ours.iter().flat_map(|address| address.sections());
        let decoded = || row.decoded.iter().flatten().flatten();
        assert_eq!(sections.clone().count(), decoded().count());
        // A section keeps its text whole, so an escaped colon divides it like any other.
        let whole = decoded().flatten().any(|piece| piece.contains(':'));
        escaped_colons += usize::from(whole);
        for (section, pieces) in sections.zip(decoded()) {
            assert_eq!(section.name(), pieces[0], "{:?}", row.input);
            if !whole {
                let ours: Vec<_> = section.text().split(':').collect();
                assert_eq!(&ours, pieces, "{:?}", row.input);
            }
        }
    }
    assert_eq!(escaped_colons, ESCAPED_COLON);
}

#[test]
fn each_address_survives_its_text() {
    let addresses = rows().into_iter().filter_map(|row| row.input.parse().ok());
    let addresses: Vec<MultiAddress> = addresses.collect();
    assert_eq!(addresses.len(), ROWS - NO_NAME);
    for address in addresses {
        assert_eq!(
            address.to_string().parse::<MultiAddress>().unwrap(),
            address
        );
    }
}

fn split(text: &str) -> Split {
    let addresses: MultiAddress = text.parse().unwrap();
    let text = |section: &Section| section.text().to_string();
    let sections = |address: &Address| address.sections().iter().map(text).collect();
    addresses.iter().map(sections).collect()
}

/// The byte that `Syntax error at line 1 col 4` means. Columns count characters from 1; a line break is column 0 of the
/// line after it, and no text of the vectors has two.
fn place(input: &str, error: &str) -> usize {
    let Some(place) = error.strip_prefix("Syntax error at line ") else {
        assert_eq!(error, "unexpected end");
        return input.len();
    };
    match place.trim_end_matches(": |").split_once(" col ").unwrap() {
        ("1", column) => {
            let column: usize = column.parse().unwrap();
            let (offset, _) = input.char_indices().nth(column - 1).unwrap();
            offset
        }
        other => {
            assert_eq!(other, ("2", "0"));
            input.find('\n').unwrap()
        }
    }
}

fn rows() -> Vec<Row> {
    let file: Value = serde_json::from_str(include_str!("vectors/address-vectors.json")).unwrap();
    let rows = file["vectors"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    rows.iter().map(row).collect()
}

fn row(row: &Value) -> Row {
    let decoded = row["decoded"].as_array().map(|addresses| {
        let addresses = addresses.iter().map(|address| list(address, pieces));
        addresses.collect()
    });
    Row {
        input: string(&row["input"]),
        valid: row["valid"].as_bool().unwrap(),
        error: row["error"].as_str().map(String::from),
        decoded,
        multiserver_split: list(&row["multiserverSplit"], |address| list(address, string)),
    }
}

fn pieces(protocol: &Value) -> Vec<String> {
    let mut pieces = vec![string(&protocol["name"])];
    pieces.extend(list(&protocol["data"], string));
    pieces
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(item).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_string()
}
