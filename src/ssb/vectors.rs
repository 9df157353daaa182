//! What the packages of Secure Scuttlebutt make of the same texts.

use std::error::Error as _;

use serde_json::Value;

use super::{Form, NotAnAddress, parse, to_text};

fn vectors(name: &str) -> Vec<Value> {
    let all = include_str!("../../tests/vectors/ssb-address-vectors.json");
    let mut all: Value = serde_json::from_str(all).expect("JSON");
    serde_json::from_value(all[name].take()).expect("rows")
}

fn read(text: &str) -> Option<String> {
    parse(text).ok().map(|addresses| addresses.to_string())
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Where we read it in another way than ssb-ref 2.16, and why.
fn differs(legacy: &str) -> Option<&'static str> {
    let place = legacy.split(":@").next()?;
    match place {
        // Nobody means 8008 by `80a`.
        "example.com:-1x" | "example.com:80a" => Some("a port that is no number is refused"),
        // There the host is taken for a port and lost.
        "example.com" => Some("a host without a port has the default port"),
        "a_b.example" | "a_b.example:8008" => Some("resolvers know names with an underscore"),
        _ if !legacy.contains('@') => Some("a section may have any name"),
        _ => None,
    }
}

#[test]
fn legacy_addresses_and_invitations_are_read_as_by_ssb_ref() {
    let rows = vectors("legacy");
    assert_eq!(rows.len(), 51);
    let mut different = 0;
    for row in &rows {
        let (ours, theirs) = (read(text(&row[0])), row[1].as_str());
        let ours = ours.as_deref();
        match differs(text(&row[0])) {
            Some(_) => different += usize::from(ours != theirs),
            None => assert_eq!(ours, theirs, "{row}"),
        }
    }
    assert_eq!(different, 7);
}

#[test]
fn legacy_addresses_are_written_as_ssb_ref_takes_them_apart() {
    let rows = vectors("parts");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let addresses = parse(text(&row[0])).expect("an address");
        let first = addresses.iter().next().expect("one").clone();
        let ours = to_text(&first.into(), Form::Legacy).ok();
        let theirs = row[1].as_array().map(|parts| {
            let [host, port, key] = &parts[..] else {
                panic!("{row}")
            };
            format!("{}:{port}:{}", text(host), text(key))
        });
        assert_eq!(ours.as_deref(), theirs.as_ref(), "{row}");
    }
}

#[test]
fn uris_are_read_and_written_as_by_ssb_uri2() {
    let rows = vectors("uris");
    assert_eq!(rows.len(), 15);
    for row in rows {
        let (uri, address) = (text(&row[0]), text(&row[1]));
        assert_eq!(read(uri).as_deref(), Some(address));
        let canonical = uri
            .replace("ssb://", "ssb:")
            .replace("ssb:address:", "ssb:address/");
        let addresses = address.parse().expect("an address");
        let written = to_text(&addresses, Form::Uri).expect("every address has a URI");
        assert_eq!(*written, canonical);
    }
}

#[test]
fn uris_of_something_else_are_refused() {
    for uri in vectors("otherUris") {
        let error = parse(text(&uri)).expect_err("no address");
        let source = error.source().and_then(|source| source.downcast_ref());
        let what = match text(&uri).starts_with("ssb:experimental") {
            true => NotAnAddress::Action,
            false => NotAnAddress::OtherUri,
        };
        assert_eq!(source, Some(&what), "{uri}");
    }
}
