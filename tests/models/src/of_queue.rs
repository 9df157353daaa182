//! Writers and readers of a queue with room for one item.

use std::{future::poll_fn, sync::Arc};

use loom::{future::block_on, thread};

use crate::queue::{Closed, Queue, Weight};

#[derive(Debug, PartialEq, Eq)]
struct Item(u8);

impl Weight for Item {
    fn weight(&self) -> usize {
        1
    }
}

fn queue() -> Arc<Queue<Item>> {
    Arc::new(Queue::new(1, 10))
}

fn pop(queue: &Queue<Item>) -> Option<Item> {
    block_on(poll_fn(|cx| queue.poll_pop(cx)))
}

pub(crate) fn in_order() {
    let queue = queue();
    let ours = queue.clone();
    let writer = thread::spawn(move || {
        for number in 0..2 {
            block_on(ours.push(Item(number))).unwrap();
        }
        ours.close();
    });
    for number in 0..2 {
        assert_eq!(pop(&queue), Some(Item(number)));
    }
    assert_eq!(pop(&queue), None);
    writer.join().unwrap();
}

pub(crate) fn two_readers() {
    let queue = queue();
    let readers = [(); 2].map(|()| {
        let queue = queue.clone();
        thread::spawn(move || u8::from(pop(&queue).is_some()))
    });
    queue.try_push(Item(0)).unwrap();
    queue.close();
    let popped = readers.map(|reader| reader.join().unwrap());
    assert_eq!(popped[0] + popped[1], 1);
}

pub(crate) fn flushes() {
    let queue = queue();
    queue.try_push(Item(0)).unwrap();
    let (flusher, taker) = (queue.clone(), queue.clone());
    let flusher = thread::spawn(move || block_on(poll_fn(|cx| flusher.poll_done(1, cx))));
    let taker = thread::spawn(move || {
        let popped = taker.try_pop();
        if popped.is_some() {
            taker.done(1);
        }
        popped.is_some()
    });
    queue.clear();
    let flushed = flusher.join().unwrap();
    let was_taken = taker.join().unwrap();
    match was_taken {
        // The end of the queue may have come between the two.
        true => assert!(matches!(flushed, Ok(()) | Err(Closed))),
        false => assert_eq!(flushed, Err(Closed)),
    }
}
