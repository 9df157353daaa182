//! The texts that we read in another way, with the reason.

/// Why we read a text in another way than JavaScript does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Differs {
    /// A port is digits, from 0 to 65535. JavaScript takes whatever `Number()` does, and dialing then throws.
    Port,
    /// An IPv6 address may stand in brackets. JavaScript looks them up as part of a name, in vain.
    Brackets,
    /// A key is its canonical base64, with or without padding, and nothing else. JavaScript's decoder passes over junk.
    Base64,
    /// A key that nobody can hold is none: it is not on the curve, or of small order.
    UnusableKey,
    /// Nothing follows the seed.
    ShsArguments,
    /// The section `noauth` is called so. JavaScript takes any text for it, `shs:KEY` too, and speaks in the clear.
    NoauthName,
    /// `noauth` proves no key, so an address that names one is refused.
    NoauthArguments,
    /// A section has a name.
    NoName,
    /// A stack dials with all of its layers, or not at all. JavaScript leaves out those that the address does not name.
    TooFew,
    /// `;` ends an address unless it is escaped, wherever the address is read.
    Semicolon,
    /// The path of a socket is absolute. JavaScript takes a name that begins with `@` for a relative path.
    RelativePath,
    /// A URL names its host. JavaScript dials this machine, with the rest as the path.
    NoHost,
    /// There is no TLS here, and an address that asks for it is not dialed without.
    Tls,
}

/// The rows that differ: why, of which plugin, and the texts. `KEY` and `SEED` stand for the key and the seed.
pub(crate) const DIFFERS: &[(Differs, &str, &[&str])] = &[
    (
        Differs::Port,
        "net",
        &[
            "net:host:",
            "net:host:65536",
            "net:host:99999",
            "net:host:-1",
            "net:host:+80",
            "net:host: 80 ",
            "net:host:0x50",
            "net:host:0o20",
            "net:host:0b11",
            "net:host:1e3",
            "net:host:1.5",
            "net:host:Infinity",
            "net:host:-Infinity",
            "net::",
            "net:::",
        ],
    ),
    (
        Differs::Port,
        "onion",
        &[
            "onion:3234j5sv346bpih2.onion:",
            "onion:3234j5sv346bpih2.onion:99999",
            "onion:3234j5sv346bpih2.onion:1e3",
            "onion::",
        ],
    ),
    (Differs::Brackets, "net", &["net:[::1]:8008"]),
    (
        Differs::Base64,
        "shs",
        &[
            "shs:KEY=",
            "shs:-y42DK-BGzqvU00EWMKiyj4fITskSm-Drxq1Dt2s3Yw=",
            "shs:KEY.ed25519",
            "shs:@KEY.ed25519",
            "shs:@KEY",
            "shs: KEY",
            "shs:KEY ",
            "shs:+y42DK+BGzqvU00EWMKi\nyj4fITskSm+Drxq1Dt2s3Yw=",
            "shs:+y42DK+BGzqvU00EWMKi!yj4fITskSm+Drxq1Dt2s3Yw=",
            "shs:KEYAAAA",
            "shs:+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yx=",
            "shs:+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yz=",
            "shs:KEY\n",
            "shs:KEY==",
            "shs:KEYé",
            "shs:KEY?q",
            "shs:KEY/",
        ],
    ),
    (Differs::Base64, "compose(net~shs)", &["net:h:1~shs:KEY!"]),
    (
        Differs::UnusableKey,
        "shs",
        &[
            "shs:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "shs://////////////////////////////////////////8=",
        ],
    ),
    (Differs::ShsArguments, "shs", &["shs:KEY:SEED:junk"]),
    (
        Differs::NoauthName,
        "noauth",
        &["shs:KEY", "anything at all"],
    ),
    (
        Differs::NoauthName,
        "compose(net~noauth)",
        &["net:h:1~shs:KEY", "net:h:1~whatever"],
    ),
    (
        Differs::NoauthArguments,
        "noauth",
        &["noauth:", "noauth:KEY"],
    ),
    (
        Differs::NoauthArguments,
        "compose(net~noauth)",
        &["net:h:1~noauth:KEY"],
    ),
    (Differs::NoName, "noauth", &["", ":::"]),
    (Differs::NoName, "compose(net~noauth)", &["net:h:1~"]),
    (Differs::TooFew, "compose(net~shs)", &["net:h:1"]),
    (Differs::TooFew, "compose(net~noauth)", &["net:h:1"]),
    (
        Differs::TooFew,
        "compose(net~shs~noauth)",
        &["net:h:1~shs:KEY"],
    ),
    (
        Differs::Semicolon,
        "compose(unix~noauth)",
        &["unix:/tmp/a;b/socket~noauth"],
    ),
    (
        Differs::RelativePath,
        "unix-socket",
        &[
            "unix:",
            "unix::",
            "unix:rel/path",
            "unix:@abstract",
            r"unix:\\?\pipe\x",
        ],
    ),
    (
        Differs::NoHost,
        "compose(ws~shs)",
        &["ws:::ffff:127.0.0.1~shs:KEY"],
    ),
    (Differs::Tls, "compose(ws~shs)", &["wss://h~shs:KEY"]),
];
