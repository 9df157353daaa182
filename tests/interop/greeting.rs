//! A server of the reference whose `auth` answers late cuts off a client that says nothing for the patience of the
//! handshake. Our dialer therefore sends an empty frame first.

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::harness::{Options, PATIENCE, Peer, dial, exchange};

each_stack! { secure

async fn a_dialer_that_greets_survives_the_late_answer_of_javascript(js, stack, directory) {
    let options = json!({
        "behaviour": "echo", "dir": directory, "timeout": 1000,
        "auth": { "mode": "allow", "delay": 20 },
    });
    let (_, address) = js.serve(stack, options).await;
    let greeted = dial(&address, Options::default()).await.unwrap();
    let silent = Options { greeting: false, ..Options::default() };
    let mut silent = dial(&address, silent).await.unwrap();

    // The later one is cut off after the patience of the handshake, so the earlier one has been idle for longer.
    silent.read(&mut [0]).await.unwrap_err();

    let (sent, received) = exchange(greeted, 1000).await;
    assert_eq!(sent, received);
}
}
