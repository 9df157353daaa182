//! One connection as stdin and stdout.

use std::{cell::Cell, io, pin::pin};

use tokio::io::{split, stdin, stdout};
use tower_multiserver::Connection;

use crate::{
    copy::{self, Broken, both, of_ours, of_peer},
    failure::Failure,
    progress::Direction,
    report::Report,
    signals::Signals,
};

/// What the first signal does while neither direction of a connection has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSignal {
    /// It breaks the connection off.
    Abort,
    /// It lets the connection end by itself; the second breaks it off.
    Wait,
}

/// Sends stdin to the peer and what the peer sends to stdout, until both have ended.
///
/// Ends quietly when nobody reads stdout any more.
pub(crate) async fn run(
    connection: Connection,
    signals: &mut Signals,
    mut on_signal: OnSignal,
    report: Report,
) -> Result<(), Failure> {
    let info = connection.info().clone();
    let half_close = info.has_half_close();
    let input_ended = Cell::new(false);
    let output_gone = Cell::new(false);

    let (mut from_peer, mut to_peer) = split(connection);
    let send = async {
        let sent = copy::copy_all(&mut stdin(), &mut to_peer, Direction::Out).await;
        let ours = of_ours("cannot read stdin");
        sent.map_err(|broken| broken.between(ours, of_peer(&info)))?;
        input_ended.set(true);
        if !half_close {
            report.note("the peer cannot be told that the input has ended; waiting for it to end");
        }
        Ok(())
    };
    let receive = async {
        let mut stdout = stdout();
        let received = copy::copy(&mut from_peer, &mut stdout, Direction::In).await;
        received.map_err(|broken| {
            // What can be written nowhere need not be read, and nothing else is worth waiting for.
            Broken::Source(match broken {
                Broken::Source(error) => of_peer(&info)(error),
                Broken::Sink(error) => {
                    output_gone.set(error.kind() == io::ErrorKind::BrokenPipe);
                    of_ours("cannot write to stdout")(error)
                }
            })
        })
    };
    let mut bridged = pin!(both(send, receive));

    loop {
        tokio::select! {
            ended = &mut bridged => return match ended {
                Err(_) if output_gone.get() => Ok(()),
                Err(broken) => Err(broken.into_inner().of(&info)),
                Ok(()) => {
                    report.closed(&info);
                    Ok(())
                }
            },
            () = signals.next() => {
                if input_ended.get() && !half_close {
                    report.closed(&info);
                    return Ok(());
                }
                if on_signal == OnSignal::Abort {
                    return Err(Failure::interrupted());
                }
                on_signal = OnSignal::Abort;
                report.note("waiting for the connection to end");
            }
        }
    }
}
