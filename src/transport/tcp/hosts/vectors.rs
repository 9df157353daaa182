//! The rows of `stringify-vectors.json`: what servers of npm multiserver 3.8.2 with these options tell peers of each
//! scope, and what ours tell.
//!
//! Two columns of the file have no counterpart, since a scope is always said, and is one of three: that of no scope and
//! that of the scope `bogus`. `private` is an older name of `local`.

mod differs;
mod fake_net;
mod options;
mod servers;
mod without;

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::Value;
use tower_multiserver_core::{Address, ErrorKind, Scope, Section};

use self::{differs::DIFFERS, without::WITHOUT};

const SCOPES: [Scope; 3] = [Scope::Device, Scope::Local, Scope::Public];

/// What is told in each of the three, several addresses with `;` between them.
type Told = [String; 3];

/// How many rows there are of each kind.
const ROWS: usize = 112;
const AS_JAVASCRIPT: usize = 54;
const TAGGED: usize = 33;
const WITHOUT_COUNTERPART: usize = 25;

struct Row {
    plugin: String,
    options: String,
    /// `None` if something is thrown.
    told: Option<Told>,
}

#[tokio::test]
async fn a_server_tells_what_javascripts_does_but_where_that_would_mislead() {
    let (mut same, mut tagged, mut without) = (0, 0, 0);
    for row in rows() {
        let key = (&*row.plugin, &*row.options);
        let mut missing = WITHOUT.iter().filter(|(_, plugin, _)| *plugin == key.0);
        if missing.any(|(_, _, options)| options.contains(&key.1)) {
            without += 1;
            continue;
        }
        let ours = servers::told_by(key.0, key.1).await;
        let ours = ours.map_err(|error| error.kind());
        let mut differing = DIFFERS.iter();
        match differing.find(|(_, plugin, options, _)| (*plugin, *options) == key) {
            None => {
                same += 1;
                assert_eq!(ours.ok(), row.told, "{key:?}");
            }
            Some((why, _, _, stated)) => {
                tagged += 1;
                let stated = stated.map(|told| told.map(String::from));
                assert_eq!(ours, stated, "{key:?}: {why:?}");
                assert_ne!(ours.ok(), row.told, "{key:?} does not differ");
            }
        }
    }
    let seen = (same, tagged, without);
    assert_eq!(seen, (AS_JAVASCRIPT, TAGGED, WITHOUT_COUNTERPART));
    assert_eq!(same + tagged + without, ROWS);
    assert_eq!(DIFFERS.len(), TAGGED, "a tag without a row");
    let options = WITHOUT.iter().flat_map(|(_, _, options)| options.iter());
    assert_eq!(
        options.count(),
        WITHOUT_COUNTERPART,
        "a reason without a row"
    );
}

#[test]
fn a_scope_is_one_of_three_and_private_is_local() {
    assert_eq!("private".parse::<Scope>().expect("a scope"), Scope::Local);
    let error = "bogus".parse::<Scope>().expect_err("none");
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
}

fn rows() -> Vec<Row> {
    let file = file();
    let rows = file["vectors"].as_array().expect("rows").iter();
    let rows = rows.map(|row| Row {
        plugin: string(&row["plugin"]),
        options: string(&row["options"]),
        told: told_by_javascript(&row["stringify"]),
    });
    rows.collect()
}

fn told_by_javascript(stringify: &Value) -> Option<Told> {
    let columns: BTreeMap<&str, &str> = stringify
        .as_object()?
        .iter()
        .map(|(scope, text)| match text.as_str() {
            None | Some("(undefined)") => (&**scope, ""),
            Some(text) => (&**scope, text),
        })
        .collect();
    let local = match columns["local"] {
        "" => columns["private"],
        local => local,
    };
    let told = [columns["device"], local, columns["public"]];
    let throws = told.iter().any(|text| text.starts_with("THROWS"));
    (!throws).then(|| told.map(String::from))
}

/// The addresses of this scope after the other, each as `text` puts it.
fn told(addresses: &[(Scope, Address)], text: impl Fn(&Address) -> String) -> Told {
    SCOPES.map(|scope| {
        let of_scope = addresses.iter().filter(|(of, _)| *of == scope);
        let texts: Vec<_> = of_scope.map(|(_, address)| text(address)).collect();
        texts.join(";")
    })
}

fn unescaped(address: &Address) -> String {
    let texts = address.sections().iter().map(Section::text);
    texts.collect::<Vec<_>>().join("~")
}

/// What the machine of the vectors had.
fn interfaces() -> Vec<IpAddr> {
    let file = file();
    let interfaces = file["meta"]["interfaces"].as_object().expect("interfaces");
    let all = interfaces
        .values()
        .flat_map(|of| of.as_array().expect("a list"));
    let all = all.map(|interface| string(&interface["address"]));
    all.map(|ip| ip.parse().expect("an IP address")).collect()
}

fn file() -> Value {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/stringify-vectors.json"
    ));
    serde_json::from_str(text).expect("JSON")
}

fn string(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
