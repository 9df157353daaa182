//! Connecting to a name: all of its addresses, staggered (RFC 8305, "Happy Eyeballs").

use std::{fmt, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};

/// The Connection Attempt Delay of RFC 8305, section 5.
const STAGGER: Duration = Duration::from_millis(250);

/// How many addresses of one name are tried; an answer could hold thousands.
const MAX_ADDRESSES: usize = 32;

/// Connects to the first of the host's addresses that answers.
///
/// # Errors
///
/// Those of name resolution, or that of every address; at once for the name of an onion service, which nobody is to ask
/// the DNS for (RFC 7686, section 2).
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    if is_onion(host) {
        let reason = "an onion service is not in the DNS, it is dialed as `onion:HOST:PORT`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let found = lookup_host((host, port)).await?;
    let addresses = interleaved(found.take(MAX_ADDRESSES).collect());
    let stream = race(addresses, TcpStream::connect).await?;
    super::tune(&stream)?;
    Ok(stream)
}

fn is_onion(host: &str) -> bool {
    let labels = host.trim_end_matches('.').rsplit_once('.');
    labels.is_some_and(|(_, last)| last.eq_ignore_ascii_case("onion"))
}

/// Alternates between the families, beginning with that of the first address (RFC 8305, section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let (same, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut interleaved = Vec::with_capacity(same.len().saturating_add(other.len()));
    loop {
        let (one, another) = (same.next(), other.next());
        if one.is_none() && another.is_none() {
            return interleaved;
        }
        interleaved.extend(one.into_iter().chain(another));
    }
}

/// Starts the next attempt when the last one failed or has had its head start; the first that succeeds wins.
async fn race<T, F>(addresses: Vec<SocketAddr>, attempt: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let attempt = attempt(address);
            running.push(async move { (address, attempt.await) });
        } else if running.is_empty() {
            return Err(none(failed));
        }
        let head_start = sleep(STAGGER);
        tokio::pin!(head_start);
        tokio::select! {
            Some((address, result)) = running.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failed.push((address, error)),
            },
            () = &mut head_start, if waiting.len() > 0 => {}
        }
    }
}

fn none(mut failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match (failed.pop(), failed.first()) {
        (None, _) => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        (Some((_, only)), None) => only,
        (Some(last), Some((_, first))) => {
            let kind = first.kind();
            failed.push(last);
            io::Error::new(kind, NoneAnswered(failed))
        }
    }
}

#[derive(Debug)]
struct NoneAnswered(Vec<(SocketAddr, io::Error)>);

impl fmt::Display for NoneAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address answered")?;
        let mut failed = self.0.iter();
        failed.try_for_each(|(address, error)| write!(f, ", {address}: {error}"))
    }
}

impl std::error::Error for NoneAnswered {}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let texts = texts.iter();
        texts
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn families_take_turns() {
        let mixed = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleaved(mixed), expected);
    }

    #[tokio::test]
    async fn no_dns_is_asked_for_an_onion_service() {
        for host in ["x.onion", "a.b.ONION", "x.onion."] {
            let error = connect(host, 1).await.expect_err("not by TCP");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{host}");
        }
        assert!(!is_onion("onion") && !is_onion("onion.example"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_delays_the_next_by_its_head_start_only() {
        let start = Instant::now();
        let winner = race(
            addresses(&["[::1]:1", "1.1.1.1:1"]),
            async |address| match address.is_ipv6() {
                true => pending().await,
                false => Ok(address),
            },
        );
        assert!(winner.await.expect("the second").is_ipv4());
        assert_eq!(start.elapsed(), STAGGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_at_once_and_all_are_told() {
        let tried = RefCell::new(0);
        let start = Instant::now();
        let result: io::Result<()> = race(
            addresses(&["[::1]:1", "1.1.1.1:1", "1.1.1.2:1"]),
            async |_| {
                *tried.borrow_mut() += 1;
                Err(io::ErrorKind::ConnectionRefused.into())
            },
        )
        .await;
        let error = result.expect_err("all refuse");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("1.1.1.2:1"), "{error}");
        assert_eq!((tried.into_inner(), start.elapsed()), (3, Duration::ZERO));
    }
}
