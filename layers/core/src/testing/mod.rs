//! What the tests of a layer need (feature `testing`): a transport in memory that gives, takes and fails as a seed says,
//! and checks that hold of every layer.
//!
//! [`transform`] makes a [`Suite`] of the two sides of a layer. What it checks:
//!
//! | check | what must hold |
//! |---|---|
//! | [`truncations`](Suite::truncations) | the transport may end at every byte of the handshake: both sides fail and nobody waits |
//! | [`cancellations`](Suite::cancellations) | either side may be dropped at every await of the handshake: so fails the other |
//! | [`seeds`](Suite::seeds) | over pipes of all widths, with calls that are put off, halves in one task or two, and reads, writes, flushes and shutdowns that are cancelled: all that was said is heard in order, each direction ends by itself, what was written goes out without a further call; and with cuts, flipped bits and drops in it, nothing else is heard and no end that was not said |
//!
//! A failing seed is told on stderr, and runs alone with `MULTISERVER_SEED` in the environment; `MULTISERVER_SEEDS`
//! sets how many are run.
//!
//! [`Lan`] is a whole network of such transports, for what dials and listens by itself.
//!
//! # Example
//!
//! A layer without a handshake, that neither notices a cut nor a change: it flips all bits.
//!
//! ```
//! use std::{io, pin::Pin, task::{Context, Poll, ready}};
//! use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
//! use tower_multiserver_core::{Connection, Error, Io, Role, Section, Transform, testing};
//!
//! #[derive(Clone, Debug)]
//! struct FlipLayer;
//!
//! impl Transform for FlipLayer {
//!     type Args = ();
//!     type Io<I: Io> = FlipIo<I>;
//!
//!     fn name(&self) -> &str {
//!         "flip"
//!     }
//!
//!     async fn upgrade<I: Io>(
//!         self,
//!         connection: Connection<I>,
//!         _: Role,
//!     ) -> Result<Connection<FlipIo<I>>, Error> {
//!         Ok(connection.layered(Section::new("flip"), FlipIo))
//!     }
//! }
//!
//! struct FlipIo<I>(I);
//!
//! impl<I: Io> AsyncRead for FlipIo<I> {
//!     fn poll_read(
//!         mut self: Pin<&mut Self>,
//!         cx: &mut Context<'_>,
//!         buf: &mut ReadBuf<'_>,
//!     ) -> Poll<io::Result<()>> {
//!         let before = buf.filled().len();
//!         ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
//!         buf.filled_mut()[before..].iter_mut().for_each(|byte| *byte = !*byte);
//!         Poll::Ready(Ok(()))
//!     }
//! }
//!
//! impl<I: Io> AsyncWrite for FlipIo<I> {
//!     fn poll_write(
//!         mut self: Pin<&mut Self>,
//!         cx: &mut Context<'_>,
//!         text: &[u8],
//!     ) -> Poll<io::Result<usize>> {
//!         let flipped: Vec<u8> = text.iter().map(|byte| !byte).collect();
//!         // It takes as much as the transport takes, so that nothing waits here.
//!         Pin::new(&mut self.0).poll_write(cx, &flipped)
//!     }
//!
//!     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Pin::new(&mut self.0).poll_flush(cx)
//!     }
//!
//!     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Pin::new(&mut self.0).poll_shutdown(cx)
//!     }
//! }
//!
//! // In a test: `#[tokio::test(start_paused = true)]`, so that what hangs fails at once.
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! testing::transform(FlipLayer, FlipLayer)
//!     .without([testing::Promise::Cuts, testing::Promise::Changes])
//!     .run(50)
//!     .await;
//! # }
//! ```

mod conformance;
mod dialog;
mod lan;
mod pipes;
mod plan;
mod scheduler;
mod seeds;
mod wire;

pub use self::{
    conformance::{Promise, Suite, connections, transform},
    lan::{Lan, LanListener, LanSocket},
    pipes::{Pipes, pipe},
    scheduler::{Scheduler, cancelled_after},
    seeds::{SEED, SEEDS, seeds},
    wire::{Fault, Manner, Side, Tap, Wire},
};
