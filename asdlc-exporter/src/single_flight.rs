//! One call at a time: callers that arrive while a call runs wait for the result of that call.
//!
//! A caller may get the result of a call that started before the caller arrived. Readiness checks,
//! Redis probes and queries accept that. Scrapes do not: the collection for a scrape must start after
//! the scrape arrived. So `scrape::queue` and `collect::sources` do not use this module.

#[cfg(any(feature = "health", feature = "redis"))]
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Runs at most one call at a time.
#[cfg(any(feature = "health", feature = "redis"))]
#[derive(Debug)]
pub(crate) struct SingleFlight<T> {
    /// The call that started last. It may have ended.
    last: Mutex<Option<Waiter<T>>>,
}

/// The result of [`SingleFlight::join`].
#[cfg(any(feature = "health", feature = "redis"))]
#[derive(Debug)]
pub(crate) enum Joined<T> {
    /// A call is already running.
    Running(Waiter<T>),
    /// No call was running, so the caller must run one. It must use a separate task: then the call
    /// continues if the caller is dropped.
    Started(Completion<T>, Waiter<T>),
}

/// Ends a call. It is dropped without [`complete`](Self::complete) if the task of the call panicked or
/// its runtime stopped: then the waiters get `None`, and the next `join` starts a call.
#[derive(Debug)]
pub(crate) struct Completion<T>(watch::Sender<Option<T>>);

/// Waits for the result of a call. Clones wait for the same call.
#[derive(Clone, Debug)]
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

#[cfg(any(feature = "health", feature = "redis"))]
impl<T: Clone> SingleFlight<T> {
    /// Joins the running call, or registers a new one. No user code runs under the lock.
    pub(crate) fn join(&self) -> Joined<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = last.as_ref().filter(|waiter| waiter.is_running()) {
            return Joined::Running(waiter.clone());
        }
        let (completion, waiter) = call();
        let ended = last.replace(waiter.clone());
        drop(last);
        // Dropped after the lock is released, because dropping the result may run user code.
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

/// Creates a single call, for code that has its own table of running calls.
pub(crate) fn call<T: Clone>() -> (Completion<T>, Waiter<T>) {
    let (sender, receiver) = watch::channel(None);
    (Completion(sender), Waiter(receiver))
}

impl<T> Completion<T> {
    /// Sends the result to all waiters. Only the first result is used.
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
    /// Whether the call still runs: it has no result, and its [`Completion`] was not dropped.
    pub(crate) fn is_running(&self) -> bool {
        self.0.borrow().is_none() && self.0.has_changed().is_ok()
    }

    /// Waits for the result. `None` if the call ended without one.
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
