//! `swarm join`.

use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader, stdin};
use tower_multiserver::{
    Error, ErrorKind, PublicKey,
    peer_socket::{Swarm, SwarmId},
};

use super::{everyone::Everyone, hear::hear, names::Names, network};
use crate::{
    cli,
    copy::of_ours,
    failure::Failure,
    listen::not_listening,
    report::{Report, written},
    signals::Signals,
};

/// In bytes. However it is escaped, it is no longer than a message may be.
const MAX_LINE: usize = 64 * 1024;

/// Is in a swarm until stdin ends or a signal comes.
pub(crate) async fn run(args: cli::SwarmJoin, report: Report) -> Result<(), Failure> {
    let config = network::config(&args)?;
    let mut signals = Signals::catch()?;
    let found = network::find(&args, &config)?;
    let id = SwarmId::open(args.swarm.clone());
    let joining = async {
        match &args.name {
            Some(name) => found.peers.join_with(id, json!({ "name": name })).await,
            None => found.peers.join(id).await,
        }
    };
    let swarm = tokio::select! {
        joined = joining => joined.map_err(not_joined)?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    for (scope, address) in found.addresses() {
        report.listening(&address, scope);
    }
    joined(&args.swarm, found.peers.public_key(), report);

    let names = Names::new(&swarm, args.name.as_deref());
    let mut everyone = Everyone::new(&swarm, &names, report);
    let result = tokio::select! {
        result = say(&mut everyone, &args) => result,
        result = hear(&swarm, &names, report) => result,
        () = signals.next() => match everyone.is_waited_for() {
            true => Err(Failure::interrupted()),
            false => {
                report.note("leaving");
                Ok(())
            }
        }
    };
    leave(&swarm, &everyone, &mut signals).await.and(result)
}

/// Tells everybody what stdin says.
async fn say(everyone: &mut Everyone, args: &cli::SwarmJoin) -> Result<(), Failure> {
    let mut input = BufReader::new(stdin());
    while let Some(line) = next_line(&mut input).await? {
        everyone.tell(&line, args.wait).await?;
    }
    match args.stay {
        true => std::future::pending().await,
        false => Ok(()),
    }
}

/// The next line, without its end. None when there are no more.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, Failure> {
    // One byte more, by which too long is known, and a line feed.
    let mut input = input.take(MAX_LINE as u64 + 2);
    let mut line = Vec::new();
    let read = input.read_until(b'\n', &mut line).await;
    if read.map_err(of_ours("cannot read stdin"))? == 0 {
        return Ok(None);
    }
    line.pop_if(|byte| *byte == b'\n');
    line.pop_if(|byte| *byte == b'\r');
    match line.len() > MAX_LINE {
        true => Err(Failure::usage(format!(
            "a line of stdin is longer than {MAX_LINE} bytes"
        ))),
        false => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
    }
}

fn joined(swarm: &str, own: PublicKey, report: Report) {
    report.event(
        || format!("in the swarm {} as {}", written(swarm), own.to_ssb_id()),
        || json!({ "event": "swarm", "swarm": swarm, "peer": own.to_string() }),
    );
}

fn not_joined(error: Error) -> Failure {
    match error.kind() {
        // Of the name.
        ErrorKind::Limit => Failure::from(error).of_usage(),
        _ => not_listening(error),
    }
}

/// Ends in good order, unless another signal comes.
async fn leave(swarm: &Swarm, everyone: &Everyone, signals: &mut Signals) -> Result<(), Failure> {
    let leaving = async {
        everyone.finish().await;
        swarm.close().await;
    };
    tokio::select! {
        () = leaving => Ok(()),
        () = signals.next() => Err(Failure::interrupted()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_text_without_its_end_and_of_a_bounded_length() {
        let mut input: &[u8] = b"one\r\n\n\xfftwo";
        for line in ["one", "", "\u{fffd}two"] {
            assert_eq!(next_line(&mut input).await.unwrap().as_deref(), Some(line));
        }
        assert_eq!(next_line(&mut input).await.unwrap(), None);
        let longest = "x".repeat(MAX_LINE) + "\n";
        let read = next_line(&mut longest.as_bytes()).await;
        assert_eq!(read.unwrap().map(|line| line.len()), Some(MAX_LINE));
        let longer = "x".repeat(MAX_LINE + 1);
        next_line(&mut longer.as_bytes()).await.unwrap_err();
    }
}
