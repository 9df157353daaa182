//! The body of a fuzz target.

use tower_multiserver_core::{Address, FromSection as _};

use super::{DeviceAddress, device_address::Peer};

/// A text is the address of a device where it is 12 digits. What a section says is read no otherwise.
pub fn addresses(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(device) = read(&text) {
        let address = Address::new(device.section());
        assert_eq!(address.to_string(), format!("bt:{}", text.to_uppercase()));
        assert_eq!(DeviceAddress::from_bytes(device.to_bytes()), device);
    }
    if let Ok(address) = format!("bt:{text}").parse::<Address>() {
        let section = address.transport();
        let device = section.args().and_then(read);
        assert_eq!(DeviceAddress::from_section(section).ok(), device);
        let is_one = device.is_some_and(|device| device != DeviceAddress::ANY);
        assert_eq!(Peer::from_section(section).is_ok(), is_one);
    }
}

fn read(text: &str) -> Option<DeviceAddress> {
    let device = text.parse().ok();
    let is_digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!(device.is_some(), is_digits);
    device
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("bluetooth_addresses", addresses);
    }
}
