//! The body of a fuzz target.

use super::{
    Name,
    dns::{MAX_OF_RECORD, MAX_RECORDS, domain, is_for_others, read},
};

/// Whatever the records of a name say, here a line each: some addresses that others may tell us, in an order that is not the
/// server's. And whatever the name, what is asked for is one of the DNS.
pub fn records(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n');
    let mut records: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    let addresses = read(records.clone());
    records.reverse();
    assert_eq!(read(records), addresses);
    for address in addresses.iter().flatten() {
        assert!(is_for_others(address));
        assert_eq!(address.to_string().parse().ok().as_ref(), Some(address));
    }
    assert!(addresses.iter().flatten().count() <= MAX_RECORDS * MAX_OF_RECORD);

    let name = String::from_utf8_lossy(data).parse::<Name>().ok();
    if let Some(name) = &name {
        // No name becomes a key.
        assert_eq!(name.to_string().parse().ok().as_ref(), Some(name));
    }
    if let Some(name) = name.as_ref().and_then(Name::text).and_then(domain) {
        let labels = name.strip_suffix('.').expect("it is a whole one");
        assert!(
            name.len() <= 254
                && labels
                    .split('.')
                    .all(|label| (1..=63).contains(&label.len()))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("dns_records", records);
    }
}
