//! Which device.

use std::{fmt, str::FromStr};

use tower_multiserver_core::{Error, ErrorKind, FromSection, Section};

/// The address of a Bluetooth device, or of an adapter of this machine (BD_ADDR, Bluetooth Core, volume 2, part B, 1.2).
///
/// In text it is 12 hexadecimal digits, `65D900DDB353`, as in the JavaScript multiserver; the small letters of them are
/// read and not written.
///
/// ```
/// use tower_multiserver::{Address, bluetooth::DeviceAddress};
///
/// # fn main() -> Result<(), tower_multiserver::Error> {
/// let device: DeviceAddress = "65d900ddb353".parse()?;
/// assert_eq!(Address::new(device.section()).to_string(), "bt:65D900DDB353");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceAddress([u8; 6]);

const DIGITS: usize = 12;

impl DeviceAddress {
    /// All adapters of this machine: where to listen, never whom to dial.
    pub const ANY: Self = Self([0; 6]);

    /// The address with these bytes, in the order of the text.
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order of the text.
    pub const fn to_bytes(self) -> [u8; 6] {
        self.0
    }

    /// The section of an address that names it.
    pub fn section(self) -> Section {
        Section::new(super::NAME).arg(self)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != DIGITS {
            return None;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let mut bytes = [0; 6];
        for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks().0) {
            *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceAddress({self})")
    }
}

impl FromStr for DeviceAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reason = "the address of a Bluetooth device is 12 hexadecimal digits";
        Self::parse(text).ok_or_else(|| Error::new(ErrorKind::InvalidAddress, reason))
    }
}

/// The arguments of a `bt` section where one listens.
impl FromSection for DeviceAddress {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let address = section.args().and_then(Self::parse);
        let reason = "`bt` needs the address of a device, 12 hexadecimal digits";
        address.ok_or_else(|| Error::unsupported(reason))
    }
}

impl From<DeviceAddress> for bluer::Address {
    fn from(address: DeviceAddress) -> Self {
        Self(address.0)
    }
}

impl From<bluer::Address> for DeviceAddress {
    fn from(address: bluer::Address) -> Self {
        Self(address.0)
    }
}

/// The arguments of a `bt` section that is dialed: a single device.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(super) DeviceAddress);

impl FromSection for Peer {
    fn from_section(section: &Section) -> Result<Self, Error> {
        match DeviceAddress::from_section(section)? {
            DeviceAddress::ANY => Err(Error::unsupported("that is no device's address")),
            device => Ok(Self(device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_twelve_digits_is_not_understood() {
        for text in [
            "bt",
            "bt:",
            "bt:65D900DDB35",
            "bt:65D900DDB3533",
            "bt:65D900DDB35G",
            "bt:+5D900DDB353",
            "bt:65:D9:00:DD:B3:53",
            "bt:65D900DDB353:10",
            "bt: 65D900DDB353",
            "bt:65D900DDB35é",
            "bt:６５Ｄ９",
        ] {
            let error = DeviceAddress::from_section(&text.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let digits = text.split_once(':').map_or("", |(_, digits)| digits);
            let error = digits.parse::<DeviceAddress>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{text}");
        }
    }

    #[test]
    fn all_adapters_are_nobody_to_dial() {
        let any = DeviceAddress::ANY.section();
        assert!(DeviceAddress::from_section(&any).is_ok());
        assert!(Peer::from_section(&any).is_err());
    }

    #[test]
    fn the_first_digits_are_the_first_byte() {
        let address: DeviceAddress = "65d900DDB353".parse().unwrap();
        assert_eq!(address.to_bytes(), [0x65, 0xd9, 0x00, 0xdd, 0xb3, 0x53]);
        // The order in which BlueZ and bluer write it too.
        assert_eq!(
            bluer::Address::from(address).to_string(),
            "65:D9:00:DD:B3:53"
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(bytes: [u8; 6]) {
            let address = DeviceAddress::from_bytes(bytes);
            prop_assert_eq!(address.to_string().parse::<DeviceAddress>().unwrap(), address);
            let section = address.section();
            prop_assert_eq!(DeviceAddress::from_section(&section).unwrap(), address);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<DeviceAddress>();
        }
    }
}
