//! The rows in which ours tell something else, with the reasons.

use tower_multiserver_core::ErrorKind;

/// Why we tell something else.
#[derive(Clone, Copy, Debug)]
pub(super) enum Differs {
    /// A wildcard is expanded to the addresses of the interfaces. JavaScript tells `::`, which nobody can dial.
    Wildcard,
    /// An IPv6 link-local address is told to nobody: without the zone of the machine that dials it means nothing.
    LinkLocal,
    /// Only an IP address has a zone. JavaScript cuts a name at the percent sign as well.
    Zone,
    /// A host is told in the scope of what was bound. JavaScript tells it in each scope that the server is said to have.
    ScopeOfHost,
    /// Nobody is told an address of a scope that the server does not have.
    ScopeOfServer,
    /// An external address is told, also when the listener itself is on this machine only, as behind a proxy.
    ExternalIsTold,
    /// No external address is none, not one that is empty.
    NoExternal,
    /// A port is a number from 0 to 65535.
    Port,
    /// The default port is left out, whether it was given as a number or as a text.
    DefaultPort,
    /// A semicolon in a section is escaped. JavaScript takes it for the end of an address, and breaks the text apart.
    Semicolon,
    /// To listen nowhere is an error. JavaScript starts a server that nobody is told of.
    Nowhere,
    /// Nothing is bound for a WebSocket that is hosted, so nothing is known of a name: it must be said as external.
    HostedName,
    /// A unix socket is for this machine. JavaScript would tell it to others, or to nobody when the scope is in a list.
    UnixIsDevice,
    /// A path is absolute, since it means the same to everybody.
    RelativePath,
    /// A path is told as it was given. What `..` means depends on the links before it.
    PathAsGiven,
    /// `noauth` is for this machine, and not told to others.
    NoauthIsDevice,
    /// What only dials does not listen, and says so.
    DialOnly,
}

type Stated = Result<[&'static str; 3], ErrorKind>;

/// Plugin, options, and what we tell instead.
pub(super) const DIFFERS: &[(Differs, &str, &str, Stated)] = &[
    (
        Differs::Wildcard,
        "net",
        r#"{"port":1,"host":"0.0.0.0","scope":["device","local","public"]}"#,
        Ok(["net:localhost:1", "net:192.168.1.5:1", "net:203.0.113.9:1"]),
    ),
    (
        Differs::Wildcard,
        "net",
        r#"{"port":1,"host":"::","scope":["device","local","public"]}"#,
        Ok(["net:localhost:1", "net:192.168.1.5:1", "net:203.0.113.9:1"]),
    ),
    (
        Differs::Wildcard,
        "ws",
        r#"{"port":1,"host":"::"}"#,
        Ok([
            "ws://localhost:1",
            "ws://192.168.1.5:1",
            "ws://203.0.113.9:1",
        ]),
    ),
    (
        Differs::LinkLocal,
        "net",
        r#"{"port":1,"host":"fe80::1%wlan0","scope":"private"}"#,
        Ok(["", "", ""]),
    ),
    (
        Differs::LinkLocal,
        "net",
        r#"{"port":1,"host":"fe80::1%eth0.100","scope":"device"}"#,
        Ok(["", "", ""]),
    ),
    (
        Differs::LinkLocal,
        "net",
        r#"{"port":1,"host":"fe80::1%2","scope":"device"}"#,
        Ok(["", "", ""]),
    ),
    (
        Differs::LinkLocal,
        "net",
        r#"{"port":1,"host":["fe80::1%wlan0","h2"],"scope":"device"}"#,
        Ok(["net:h2:1", "", ""]),
    ),
    (
        Differs::LinkLocal,
        "ws",
        r#"{"port":1,"host":"fe80::1%wlan0"}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::Zone,
        "net",
        r#"{"port":1,"host":"a%b","scope":"device"}"#,
        Ok(["net:a%b:1", "", ""]),
    ),
    (
        Differs::ScopeOfHost,
        "net",
        r#"{"port":1,"host":"mydomain.com","scope":["device","local","public"]}"#,
        Ok(["net:mydomain.com:1", "", ""]),
    ),
    (
        Differs::ScopeOfHost,
        "net",
        r#"{"port":1,"host":["h1","h2"],"scope":["device","local","public"]}"#,
        Ok(["net:h1:1;net:h2:1", "", ""]),
    ),
    (
        Differs::ScopeOfHost,
        "net",
        r#"{"port":1,"host":"in","external":"ex.com","scope":["device","local","public"]}"#,
        Ok(["net:in:1", "", "net:ex.com:1"]),
    ),
    (
        Differs::ScopeOfServer,
        "ws",
        r#"{"port":1,"host":"in","external":"ex.com","scope":["device","public"]}"#,
        Ok(["ws://in:1", "", "ws://ex.com:1"]),
    ),
    (
        Differs::ExternalIsTold,
        "net",
        r#"{"port":1,"external":"ex.com","scope":"device"}"#,
        Ok(["net:localhost:1", "", "net:ex.com:1"]),
    ),
    (
        Differs::NoExternal,
        "net",
        r#"{"port":1,"external":[],"scope":"public"}"#,
        Ok(["", "", "net:203.0.113.9:1"]),
    ),
    (
        Differs::Port,
        "net",
        r#"{"port":"abc","host":"h"}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::DefaultPort,
        "ws",
        r#"{"port":"80"}"#,
        Ok(["ws://localhost", "", ""]),
    ),
    (
        Differs::Semicolon,
        "compose",
        r#"[net{port:1,host:"a;b"}, noauth]"#,
        Ok(["net:a!;b:1~noauth", "", ""]),
    ),
    (
        Differs::Semicolon,
        "compose",
        r#"[unix{path:"/tmp/a;b"}, noauth]"#,
        Ok(["unix:/tmp/a!;b/socket~noauth", "", ""]),
    ),
    (
        Differs::Nowhere,
        "net",
        r#"{"port":1,"host":[],"scope":"device"}"#,
        Err(ErrorKind::InvalidAddress),
    ),
    (
        Differs::Nowhere,
        "ws",
        r#"{"port":1,"host":[]}"#,
        Err(ErrorKind::InvalidAddress),
    ),
    (
        Differs::Nowhere,
        "multiserver",
        "[]",
        Err(ErrorKind::InvalidAddress),
    ),
    (
        Differs::HostedName,
        "ws",
        r#"{server: port 8080, port:1 ignored, host:"h"}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::UnixIsDevice,
        "unix-socket",
        r#"{"path":"/tmp/d","scope":"local"}"#,
        Ok(["unix:/tmp/d/socket", "", ""]),
    ),
    (
        Differs::UnixIsDevice,
        "unix-socket",
        r#"{"path":"/tmp/d","scope":["device"]}"#,
        Ok(["unix:/tmp/d/socket", "", ""]),
    ),
    (
        Differs::RelativePath,
        "unix-socket",
        r#"{"path":"rel"}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::PathAsGiven,
        "unix-socket",
        r#"{"path":"/tmp/../x"}"#,
        Ok(["unix:/tmp/../x/socket", "", ""]),
    ),
    (
        Differs::NoauthIsDevice,
        "noauth",
        "{keys}",
        Ok(["noauth", "", ""]),
    ),
    (
        Differs::DialOnly,
        "onion",
        "{}",
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::DialOnly,
        "onion",
        r#"{"scope":"local"}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::DialOnly,
        "onion",
        r#"{"scope":["device","public"]}"#,
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::DialOnly,
        "onion",
        "(no opts)",
        Err(ErrorKind::Unsupported),
    ),
    (
        Differs::DialOnly,
        "compose",
        "[onion, shs]",
        Err(ErrorKind::Unsupported),
    ),
];
