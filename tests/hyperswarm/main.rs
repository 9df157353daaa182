//! Hyperswarm between our own nodes, on a DHT of their own on the loopback interface.

#[cfg(test)]
mod ends;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod swarm;
