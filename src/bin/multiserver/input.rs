//! What the user names: addresses, the app key and proxies.

use std::{
    fs::File,
    io::{self, BufRead, Read as _},
};

use tower_multiserver::{AppKey, MultiAddress, onion::Proxy, ssb};
use zeroize::Zeroizing;

use crate::failure::{Failure, root};

/// More than any address or key has, little enough to hold.
const MAX_LEN: usize = 64 * 1024;

/// The text that an argument names: itself, the first line of `@FILE`, or with `-` the next line of stdin.
///
/// It can be a secret.
pub(crate) fn text(argument: &str) -> Result<Zeroizing<String>, Failure> {
    let (what, line) = match (argument, argument.strip_prefix('@')) {
        // What is behind the line stays in the buffer of stdin, for whoever reads on.
        ("-", _) => ("cannot read stdin", line_of(&mut io::stdin().lock())),
        (_, Some(file)) => ("cannot read the file after `@`", first_line(file)),
        (text, None) => return Ok(Zeroizing::new(text.to_owned())),
    };
    line.map(Zeroizing::new)
        .map_err(|error| Failure::io(what, &error).of_usage())
}

fn line_of(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = empty();
    reader.take(MAX_LEN as u64 + 1).read_line(&mut line)?;
    trimmed(line)
}

/// Without a buffer, which would keep a copy.
fn first_line(file: &str) -> io::Result<String> {
    let mut text = empty();
    let file = File::open(file)?;
    file.take(MAX_LEN as u64 + 1).read_to_string(&mut text)?;
    trimmed(text)
}

/// Of full length at once: a text that grows leaves copies behind.
fn empty() -> String {
    String::with_capacity(MAX_LEN + 1)
}

/// The first line.
fn trimmed(mut text: String) -> io::Result<String> {
    if text.len() > MAX_LEN {
        let reason = format!("it is longer than {MAX_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let line = text.lines().next().unwrap_or_default();
    text.truncate(line.trim_end().len());
    Ok(text)
}

/// The addresses that an argument names, in whichever form.
pub(crate) fn addresses(argument: &str) -> Result<MultiAddress, Failure> {
    Ok(ssb::parse(&text(argument)?)?)
}

/// The proxy that an argument names.
pub(crate) fn proxy(argument: &str) -> Result<Proxy, Failure> {
    // Its errors hold nothing of the text.
    let proxy: Result<Proxy, _> = text(argument)?.parse();
    proxy.map_err(|error| Failure::usage(format!("--proxy: {}", root(&error))))
}

/// The app key that an argument names.
pub(crate) fn app_key(argument: &str) -> Result<AppKey, Failure> {
    // The error of the parser says no more.
    text(argument)?
        .parse()
        .map_err(|_| Failure::usage("the app key is not the base64 of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn the_first_line_is_read_and_no_more() {
        let mut input: &[u8] = b"net:a:1\r\ndata\n";
        assert_eq!(line_of(&mut input).unwrap(), "net:a:1");
        assert_eq!(input, b"data\n");
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut endless = BufReader::new(io::repeat(b'a'));
        let error = line_of(&mut endless).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
