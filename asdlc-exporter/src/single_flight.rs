//! One call at a time: callers that come while a call runs wait for its result.
//!
//! Used where any result that arrives after the caller is good enough. Scrapes and sources need
//! more: the collection that answers a scrape must begin after the scrape came, so that they do not
//! join one that runs. See `scrape::queue` and `collect::source_run`.

#[cfg(any(feature = "health", feature = "redis"))]
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

#[cfg(any(feature = "health", feature = "redis"))]
/// Runs at most one call at a time.
#[derive(Debug)]
pub(crate) struct SingleFlight<T> {
    /// The call that was started last. It may have ended.
    last: Mutex<Option<Waiter<T>>>,
}

#[cfg(any(feature = "health", feature = "redis"))]
/// What [`SingleFlight::join`] found.
#[derive(Debug)]
pub(crate) enum Joined<T> {
    /// A call runs already.
    Running(Waiter<T>),
    /// No call ran. The caller has to run it, in a task of its own, so that it goes on if the
    /// caller is dropped.
    Started(Completion<T>, Waiter<T>),
}

/// Ends a call. If it is dropped without [`complete`](Self::complete), because the task panicked or
/// its runtime stopped, the waiters get `None` and the next `join` starts a call.
#[derive(Debug)]
pub(crate) struct Completion<T>(watch::Sender<Option<T>>);

/// Waits for the result of a call. Clones wait for the same call.
#[derive(Clone, Debug)]
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

#[cfg(any(feature = "health", feature = "redis"))]
impl<T: Clone> SingleFlight<T> {
    /// Joins the running call, or registers a new one. Runs no user code.
    pub(crate) fn join(&self) -> Joined<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = last.as_ref().filter(|waiter| waiter.is_running()) {
            return Joined::Running(waiter.clone());
        }
        let (completion, waiter) = call();
        let ended = last.replace(waiter.clone());
        drop(last);
        // It holds a result, whose drop may be user code.
        drop(ended);
        Joined::Started(completion, waiter)
    }
}

#[cfg(any(feature = "health", feature = "redis"))]
impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { last: Mutex::new(None) }
    }
}

/// A single call, for code that keeps its own table of running calls.
pub(crate) fn call<T: Clone>() -> (Completion<T>, Waiter<T>) {
    let (sender, receiver) = watch::channel(None);
    (Completion(sender), Waiter(receiver))
}

impl<T> Completion<T> {
    /// Hands the result to all waiters. Only the first call counts.
    pub(crate) fn complete(&self, result: T) {
        self.0.send_if_modified(|slot| {
            let is_first = slot.is_none();
            if is_first {
                *slot = Some(result);
            }
            is_first
        });
    }
}

impl<T: Clone> Waiter<T> {
    /// Whether the call has no result yet and still can have one.
    pub(crate) fn is_running(&self) -> bool {
        self.0.borrow().is_none() && self.0.has_changed().is_ok()
    }

    /// The result; `None` if the call ended without one.
    pub(crate) async fn wait(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

#[cfg(all(test, any(feature = "health", feature = "redis")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_share_the_call_that_runs() {
        let flight = SingleFlight::default();
        let Joined::Started(completion, first) = flight.join() else { panic!("nothing runs yet") };
        let Joined::Running(second) = flight.join() else { panic!("a call runs") };
        completion.complete(1);
        completion.complete(2);
        assert_eq!((first.wait().await, second.wait().await), (Some(1), Some(1)));
        assert!(matches!(flight.join(), Joined::Started(..)), "the call has ended");
    }

    #[tokio::test]
    async fn a_call_without_a_result_ends_too() {
        let flight = SingleFlight::<u8>::default();
        let Joined::Started(completion, waiter) = flight.join() else { panic!("nothing runs yet") };
        drop(completion);
        assert_eq!(waiter.wait().await, None);
        assert!(matches!(flight.join(), Joined::Started(..)));
    }
}
