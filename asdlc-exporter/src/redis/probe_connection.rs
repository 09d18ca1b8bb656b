//! The connection of a probe: at any time one look at most, for all who ask.

use super::error_type::ErrorType;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, aio::MultiplexedConnection,
};
use std::{
    future, mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::watch, time::timeout};

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Pong,
    /// The server answered, and so it is up.
    Error {
        error: ErrorType,
        /// Whether it answers other commands.
        is_ready: bool,
    },
    Down(ErrorType),
}

impl Finding {
    fn is_up(self) -> bool {
        match self {
            Self::Pong | Self::Error { .. } => true,
            Self::Down(_) => false,
        }
    }

    fn error(self) -> Option<ErrorType> {
        match self {
            Self::Pong => None,
            Self::Error { error, is_ready: _ } | Self::Down(error) => Some(error),
        }
    }

    /// An error that the server answered; `None` for one that says that the connection is of no use.
    fn answer(error: &RedisError) -> Option<Self> {
        if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
            return None;
        }
        let busy = error.code() == Some("BUSY");
        match ErrorType::of(error) {
            // To this service the server is closed.
            ErrorType::Authentication => None,
            error @ (ErrorType::Loading | ErrorType::Cluster) => {
                Some(Self::Error { error, is_ready: false })
            }
            error => Some(Self::Error { error, is_ready: !busy }),
        }
    }
}

pub(super) struct Line {
    client: Client,
    timeout: Duration,
    state: Mutex<State>,
    /// By [`ErrorType`].
    errors: [AtomicU64; ErrorType::ALL.len()],
}

#[derive(Default)]
struct State {
    /// Unknown before the first look ended.
    is_up: Option<bool>,
    last_success: Option<Instant>,
    /// Of the last look that was answered.
    connection: Option<MultiplexedConnection>,
    /// The error that the log has.
    told: Option<ErrorType>,
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

    /// `None` before the first look ended.
    pub(super) fn is_up(&self) -> Option<bool> {
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
        self.state().is_up = Some(false);
    }

    /// Waits for the look that goes on, or for a new one, which this runtime drives.
    pub(super) async fn look(self: &Arc<Self>, runtime: &Handle) -> Finding {
        let mut next = self.next(runtime);
        let found = next.wait_for(Option::is_some).await.ok().and_then(|found| *found);
        found.unwrap_or(Finding::Down(ErrorType::Cancelled))
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
        let look = Look { line: Arc::clone(self), send, seen: CANCELLED };
        // In a task of its own: who stops waiting costs the others nothing.
        runtime.spawn(look.run(kept));
        next
    }

    /// Asks on the connection that is kept. When that takes long, asks on a new one as well: the kept
    /// one may have gone silent while a new one works, or the server may only be slow.
    async fn ask(&self, kept: Option<MultiplexedConnection>) -> Seen {
        let Some(mut kept) = kept else { return self.ask_anew().await };
        let mut asked = pin!(async {
            let finding = ping(&mut kept).await.ok()?;
            Some((finding, Some(kept)))
        });
        match timeout(self.timeout / 3, asked.as_mut()).await {
            Ok(Some(seen)) => seen,
            // It broke.
            Ok(None) => self.ask_anew().await,
            Err(_) => either(asked, pin!(self.ask_anew())).await,
        }
    }

    async fn ask_anew(&self) -> Seen {
        // One time limit for all of it is the caller's.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let error = match connected {
            Ok(mut new) => match ping(&mut new).await {
                Ok(finding) => return (finding, Some(new)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let finding = match ErrorType::of(&error) {
            // What a new connection has to say first is refused too.
            error @ ErrorType::Loading => Finding::Error { error, is_ready: false },
            error => Finding::Down(error),
        };
        (finding, None)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look found, and the connection that it found it with.
type Seen = (Finding, Option<MultiplexedConnection>);

/// Until there is more to tell: the runtime of the look went, or the crate `redis` panicked.
const CANCELLED: Seen = (Finding::Down(ErrorType::Cancelled), None);

/// A look on its way; dropping it is its end.
struct Look {
    line: Arc<Line>,
    send: watch::Sender<Option<Finding>>,
    seen: Seen,
}

impl Look {
    async fn run(mut self, kept: Option<MultiplexedConnection>) {
        let asked = timeout(self.line.timeout, self.line.ask(kept)).await;
        self.seen = asked.unwrap_or((Finding::Down(ErrorType::Timeout), None));
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let Self { line, send, seen } = self;
        let (finding, connection) = mem::replace(seen, CANCELLED);
        if let Some(error) = finding.error() {
            line.errors[error as usize].fetch_add(1, Ordering::Relaxed);
        }
        let mut state = line.state();
        state.is_up = Some(finding.is_up());
        if finding.is_up() {
            state.last_success = Some(Instant::now());
        }
        let old = mem::replace(&mut state.connection, connection);
        state.next = None;
        // A server that is down says nothing new about its answers.
        let told = state.told;
        if finding.is_up() {
            state.told = finding.error();
        }
        drop(state);
        drop(old);
        if finding.is_up() {
            tell(told, finding.error());
        }
        send.send_replace(Some(finding));
    }
}

/// What the kept connection finds, if it finds something before the new one does.
async fn either(
    mut kept: Pin<&mut impl Future<Output = Option<Seen>>>,
    mut new: Pin<&mut impl Future<Output = Seen>>,
) -> Seen {
    let mut is_broken = false;
    future::poll_fn(|context| {
        if !is_broken && let Poll::Ready(seen) = kept.as_mut().poll(context) {
            match seen {
                Some(seen) => return Poll::Ready(seen),
                None => is_broken = true,
            }
        }
        new.as_mut().poll(context)
    })
    .await
}

/// One line when the answers become an error, or another error, and one when they are none again.
fn tell(told: Option<ErrorType>, now: Option<ErrorType>) {
    match now {
        _ if told == now => {}
        Some(error) => {
            tracing::warn!("Redis answers PING with an error: {}; it counts as up", error.label());
        }
        None => tracing::info!("Redis answers PING without an error again"),
    }
}

/// The server's answer, whatever it is.
async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<Finding> {
    match redis::cmd("PING").exec_async(connection).await {
        Ok(()) => Ok(Finding::Pong),
        Err(error) => Finding::answer(&error).ok_or(error),
    }
}
