//! The part of the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::task::JoinSet;

use crate::{
    Result,
    channel::Channel,
    stack::Stack,
    work::{CHUNK, SMALL, Told, WARM, Work, receive_all},
};

/// A client of a stack, and what it has open.
pub(crate) struct Client<S: Stack> {
    stack: S,
    address: String,
    work: Work,
    /// Those that are open.
    channels: Vec<S::Channel>,
}

impl<S: Stack> Client<S> {
    /// Does what is to be done before anything is measured.
    pub(crate) async fn prepare(stack: S, address: String, work: Work) -> Result<Self> {
        let mut client = Self {
            stack,
            address,
            work,
            channels: Vec::new(),
        };
        match work {
            Work::Bulk { .. } => {
                client.open(1).await?;
                send(&mut client.channels[0], WARM).await?;
            }
            Work::Handshakes { .. } => client.handshakes(1, 1).await?,
            Work::Ping { count } => {
                client.open(1).await?;
                ping(&mut client.channels[0], count / 10).await?;
            }
            Work::Idle { .. } => {}
        }
        Ok(client)
    }

    /// Does the work.
    pub(crate) async fn work(&mut self) -> Result<Told> {
        let start = Instant::now();
        let mut times = Vec::new();
        match self.work {
            Work::Bulk { bytes } => send(&mut self.channels[0], bytes).await?,
            Work::Handshakes { count, at_once } => self.handshakes(count, at_once).await?,
            Work::Ping { count } => times = ping(&mut self.channels[0], count).await?,
            Work::Idle { count } => self.open(count).await?,
        }
        let seconds = start.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            times.get(index).copied().unwrap_or_default()
        };
        Ok(Told {
            seconds,
            p50: at(0.5),
            p99: at(0.99),
        })
    }

    /// Opens connections that stay; where they are many, each has an exchange.
    async fn open(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let mut channel = self.stack.dial(&self.address).await?;
            if let Work::Idle { .. } = self.work {
                ping(&mut channel, 1).await?;
            }
            self.channels.push(channel);
        }
        Ok(())
    }

    async fn handshakes(&self, count: usize, at_once: usize) -> Result<()> {
        let left = Arc::new(AtomicUsize::new(count));
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let (stack, address, left) = (self.stack.clone(), self.address.clone(), left.clone());
            tasks.spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let mut channel = stack.dial(&address).await?;
                    if channel.receive(&mut [0]).await? != 1 {
                        return Err("the server has ended too early".into());
                    }
                }
                Ok(())
            });
        }
        tasks.join_all().await.into_iter().collect()
    }
}

async fn send(channel: &mut impl Channel, bytes: usize) -> Result<()> {
    let chunk = vec![7; CHUNK];
    for _ in 0..bytes / CHUNK {
        channel.send(&chunk).await?;
    }
    channel.flush().await?;
    match channel.receive(&mut [0]).await? {
        0 => Err("the server has ended too early".into()),
        _ => Ok(()),
    }
}

/// The time of each, in microseconds.
async fn ping(channel: &mut impl Channel, count: usize) -> Result<Vec<f64>> {
    let mut message = [7; SMALL];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        channel.send(&message).await?;
        channel.flush().await?;
        if !receive_all(channel, &mut message).await? {
            return Err("the server has ended too early".into());
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}
