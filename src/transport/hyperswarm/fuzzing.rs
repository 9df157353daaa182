//! Bodies of fuzz targets.

use crate::{FromSection as _, Section};

use super::names::{Key, MaybeKey, Topic};

pub use super::udx::fuzzing::{packets, streams};

/// The arguments of a section are read as they are written, or refused.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let section = Section::new("hyperswarm").arg(&text);
    if let Ok(topic) = Topic::from_section(&section) {
        assert_eq!(topic.to_string().parse::<Topic>().ok(), Some(topic));
    }
    if let Ok(Key(key)) = Key::from_section(&section) {
        let again = Key::from_section(&super::names::key_section(&key));
        assert_eq!(again.ok(), Some(Key(key)));
    }
    let _ = MaybeKey::from_section(&section);
    if let Ok(section) = text.parse::<Section>() {
        let _ = Topic::of_section(&section);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("hyper_names", names);
        replay("udx_packets", packets);
        replay("udx_streams", streams);
    }
}
