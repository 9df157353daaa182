//! Against the JavaScript multiserver, unmodified from npm: both directions, each stack, and from a browser. What it
//! lacks is tested against peers in other languages, real proxies and a real DNS server.
//!
//! These tests need Node, npm, Chromium and Go, zstd, tor, microsocks and danted, and dnsmasq. Where something is missing
//! they say so on stderr and pass; with `MULTISERVER_INTEROP=required` in the environment they fail instead. One skip is always
//! allowed, and told: of hosts of ragep2p of version `new`, where the libocr that their module names has none.

#[cfg(test)]
#[macro_use]
mod harness;

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod autobahn;
#[cfg(test)]
mod browser;
#[cfg(all(test, feature = "cli"))]
mod command_line;
#[cfg(test)]
#[cfg(all(
    feature = "gzip",
    feature = "zstd",
    feature = "deflate",
    feature = "brotli"
))]
mod compression;
#[cfg(all(test, feature = "dns"))]
mod dns;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod greeting;
#[cfg(feature = "hyperswarm")]
#[cfg(test)]
mod hyperswarm;
#[cfg(all(test, feature = "noise"))]
mod noise;
#[cfg(all(test, feature = "onion"))]
mod onion;
#[cfg(test)]
#[path = "../support/ports.rs"]
mod ports;
#[cfg(feature = "ragep2p")]
#[cfg(test)]
mod rage;
#[cfg(test)]
mod refusals;
#[cfg(feature = "rn-channel")]
#[cfg(test)]
mod rn_channel;
#[cfg(test)]
mod shs1_suite;
#[cfg(all(test, feature = "noise"))]
mod upgrade;
#[cfg(test)]
mod wss;
