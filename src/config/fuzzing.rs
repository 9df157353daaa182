//! Bodies of fuzz targets.

use super::{Config, check_dial, check_listen};
use crate::MultiAddress;

/// A configuration, here in JSON, is refused, or comes out of its own text as it went in.
pub fn files(data: &[u8]) {
    let Ok(config) = serde_json::from_slice::<Config>(data) else {
        return;
    };
    let text = serde_json::to_string(&config).expect("it was read");
    let again: Config = serde_json::from_str(&text).expect("it was written");
    assert_eq!(again, config);
    let _ = (format!("{config:?}"), config.addresses());
}

/// Whether an address is one to dial or to listen at is known without a side effect: what each of its sections says is
/// read by the protocol that it names.
pub fn chains(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for address in text.parse::<MultiAddress>().into_iter().flatten() {
        let _ = check_dial(&address);
        let _ = check_listen(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("config_files", files);
        replay("config_chains", chains);
    }
}
