//! The rows of the file, and what each asks of which stack.

use serde_json::{Value, json};

use crate::stacks::escape;

/// What an address means: the arguments of each section in JavaScript's form.
pub(crate) type Parsed = Vec<Value>;

pub(crate) struct Row {
    pub(crate) plugin: String,
    pub(crate) input: String,
    /// `None` if the plugin does not understand it, or throws.
    parsed: Option<Value>,
}

/// An address for a stack.
pub(crate) struct Case<'a> {
    pub(crate) transport: &'a str,
    pub(crate) transforms: Vec<&'a str>,
    pub(crate) text: String,
    pub(crate) parsed: Option<Parsed>,
}

impl Row {
    /// The stack that the plugin stands for, if any does, and the address that it is asked to understand. A plugin is
    /// given the text of one section without escapes; a transform has `net:h:1` below it.
    pub(crate) fn case(&self) -> Option<Case<'_>> {
        let plugin = &*self.plugin;
        let section = escape(&self.input);
        let one = self.parsed.iter().cloned().collect();
        let (stack, text, parsed) = match plugin {
            "net" | "onion" => (plugin, section, one),
            "unix-socket" => ("unix", section, one),
            "shs" => ("net~shs", format!("net:h:1~{section}"), over_net(one)),
            "noauth" => ("net~noauth", format!("net:h:1~{section}"), over_net(one)),
            compose => {
                let stack = compose.strip_prefix("compose(")?.strip_suffix(')')?;
                let parsed = self.parsed.as_ref().and_then(Value::as_array);
                (
                    stack,
                    self.input.clone(),
                    parsed.cloned().unwrap_or_default(),
                )
            }
        };
        let mut stack = stack.split('~');
        Some(Case {
            transport: stack.next()?,
            transforms: stack.collect(),
            text,
            parsed: self
                .parsed
                .is_some()
                .then(|| parsed.into_iter().map(meant).collect()),
        })
    }

    /// Whether its text is this one, in which `KEY` and `SEED` stand for the key and the seed of the file.
    pub(crate) fn reads(&self, text: &str) -> bool {
        self.input == text.replace("KEY", KEY).replace("SEED", SEED)
    }
}

const KEY: &str = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";
const SEED: &str = "dK8LvYf1TJN7aAL3uNETeJ1x45DRjRIk9M6xTec3PF0=";

fn over_net(mut transform: Parsed) -> Parsed {
    transform.insert(0, json!({"name": "net", "host": "h", "port": 1}));
    transform
}

/// Of a URL, the parts that are dialed.
fn meant(section: Value) -> Value {
    match section.get("protocol") {
        None => section,
        Some(protocol) => {
            json!({"protocol": protocol, "host": section["host"], "path": section["path"]})
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let text = include_str!("../vectors/plugin-parse-vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let rows = file["vectors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| Row {
        plugin: text(&row["plugin"]),
        input: text(&row["input"]),
        parsed: (row["result"] == "accepted").then(|| row["parsed"].clone()),
    })
    .collect()
}
