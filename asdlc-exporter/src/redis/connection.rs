//! A connection that records its commands.

use super::{error_type::ErrorType, metrics::RedisMetrics, operation::Operation};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value, aio::ConnectionLike};
use std::{fmt, time::Instant};

/// A connection whose commands are recorded; [`RedisMetrics::instrument`] makes it.
///
/// It is used as the connection in it: commands, pipelines, transactions and scripts go through
/// unchanged, and it is `Clone` when the connection is. What else the connection can do is behind
/// [`get_mut`](Self::get_mut).
///
/// ```
/// use asdlc_exporter::redis::InstrumentedConnection;
/// use redis::{AsyncCommands, aio::ConnectionManager};
///
/// # async fn example(mut connection: InstrumentedConnection<ConnectionManager>) -> redis::RedisResult<()> {
/// let (seen, last): (u64, String) = redis::pipe()
///     .atomic()
///     .incr("seen", 1)
///     .getset("last", "now")
///     .query_async(&mut connection)
///     .await?;
/// # Ok(()) }
/// ```
///
/// A command that is dropped before it ends is recorded too, with the `error_type` `cancelled`; one
/// that is never polled was never sent, and is not. An answer that is not of the type the caller
/// wants is not seen here: it is no error of the command.
#[derive(Clone)]
pub struct InstrumentedConnection<C> {
    connection: C,
    metrics: RedisMetrics,
}

impl<C> InstrumentedConnection<C> {
    pub(super) fn new(connection: C, metrics: RedisMetrics) -> Self {
        Self { connection, metrics }
    }

    /// The connection; what is sent with a clone of it is not recorded.
    pub fn get_ref(&self) -> &C {
        &self.connection
    }

    /// The connection; what is sent with it is not recorded.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// The connection without the recording.
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: ConnectionLike> ConnectionLike for InstrumentedConnection<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let Self { connection, metrics } = self;
        let sending = connection.req_packed_command(cmd);
        Box::pin(async move {
            let running = Running::start(metrics, Operation::of_command(cmd));
            let answer = sending.await;
            running.end(&answer, ErrorType::within);
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let Self { connection, metrics } = self;
        let sending = connection.req_packed_commands(cmd, offset, count);
        Box::pin(async move {
            let running = Running::start(metrics, Operation::of_pipeline(cmd));
            let answers = sending.await;
            running.end(&answers, |answers| ErrorType::within_any(answers));
            answers
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

impl<C> fmt::Debug for InstrumentedConnection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedConnection").finish_non_exhaustive()
    }
}

/// A command on its way; dropping it is its cancellation.
struct Running<'a> {
    metrics: &'a RedisMetrics,
    operation: Operation,
    start: Instant,
    error: Option<ErrorType>,
}

impl<'a> Running<'a> {
    fn start(metrics: &'a RedisMetrics, operation: Operation) -> Self {
        let (start, error) = (Instant::now(), Some(ErrorType::Cancelled));
        Self { metrics, operation, start, error }
    }

    fn end<T>(mut self, answer: &RedisResult<T>, within: impl FnOnce(&T) -> Option<ErrorType>) {
        self.error = match answer {
            Ok(answer) => within(answer),
            Err(error) => Some(ErrorType::of(error)),
        };
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Self { metrics, operation, start, error } = self;
        metrics.record(*operation, start.elapsed(), *error);
    }
}
