//! The client's opening handshake (RFC 6455, section 4.1).

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        self,
        error::ProtocolError,
        handshake::{
            client::{Response, generate_key},
            machine::TryParse as _,
        },
        protocol::WebSocketConfig,
    },
};
use tower_multiserver_core::{Error, ErrorKind, Io};

use super::{MAX_HEAD, WsIo, frame::Side, url::Url};

/// The server's answer to an opening handshake is an ordinary response: it serves no WebSocket there, or not now.
///
/// It is the source of an [`Error`] of kind [`Handshake`](ErrorKind::Handshake).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    status: StatusCode,
}

impl Refused {
    /// The status that it answered with, such as 404.
    pub fn status(self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)
    }
}

impl std::error::Error for Refused {}

/// Opens a WebSocket to `url` over `io`. `extra` headers never replace those of the handshake.
pub(super) async fn handshake<I: Io>(
    io: I,
    url: &Url,
    extra: &HeaderMap,
) -> Result<WsIo<I>, Error> {
    let mut recorder = Recorder {
        io,
        read: Vec::new(),
    };
    // It makes a `WebSocket` of its own, which is dropped at once.
    let config = WebSocketConfig::default().read_buffer_size(0);
    let shake_hands = client_async_with_config(request(url, extra)?, &mut recorder, Some(config));
    let response = shake_hands.await.map(|(_, response)| response);
    let response = response.map_err(|error| recorder.explain(error))?;
    if response
        .headers()
        .contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
    {
        let reason = "the server uses an extension that was not offered";
        return Err(Error::new(ErrorKind::Handshake, reason));
    }
    let head = Response::try_parse(&recorder.read).map_err(into_error)?;
    let behind = head.and_then(|(len, _)| recorder.read.get(len..));
    let behind = behind.unwrap_or_default();
    Ok(WsIo::new(recorder.io, Side::Client, behind))
}

fn request(url: &Url, extra: &HeaderMap) -> Result<http::Request<()>, Error> {
    let authority = url.authority();
    let mut request = http::Request::new(());
    let uri = format!("ws://{authority}{}", url.path);
    *request.uri_mut() = uri.parse().map_err(Error::unsupported)?;
    let headers = request.headers_mut();
    *headers = extra.clone();
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    let own = [
        (header::HOST, authority),
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_VERSION, "13".to_owned()),
        (header::SEC_WEBSOCKET_KEY, generate_key()),
    ];
    for (name, value) in own {
        headers.insert(
            name,
            HeaderValue::try_from(value).map_err(Error::unsupported)?,
        );
    }
    Ok(request)
}

fn into_error(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Io(error) => error.into(),
        tungstenite::Error::Http(response) => {
            let status = response.status();
            Error::new(ErrorKind::Handshake, Refused { status })
        }
        error => Error::new(ErrorKind::Handshake, error),
    }
}

/// Keeps what is read, since the handshake reads on into what follows it and does not give that back. It ends at
/// [`MAX_HEAD`], beyond which a head is too long.
struct Recorder<I> {
    io: I,
    read: Vec<u8>,
}

impl<I> Recorder<I> {
    fn left(&self) -> usize {
        MAX_HEAD.saturating_sub(self.read.len())
    }

    /// Why a handshake over it failed.
    fn explain(&self, error: tungstenite::Error) -> Error {
        match error {
            tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete)
                if self.left() == 0 =>
            {
                let reason = "the head of the server's answer is too long";
                Error::new(ErrorKind::Handshake, reason)
            }
            error => into_error(error),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Recorder<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining().min(self.left());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        self.read.extend_from_slice(part.filled());
        let count = part.filled().len();
        buf.advance(count);
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Recorder<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::timeout,
    };
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
    use tower_multiserver_core::{FromSection as _, Section};

    use super::*;

    fn url(text: &str) -> Url {
        let section: Section = text.parse().expect("a section");
        Url::from_section(&section).expect("a URL")
    }

    async fn read_head(io: &mut DuplexStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await.expect("a head"));
        }
        String::from_utf8(head).expect("ASCII")
    }

    fn value<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// Answers the handshake of one client with `response`, in which KEY stands for the right key.
    async fn dialed(
        response: &str,
        extra: &HeaderMap,
    ) -> (Result<WsIo<DuplexStream>, Error>, String) {
        let (ours, mut theirs) = duplex(1000);
        let server = async {
            let head = read_head(&mut theirs).await;
            let key = value(&head, "sec-websocket-key")[0];
            let response = response.replace("KEY", &derive_accept_key(key.as_bytes()));
            theirs.write_all(response.as_bytes()).await.expect("room");
            drop(theirs);
            head
        };
        let url = url("ws://[::1]:8989/ssb?x=1");
        tokio::join!(handshake(ours, &url, extra), server)
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n\
                        connection: upgrade\r\nsec-websocket-accept: KEY\r\n\r\n";

    #[tokio::test]
    async fn the_request_says_host_and_path_and_no_origin() {
        let (result, head) = dialed(GOOD, &HeaderMap::new()).await;
        result.expect("a good answer");
        assert!(head.starts_with("GET /ssb?x=1 HTTP/1.1\r\n"), "{head}");
        assert_eq!(value(&head, "host"), ["[::1]:8989"]);
        assert_eq!(value(&head, "sec-websocket-version"), ["13"]);
        for absent in ["origin", "authorization", "sec-websocket-extensions"] {
            assert_eq!(value(&head, absent), [""; 0]);
        }
    }

    #[tokio::test]
    async fn extra_headers_are_sent_and_replace_nothing() {
        let mut extra = HeaderMap::new();
        extra.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        extra.append(header::HOST, HeaderValue::from_static("evil"));
        extra.append(header::HOST, HeaderValue::from_static("evil"));
        extra.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("evil"));
        extra.insert(
            header::SEC_WEBSOCKET_EXTENSIONS,
            HeaderValue::from_static("evil"),
        );
        let (result, head) = dialed(GOOD, &extra).await;
        result.expect("a good answer");
        assert_eq!(value(&head, "authorization"), ["Bearer x"]);
        assert!(!head.contains("evil"), "{head}");
    }

    #[tokio::test]
    async fn frames_right_behind_the_response_are_not_lost() {
        let with_frames = format!("{GOOD}\u{2}\u{3}abc");
        // A first byte below 0x80, so that the text is ASCII: a message that goes on, and then the end.
        let (result, _) = dialed(&with_frames, &HeaderMap::new()).await;
        let mut read = Vec::new();
        let mut ws = result.expect("a good answer");
        ws.read_to_end(&mut read).await.expect_err("no close frame");
        assert_eq!(read, b"abc");
    }

    #[tokio::test]
    async fn a_bad_answer_is_a_failed_handshake() {
        for response in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 301 Moved\r\nlocation: ws://elsewhere/\r\n\r\n",
            &GOOD.replace("KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            &GOOD.replace("upgrade: WebSocket", "upgrade: h2c"),
            &GOOD.replace("connection: upgrade", "connection: close"),
            &GOOD.replace("KEY", "KEY\r\nsec-websocket-protocol: unasked"),
            &GOOD.replace("KEY", "KEY\r\nsec-websocket-extensions: permessage-deflate"),
            "SSH-2.0-OpenSSH_9\r\n\r\n",
            "HTTP/1.1 101 Switching",
            "",
        ] {
            let (result, _) = dialed(response, &HeaderMap::new()).await;
            let error = result.expect_err(response);
            assert_eq!(error.kind(), ErrorKind::Handshake, "{response}");
        }
        let (result, _) = dialed("HTTP/1.1 404 Not Found\r\n\r\n", &HeaderMap::new()).await;
        let error = result.expect_err("not found");
        let source = std::error::Error::source(&error).expect("a source");
        let refused: &Refused = source.downcast_ref().expect("the status");
        assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    }

    /// Answers like [`GOOD`] with a head of `len` bytes, and with `abc` in a frame behind it.
    fn long(len: usize) -> String {
        // KEY is a placeholder of 3 characters for 28.
        let with_padding =
            |padding: &str| GOOD.replace("KEY\r\n", &format!("KEY\r\nx: {padding}\r\n"));
        let shortest = with_padding("").len() + 25;
        with_padding(&"y".repeat(len - shortest)) + "\u{2}\u{3}abc"
    }

    #[tokio::test]
    async fn the_head_of_an_answer_is_of_8_kib_at_most() {
        let (result, _) = dialed(&long(8192), &HeaderMap::new()).await;
        let mut read = Vec::new();
        let mut ws = result.expect("a good answer");
        ws.read_to_end(&mut read).await.expect_err("no close frame");
        assert_eq!(read, b"abc");
        let (result, _) = dialed(&long(8193), &HeaderMap::new()).await;
        let error = result.expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::Handshake);
    }

    #[tokio::test]
    async fn an_endless_response_is_cut_off() {
        let (ours, mut theirs) = duplex(1000);
        let url = url("ws://host/");
        let extra = HeaderMap::new();
        let mut written = 0;
        let endless = async {
            read_head(&mut theirs).await;
            theirs
                .write_all(b"HTTP/1.1 101 x\r\nx: ")
                .await
                .expect("room");
            while let Ok(count) = theirs.write(&[b'y'; 1000]).await {
                written += count;
            }
        };
        let dial = handshake(ours, &url, &extra);
        let (result, ()) = timeout(Duration::from_secs(5), async {
            tokio::join!(dial, endless)
        })
        .await
        .expect("an end");
        assert_eq!(result.expect_err("too long").kind(), ErrorKind::Handshake);
        // What waits in the pipe has not been read.
        assert!(written <= 8192 + 1000, "{written} bytes");
    }
}
