//! The body of a fuzz target.

use std::io::Cursor;

use arbitrary::{Result, Unstructured};
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, join, sink};

use super::*;
use crate::{Section, ragep2p::fuzzing::peer};

/// Whatever a peer sends, in whatever pieces, is read to its end or to the first breach of the rules.
pub fn frames(data: &[u8]) {
    let _ = read(&mut Unstructured::new(data));
}

fn read(u: &mut Unstructured<'_>) -> Result<()> {
    let version = match u.arbitrary()? {
        true => Version::V1,
        false => Version::V2,
    };
    let cut = usize::from(u.arbitrary::<u8>()?);
    let said = u.bytes(u.len())?;
    let (first, second) = said.split_at(cut.min(said.len()));
    let [first, second] = [first, second].map(|part| Cursor::new(part.to_vec()));
    let connection = Connection::new(join(first.chain(second), sink()), Section::new("pipe"));
    let peer = peer(version);
    let metered = Metered::default();
    metered.start_bounding_overhead();
    let reader = Reader {
        peer: &peer,
        io: BufReader::with_capacity(READ_BUFFER, split(connection.boxed()).0),
        metered,
    };
    match reader.run().now_or_never() {
        Some(Err(Ended::Violated(_))) => {}
        Some(Err(Ended::Broken(error))) => {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        }
        other => unreachable!("it ends: {other:?}"),
    }
    Ok(())
}
