//! What happens, on stderr: for people, or as one JSON object a line.

use std::io::Write as _;

use serde_json::{Value, json};
use tower_multiserver::{Address, Info, Scope};

use crate::{cli::Output, failure::Failure, progress};

/// Where events go. Each is one line and one write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    json: bool,
    quiet: bool,
}

impl Report {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            json: output.json,
            quiet: output.quiet,
        }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether more than errors is told, and not as JSON.
    pub(crate) fn is_for_people(self) -> bool {
        !self.json && !self.quiet
    }

    /// A server is reached at `address` by peers of `scope`.
    pub(crate) fn listening(self, address: &Address, scope: Scope) {
        let address = address.to_string();
        self.event(
            || harmless(&format!("listening on {address} ({scope})")),
            || json!({ "event": "listening", "address": address, "scope": scope.as_str() }),
        );
    }

    /// A connection was made, all handshakes included.
    pub(crate) fn connection(self, what: &str, info: &Info) {
        let address = info.address();
        self.event(
            || harmless(&format!("{what} {address}")),
            || about("connection", info),
        );
    }

    /// A connection is over, without a failure.
    pub(crate) fn closed(self, info: &Info) {
        let address = info.address();
        self.event(
            || harmless(&format!("closed {address}")),
            || about("closed", info),
        );
    }

    /// The program, or one of its connections, failed. What is wrong with the arguments takes several lines.
    pub(crate) fn error(self, failure: &Failure) {
        self.tell(
            || {
                format!(
                    "error: {}",
                    failure.lines().map(harmless).collect::<Vec<_>>().join("\n")
                )
            },
            || {
                json!({
                    "event": "error",
                    "kind": failure.kind(),
                    "address": failure.address(),
                    "message": failure.message(),
                })
            },
        );
    }

    /// What the user should know.
    pub(crate) fn note(self, message: &str) {
        self.event(
            || harmless(message),
            || json!({ "event": "note", "message": message }),
        );
    }

    /// What the layers tell.
    pub(crate) fn log(self, message: &str) {
        self.tell(
            || harmless(message),
            || json!({ "event": "log", "message": message }),
        );
    }

    /// Something else, as a line that is [harmless] and as an object.
    pub(crate) fn event(self, line: impl FnOnce() -> String, object: impl FnOnce() -> Value) {
        if !self.quiet {
            self.tell(line, object);
        }
    }

    fn tell(self, line: impl FnOnce() -> String, object: impl FnOnce() -> Value) {
        let mut line = match self.json {
            true => json_line(&object()),
            false => line(),
        };
        line.push('\n');
        // Nobody may be listening, which is no reason to stop.
        progress::aside(|| {
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        });
    }
}

fn about(event: &str, info: &Info) -> Value {
    json!({
        "event": event,
        "address": info.address().to_string(),
        "remote": info.remote_key().map(|key| key.to_string()),
    })
}

/// Without what could move a terminal's cursor or forge a line: an address or an error can hold what a peer sent.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for char in text.chars() {
        // Beside control characters, `escape_debug` changes quotes and backslashes, which do no harm.
        match char {
            '"' | '\'' | '\\' => harmless.push(char),
            char => harmless.extend(char.escape_debug()),
        }
    }
    harmless
}

/// As JSON, in which what a terminal would heed is escaped too.
pub(crate) fn json_line(object: &Value) -> String {
    let text = object.to_string();
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match is_printable(char) {
            true => line.push(char),
            false => {
                let units = char.encode_utf16(&mut [0; 2]).to_vec();
                line.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    line
}

/// What somebody wrote, on one line: as [`harmless`], but every letter of every script stays as it is.
pub(crate) fn written(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for char in text.chars() {
        match is_printable(char) {
            true => written.push(char),
            false => written.extend(char.escape_debug()),
        }
    }
    written
}

/// Whether it stands for itself in a terminal: neither a control character, nor one that turns the direction of others,
/// nor the end of a line.
fn is_printable(char: char) -> bool {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

    match char {
        ' '..='~' | '\t' => true,
        '\u{2028}' | '\u{2029}' => false,
        char if JOINERS.contains(&char) => true,
        char if char.is_control() => false,
        char if char.is_whitespace() => true,
        // Behind another character a combining one is left as it is.
        char => {
            "x".chars()
                .chain([char])
                .collect::<String>()
                .escape_debug()
                .count()
                == 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_holds_no_escape_sequence() {
        let text = harmless("a\u{1b}[31m \"b\" \\ `é`\r\u{202e}\n");
        assert_eq!(text, "a\\u{1b}[31m \"b\" \\ `é`\\r\\u{202e}\\n");
    }

    #[test]
    fn what_somebody_wrote_is_legible_in_every_script_and_moves_nothing() {
        for text in [
            "é e\u{301} \"b\" \\",
            "नमस्ते",
            "می\u{200c}خواهم",
            "👨\u{200d}👩",
            "日\u{3000}本",
        ] {
            assert_eq!(written(text), text);
        }
        let text = written("\u{1b}[2J\u{9b}1A\r\n\u{7f}\u{202e}\u{2066}\u{2028}\u{0}\u{feff}");
        assert_eq!(
            text,
            r"\u{1b}[2J\u{9b}1A\r\n\u{7f}\u{202e}\u{2066}\u{2028}\0\u{feff}"
        );
    }

    #[test]
    fn json_says_the_same_without_moving_a_terminal() {
        let value = json!("é\u{9b}\u{7f}\u{202e}\u{e0001}\u{1b}\n");
        let line = json_line(&value);
        assert_eq!(line, r#""é\u009b\u007f\u202e\udb40\udc01\u001b\n""#);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
