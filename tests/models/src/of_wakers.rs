//! A transport that remembers one waker, under both halves of a stream.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use loom::{future::block_on, thread};

use crate::wakers::Wakers;

#[derive(Default)]
struct Transport(Mutex<(bool, Option<Waker>)>);

impl Transport {
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn make_ready(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[derive(Default)]
struct Stream {
    wakers: Wakers,
    transport: Transport,
}

impl Stream {
    fn poll(&self, cx: &mut Context<'_>, is_reader: bool) -> Poll<()> {
        match is_reader {
            true => self.wakers.keep_reader(cx),
            false => self.wakers.keep_writer(cx),
        }
        self.transport.poll_ready(&mut self.wakers.context())
    }

    async fn half(&self, is_reader: bool) {
        poll_fn(|cx| self.poll(cx, is_reader)).await;
    }
}

pub(crate) fn both_halves_go_on() {
    let stream = Arc::new(Stream::default());
    let halves = [true, false].map(|is_reader| {
        let stream = stream.clone();
        thread::spawn(move || block_on(stream.half(is_reader)))
    });
    stream.transport.make_ready();
    halves.into_iter().for_each(|half| half.join().unwrap());
}

pub(crate) fn one_half_leaves() {
    let stream = Arc::new(Stream::default());
    let leaves = stream.clone();
    let leaves = thread::spawn(move || {
        let cx = &mut Context::from_waker(Waker::noop());
        let _ = leaves.poll(cx, true);
    });
    let stays = stream.clone();
    let stays = thread::spawn(move || block_on(stays.half(false)));
    stream.transport.make_ready();
    leaves.join().unwrap();
    stays.join().unwrap();
}

pub(crate) fn each_half_alone() {
    for is_reader in [true, false] {
        let stream = Arc::new((Wakers::new(), Mutex::new(false)));
        let waits = stream.clone();
        let half = thread::spawn(move || {
            block_on(poll_fn(|cx| {
                match is_reader {
                    true => waits.0.keep_reader(cx),
                    false => waits.0.keep_writer(cx),
                }
                match *waits.1.lock().unwrap() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
        });
        *stream.1.lock().unwrap() = true;
        match is_reader {
            true => stream.0.wake_reader(),
            false => stream.0.wake_writer(),
        }
        half.join().unwrap();
    }
}
