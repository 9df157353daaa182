//! The TXT records of the domain name system.

use std::{
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use tower_multiserver_core::{Address, Error, ErrorKind, MultiAddress};
use tower_service::Service;

use super::{Answer, Name};
use crate::dial::choice::has_seed;

/// A look-up in the domain name system: the TXT records of `_multiserver.NAME`.
///
/// ```text
/// _multiserver.example.com. 3600 IN TXT "net:example.com:8008~shs:KEY;wss://example.com~shs:KEY"
/// ```
///
/// Each record is an address or several. The strings of one record are joined (RFC 1035, section 3.3.14), since each has
/// at most 255 bytes. Several records are alternatives, ordered by their text, since the system keeps no order; who prefers
/// one writes them into one record. The time to live is the shortest of the records, or for the answer that there is
/// nothing that of RFC 2308.
///
/// The name is asked for as it is, without the search list of the system; it is a host name in ASCII and not below
/// `onion` (RFC 7686). A key is no such name, and never asked for. Beyond CNAME records, which the resolver follows, a
/// record leads to no other name.
///
/// # What it does not take
///
/// The answers are not authenticated: whoever is on the way to the server can write them. Where that matters, write the key
/// too: `lookup:NAME~shs:KEY`. In no case it takes a record that is not text, is longer than 4096 bytes or no address, nor
/// addresses with a seed, nor those that mean something on this machine only (`unix`, `channel`, `noauth`), which no
/// record could know. It takes the first 16 records, and the first 16 addresses of each.
///
/// It keeps nothing; lay a [`CacheLayer`](super::CacheLayer) over it.
///
/// # Errors
///
/// Of kind [`Timeout`](ErrorKind::Timeout) when no server answers, of kind [`Io`](ErrorKind::Io) when none could.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

/// What is put before a name (RFC 8552).
const PREFIX: &str = "_multiserver.";

/// For one query to one server; there is one more try.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Several addresses have a few hundred bytes. DNS would allow 64 KiB.
const MAX_RECORD: usize = 4096;

/// As many as count of any answer.
pub(super) const MAX_RECORDS: usize = 16;

/// As many of one record: a long one could hold two thousand, each of which takes far more memory in a cache.
pub(super) const MAX_OF_RECORD: usize = 16;

impl Dns {
    /// Asks the servers of the system.
    ///
    /// # Errors
    ///
    /// Of kind [`Unavailable`](ErrorKind::Unavailable) when the system's configuration (`/etc/resolv.conf`) cannot be read.
    pub fn system() -> Result<Self, Error> {
        let unavailable = |error: NetError| Error::new(ErrorKind::Unavailable, error);
        let mut builder = TokioResolver::builder_tokio().map_err(unavailable)?;
        tune(builder.options_mut());
        let resolver = builder.build().map_err(unavailable)?;
        Ok(Self { resolver })
    }

    /// Asks these servers.
    ///
    /// # Errors
    ///
    /// Of kind [`Unavailable`](ErrorKind::Unavailable) when the resolver cannot be made.
    pub fn servers(servers: impl IntoIterator<Item = SocketAddr>) -> Result<Self, Error> {
        let servers = servers.into_iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let at_port = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, at_port.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        tune(builder.options_mut());
        let resolver = builder.build();
        let resolver = resolver.map_err(|error| Error::new(ErrorKind::Unavailable, error))?;
        Ok(Self { resolver })
    }

    async fn ask(self, name: Name) -> Result<Answer, Error> {
        let Some(name) = name.text().and_then(domain) else {
            return Ok(Answer::new(None, Duration::ZERO));
        };
        let lookup = match self.resolver.lookup(name, RecordType::TXT).await {
            Ok(lookup) => lookup,
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let ttl = nothing.negative_ttl.unwrap_or_default();
                return Ok(Answer::new(None, Duration::from_secs(ttl.into())));
            }
            Err(error) => return Err(failed(error)),
        };
        let ttl = lookup.answers().iter().map(|record| record.ttl).min();
        let records = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
        let ttl = Duration::from_secs(ttl.unwrap_or_default().into());
        Ok(Answer::new(read(records.collect()), ttl))
    }
}

fn tune(options: &mut ResolverOpts) {
    options.timeout = QUERY_TIMEOUT;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
}

/// The full domain name of our records.
pub(super) fn domain(name: &str) -> Option<String> {
    /// RFC 1035, section 2.3.4.
    const MAX_LABEL: usize = 63;
    const MAX_NAME: usize = 253 - PREFIX.len();

    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let is_char = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_char)
    };
    let is_host = name.split('.').all(is_label) && name.len() <= MAX_NAME;
    let is_onion = name.rsplit('.').next() == Some("onion");
    (is_host && !is_onion).then(|| format!("{PREFIX}{name}."))
}

/// The addresses in these records.
pub(super) fn read(mut records: Vec<Vec<u8>>) -> Option<MultiAddress> {
    records.retain(|record| record.len() <= MAX_RECORD);
    records.sort();
    records.dedup();
    let texts = records.into_iter().take(MAX_RECORDS);
    let texts = texts.filter_map(|record| String::from_utf8(record).ok());
    let parsed = texts.filter_map(|text| MultiAddress::try_from(text).ok());
    let usable = |addresses: MultiAddress| addresses.into_iter().filter(is_for_others);
    let mut addresses = parsed.flat_map(|addresses| usable(addresses).take(MAX_OF_RECORD));
    let mut all = MultiAddress::new(addresses.next()?);
    all.extend(addresses);
    Some(all)
}

/// Whether an address from somebody else can be meant for us.
pub(super) fn is_for_others(address: &Address) -> bool {
    let is_of_this_machine = |name: &str| matches!(name, "unix" | "channel" | "noauth");
    let mut names = address.sections().iter().map(|section| section.name());
    !has_seed(address) && !names.any(is_of_this_machine)
}

fn failed(error: NetError) -> Error {
    match error {
        NetError::Timeout => Error::new(ErrorKind::Timeout, "no DNS server answered in time"),
        NetError::Io(error) => io::Error::new(error.kind(), error).into(),
        error => Error::new(ErrorKind::Io, error),
    }
}

impl Service<Name> for Dns {
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().ask(name))
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_texts(texts: &[&str]) -> Option<String> {
        let records = texts.iter().map(|text| text.as_bytes().to_vec());
        read(records.collect()).map(|addresses| addresses.to_string())
    }

    #[test]
    fn records_are_alternatives_in_a_fixed_order() {
        for texts in [["ws://b", "net:a:1;net:c:1"], ["net:a:1;net:c:1", "ws://b"]] {
            let read = read_texts(&texts).unwrap();
            assert_eq!(read, "net:a:1;net:c:1;ws://b");
        }
    }

    #[test]
    fn what_no_stranger_can_mean_is_not_taken() {
        for text in [
            "",
            "~",
            "net:h:1~",
            "unix:/run/docker.sock",
            "channel:here",
            "net:localhost:22~noauth",
            "net:h:1~shs:KEY:SEED",
            &format!("net:{}:1", "h".repeat(MAX_RECORD)),
        ] {
            assert_eq!(read_texts(&[text]), None, "{text}");
            assert_eq!(read_texts(&[text, "net:a:1"]).unwrap(), "net:a:1", "{text}");
        }
        assert_eq!(read(vec![vec![0xff, 0xfe]]), None);
        assert_eq!(read_texts(&["unix:/a;net:a:1"]).unwrap(), "net:a:1");
    }

    #[test]
    fn many_records_are_few_addresses() {
        let texts: Vec<_> = (1000..2000).map(|port| format!("net:h:{port}")).collect();
        let texts: Vec<_> = texts.iter().map(|text| &**text).collect();
        let read = read_texts(&texts).unwrap();
        assert_eq!(read.split(';').count(), MAX_RECORDS);
        assert!(read.starts_with("net:h:1000;net:h:1001;"));
    }

    #[test]
    fn a_long_record_is_few_addresses() {
        let texts: Vec<_> = (0..20)
            .map(|n| format!("a{n}{}", ";b".repeat(2000)))
            .collect();
        let texts: Vec<_> = texts.iter().map(|text| &**text).collect();
        let read = read_texts(&texts).unwrap();
        assert_eq!(read.split(';').count(), MAX_RECORDS * MAX_OF_RECORD);
    }

    #[test]
    fn only_host_names_are_asked_for_and_as_they_are() {
        let host = "a-b.example.com";
        let full = Some(format!("_multiserver.{host}."));
        assert_eq!(domain(host), full);
        assert_eq!(domain(&format!("{host}.")), full);
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "bücher.example",
            "a\\.b",
            "x.onion",
            "onion.",
            &"a".repeat(64),
            &["a"; 125].join("."),
        ] {
            assert_eq!(domain(name), None, "{name}");
        }
    }
}
