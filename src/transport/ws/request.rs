//! What the peer's opening handshake said.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// A fact of an accepted connection: the HTTP request that it began with.
///
/// Whatever stands in it is only what the peer, or a proxy before us, said.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Request {
    /// A copy: what was received shares the buffer that the whole request came in, which would stay as long as this does.
    pub(super) fn copied(uri: &Uri, headers: &HeaderMap) -> Self {
        let copied = |(name, value): (&HeaderName, &HeaderValue)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            Some((name.clone(), value))
        };
        Self {
            uri: uri.to_string().parse().unwrap_or_else(|_| uri.clone()),
            headers: headers.iter().filter_map(copied).collect(),
        }
    }

    /// The request's target: path and query.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// The path, and the names of the headers: queries and values hold tokens and cookies.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Request")
            .field("path", &self.uri.path())
            .field("headers", &headers)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_the_same() {
        let mut headers = HeaderMap::new();
        for value in ["a", "b", "\u{e9}"] {
            headers.append("x-some", value.parse().expect("a value"));
        }
        let uri = Uri::from_static("/ssb?token=secret");
        let copy = Request::copied(&uri, &headers);
        assert_eq!(copy, Request { uri, headers });
    }

    #[test]
    fn debug_shows_neither_query_nor_values() {
        let request = Request {
            uri: Uri::from_static("/ssb?token=secret"),
            headers: HeaderMap::from_iter([(
                http::header::COOKIE,
                http::HeaderValue::from_static("secret"),
            )]),
        };
        let shown = format!("{request:?}");
        assert_eq!(shown, r#"Request { path: "/ssb", headers: ["cookie"] }"#);
    }
}
