//! What a message says: JSON, as [`pull-rn-channel`](https://www.npmjs.com/package/pull-rn-channel) 1.2 writes it.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::violation::{Aborted, Violation};

/// More than JavaScript's streams hand on in one piece, and little enough to hold for one peer.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Data(Vec<u8>),
    End,
    Error(Aborted),
}

/// The object on the wire. What else is in it counts for nothing, as in JavaScript.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    format: Option<Cow<'a, str>>,
    /// Not read before it is known what it should be: a hostile value could take many times its text in memory.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    seq: u64,
}

/// A JSON text, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Message {
    pub(super) fn parse(text: &str) -> Result<Self, Violation> {
        if text.len() > MAX_MESSAGE {
            return Err(Violation::TooLong);
        }
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| Violation::Syntax)?;
        let content = match &*wire.kind {
            "data" => Content::Data(wire.bytes()?),
            "end" => Content::End,
            "error" => Content::Error(wire.reason()),
            _ => return Err(Violation::Type),
        };
        Ok(Self {
            seq: wire.seq,
            content,
        })
    }
}

impl Wire<'_> {
    fn text(&self) -> Option<Cow<'_, str>> {
        let Text(text) = serde_json::from_str(self.data?.get()).ok()?;
        Some(text)
    }

    fn bytes(&self) -> Result<Vec<u8>, Violation> {
        match self.format.as_deref() {
            Some("buffer") => self
                .text()
                .and_then(|text| BASE64.decode(text.as_bytes()).ok())
                .ok_or(Violation::Data),
            // What JavaScript wrote as a text. (Before 1.2 there was no `format`.)
            Some("json") | None => match self.text() {
                Some(text) => Ok(text.into_owned().into_bytes()),
                None => Err(Violation::Data),
            },
            Some(_) => Err(Violation::Format),
        }
    }

    fn reason(&self) -> Aborted {
        match (self.text(), self.data) {
            (Some(text), _) => Aborted::new(&text),
            (None, Some(json)) => Aborted::new(json.get()),
            (None, None) => Aborted::new(""),
        }
    }
}

/// Bytes as a message, in the very form of JavaScript.
pub(super) fn data(seq: u64, bytes: &[u8]) -> String {
    const HEAD: &str = r#"{"type":"data","format":"buffer","data":""#;
    const TAIL: &str = r#"","seq":18446744073709551615}"#;
    let around = const { HEAD.len() + TAIL.len() };
    let len = BASE64.encode_len(bytes.len()).saturating_add(around);
    let mut message = String::with_capacity(len);
    message.push_str(HEAD);
    BASE64.encode_append(bytes, &mut message);
    message.push_str("\",\"seq\":");
    message.push_str(&seq.to_string());
    message.push('}');
    message
}

/// The end of a direction.
pub(super) fn end(seq: u64) -> String {
    format!(r#"{{"type":"end","seq":{seq}}}"#)
}

/// The end of a direction that should have gone on. JavaScript takes an error without a reason for data, so it has one.
pub(super) fn cut(seq: u64) -> String {
    format!(r#"{{"type":"error","data":"the connection was dropped","seq":{seq}}}"#)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<(u64, Content), Violation> {
        Message::parse(text).map(|message| (message.seq, message.content))
    }

    fn bytes(text: &str) -> Content {
        Content::Data(text.as_bytes().to_vec())
    }

    #[test]
    fn we_write_what_javascript_writes() {
        assert_eq!(
            data(1, b"hello"),
            r#"{"type":"data","format":"buffer","data":"aGVsbG8=","seq":1}"#
        );
        assert_eq!(end(4), r#"{"type":"end","seq":4}"#);
        let cut = parse(&cut(5));
        let reason = Content::Error(Aborted::new("the connection was dropped"));
        assert_eq!(cut, Ok((5, reason)));
    }

    #[test]
    fn what_javascript_writes_is_read() {
        for (text, seq, content) in [
            (
                r#"{"type":"data","format":"buffer","data":"aGVsbG8=","seq":1}"#,
                1,
                bytes("hello"),
            ),
            (
                r#"{"type":"data","format":"buffer","data":"","seq":2}"#,
                2,
                bytes(""),
            ),
            (
                r#"{"type":"data","format":"json","data":"h\u00e9\n","seq":3}"#,
                3,
                bytes("hé\n"),
            ),
            (r#"{"type":"data","data":"old","seq":4}"#, 4, bytes("old")),
            (
                r#"{ "seq": 9007199254740991, "type": "end" }"#,
                9_007_199_254_740_991,
                Content::End,
            ),
            (
                r#"{"type":"end","seq":5,"data":null,"else":[{}]}"#,
                5,
                Content::End,
            ),
            (
                r#"{"type":"error","data":"no","seq":6}"#,
                6,
                Content::Error(Aborted::new("no")),
            ),
            (
                r#"{"type":"error","data":{"a":1},"seq":7}"#,
                7,
                Content::Error(Aborted::new(r#"{"a":1}"#)),
            ),
            (
                r#"{"type":"error","seq":8}"#,
                8,
                Content::Error(Aborted::new("")),
            ),
        ] {
            assert_eq!(parse(text), Ok((seq, content)), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_a_violation() {
        for (text, violation) in [
            ("", Violation::Syntax),
            ("hello", Violation::Syntax),
            ("null", Violation::Syntax),
            ("[]", Violation::Syntax),
            ("{}", Violation::Syntax),
            (r#"{"type":"end"}"#, Violation::Syntax),
            (r#"{"seq":1}"#, Violation::Syntax),
            (r#"{"type":1,"seq":1}"#, Violation::Syntax),
            (r#"{"type":"end","seq":-1}"#, Violation::Syntax),
            (r#"{"type":"end","seq":1.5}"#, Violation::Syntax),
            (r#"{"type":"end","seq":"1"}"#, Violation::Syntax),
            (
                r#"{"type":"end","seq":18446744073709551616}"#,
                Violation::Syntax,
            ),
            (r#"{"type":"end","seq":1}x"#, Violation::Syntax),
            (r#"{"type":"end","seq":1"#, Violation::Syntax),
            (r#"{"type":"ping","seq":1}"#, Violation::Type),
            (r#"{"type":"End","seq":1}"#, Violation::Type),
            (
                r#"{"type":"data","format":"hex","data":"00","seq":1}"#,
                Violation::Format,
            ),
            (
                r#"{"type":"data","format":"buffer","seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"buffer","data":5,"seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"buffer","data":"aGVsbG8","seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"buffer","data":"aGVs_G8=","seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"buffer","data":"aGVsbG9=","seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"json","data":{"0":1},"seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"json","data":"\ud800","seq":1}"#,
                Violation::Data,
            ),
            (
                r#"{"type":"data","format":"json","seq":1}"#,
                Violation::Data,
            ),
        ] {
            assert_eq!(parse(text), Err(violation), "{text}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_even_parsed() {
        let fits = data(1, &vec![0; MAX_MESSAGE / 4 * 3 - 300]);
        assert!(fits.len() <= MAX_MESSAGE && parse(&fits).is_ok());
        let long = " ".repeat(MAX_MESSAGE + 1);
        assert_eq!(parse(&long), Err(Violation::TooLong));
    }

    #[test]
    fn nesting_does_no_harm() {
        let nested = format!(
            r#"{{"type":"error","data":{},"seq":1}}"#,
            "[".repeat(1_000_000)
        );
        assert_eq!(parse(&nested), Err(Violation::Syntax));
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(seq in any::<u64>(), sent in any::<Vec<u8>>()) {
            prop_assert_eq!(parse(&data(seq, &sent)), Ok((seq, Content::Data(sent))));
            prop_assert_eq!(parse(&end(seq)), Ok((seq, Content::End)));
        }

        #[test]
        fn no_text_does_harm(text in r#"(\{"type":"(data|end|error)","format":"(json|buffer)","data":)?.*(,"seq":[0-9]{1,3}\})?"#) {
            let _ = parse(&text);
        }
    }
}
