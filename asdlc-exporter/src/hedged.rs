//! Hedged requests: a second attempt on a new connection if a reused connection is slow or broken.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use tokio::time::timeout;

/// Runs `first`, and starts `second` in two cases:
///
/// * when `first` ends with `None`, which means that its connection is broken;
/// * when `first` has run for `delay`. `first` continues, and the result of whichever ends first is
///   returned. Without a `delay` this does not happen.
pub(crate) async fn hedged<T>(
    first: impl Future<Output = Option<T>>,
    delay: Option<Duration>,
    second: impl Future<Output = T>,
) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let ended = match delay {
        Some(delay) => timeout(delay, first.as_mut()).await.ok(),
        None => Some(first.as_mut().await),
    };
    match ended {
        Some(Some(result)) => return result,
        Some(None) => return second.await,
        None => {}
    }
    let mut first_failed = false;
    poll_fn(|context| {
        if !first_failed {
            match first.as_mut().poll(context) {
                Poll::Ready(Some(result)) => return Poll::Ready(result),
                Poll::Ready(None) => first_failed = true,
                Poll::Pending => {}
            }
        }
        second.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::hedged;
    use std::{
        future::{pending, ready},
        time::Duration,
    };
    use tokio::time::sleep;

    async fn after<T>(millis: u64, result: T) -> T {
        sleep(Duration::from_millis(millis)).await;
        result
    }

    const DELAY: Option<Duration> = Some(Duration::from_millis(10));

    #[tokio::test(start_paused = true)]
    async fn the_first_result_is_returned() {
        assert_eq!(hedged(ready(Some(1)), DELAY, pending()).await, 1);
        assert_eq!(hedged(ready(None), DELAY, ready(2)).await, 2);
        assert_eq!(hedged(after(20, Some(1)), None, ready(2)).await, 1);
        assert_eq!(hedged(after(20, Some(1)), DELAY, ready(2)).await, 2);
        assert_eq!(hedged(after(20, Some(1)), DELAY, after(20, 2)).await, 1);
        assert_eq!(hedged(after(20, None), DELAY, after(20, 2)).await, 2);
        assert_eq!(hedged(pending(), DELAY, ready(2)).await, 2);
    }
}
