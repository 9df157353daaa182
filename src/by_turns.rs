//! Two futures that share a task fairly.

use std::{future::poll_fn, pin::pin, task::Poll};

/// The result of the one that ends first; the other is dropped. Which is polled first alternates.
///
/// A task may do so much before the runtime lets others run. Were one always polled first, it could use that up each time,
/// such as a reader whose peer sends without end, and the other would never get anywhere.
pub(crate) async fn by_turns<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let mut b_first = false;
    poll_fn(|cx| {
        b_first = !b_first;
        if b_first && let Poll::Ready(ended) = b.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if let Poll::Ready(ended) = a.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        match b_first {
            true => Poll::Pending,
            false => b.as_mut().poll(cx),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use tokio::task::{coop::consume_budget, yield_now};

    use super::*;

    #[tokio::test]
    async fn one_that_uses_up_the_budget_does_not_keep_the_other_from_its_turn() {
        let greedy = async {
            loop {
                consume_budget().await;
            }
        };
        let modest = async || {
            for _ in 0..10 {
                consume_budget().await;
                yield_now().await;
            }
        };
        by_turns(greedy, modest()).await;
        let greedy = async {
            loop {
                consume_budget().await;
            }
        };
        by_turns(modest(), greedy).await;
    }

    #[tokio::test]
    async fn the_first_to_end_is_the_result_and_the_other_goes_no_further() {
        let steps = Cell::new(0);
        let slow = async {
            loop {
                steps.set(steps.get() + 1);
                yield_now().await;
            }
        };
        let quick = async {
            yield_now().await;
            "quick"
        };
        assert_eq!(by_turns(slow, quick).await, "quick");
        assert!(steps.get() <= 2);
        assert_eq!(by_turns(pending(), async { 1 }).await, 1);
        assert_eq!(by_turns(async { 1 }, pending()).await, 1);
    }
}
