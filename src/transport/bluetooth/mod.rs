//! Bluetooth: `bt:65D900DDB353` (Linux).
//!
//! The address is that of a device, as the JavaScript multiserver writes it. The bytes of a connection travel over RFCOMM,
//! on a channel between 1 and 30 of the device that listens. There are two ways to the right one:
//!
//! - [`Bluetooth`] dials and listens on a number that both sides know, 10 unless set, with nothing but the kernel's
//!   sockets.
//! - `profile::BluetoothProfile` (feature `bluetooth-profiles`, needs BlueZ's daemon and the library
//!   libdbus) finds the channel by the [`SERVICE`] that a device offers. Phones, which choose their channels themselves,
//!   can be reached in this way only. It also finds the devices around that offer the service.
//!
//! # Listening
//!
//! One listens at the address of an adapter, or at `bt:000000000000`, which is all of them. What is listened at is
//! advertised in [`Scope::Local`](crate::Scope::Local), since it means something to devices nearby only. Their
//! connections are of that scope too: like the guests of an open network they are near, and strangers. The facts
//! [`Device`] and [`Adapter`] say which device came in by which adapter.
//!
//! Neither the device's address nor its name is a proof, and whether the radio link is encrypted is for the two devices
//! to agree. So lay [`shs`](crate::shs) over it.
//!
//! # Errors
//!
//! Where there is no Bluetooth, no adapter, or none that is on, the kind is [`Unavailable`](crate::ErrorKind::Unavailable).
//! The kernel says so to who dials. It lets one listen by channel number all the same, and peers come in once an adapter
//! is on.
//!
//! A device that does not answer is [`HostUnreachable`](std::io::ErrorKind::HostUnreachable).
//!
//! # What only radios show
//!
//! The tests run against the real kernel and BlueZ between emulated controllers, not through the air. Not shown by them are:
//! pairing, which many devices insist on before the first connection and which is a matter of BlueZ's agent and of the
//! people in front of both devices; service discovery against a phone; the range, and what a link that fades away looks
//! like; the length of RFCOMM's frames and the throughput.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_multiserver::{ErrorKind, Shutdown, StackExt, bluetooth::Bluetooth};
//!
//! let (_shutdown, closing) = Shutdown::new();
//! match Bluetooth::new().listen("bt:000000000000", closing).await {
//!     Ok(_incoming) => println!("others can come in"),
//!     Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
//! }
//! # }
//! ```

mod closing;
mod device_address;
mod error;
mod facts;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod io;
#[cfg(feature = "bluetooth-profiles")]
pub mod profile;
mod rfcomm;

#[cfg(feature = "serde")]
pub(crate) use self::device_address::Peer;
pub use self::{
    device_address::DeviceAddress,
    facts::{Adapter, Device},
    io::BluetoothIo,
    rfcomm::{Bluetooth, BluetoothListener, BluetoothSocket, ChannelNumber},
};

/// The UUID of the service that multiservers offer by Bluetooth, the same as in JavaScript's SSB applications.
pub const SERVICE: u128 = 0xb0b2e90d_0cda_4bb0_8e4b_fb165cd17d48;

/// Of the section.
const NAME: &str = "bt";

/// How many connections wait to be accepted: as many devices as can take part in a piconet beside its master (Bluetooth
/// Core, volume 1, part A, 4.1.1), each of which has a channel once.
const BACKLOG: u8 = 7;
