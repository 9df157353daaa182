//! What is known of a connection's two ends.

use super::DeviceAddress;

/// A fact: the device at the other end.
///
/// Neither the address nor the name proves anything: a device may take any. A key does, so lay `shs` over it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Device {
    /// Its address.
    pub address: DeviceAddress,
    /// What it calls itself, in at most 248 bytes; known where BlueZ was asked and had heard of it. It may hold control
    /// characters.
    pub name: Option<String>,
}

/// A fact: the adapter of this machine that the connection goes through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Adapter {
    /// Its address.
    pub address: DeviceAddress,
    /// Its name on this machine, such as `hci0`; known where BlueZ was asked.
    pub name: Option<String>,
}
