//! The rows that ask for what we do not have, with the reasons.

/// Why nothing here stands for a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Without {
    /// A scope is one of three, and is not set: it follows from where a server listens.
    Scope,
    /// A port that is not said is chosen by the system when it listens, and told then.
    RandomPort,
    /// A path is always said.
    RandomPath,
    /// TLS is not ours. Who has a proxy do it says so as an external `wss://HOST`.
    Tls,
    /// `shs` is made with a key.
    NoKey,
    /// A stack is a service, and has all that a server asks of it.
    NoStack,
    /// We have no such transport.
    Transport,
}

/// Reason, plugin, and its options.
pub(super) const WITHOUT: &[(Without, &str, &[&str])] = &[
    (
        Without::Scope,
        "net",
        &[
            r#"{"port":1,"scope":"bogus"}"#,
            r#"{"port":1,"scope":"bogus","host":"h"}"#,
            r#"{"port":1,"scope":["bogus"]}"#,
            r#"{"port":1,"scope":["bogus"],"host":"h"}"#,
            r#"{"port":1,"scope":[]}"#,
        ],
    ),
    (
        Without::Scope,
        "ws",
        &[
            r#"{"port":1,"scope":"bogus"}"#,
            r#"{"port":1,"scope":["bogus"]}"#,
        ],
    ),
    (
        Without::RandomPort,
        "net",
        &[r#"{port:0, host:"h"}  (port = random 49152..65535)"#],
    ),
    (Without::RandomPort, "ws", &["{}"]),
    (
        Without::RandomPath,
        "unix-socket",
        &["{} (mkdtemp in os.tmpdir())"],
    ),
    (
        Without::Tls,
        "ws",
        &[
            r#"{"port":1,"key":"k","cert":"c"}"#,
            r#"{"port":443,"key":"k","cert":"c"}"#,
            r#"{"port":80,"key":"k","cert":"c"}"#,
            r#"{"port":443,"key":"k"}"#,
        ],
    ),
    (Without::NoKey, "shs", &["{} no keys"]),
    (Without::NoKey, "compose", &["[net, shs without keys]"]),
    (
        Without::NoStack,
        "multiserver",
        &["[worker] bare plugin without scope()"],
    ),
    (
        Without::Transport,
        "bluetooth",
        &[
            "{} before server()",
            "after server() with MAC 65:D9:00:DD:B3:53",
        ],
    ),
    (Without::Transport, "rn-channel", &["(any)"]),
    (
        Without::Transport,
        "electron-ipc",
        &["{}", r#"{name:"foo"}"#],
    ),
    (
        Without::Transport,
        "worker",
        &[r#"{path:"w.js"} (has no scope())"#],
    ),
    (
        Without::Transport,
        "dht",
        &[r#"{key:"japan"}"#, "{keys:...}"],
    ),
];
