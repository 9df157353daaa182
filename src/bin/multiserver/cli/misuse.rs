//! What is said of wrong arguments.

use crate::failure::Failure;

/// What is wrong with the arguments.
///
/// The message quotes them, and one can be an address with a seed that stands in the wrong place.
pub(crate) fn misused(error: &clap::Error) -> Failure {
    let message = error.render().to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Failure::usage(hide_secrets(message.trim_end()))
}

/// `…` in place of all that could be a key or the name and password of a URL.
pub(crate) fn hide_secrets(text: &str) -> String {
    let is_quote = |c: char| matches!(c, '\'' | '"' | '`' | '\n');
    let shown = text.split_inclusive(is_quote).map(hide_login);
    hide_base64(&shown.collect::<String>())
}

/// `…` in place of what stands before the last `@` of a URL, or of a `NAME:PASSWORD@HOST`.
fn hide_login(part: &str) -> String {
    let Some((login, at)) = part.rsplit_once('@') else {
        return part.to_owned();
    };
    if let Some((scheme, _)) = login.split_once("://") {
        return format!("{scheme}://…@{at}");
    }
    let start = login.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    match login[start..].split_once(':') {
        // As in `host:8008:@KEY`.
        Some((_, password)) if !password.ends_with(':') && !password.is_empty() => {
            format!("{}…@{at}", &login[..start])
        }
        _ => part.to_owned(),
    }
}

/// `…` in place of all that is long enough to be 32 bytes in base64.
fn hide_base64(text: &str) -> String {
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
    fn a_message_about_arguments_quotes_no_password() {
        for proxy in [
            "socks5://bob:hunter2@h:1",
            "bob:hunter2@h:1",
            "socks5://b@b:hunter2 hunter2@h:1",
        ] {
            for arguments in [
                ["connect", "net:h:1", proxy],
                ["connect", "net:h:1", &format!("--poxy={proxy}")],
                ["key", proxy, "file"],
            ] {
                let error =
                    Cli::try_parse_from(["multiserver"].iter().chain(&arguments)).unwrap_err();
                let failure = misused(&error);
                assert!(!failure.message().contains("hunter2"), "{failure:?}");
            }
        }
    }

    #[test]
    fn what_is_no_login_is_shown() {
        for text in [
            "h:8008:@K.ed25519",
            "unix:@name",
            "net:h:1~shs:@K.ed25519",
            "Usage: multiserver connect <ADDRESS|@FILE>",
        ] {
            assert_eq!(hide_secrets(text), text);
        }
    }

    #[test]
    fn only_what_is_long_enough_for_a_key_is_hidden() {
        let long = "a".repeat(40);
        assert_eq!(hide_base64(&format!("é {long}: x{long}")), "é …: …");
        assert_eq!(hide_base64(&long[1..]), long[1..]);
    }
}
