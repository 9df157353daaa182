//! What the peer's opening handshake said.

use std::fmt;

use http::{HeaderMap, Uri};

/// A fact of an accepted connection: the HTTP request that it began with.
///
/// Whatever stands in it is only what the peer, or a proxy before us, said.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Request {
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
