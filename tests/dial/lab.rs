//! A dialer whose addresses say what becomes of them.

use std::{
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower_multiserver::{Address, Error, ErrorKind, dial::Attempts, turn};

/// Remembers when each address was dialed, in milliseconds from its making.
#[derive(Clone)]
pub(crate) struct Lab {
    start: Instant,
    log: Arc<Mutex<Vec<(u128, String)>>>,
}

/// Counts as an attempt as long as it lives, and says when it ends.
struct Socket(Lab, String);

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.note(format!("-{}", self.1));
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            log: Arc::default(),
        }
    }

    /// The last section is `HOW:MS`: `ok`, `never`, or an error, after so many milliseconds; that before it may be
    /// `turn:MS`, an identity that is told after so many milliseconds. What is not `lost` is told to be dialed.
    pub(crate) fn dialer(&self) -> BoxCloneSyncService<Address, String, Error> {
        let lab = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |address: Address| {
            let lab = lab.clone();
            let dial: BoxFuture<'static, _> = Box::pin(async move { lab.dial(address).await });
            dial
        }))
    }

    async fn dial(&self, address: Address) -> Result<String, Error> {
        let text = address.to_string();
        let sections = address.sections();
        let how = sections.last().expect("one");
        let kind = match how.name() {
            "ok" | "never" => None,
            "io" => Some(ErrorKind::Io),
            "timeout" => Some(ErrorKind::Timeout),
            "proxy" => Some(ErrorKind::Proxy),
            "unavailable" => Some(ErrorKind::Unavailable),
            "overloaded" => Some(ErrorKind::Overloaded),
            "handshake" => Some(ErrorKind::Handshake),
            "certificate" => Some(ErrorKind::Certificate),
            "unauthorized" => Some(ErrorKind::Unauthorized),
            "limit" => Some(ErrorKind::Limit),
            "other" => Some(ErrorKind::Other),
            _ => return Err(Error::unsupported("unknown").at(|| address)),
        };
        self.note(text.clone());
        let _socket = Socket(self.clone(), text.clone());
        if let Some(section) = sections.iter().find(|section| section.name() == "turn") {
            wait(section.args()).await;
            turn().await;
            self.note(format!("turn {text}"));
        }
        wait(how.args()).await;
        match kind {
            None if how.name() == "never" => std::future::pending().await,
            None => Ok(text),
            Some(kind) => Err(Error::new(kind, "as told").at(|| address)),
        }
    }

    fn note(&self, what: String) {
        let at = self.start.elapsed().as_millis();
        self.log.lock().expect("the log").push((at, what));
    }

    /// What happened, `MS WHAT`: an address that is dialed, `turn ADDRESS`, `-ADDRESS` when its dial has ended.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = self.log.lock().expect("the log");
        let lines = log.iter().map(|(at, what)| format!("{at} {what}"));
        lines.collect()
    }

    /// The addresses that were dialed, in order.
    pub(crate) fn dialed(&self) -> Vec<String> {
        let log = self.log.lock().expect("the log");
        let lines = log.iter().map(|(_, what)| what.clone());
        let dialed = |what: &String| !what.starts_with('-') && !what.starts_with("turn ");
        lines.filter(dialed).collect()
    }
}

async fn wait(ms: Option<&str>) {
    let ms = ms.unwrap_or("0").parse().expect("milliseconds");
    sleep(Duration::from_millis(ms)).await;
}

/// The addresses that an error lists, each with its kind.
pub(crate) fn listed(error: &Error) -> Vec<(String, ErrorKind)> {
    let source = error.source().and_then(|source| source.downcast_ref());
    let attempts: &Attempts = source.expect("a list of attempts");
    let attempts = attempts.iter();
    attempts
        .map(|(address, error)| (address.to_string(), error.kind()))
        .collect()
}

/// The cause of type `T` of each address that an error lists.
pub(crate) fn causes<T: std::error::Error + Copy + 'static>(error: &Error) -> Vec<Option<T>> {
    let source = error.source().and_then(|source| source.downcast_ref());
    let attempts: &Attempts = source.expect("a list of attempts");
    let cause = |error: &Error| {
        error
            .source()
            .and_then(|cause| cause.downcast_ref().copied())
    };
    attempts.iter().map(|(_, error)| cause(error)).collect()
}
