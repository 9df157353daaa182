//! Who may open a WebSocket here, as far as a browser tells: `Origin` and `Host`.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, header};
use tower_multiserver_core::Scope;

use super::upgrade::Refusal;

/// The origins and hosts that are allowed. `None` allows all, but for a connection of device scope.
///
/// A page of any site can open a WebSocket to this machine, and to it a stranger's page looks like a local peer; with a
/// name that resolves to 127.0.0.1 it does so even under its own origin (DNS rebinding). So a connection of device scope
/// is refused unless origin and host are of this machine, or allowed by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) origins: Option<Vec<String>>,
    pub(super) hosts: Option<Vec<String>>,
}

impl Rules {
    /// Checks a request of a connection of `scope`. The caller has made sure that there is one `Host`.
    pub(super) fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<(), Refusal> {
        let device = scope == Scope::Device;
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let allowed = match &self.origins {
                Some(origins) => origins.iter().any(|o| o.eq_ignore_ascii_case(origin)),
                None => !device,
            };
            if !(allowed || device && is_local_origin(origin)) {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "pages of this origin are not allowed here",
                ));
            }
        }
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let allowed = match &self.hosts {
            Some(hosts) => hosts.iter().any(|allowed| is_host(allowed, host)),
            None => !device,
        };
        match allowed || device && is_local(name(host)) {
            true => Ok(()),
            false => Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this host is not served here",
            )),
        }
    }
}

/// Whether `host` is the allowed one: names are compared without case, and a port counts only where one is said.
fn is_host(allowed: &str, host: &str) -> bool {
    allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name(host))
}

fn is_local_origin(origin: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(_, host)| is_local(name(host)))
}

fn is_local(host: &str) -> bool {
    let ip = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match ip.unwrap_or(host).parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origins: &[&str], hosts: &[&str]) -> Rules {
        let list = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            Some(texts).filter(|texts| !texts.is_empty())
        };
        Rules {
            origins: list(origins),
            hosts: list(hosts),
        }
    }

    fn check(rules: &Rules, host: &str, origin: Option<&str>, scope: Scope) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a value"));
        }
        let checked = rules.check(&headers, scope);
        checked.map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn on_this_machine_only_pages_of_this_machine_come_in() {
        let rules = rules(&[], &[]);
        for (origin, status) in [
            (None, 200),
            (Some("http://localhost"), 200),
            (Some("https://LocalHost:3000"), 200),
            (Some("http://127.0.0.1:80"), 200),
            (Some("http://127.8.8.8"), 200),
            (Some("http://[::1]:3000"), 200),
            (Some("http://evil.example"), 403),
            (Some("http://localhost.evil.example"), 403),
            (Some("http://evil.example:80"), 403),
            (Some("http://10.0.0.1"), 403),
            (Some("null"), 403),
            (Some(""), 403),
            (Some("localhost"), 403),
            (Some("file://"), 403),
            (Some("http://localhost@evil.example"), 403),
            (Some("http://[::1].evil.example"), 403),
        ] {
            let found = check(&rules, "localhost:8989", origin, Scope::Device);
            assert_eq!(found, status, "{origin:?}");
        }
        for (host, status) in [
            ("localhost", 200),
            ("localhost:8989", 200),
            ("127.0.0.1:8989", 200),
            ("[::1]:8989", 200),
            ("[::1]", 200),
            ("evil.example", 421),
            ("evil.example:8989", 421),
            ("10.0.0.1:8989", 421),
            ("", 421),
        ] {
            assert_eq!(check(&rules, host, None, Scope::Device), status, "{host}");
        }
    }

    #[test]
    fn without_lists_everybody_comes_in_from_elsewhere() {
        for scope in [Scope::Local, Scope::Public] {
            let origin = Some("http://anywhere.example");
            assert_eq!(check(&Rules::default(), "any.example", origin, scope), 200);
        }
    }

    #[test]
    fn what_is_allowed_by_name_comes_in_from_everywhere_and_nothing_else() {
        let rules = rules(
            &["https://App.example"],
            &["chat.example", "other.example:8443"],
        );
        for scope in [Scope::Device, Scope::Public] {
            let check = |host, origin| check(&rules, host, origin, scope);
            assert_eq!(check("Chat.example:1", Some("https://app.example")), 200);
            assert_eq!(check("chat.example", None), 200, "it is no browser");
            assert_eq!(check("other.example:8443", None), 200);
            assert_eq!(check("other.example", None), 421);
            assert_eq!(check("chat.example", Some("https://app.example:444")), 403);
            assert_eq!(check("chat.example", Some("http://app.example")), 403);
            assert_eq!(check("chat.example", Some("https://app.example.evil")), 403);
        }
        let local = Some("http://localhost");
        assert_eq!(check(&rules, "localhost", local, Scope::Device), 200);
        assert_eq!(check(&rules, "localhost", local, Scope::Public), 403);
        assert_eq!(check(&rules, "localhost", None, Scope::Public), 421);
    }

    #[test]
    fn of_several_origins_each_must_be_allowed() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().expect("a value"));
        headers.append(header::ORIGIN, "http://localhost".parse().expect("a value"));
        headers.append(
            header::ORIGIN,
            "http://evil.example".parse().expect("a value"),
        );
        assert!(Rules::default().check(&headers, Scope::Device).is_err());
    }
}
