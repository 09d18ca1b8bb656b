//! A second attempt on a new connection, when a kept connection is slow or broken.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use tokio::time::timeout;

/// Runs `first`. Runs `second` instead when `first` ends with `None`, and as well when `first` takes
/// longer than `patience`: the first result of either counts. Without a `patience`, `first` may take
/// as long as it needs.
pub(crate) async fn hedged<T>(
    first: impl Future<Output = Option<T>>,
    patience: Option<Duration>,
    second: impl Future<Output = T>,
) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let ended = match patience {
        Some(patience) => timeout(patience, first.as_mut()).await.ok(),
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

    const PATIENCE: Option<Duration> = Some(Duration::from_millis(10));

    #[tokio::test(start_paused = true)]
    async fn the_first_result_counts() {
        assert_eq!(hedged(ready(Some(1)), PATIENCE, pending()).await, 1);
        assert_eq!(hedged(ready(None), PATIENCE, ready(2)).await, 2);
        assert_eq!(hedged(after(20, Some(1)), None, ready(2)).await, 1);
        assert_eq!(hedged(after(20, Some(1)), PATIENCE, ready(2)).await, 2);
        assert_eq!(hedged(after(20, Some(1)), PATIENCE, after(20, 2)).await, 1);
        assert_eq!(hedged(after(20, None), PATIENCE, after(20, 2)).await, 2);
        assert_eq!(hedged(pending(), PATIENCE, ready(2)).await, 2);
    }
}
