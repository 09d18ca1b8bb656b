//! The connection of a probe: at any time one look at most, for all who ask.

use super::error_type::ErrorType;
use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::watch, time::timeout};

/// What a look found.
pub(super) type Finding = Result<(), ErrorType>;

pub(super) struct Line {
    client: Client,
    timeout: Duration,
    state: Mutex<State>,
    /// By [`ErrorType`].
    errors: [AtomicU64; ErrorType::ALL.len()],
}

#[derive(Default)]
struct State {
    is_up: bool,
    last_success: Option<Instant>,
    /// Of the last look that ended well.
    connection: Option<MultiplexedConnection>,
    /// The look that goes on.
    next: Option<watch::Receiver<Option<Finding>>>,
}

impl Line {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, state: Mutex::default(), errors: [const { AtomicU64::new(0) }; _] }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(test)]
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn is_up(&self) -> bool {
        self.state().is_up
    }

    pub(super) fn last_success_age(&self) -> Option<Duration> {
        Some(self.state().last_success?.elapsed())
    }

    pub(super) fn errors(&self, error: ErrorType) -> u64 {
        self.errors[error as usize].load(Ordering::Relaxed)
    }

    /// A scrape goes on without the look it asked for: what was seen before is not true of it. The
    /// look itself counts its error when it ends.
    pub(super) fn missed(&self) {
        self.state().is_up = false;
    }

    /// Waits for the look that goes on, or for a new one, which this runtime drives.
    pub(super) async fn look(self: &Arc<Self>, runtime: &Handle) -> Finding {
        let mut next = self.next(runtime);
        let found = next.wait_for(Option::is_some).await.ok().and_then(|found| *found);
        found.unwrap_or(Err(ErrorType::Cancelled))
    }

    fn next(self: &Arc<Self>, runtime: &Handle) -> watch::Receiver<Option<Finding>> {
        let mut state = self.state();
        if let Some(next) = &state.next {
            return next.clone();
        }
        let (send, next) = watch::channel(None);
        state.next = Some(next.clone());
        let kept = state.connection.take();
        // A runtime that is gone drops the task at once, and the look ends under this lock.
        drop(state);
        let look = Look { line: Arc::clone(self), send, seen: Err(ErrorType::Cancelled) };
        // In a task of its own: who stops waiting costs the others nothing.
        runtime.spawn(look.run(kept));
        next
    }

    /// A connection that has just answered.
    async fn ping(
        &self,
        kept: Option<MultiplexedConnection>,
    ) -> RedisResult<MultiplexedConnection> {
        if let Some(mut kept) = kept
            && ping(&mut kept).await.is_ok()
        {
            return Ok(kept);
        }
        // One time limit for all of it is the caller's.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut new = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        ping(&mut new).await?;
        Ok(new)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look on its way; dropping it is its end.
struct Look {
    line: Arc<Line>,
    send: watch::Sender<Option<Finding>>,
    /// Until there is more to tell: its runtime went, or the crate `redis` panicked.
    seen: Result<MultiplexedConnection, ErrorType>,
}

impl Look {
    async fn run(mut self, kept: Option<MultiplexedConnection>) {
        self.seen = match timeout(self.line.timeout, self.line.ping(kept)).await {
            Ok(answer) => answer.map_err(|error| ErrorType::of(&error)),
            Err(_) => Err(ErrorType::Timeout),
        };
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let Self { line, send, seen } = self;
        let seen = mem::replace(seen, Err(ErrorType::Cancelled));
        let finding = seen.as_ref().map(|_| ()).map_err(|error| *error);
        let mut state = line.state();
        state.is_up = finding.is_ok();
        match finding {
            Ok(()) => state.last_success = Some(Instant::now()),
            Err(error) => {
                line.errors[error as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        state.connection = seen.ok();
        state.next = None;
        drop(state);
        send.send_replace(Some(finding));
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    redis::cmd("PING").exec_async(connection).await
}
