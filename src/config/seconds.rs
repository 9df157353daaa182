//! A time in seconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(super) fn serialize<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_f64(time.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}

/// More than any peer needs, and far from where clocks overflow.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match time.is_zero() || time > MAX {
        true => Err(D::Error::custom(
            "expected seconds, more than 0 and a day at most",
        )),
        false => Ok(Some(time)),
    }
}
