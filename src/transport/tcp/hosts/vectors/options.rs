//! The options of the plugins `net` and `ws`, as an address to listen at.

use std::net::IpAddr;

use serde_json::Value;
use tower_multiserver_core::{Scope, Section};

use super::{fake_net::FakeNet, string};
use crate::transport::external::External;

/// JavaScript's options in our terms. An option that may be a list is one.
pub(super) struct Options {
    scopes: Vec<Scope>,
    pub(super) hosts: Vec<String>,
    /// `None` for JavaScript's default.
    pub(super) port: Option<String>,
    external: Vec<String>,
    tls: bool,
}

impl Options {
    pub(super) fn new(json: &str) -> Self {
        let options: Value = serde_json::from_str(json).expect("options in JSON");
        let scopes = match list(&options["scope"]) {
            None => vec![Scope::Device],
            Some(names) => {
                let names = names.iter();
                names.map(|name| name.parse().expect("a scope")).collect()
            }
        };
        let external = list(&options["external"]).unwrap_or_default().into_iter();
        Self {
            hosts: list(&options["host"]).unwrap_or_else(|| vec![host_of(&scopes).to_owned()]),
            scopes,
            port: match &options["port"] {
                Value::Number(port) => Some(port.to_string()),
                port => port.as_str().map(String::from),
            },
            external: external.filter(|name| !name.is_empty()).collect(),
            tls: !options["key"].is_null() && !options["cert"].is_null(),
        }
    }

    /// What to listen at on a [`net`](Self::net), with `above` for each host.
    pub(super) fn at(&self, above: &str) -> String {
        let texts = self
            .hosts
            .iter()
            .map(|host| format!("{}{above}", self.section(host)));
        texts.collect::<Vec<_>>().join(";")
    }

    pub(super) fn net(&self) -> FakeNet {
        let external = self.external.iter().map(|name| self.section(name));
        FakeNet {
            named: self.named(),
            external: External::new(external),
        }
    }

    fn section(&self, host: &str) -> Section {
        let port = self.port.as_deref().expect("`net` has a port");
        Section::new("net").arg(host).arg(port)
    }

    /// The whole sections of a `ws`, or of a `wss` where JavaScript does TLS itself.
    pub(super) fn ws_external(&self) -> External {
        let (name, default) = match self.tls {
            true => ("wss", "443"),
            false => ("ws", "80"),
        };
        let port = match self.port.as_deref().filter(|port| *port != default) {
            None => String::new(),
            Some(port) => format!(":{port}"),
        };
        let section = |host| Section::new(name).arg(format_args!("//{host}{port}"));
        External::new(self.external.iter().map(section))
    }

    /// What the names of hosts mean: an address of the scope that the server is said to be of.
    pub(super) fn named(&self) -> IpAddr {
        let ip = match self.scopes.first() {
            Some(Scope::Local) => LOCAL,
            Some(Scope::Public) => PUBLIC,
            _ => "127.0.0.1",
        };
        ip.parse().expect("an IP address")
    }
}

const LOCAL: &str = "192.168.1.5";
const PUBLIC: &str = "203.0.113.9";

/// Where a server without a host listens that is for these scopes: there is one address for each, and the wildcard for
/// several.
fn host_of(scopes: &[Scope]) -> &'static str {
    match scopes {
        [Scope::Device] => "localhost",
        [Scope::Local] => LOCAL,
        [Scope::Public] => PUBLIC,
        _ => "::",
    }
}

fn list(option: &Value) -> Option<Vec<String>> {
    match option {
        Value::Null => None,
        Value::Array(texts) => Some(texts.iter().map(string).collect()),
        text => Some(vec![string(text)]),
    }
}
