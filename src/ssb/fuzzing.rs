//! The body of a fuzz target.

use super::{Form, parse, to_text};

/// Whatever is read as an address, in any of the ways in which applications write one, can be written and read again.
pub fn texts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(addresses) = parse(&text) else { return };
    for form in [Form::Multiserver, Form::Uri] {
        let text = to_text(&addresses, form).expect("every address has this form");
        if form == Form::Uri {
            assert_eq!(parse(&text).ok().as_ref(), Some(&addresses));
        }
    }
    if let Ok(legacy) = to_text(&addresses, Form::Legacy) {
        let read = parse(&legacy).expect("it was printed");
        let again = to_text(&read, Form::Legacy).expect("it was in this form");
        assert_eq!(*again, *legacy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("ssb_texts", texts);
    }
}
