//! `rage listen`.

use std::pin::pin;

use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower_multiserver::{
    Address, PeerId,
    ragep2p::{Host, Sent, Stream},
};

use super::{
    messages::Messages,
    node,
    peer::{self, Named},
};
use crate::{cli, failure::Failure, input, report::Report, signals::Signals};

/// A message, and whose it is.
type Heard = (PeerId, bytes::Bytes);

/// Prints messages until a signal comes.
pub(crate) async fn run(args: cli::RageListen, report: Report) -> Result<(), Failure> {
    let mut listen: Vec<Address> = Vec::new();
    for argument in &args.addresses {
        listen.extend(input::addresses(argument)?);
    }
    listen.iter().try_for_each(peer::only_transport)?;
    let peers: Vec<Named> = args
        .peers
        .iter()
        .map(|peer| peer::named(peer))
        .collect::<Result<_, _>>()?;
    if listen.is_empty() && peers.iter().any(|peer| peer.addresses.is_none()) {
        return Err(Failure::usage(
            "a --peer without an address can only dial, and there is no ADDRESS to listen on",
        ));
    }
    let mut signals = Signals::catch()?;
    let host = node::start(&args.node, &peers, listen, Some(&args.certificate)).await?;
    // Nobody is heard before all of them are expected.
    let streams = peers
        .iter()
        .map(|peer| node::open(&host, peer, &args.stream));
    let streams: Vec<Stream> = streams.collect::<Result<_, _>>()?;
    for (scope, address) in host.addresses() {
        report.listening(address, *scope);
    }
    let messages = Messages::new(&args.stream.name, report);
    let (heard, hear) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for stream in streams {
        let (heard, stop) = (heard.clone(), stop.clone());
        tasks.spawn(listen_to(stream, args.echo, heard, stop, report));
    }
    drop(heard);
    let mut print = pin!(print(hear, &stop, messages));
    let result = tokio::select! {
        result = &mut print => result,
        () = signals.next() => {
            report.note("shutting down");
            stop.cancel();
            // What was heard, and sent back, is printed still.
            tokio::select! {
                result = print => result,
                () = signals.next() => return Err(Failure::interrupted()),
            }
        }
    };
    close(&host, &mut signals).await.and(result)
}

/// Sends back before it is printed, so that a slow reader of stdout makes no difference.
async fn listen_to(
    mut stream: Stream,
    echo: bool,
    heard: Sender<Heard>,
    stop: CancellationToken,
    report: Report,
) {
    let peer = stream.peer();
    while let Some(Some(message)) = stop.run_until_cancelled(stream.recv()).await {
        if echo && let Ok(Sent::Evicted) = stream.send(message.clone()) {
            report.note(&format!(
                "an answer to {peer} was dropped, since others wait"
            ));
        }
        if heard.send((peer, message)).await.is_err() {
            return;
        }
    }
}

/// Until nobody listens to a stream any more, which should be after `stop`.
async fn print(
    mut hear: Receiver<Heard>,
    stop: &CancellationToken,
    mut messages: Messages,
) -> Result<(), Failure> {
    while let Some((peer, message)) = hear.recv().await {
        if let Err(unwritten) = messages.write(peer, &message).await {
            return unwritten.into_result();
        }
    }
    match stop.is_cancelled() {
        true => Ok(()),
        false => Err(node::closed()),
    }
}

/// Ends in good order, unless another signal comes.
pub(super) async fn close(host: &Host, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        _ = host.close() => Ok(()),
        () = signals.next() => Err(Failure::interrupted()),
    }
}
