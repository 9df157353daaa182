//! What is said of wrong arguments.

use crate::failure::Failure;

/// What is wrong with the arguments.
///
/// The message quotes them, and one can be an address with a seed that stands in the wrong place.
pub(crate) fn misused(error: &clap::Error) -> Failure {
    let message = error.render().to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Failure::usage(hide_base64(message.trim_end()))
}

/// `…` in place of all that is long enough to be 32 bytes in base64.
pub(crate) fn hide_base64(text: &str) -> String {
    const SECRET: usize = 40;

    let is_base64 =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=' | '%');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
        shown.push_str(if run < SECRET { &rest[..run] } else { "…" });
        let other = rest[run..].find(is_base64).unwrap_or(rest.len() - run);
        shown.push_str(&rest[run..run + other]);
        rest = &rest[run + other..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    use super::*;

    #[test]
    fn a_message_about_arguments_quotes_no_seed() {
        let seed = "rM3E4Bxf2/WF/cYfZBcqXLhGPUCqNwTqm0oxk6QkFTE=";
        for arguments in [
            ["connect", "net:h:1", &format!("net:h:1~shs:KEY:{seed}")],
            ["key", "show", &format!("--{seed}")],
            ["listen", "net:h:1", &format!("--allow={seed}:")],
            ["connect", "net:h:1", &format!("--appkey={seed}")],
        ] {
            let error = Cli::try_parse_from(["multiserver"].iter().chain(&arguments)).unwrap_err();
            let failure = misused(&error);
            assert!(!failure.message().contains(&seed[..20]), "{failure:?}");
        }
    }

    #[test]
    fn only_what_is_long_enough_for_a_key_is_hidden() {
        let long = "a".repeat(40);
        assert_eq!(hide_base64(&format!("é {long}: x{long}")), "é …: …");
        assert_eq!(hide_base64(&long[1..]), long[1..]);
    }
}
