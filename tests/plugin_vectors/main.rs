//! The texts of `vectors/plugin-parse-vectors.json`: what the `parse` of each plugin of npm multiserver 3.8.2 makes of
//! them, and what our stacks make of them.

#![cfg(test)]
#![cfg(all(
    unix,
    feature = "unix",
    feature = "ws",
    feature = "shs",
    feature = "noauth"
))]

mod differs;
mod rows;
mod stacks;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use differs::{DIFFERS, Differs};
use rows::{Row, rows};
use serde_json::json;
use stacks::understand;
use tower_multiserver::ErrorKind;

/// How many rows there are of each kind.
const ROWS: usize = 287;
const AS_JAVASCRIPT: usize = 117;
const TAGGED: usize = 62;

/// The plugins without a stack here, and how many rows they have: those of `ws` alone are a test of the transport, the
/// others stand for transports that this package does not have. Its `channel:NAME` is another protocol than `channel`.
const ELSEWHERE: [(&str, usize); 6] = [
    ("bluetooth", 9),
    ("dht", 11),
    ("electron-ipc", 4),
    ("rn-channel", 7),
    ("worker", 8),
    ("ws", 69),
];

#[tokio::test]
async fn each_stack_understands_what_javascripts_does_but_where_it_is_stricter() {
    let (mut same, mut tagged) = (0, 0);
    for row in rows() {
        let Some(case) = row.case() else { continue };
        let label = format!("{} {:?}", row.plugin, row.input);
        let ours = understand(&case).await;
        match differs(&row) {
            None => {
                same += 1;
                match case.parsed {
                    Some(parsed) => assert_eq!(ours, Ok(parsed), "{label}"),
                    None => assert!(
                        matches!(
                            ours,
                            Err(ErrorKind::Unsupported | ErrorKind::InvalidAddress)
                        ),
                        "{label}: {ours:?}"
                    ),
                }
            }
            Some(why) => {
                tagged += 1;
                let stated = match why {
                    Differs::Brackets => {
                        Ok(vec![json!({"name": "net", "host": "::1", "port": 8008})])
                    }
                    Differs::NoName | Differs::Semicolon => Err(ErrorKind::InvalidAddress),
                    _ => Err(ErrorKind::Unsupported),
                };
                assert_eq!(ours, stated, "{label}: {why:?}");
                assert_ne!(ours.ok(), case.parsed, "{label} does not differ");
            }
        }
    }
    assert_eq!((same, tagged), (AS_JAVASCRIPT, TAGGED));
}

#[test]
fn no_row_is_left_out() {
    let mut elsewhere = BTreeMap::<_, usize>::new();
    let rows = rows();
    for row in rows.iter().filter(|row| row.case().is_none()) {
        *elsewhere.entry(&*row.plugin).or_default() += 1;
    }
    assert_eq!(elsewhere, ELSEWHERE.into());
    let elsewhere: usize = elsewhere.into_values().sum();
    assert_eq!(AS_JAVASCRIPT + TAGGED + elsewhere, ROWS);
    assert_eq!(rows.len(), ROWS);
    let texts = DIFFERS.iter().map(|(_, _, texts)| texts.len());
    assert_eq!(texts.sum::<usize>(), TAGGED, "a tag without a row");
}

fn differs(row: &Row) -> Option<Differs> {
    let is_row = |(_, plugin, texts): &&(_, &str, &[&str])| {
        *plugin == row.plugin && texts.iter().any(|text| row.reads(text))
    };
    DIFFERS.iter().find(is_row).map(|(why, _, _)| *why)
}
