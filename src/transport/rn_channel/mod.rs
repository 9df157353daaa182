//! A peer at the other end of a pipe of messages: the bare word `channel`.
//!
//! It speaks with [multiserver-rn-channel](https://www.npmjs.com/package/multiserver-rn-channel) 1.3, so that a Node
//! process, a worker or a web view at the other end of any stream and sink of strings ([`Pipe`]) is a peer. One pipe is
//! one connection; there is nothing to choose from by an address, which has no arguments. (With one, `channel:NAME`, it is
//! that of [`channel`](crate::transport::channel). Both may stand in one [`MultiServer`](crate::MultiServer).)
//!
//! # The protocol
//!
//! Each message is one JSON object, with a `seq` that counts from 1 in each direction. Messages may arrive in any order.
//!
//! | message | meaning |
//! |---|---|
//! | `{"type":"data","format":"buffer","data":"aGVsbG8=","seq":1}` | bytes, in base64 |
//! | `{"type":"data","format":"json","data":"hello","seq":2}` | what a JavaScript program wrote as a text: its UTF-8, as over `net` |
//! | `{"type":"end","seq":3}` | the direction is over; the other goes on |
//! | `{"type":"error","data":"why","seq":3}` | the direction is over, and should not be |
//!
//! All else is a [`Violation`]. The package itself is more patient, and waits for ever behind a message that is missing
//! or came twice; other JSON than texts is handed on there, and no byte stream here.
//!
//! # Example
//!
//! Two ends in one program. A child process is the same with its stdin and stdout joined.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
//! use tokio_util::codec::{Framed, LinesCodec};
//! use tower_multiserver::{Shutdown, StackExt, rn_channel::RnChannel};
//!
//! let (ours, theirs) = duplex(4096);
//! let lines = || LinesCodec::new_with_max_length(1024 * 1024);
//! let client = RnChannel::new(Framed::new(ours, lines()));
//! let server = RnChannel::new(Framed::new(theirs, lines()));
//!
//! let (_shutdown, closing) = Shutdown::new();
//! let mut incoming = server.listen("channel", closing).await?;
//! let (dialed, accepted) = tokio::join!(client.dial("channel"), incoming.next());
//! let (mut dialed, mut accepted) = (dialed?, accepted.expect("a peer")?);
//!
//! dialed.write_all(b"hello").await?;
//! dialed.shutdown().await?;
//! let mut text = String::new();
//! accepted.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod inbox;
mod io;
mod message;
mod pipe;
#[cfg(test)]
mod tests;
mod transport;
mod violation;

pub use self::{
    io::RnChannelIo,
    pipe::Pipe,
    transport::{RnChannel, RnChannelListener},
    violation::{Aborted, Violation},
};
