//! A connection that records its commands.

use super::{error_type::ErrorType, metrics::RedisMetrics, operation::Operation};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value, aio::ConnectionLike};
use std::{fmt, time::Instant};

/// A connection whose commands are recorded. Created by [`RedisMetrics::instrument`].
///
/// Use it instead of the connection that it wraps. It passes commands, pipelines, transactions and
/// scripts on unchanged. It is `Clone` if the connection is. Other methods of the connection are
/// available through [`get_mut`](Self::get_mut).
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
/// A command is recorded when its response arrives or when it fails. If its future is dropped before
/// that, the command is recorded with the `error_type` `cancelled`. A future that is never polled sends
/// nothing, and nothing is recorded. If the response cannot be converted to the type that the caller
/// requested, that is not counted as an error.
#[derive(Clone)]
pub struct InstrumentedConnection<C> {
    connection: C,
    metrics: RedisMetrics,
}

impl RedisMetrics {
    /// Wraps a connection. Its commands are recorded with these metrics.
    ///
    /// It accepts every type that implements [`ConnectionLike`], such as `MultiplexedConnection`,
    /// `ConnectionManager`, a cluster connection, or a connection from a pool.
    pub fn instrument<C>(&self, connection: C) -> InstrumentedConnection<C> {
        InstrumentedConnection { connection, metrics: self.clone() }
    }
}

impl<C> InstrumentedConnection<C> {
    /// The wrapped connection. Commands that are sent with a clone of it are not recorded.
    pub fn get_ref(&self) -> &C {
        &self.connection
    }

    /// The wrapped connection. Commands that are sent with it directly are not recorded.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Returns the wrapped connection.
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: ConnectionLike> ConnectionLike for InstrumentedConnection<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let Self { connection, metrics } = self;
        let sending = connection.req_packed_command(cmd);
        Box::pin(async move {
            let running = RunningCommand::start(metrics, Operation::of_command(cmd));
            let response = sending.await;
            running.end(&response, ErrorType::within);
            response
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
            let running = RunningCommand::start(metrics, Operation::of_pipeline(cmd));
            let responses = sending.await;
            running.end(&responses, |responses| ErrorType::within_any(responses));
            responses
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

/// Records a command when it is dropped: as cancelled, unless [`end`](Self::end) was called.
struct RunningCommand<'a> {
    metrics: &'a RedisMetrics,
    operation: Operation,
    start: Instant,
    error: Option<ErrorType>,
}

impl<'a> RunningCommand<'a> {
    fn start(metrics: &'a RedisMetrics, operation: Operation) -> Self {
        let (start, error) = (Instant::now(), Some(ErrorType::Cancelled));
        Self { metrics, operation, start, error }
    }

    fn end<T>(mut self, response: &RedisResult<T>, within: impl FnOnce(&T) -> Option<ErrorType>) {
        self.error = match response {
            Ok(response) => within(response),
            Err(error) => Some(ErrorType::of(error)),
        };
    }
}

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        let Self { metrics, operation, start, error } = self;
        metrics.record(*operation, start.elapsed(), *error);
    }
}
