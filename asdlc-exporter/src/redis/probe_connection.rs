//! Sends the `PING` of a probe, and decides whether Redis is up. At most one attempt runs at a time; all
//! callers share it.

use super::error_type::ErrorType;
use crate::{
    hedged::hedged,
    single_flight::{Completion, Joined, SingleFlight, Waiter},
};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, aio::MultiplexedConnection,
};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, time::timeout};

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PingOutcome {
    Pong,
    /// The server responded with an error, so it is up.
    ErrorReply {
        error: ErrorType,
        /// Whether the server can run other commands.
        is_ready: bool,
    },
    Down(ErrorType),
}

impl PingOutcome {
    fn is_up(self) -> bool {
        match self {
            Self::Pong | Self::ErrorReply { .. } => true,
            Self::Down(_) => false,
        }
    }

    fn error(self) -> Option<ErrorType> {
        match self {
            Self::Pong => None,
            Self::ErrorReply { error, is_ready: _ } | Self::Down(error) => Some(error),
        }
    }

    /// The outcome if the error is a reply of the server; `None` if the connection cannot be used.
    fn of_reply(error: &RedisError) -> Option<Self> {
        if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
            return None;
        }
        let is_busy = error.code() == Some("BUSY");
        match ErrorType::of(error) {
            // The server accepts no command of this service.
            ErrorType::Authentication => None,
            error @ (ErrorType::Loading | ErrorType::Cluster) => {
                Some(Self::ErrorReply { error, is_ready: false })
            }
            error => Some(Self::ErrorReply { error, is_ready: !is_busy }),
        }
    }
}

pub(super) struct ProbeConnection {
    client: Client,
    timeout: Duration,
    attempts: SingleFlight<PingOutcome>,
    state: Mutex<ProbeState>,
    /// The number of failed attempts by [`ErrorType`].
    errors: [AtomicU64; ErrorType::ALL.len()],
}

#[derive(Default)]
struct ProbeState {
    /// `None` before the first attempt has ended.
    is_up: Option<bool>,
    last_success: Option<Instant>,
    /// The connection of the last attempt that got a response.
    connection: Option<MultiplexedConnection>,
    /// The error that was logged last.
    logged_error: Option<ErrorType>,
}

impl ProbeConnection {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        let errors = [const { AtomicU64::new(0) }; ErrorType::ALL.len()];
        Self { client, timeout, attempts: SingleFlight::default(), state: Mutex::default(), errors }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(test)]
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// `None` before the first attempt has ended.
    pub(super) fn is_up(&self) -> Option<bool> {
        self.state().is_up
    }

    pub(super) fn last_success_age(&self) -> Option<Duration> {
        Some(self.state().last_success?.elapsed())
    }

    pub(super) fn errors(&self, error: ErrorType) -> u64 {
        self.errors[error as usize].load(Ordering::Relaxed)
    }

    /// Called when a scrape has no result of an attempt: it stopped waiting, or no runtime could be
    /// created. The result of an earlier attempt must not be served as the state at this scrape. An
    /// attempt in progress continues, and counts its error when it ends.
    pub(super) fn set_down(&self) {
        self.state().is_up = Some(false);
    }

    /// Waits for the attempt in progress. If there is none, starts one on this runtime.
    pub(super) async fn ping(self: &Arc<Self>, runtime: &Handle) -> PingOutcome {
        let outcome = self.join_or_start(runtime).wait().await;
        outcome.unwrap_or(PingOutcome::Down(ErrorType::Cancelled))
    }

    fn join_or_start(self: &Arc<Self>, runtime: &Handle) -> Waiter<PingOutcome> {
        match self.attempts.join() {
            Joined::Running(waiter) => waiter,
            Joined::Started(completion, waiter) => {
                // No lock is held at `spawn`: a runtime that has stopped drops the task at once, and
                // dropping the attempt takes the lock of the state.
                let reused = self.state().connection.take();
                let attempt = Attempt { probe: Arc::clone(self), completion, found: CANCELLED };
                // In a separate task: a caller that stops waiting does not cancel it for the others.
                runtime.spawn(attempt.run(reused));
                waiter
            }
        }
    }

    /// Sends a `PING` on the connection of the last attempt. If there is no reply after a third of the
    /// timeout, it also sends one on a new connection: the old connection may be dead, or the server may
    /// be slow.
    async fn ping_any(&self, reused: Option<MultiplexedConnection>) -> Found {
        let Some(mut reused) = reused else { return self.ping_new().await };
        let first = async {
            let outcome = send_ping(&mut reused).await.ok()?;
            Some((outcome, Some(reused)))
        };
        hedged(first, Some(self.timeout / 3), self.ping_new()).await
    }

    async fn ping_new(&self) -> Found {
        // Not needed: the timeout of the attempt includes connecting and waiting for the reply.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let error = match connected {
            Ok(mut new) => match send_ping(&mut new).await {
                Ok(outcome) => return (outcome, Some(new)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let outcome = match ErrorType::of(&error) {
            // The server is up: while it loads, it also refuses the commands of the handshake.
            error @ ErrorType::Loading => PingOutcome::ErrorReply { error, is_ready: false },
            error => PingOutcome::Down(error),
        };
        (outcome, None)
    }

    fn state(&self) -> MutexGuard<'_, ProbeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of an attempt, and its connection if the next attempt can reuse it.
type Found = (PingOutcome, Option<MultiplexedConnection>);

/// The outcome if the runtime of the attempt stopped, or if the crate `redis` panicked.
const CANCELLED: Found = (PingOutcome::Down(ErrorType::Cancelled), None);

/// An attempt in progress. When it is dropped, it stores its outcome and sends it to the callers.
struct Attempt {
    probe: Arc<ProbeConnection>,
    completion: Completion<PingOutcome>,
    found: Found,
}

impl Attempt {
    async fn run(mut self, reused: Option<MultiplexedConnection>) {
        let found = timeout(self.probe.timeout, self.probe.ping_any(reused)).await;
        self.found = found.unwrap_or((PingOutcome::Down(ErrorType::Timeout), None));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Self { probe, completion, found } = self;
        let (outcome, connection) = mem::replace(found, CANCELLED);
        if let Some(error) = outcome.error() {
            probe.errors[error as usize].fetch_add(1, Ordering::Relaxed);
        }
        let mut state = probe.state();
        state.is_up = Some(outcome.is_up());
        if outcome.is_up() {
            state.last_success = Some(Instant::now());
        }
        let old = mem::replace(&mut state.connection, connection);
        let logged = state.logged_error;
        // If the server is down, there was no reply. Then the last logged error does not change.
        if outcome.is_up() {
            state.logged_error = outcome.error();
        }
        drop(state);
        drop(old);
        if outcome.is_up() {
            log_change(logged, outcome.error());
        }
        completion.complete(outcome);
    }
}

/// Logs one line when the server begins to reply with this error, and one when the errors end.
fn log_change(before: Option<ErrorType>, now: Option<ErrorType>) {
    match now {
        _ if before == now => {}
        Some(error) => {
            tracing::warn!(
                "Redis replies to PING with an error: {}; redis_connection_up is 1",
                error.label()
            );
        }
        None => tracing::info!("Redis replies to PING without an error again"),
    }
}

/// Sends a `PING`. An error that the server replies with is an outcome, not an error.
async fn send_ping(connection: &mut MultiplexedConnection) -> RedisResult<PingOutcome> {
    match redis::cmd("PING").exec_async(connection).await {
        Ok(()) => Ok(PingOutcome::Pong),
        Err(error) => PingOutcome::of_reply(&error).ok_or(error),
    }
}
