//! What peers and strangers may try, over real sockets. After each attack the same host serves a good peer.

mod before_tls;
mod floods;
mod frames;
mod load;
mod raw;
mod support;
mod tls;
