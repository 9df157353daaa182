//! Bodies of fuzz targets.

use std::{future::ready, io::Cursor};

use arbitrary::{Result, Unstructured};
use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, join, sink},
    runtime::Runtime,
};
use tokio_socks::TargetAddr;

use super::{
    Proxy,
    proxy::Login,
    socks::{Greeting, ask},
};

thread_local! {
    // A proxy's answer has a deadline, which never comes here.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs nothing but memory");
}

/// Whatever a proxy answers, in whatever pieces, is a failure or a connection that keeps what came behind the answer.
pub fn replies(data: &[u8]) {
    RUNTIME.with(|runtime| {
        let _guard = runtime.enter();
        let _ = answered(&mut Unstructured::new(data));
    });
}

fn answered(u: &mut Unstructured<'_>) -> Result<()> {
    let login = Login {
        name: "bob".to_owned().into(),
        password: "secret".to_owned().into(),
    };
    let greeting = match u.int_in_range(0..=2)? {
        0 => Greeting::Anonymous,
        1 => Greeting::Login(&login),
        _ => Greeting::Isolated(&login),
    };
    let cut = usize::from(u.arbitrary::<u8>()?);
    let answer = u.bytes(u.len())?;
    let (first, second) = answer.split_at(cut.min(answer.len()));
    let [first, second] = [first, second].map(|part| Cursor::new(part.to_vec()));
    let proxy = join(first.chain(second), sink());
    let target = TargetAddr::Domain("peer.example".into(), 1);
    let asked = ask(ready(Ok(proxy)), target, greeting).now_or_never();
    let Ok(mut peer) = asked.expect("the proxy has said all that it will") else {
        return Ok(());
    };
    let mut behind = Vec::new();
    let read = peer.read_to_end(&mut behind).now_or_never();
    assert!(matches!(read, Some(Ok(_))) && answer.ends_with(&behind));
    let is_anonymous = answer[..2] == [5, 0];
    assert!(!is_anonymous || !matches!(greeting, Greeting::Isolated(_)));
    let head = if is_anonymous { 2 } else { 4 };
    let address = match answer[head + 3] {
        1 => 4,
        4 => 16,
        _ => 1 + usize::from(answer[head + 4]),
    };
    assert_eq!(behind, answer[head + 4 + address + 2..]);
    Ok(())
}

/// The text of a proxy is read, or refused.
pub fn proxies(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(proxy) = text.parse::<Proxy>() {
        let again = proxy.to_string().parse::<Proxy>();
        assert_eq!(
            again.map(|proxy| proxy.to_string()).ok(),
            Some(proxy.to_string())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("socks_replies", replies);
        replay("socks_proxies", proxies);
    }
}
