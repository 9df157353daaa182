//! The server's opening handshake (RFC 6455, section 4.2), as an answer to an HTTP request.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

/// Why a request does not become a WebSocket: a status, and a sentence for whoever sent it.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response<String>>);

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        let mut response = Response::new(reason.into() + "\n");
        *response.status_mut() = status;
        Self(Box::new(response)).with(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        )
    }

    /// Nothing behind the request is read: a proxy in between may believe that this is a WebSocket now, and would pass on
    /// requests that it never saw.
    pub(super) fn last(self) -> Self {
        self.with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

impl From<Refusal> for Response<String> {
    fn from(refusal: Refusal) -> Self {
        *refusal.0
    }
}

/// Whether the request asks for a WebSocket, well or badly.
pub(super) fn is_wanted<B>(request: &Request<B>) -> bool {
    names(request.headers(), header::UPGRADE, "websocket")
}

/// Checks an opening handshake, and makes the answer to it.
pub(super) fn answer<B>(request: &mut Request<B>) -> Result<Response<String>, Refusal> {
    if request.version() > Version::HTTP_11 {
        return Err(Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "a WebSocket is opened over HTTP/1.1 here",
        ));
    }
    if !is_wanted(request) {
        let reason = "here is a WebSocket and nothing else";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, reason)
            .with(header::UPGRADE, HeaderValue::from_static("websocket"))
            .with(header::CONNECTION, HeaderValue::from_static("upgrade")));
    }
    for name in [
        header::HOST,
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
    ] {
        if request.headers().get_all(&name).iter().count() != 1 {
            return Err(bad_request(format!("one `{name}` header is needed")));
        }
    }
    if has_body(request.headers()) {
        return Err(bad_request("a WebSocket is opened without a body".into()));
    }
    // It may stand in several lines (RFC 9110, section 5.3), of which only the first would be looked at.
    if names(request.headers(), header::CONNECTION, "upgrade") {
        let connection = HeaderValue::from_static("upgrade");
        request.headers_mut().insert(header::CONNECTION, connection);
    }
    let mut response = create_response_with_body(request, String::new)
        .map_err(|error| bad_request(error.to_string()))?;
    if let Some(protocol) = first_protocol(request.headers()) {
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

fn bad_request(reason: String) -> Refusal {
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, reason).last();
    refusal.with(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    )
}

/// Where a body ends and frames begin would be a matter of opinion.
fn has_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    headers.contains_key(header::TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// The first subprotocol that was offered. It means nothing to us, but a browser that offered some closes without one;
/// the JavaScript implementation does the same.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    HeaderValue::from_str(first)
        .ok()
        .filter(|first| !first.is_empty())
}

/// Whether a header that is a list has this item.
fn names(headers: &HeaderMap, name: header::HeaderName, item: &str) -> bool {
    let values = headers.get_all(name);
    let mut items = values.iter().filter_map(|value| value.to_str().ok());
    items.any(|items| {
        items
            .split(',')
            .any(|i| i.trim().eq_ignore_ascii_case(item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake of RFC 6455, section 1.3, with some headers replaced, doubled (`+name`) or left out (empty).
    fn request(changes: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        let headers = request.headers_mut();
        for (name, value) in [
            ("host", "server.example.com"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        for (name, value) in changes {
            let value: HeaderValue = value.parse().expect("a value");
            let added = name.strip_prefix('+');
            let name: header::HeaderName = added.unwrap_or(name).parse().expect("a name");
            match added {
                Some(_) => drop(headers.append(name, value)),
                None if value.is_empty() => drop(headers.remove(name)),
                None => drop(headers.insert(name, value)),
            }
        }
        request
    }

    fn refused(mut request: Request<()>) -> Response<String> {
        answer(&mut request).expect_err("a refusal").into()
    }

    #[test]
    fn a_good_handshake_is_answered_as_in_the_rfc() {
        for changes in [
            &[][..],
            &[("connection", "Upgrade")],
            &[("connection", "keep-alive"), ("+connection", "upgrade")],
            &[("upgrade", "WebSocket")],
            &[("sec-websocket-extensions", "permessage-deflate")],
        ] {
            let response = answer(&mut request(changes)).expect("a good handshake");
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            let headers = response.headers();
            assert_eq!(
                headers["sec-websocket-accept"],
                "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            );
            assert_eq!(headers["upgrade"], "websocket");
            assert_eq!(headers["connection"], "Upgrade");
            assert_eq!(headers.len(), 3, "no extension, no subprotocol");
        }
    }

    #[test]
    fn the_first_subprotocol_that_is_offered_is_taken() {
        let mut offers = request(&[("sec-websocket-protocol", "chat.v2 , chat")]);
        let response = answer(&mut offers).expect("a good handshake");
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    }

    #[test]
    fn a_bad_handshake_is_a_bad_request() {
        for changes in [
            &[("host", "")][..],
            &[("+host", "other")],
            &[("connection", "")],
            &[("connection", "keep-alive")],
            &[("sec-websocket-key", "")],
            &[("sec-websocket-key", "short")],
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZS4=")],
            &[("+sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")],
            &[("sec-websocket-version", "")],
            &[("sec-websocket-version", "8")],
            &[("+sec-websocket-version", "13")],
            &[("+content-length", "1")],
            &[("+transfer-encoding", "chunked")],
        ] {
            let response = refused(request(changes));
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{changes:?}");
            assert_eq!(response.headers()["sec-websocket-version"], "13");
            assert_eq!(response.headers()["connection"], "close");
            assert!(!response.body().is_empty());
        }
        let mut post = request(&[]);
        *post.method_mut() = http::Method::POST;
        assert_eq!(refused(post).status(), StatusCode::BAD_REQUEST);
        let mut old = request(&[]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(refused(old).status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_plain_request_is_told_what_is_needed() {
        for changes in [&[("upgrade", "")][..], &[("upgrade", "h2c")]] {
            let response = refused(request(changes));
            assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
            assert_eq!(response.headers()["upgrade"], "websocket");
            assert!(response.body().contains("WebSocket"));
        }
    }

    #[test]
    fn http2_is_refused_with_a_reason() {
        for version in [Version::HTTP_2, Version::HTTP_3] {
            let mut request = request(&[("upgrade", ""), ("connection", "")]);
            *request.version_mut() = version;
            *request.method_mut() = http::Method::CONNECT;
            let response = refused(request);
            assert_eq!(response.status(), StatusCode::HTTP_VERSION_NOT_SUPPORTED);
            assert!(response.body().contains("HTTP/1.1"));
        }
    }
}
