//! What our servers tell, with the options of a row.

use std::{
    fs,
    future::{Ready, ready},
    io,
    path::Path,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tower::{
    Layer as _, ServiceExt as _,
    util::{ServiceFn, service_fn},
};
use tower_multiserver_core::{
    Address, Error, Identity, Listen, Scope, Section, Seed, Transform, Transport,
};

use super::{SCOPES, Told, fake_net::bound, interfaces, options::Options, told, unescaped};
use crate::{
    MultiServer,
    noauth::NoauthLayer,
    shs::ShsLayer,
    transport::{
        tcp::{HostPort, hosts::reachable},
        unix::Unix,
        ws::Ws,
    },
};

/// Those of a plugin without escapes, as JavaScript has them there; those of a stack as they are written.
pub(super) async fn told_by(plugin: &str, options: &str) -> Result<Told, Error> {
    match plugin {
        "net" => net(options, "").await.map(|all| told(&all, unescaped)),
        "ws" => ws(options).await.map(|all| told(&all, unescaped)),
        "unix-socket" => {
            let options: Value = serde_json::from_str(options).expect("options in JSON");
            let path = options["path"].as_str().expect("a path");
            let multi = MultiServer::new().stack(Unix::new());
            unix(path, multi, |unix| unix, unescaped).await
        }
        "onion" => {
            let multi = MultiServer::new().stack(onion());
            let all = listen(multi, "onion:x.onion:1").await;
            all.map(|all| told(&all, unescaped))
        }
        "shs" => Ok(advertised(shs())),
        "noauth" => Ok(advertised(noauth())),
        _ => composed(options).await,
    }
}

async fn composed(options: &str) -> Result<Told, Error> {
    let all = match options {
        "[net{port:1}, shs]" => net(r#"{"port":1}"#, "~shs").await,
        "[net{port:1}, shs, noauth]" => net(r#"{"port":1}"#, "~shs~noauth").await,
        "[net{port:1,scope:[device,local,public]}, shs]" => {
            net(r#"{"port":1,"scope":["device","local","public"]}"#, "~shs").await
        }
        "[net{port:1,external:[e1,e2],scope:public}, shs]" => {
            let options = r#"{"port":1,"external":["e1.com","e2.com"],"scope":"public"}"#;
            net(options, "~shs").await
        }
        r#"[net{port:1,host:"a~b!c"}, noauth]"# => {
            net(r#"{"port":1,"host":"a~b!c"}"#, "~noauth").await
        }
        r#"[net{port:1,host:"a;b"}, noauth]"# => net(r#"{"port":1,"host":"a;b"}"#, "~noauth").await,
        "[onion, shs]" => {
            let multi = MultiServer::new().stack(shs().layer(onion()));
            listen(multi, "onion:x.onion:1~shs").await
        }
        "[[net d, shs],[ws d, shs]]" => {
            let net = Options::new(r#"{"port":1}"#);
            let multi = MultiServer::new()
                .stack(shs().layer(net.net()))
                .stack(shs().layer(Ws::hosted().1));
            let at = format!("{};ws://localhost:2~shs", net.at("~shs"));
            listen(multi, &at).await
        }
        "[]" => listen(MultiServer::new(), "").await,
        options => return composed_with_unix(options).await,
    };
    all.map(|all| told(&all, Address::to_string))
}

async fn composed_with_unix(options: &str) -> Result<Told, Error> {
    let multi = MultiServer::new().stack(noauth().layer(Unix::new()));
    if let Some(path) = options.strip_prefix(r#"[unix{path:""#) {
        let path = path.strip_suffix(r#""}, noauth]"#).expect("a path");
        return unix(path, multi, |unix| unix + "~noauth", Address::to_string).await;
    }
    let rest = r#"[unix /tmp/d, noauth],[ws{scope:local}, shs],[onion,shs]]"#;
    let of_net = r#"[[net{scope:[device,local,public],external:"ex.com"}, shs]"#;
    assert_eq!(options, format!("{of_net},{rest}"));
    let net = Options::new(r#"{"port":1,"scope":["device","local","public"],"external":"ex.com"}"#);
    let multi = multi
        .stack(shs().layer(net.net()))
        .stack(shs().layer(Ws::hosted().1))
        .stack(shs().layer(onion()));
    let net = net.at("~shs");
    let at = |unix| format!("{net};{unix}~noauth;ws://192.168.1.5:2~shs");
    unix("/tmp/d", multi, at, Address::to_string).await
}

type Addresses = Vec<(Scope, Address)>;

async fn net(options: &str, above: &str) -> Result<Addresses, Error> {
    let options = Options::new(options);
    let (multi, net) = (MultiServer::new(), options.net());
    let multi = match above {
        "" => multi.stack(net),
        "~shs" => multi.stack(shs().layer(net)),
        "~noauth" => multi.stack(noauth().layer(net)),
        "~shs~noauth" => multi.stack(noauth().layer(shs().layer(net))),
        other => panic!("no stack `net{other}`"),
    };
    listen(multi, &options.at(above)).await
}

/// One of a server that the user has, from options that are no JSON, or one with a server of its own.
async fn ws(options: &str) -> Result<Addresses, Error> {
    match options {
        r#"{server:{key:null,address()=>port 80},external:"domain.de",scope:"public"}"# => {
            hosted("ws://domain.de:80", &["ws://domain.de"]).await
        }
        "{server:{key:true,address()=>port 443},external,scope public}" => {
            hosted("ws://domain.de:443", &["wss://domain.de"]).await
        }
        "{server: not listening (address()=>null)}" => hosted("ws://localhost:0", &[]).await,
        r#"{server: port 8080, port:1 ignored, host:"h"}"# => hosted("ws://h:8080", &[]).await,
        options => own_ws(Options::new(options)).await,
    }
}

async fn hosted(at: &str, external: &[&str]) -> Result<Addresses, Error> {
    let external = external.iter().map(|text| text.parse().expect("a section"));
    let ws = Ws::hosted().1.external(external);
    Ok(ws.oneshot(Listen(at.parse()?)).await?.addresses)
}

async fn own_ws(options: Options) -> Result<Addresses, Error> {
    if options.hosts.is_empty() {
        return listen(MultiServer::new(), "").await;
    }
    let port = options.port.as_deref().unwrap_or("80");
    let mut own = Vec::new();
    for host in &options.hosts {
        ws_section(host, port).await?;
        for (scope, host) in reachable(host, bound(host, options.named()), &interfaces()) {
            own.push((scope, ws_section(&host, port).await?));
        }
    }
    let all = options.ws_external().advertised(own).into_iter();
    Ok(all
        .map(|(scope, section)| (scope, Address::new(section)))
        .collect())
}

/// How a `Ws` writes a host. One that needs no socket tells only of hosts on this machine, so one of the same kind stands
/// in for it.
async fn ws_section(host: &str, port: &str) -> Result<Section, Error> {
    let (asked, stands_in) = match host {
        zoned if zoned.contains('%') => (format!("[{zoned}]"), zoned),
        ipv6 if ipv6.contains(':') => ("[::1]".to_owned(), "::1"),
        _ => ("localhost".to_owned(), "localhost"),
    };
    let all = hosted(&format!("ws://{asked}:{port}"), &[]).await?;
    unescaped(&all[0].1).replace(stands_in, host).parse()
}

/// At a directory, in which a server of JavaScript makes the file `socket`. `/tmp` is a directory of our own.
async fn unix(
    directory: &str,
    multi: MultiServer,
    at: impl FnOnce(String) -> String,
    text: impl Fn(&Address) -> String,
) -> Result<Told, Error> {
    let own = TempDir::new().expect("a directory");
    let tmp = own.path().join("tmp");
    fs::create_dir(&tmp).expect("a directory");
    let tmp = tmp.to_str().expect("UTF-8");
    let directory = directory.replace("/tmp", tmp);
    let directory = Path::new(&directory);
    if directory.is_absolute() {
        fs::create_dir_all(directory).expect("a directory");
    }
    let section = Section::new("unix").arg(directory.join("socket").display());
    let all = listen(multi, &at(section.to_string())).await?;
    Ok(told(&all, text).map(|text| text.replace(tmp, "/tmp")))
}

/// What it tells while it listens.
async fn listen(multi: MultiServer, at: &str) -> Result<Addresses, Error> {
    let listening = multi.listen(at).await?;
    Ok(listening.all_addresses().to_vec())
}

fn advertised(layer: impl Transform) -> Told {
    let section = |scope| layer.advertise(scope).map(|section| section.to_string());
    SCOPES.map(|scope| section(scope).unwrap_or_default())
}

/// As JavaScript's, it dials only.
fn onion() -> Onion {
    fn dial(_: HostPort) -> Ready<io::Result<DuplexStream>> {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }
    Transport::new("onion", service_fn(dial))
}

type Onion = Transport<ServiceFn<fn(HostPort) -> Ready<io::Result<DuplexStream>>>, HostPort>;

/// The key pair of the vectors.
fn identity() -> Identity {
    Identity::from_seed(&Seed::from_bytes(Sha256::digest("TESTSEED").into()))
}

fn shs() -> ShsLayer {
    ShsLayer::new(identity())
}

fn noauth() -> NoauthLayer {
    NoauthLayer::new(identity().public_key())
}
