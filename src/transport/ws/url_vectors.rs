//! What the JavaScript implementation makes of the same texts, and where we differ on purpose.

use serde_json::Value;
use tower_multiserver_core::{Address, Section};

use super::url::Url;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/plugin-parse-vectors.json"
));

/// Texts that JavaScript accepts and we refuse, with the reason.
const STRICTER: [(&str, &[&str]); 7] = [
    (
        "names of sections are compared exactly",
        &["WS://host:1", "Wss://host:1", "  ws://host:80"],
    ),
    (
        "a URL has a host",
        &[
            "ws:host",
            "ws:host:80",
            "ws:/host",
            "ws:///path",
            "ws://",
            "ws:",
            "wss:",
            "ws://:80",
            "ws://:80/p",
            "ws://::1:80",
            "ws:::ffff:127.0.0.1",
            "ws:127.0.0.1",
            "ws:127.0.0.1:80",
            "ws:null",
        ],
    ),
    (
        "a port is a whole number from 0 to 65535",
        &["ws://host:65536", "ws://host:99999"],
    ),
    (
        "junk behind the host is no path",
        &[
            "ws://host:abc",
            "ws://host:-1",
            "ws://host:8a",
            "ws://host:80:81",
            "ws://host\\path",
        ],
    ),
    (
        "what is not sent is not said",
        &[
            "ws://host:80/path?x=1#frag",
            "ws://host#f",
            "ws://user:pass@host:80/p",
            "ws://user@host",
        ],
    ),
    (
        "a URL is printable ASCII",
        &["ws://ho st", "ws://host:80 ", "ws://höst"],
    ),
    (
        "a host is a name or an address",
        &["ws://a,b", "ws://%41", "ws://*"],
    ),
];

/// Host without case, port, and path with query.
type Dialed = (String, u16, String);

fn ours(text: &str) -> Option<Dialed> {
    let section = match text.split_once(':') {
        Some((name, args)) => Section::new(name).arg(args),
        None if text.is_empty() => return None,
        None => Section::new(text),
    };
    let name = match section.name() {
        "wss" => "wss",
        _ => "ws",
    };
    let url: Url = Address::new(section).finish(name).ok()?;
    Some((
        url.at.host.to_lowercase(),
        url.at.port,
        url.path.to_string(),
    ))
}

fn theirs(row: &Value) -> Option<Dialed> {
    let dialed = row["client"]["dialed"].as_str()?;
    let uri: http::Uri = dialed.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let path = uri.path_and_query()?.to_string();
    let default = match uri.scheme_str() {
        Some("wss") => 443,
        _ => 80,
    };
    Some((host, uri.port_u16().unwrap_or(default), path))
}

#[test]
fn urls_are_read_as_in_javascript_or_refused_for_a_reason() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("JSON");
    let rows = vectors["vectors"].as_array().expect("a list").iter();
    let rows: Vec<_> = rows.filter(|row| row["plugin"] == "ws").collect();
    assert_eq!(rows.len(), 69);
    let mut differing = 0;
    for row in rows {
        let text = row["input"].as_str().expect("a text");
        let reason = STRICTER.iter().find(|(_, texts)| texts.contains(&text));
        match reason {
            Some((reason, _)) => {
                assert_eq!(row["result"], "accepted", "{text}");
                assert_eq!(ours(text), None, "{text}: {reason}");
                differing += 1;
            }
            None if row["result"] == "accepted" => {
                assert_eq!(ours(text), Some(theirs(row).expect("a URL")), "{text}");
            }
            None => assert_eq!(ours(text), None, "{text}"),
        }
    }
    let listed = STRICTER.iter().flat_map(|(_, texts)| *texts).count();
    assert_eq!(
        (differing, listed),
        (34, 34),
        "each row with a reason is there, once"
    );
}
