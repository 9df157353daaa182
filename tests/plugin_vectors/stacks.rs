//! What real layers make of an address.

use std::{
    fs,
    future::ready,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, DuplexStream},
    net::{TcpListener, UnixListener},
};
use tower::{Layer as _, service_fn};
use tower_multiserver::{
    Address, Error, ErrorKind, MultiServer, Transport, net::HostPort, noauth::NoauthLayer, shs,
    unix::Unix, ws::Ws,
};

use crate::{
    rows::{Case, Parsed},
    support::{identity, shs},
};

/// Over a transport: the transforms of these names.
macro_rules! stack {
    ($transforms:expr, $transport:expr) => {{
        let noauth = NoauthLayer::new(identity("client").public_key());
        let (multi, transport) = (MultiServer::new(), $transport);
        match $transforms {
            [] => multi.stack(transport),
            ["shs"] => multi.stack(shs("client").layer(transport)),
            ["noauth"] => multi.stack(noauth.layer(transport)),
            ["shs", "noauth"] => multi.stack(noauth.layer(shs("client").layer(transport))),
            others => panic!("no stack of {others:?}"),
        }
    }};
}

/// What the real layers make of an address: the transport's arguments from what it dials, the others by their types.
pub(crate) async fn understand(case: &Case<'_>) -> Result<Parsed, ErrorKind> {
    let transport = match case.transport {
        "net" => dry("net", case).await,
        "onion" => dry("onion", case).await,
        "unix" => over_unix(case).await,
        "ws" => over_ws(case).await,
        other => panic!("no transport `{other}`"),
    }?;
    let mut rest: Address = case.text.parse().unwrap();
    let mut parsed = Vec::new();
    for name in case.transforms.iter().rev() {
        let value;
        (value, rest) = match *name {
            "shs" => {
                let (args, rest) = rest.take::<shs::Args>("shs").unwrap();
                let seed = args.seed.map(|seed| buffer(seed.as_bytes()));
                (
                    json!({"key": buffer(args.key.public_key().as_bytes()), "seed": seed}),
                    rest,
                )
            }
            name => (json!({}), rest.take::<()>(name).unwrap().1),
        };
        parsed.insert(0, value);
    }
    parsed.insert(0, transport);
    Ok(parsed)
}

/// Over a transport that never gets anywhere.
async fn dry(name: &'static str, case: &Case<'_>) -> Result<Value, ErrorKind> {
    let address: Address = parse(&case.text)?;
    let dialed = Arc::new(Mutex::new(None));
    let note = dialed.clone();
    let dry = service_fn(move |to: HostPort| {
        *note.lock().unwrap() = Some(to);
        ready(Err::<DuplexStream, _>(io::Error::other("dry")))
    });
    let transport = Transport::<_, HostPort>::new(name, dry);
    let error = stack!(&*case.transforms, transport)
        .dial(address)
        .await
        .unwrap_err();
    match dialed.lock().unwrap().take() {
        None => Err(error.kind()),
        Some(to) => {
            assert_eq!(error.kind(), ErrorKind::Io);
            Ok(json!({"name": name, "host": to.host(), "port": to.port()}))
        }
    }
}

/// To a socket at the path that JavaScript dials, `/tmp` being a directory of our own. It hangs up.
async fn over_unix(case: &Case<'_>) -> Result<Value, ErrorKind> {
    let tmp = TempDir::new().unwrap();
    let tmp = tmp.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let tmp = tmp.to_str().unwrap();
    let address = parse(&case.text.replace("/tmp", &escape(tmp)))?;

    let expected = case.parsed.as_ref().map(|parsed| parsed[0].clone());
    let path = expected.as_ref().and_then(|unix| unix["path"].as_str());
    let path = path
        .filter(|path| path.contains("/tmp"))
        .unwrap_or("/tmp/none");
    let path = path.replace("/tmp", tmp);
    fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    tokio::select! {
        dialed = stack!(&*case.transforms, Unix::new()).dial(address) => match dialed {
            Ok(_) => Ok(expected.unwrap()),
            Err(error) => Err(error.kind()),
        },
        accepted = listener.accept() => accepted.map(|_| expected.unwrap()).map_err(|_| ErrorKind::Io),
    }
}

/// To a server that reads the request and is `h:1` to JavaScript.
async fn over_ws(case: &Case<'_>) -> Result<Value, ErrorKind> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let address = parse(&case.text.replace("h:1", &server))?;
    let request = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next_line().await.unwrap().unwrap();
        let path = request.strip_prefix("GET ").unwrap();
        let path = path.strip_suffix(" HTTP/1.1").unwrap().to_owned();
        let host = format!("Host: {server}");
        while lines.next_line().await.unwrap().unwrap() != host {}
        json!({"protocol": "ws:", "host": "h:1", "path": path})
    };
    tokio::select! {
        dialed = stack!(&*case.transforms, Ws::new()).dial(address) => {
            Err(dialed.unwrap_err().kind())
        }
        url = request => Ok(url),
    }
}

fn parse(text: &str) -> Result<Address, ErrorKind> {
    text.parse().map_err(|error: Error| error.kind())
}

pub(crate) fn escape(text: &str) -> String {
    let escape = |char| match char {
        '!' | '~' | ';' => vec!['!', char],
        char => vec![char],
    };
    text.chars().flat_map(escape).collect()
}

fn buffer(bytes: &[u8]) -> Value {
    json!({"buffer_hex": hex::encode(bytes)})
}
