//! Calls of `VictoriaMetrics`. Identical queries share a call while it runs.

use super::{
    api_error::{ApiError, ApiErrorType},
    envelope::UpstreamData,
    instruments::Instruments,
    route::Route,
    streamed::StreamedResponse,
    upstream::{Call, Upstream, UpstreamResponse},
    upstream_error,
};
use crate::{
    redact,
    single_flight::{self, Completion, Waiter},
};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde::de::IgnoredAny;
use std::{
    collections::HashMap,
    pin::Pin,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinError, JoinHandle},
    time::{Instant, timeout_at},
};

/// All running calls, and the limit of their number.
#[derive(Debug)]
pub(super) struct SharedCalls {
    upstream: Upstream,
    permits: Arc<Semaphore>,
    max_response_bytes: u64,
    /// No user code runs under this lock: no instrument, waker, log subscriber or hook of the
    /// runtime.
    running: Mutex<HashMap<Call, Weak<SharedCall>>>,
    instruments: Arc<Instruments>,
}

/// A response of `VictoriaMetrics`.
#[derive(Debug)]
pub(super) enum CallResponse {
    Complete { gzip: bool, bytes: Bytes },
    Streamed(StreamedResponse),
}

impl SharedCalls {
    pub(super) fn new(
        upstream: Upstream,
        max_in_flight: usize,
        max_response_bytes: u64,
        instruments: Arc<Instruments>,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(max_in_flight));
        let running = Mutex::default();
        Arc::new(Self { upstream, permits, max_response_bytes, running, instruments })
    }

    /// Waits for the response to `call` until `deadline`. When no client waits for the call any more, it
    /// is cancelled.
    pub(super) async fn send(
        self: &Arc<Self>,
        call: Call,
        deadline: Instant,
    ) -> Result<CallResponse, ApiError> {
        let streamed = loop {
            let (shared, joined) = self.join_or_start(&call)?;
            match CallWaiter::new(shared, deadline).await {
                Ok(Prefetched::Complete { gzip, bytes }) => {
                    if joined {
                        self.instruments.shared(call.route);
                    }
                    return Ok(CallResponse::Complete { gzip, bytes });
                }
                Ok(Prefetched::Streamed(streamed)) => break streamed,
                // The upstream got the timeout of the first client. This client has a later deadline.
                Err(CallError { is_upstream_timeout: true, .. })
                    if joined && Instant::now() < deadline => {}
                Err(CallError { error, .. }) => return Err(error),
            }
        };
        if let Some(response) = take(&streamed) {
            return Ok(CallResponse::Streamed(response));
        }
        // Another client streams that response. It is too long to be stored for both.
        let call = self.start_unshared(&call)?;
        match CallWaiter::new(call, deadline).await.map_err(|failed| failed.error)? {
            Prefetched::Complete { gzip, bytes } => Ok(CallResponse::Complete { gzip, bytes }),
            Prefetched::Streamed(streamed) => {
                let response = take(&streamed).ok_or_else(ApiError::connection_lost)?;
                Ok(CallResponse::Streamed(response))
            }
        }
    }

    /// Joins the running call, or starts one. The `bool` is true if it joined.
    fn join_or_start(self: &Arc<Self>, call: &Call) -> Result<(Arc<SharedCall>, bool), ApiError> {
        // Both are dropped after the lock is released: dropping the last reference to a call takes
        // the lock.
        let known;
        let prepared;
        {
            let mut running = lock(&self.running);
            known = running.get(call).and_then(Weak::upgrade);
            if let Some(shared) = known.as_ref().filter(|shared| shared.prefetched.is_running()) {
                return Ok((Arc::clone(shared), true));
            }
            prepared = self.prepare(call);
            if let Some(PreparedCall { shared, .. }) = &prepared {
                running.insert(call.clone(), Arc::downgrade(shared));
            }
        }
        Ok((self.start(prepared)?, false))
    }

    /// Starts a call that no other client can join.
    fn start_unshared(self: &Arc<Self>, call: &Call) -> Result<Arc<SharedCall>, ApiError> {
        self.start(self.prepare(call))
    }

    /// `None` at the limit of queries in flight.
    fn prepare(self: &Arc<Self>, call: &Call) -> Option<PreparedCall> {
        let permit = match call.route {
            // Health checks do not need a permit: they must also work at the limit of queries in
            // flight. All of them share one call.
            Route::Health => None,
            _ => Some(Arc::clone(&self.permits).try_acquire_owned().ok()?),
        };
        let (completion, prefetched) = single_flight::call();
        let shared = Arc::new(SharedCall {
            calls: Arc::clone(self),
            call: call.clone(),
            start: Instant::now(),
            prefetched,
            has_expired: Arc::default(),
            task: OnceLock::new(),
        });
        Some(PreparedCall { shared, completion, permit })
    }

    fn start(
        self: &Arc<Self>,
        prepared: Option<PreparedCall>,
    ) -> Result<Arc<SharedCall>, ApiError> {
        let Some(PreparedCall { shared, completion, permit }) = prepared else {
            self.instruments.rejected(ApiErrorType::TooManyRequests);
            return Err(ApiError::too_many_requests(1));
        };
        let (calls, call) = (Arc::clone(self), shared.call.clone());
        let has_expired = Arc::clone(&shared.has_expired);
        // The task has no deadline: it ends with the last waiter, and each waiter has a deadline.
        let task = tokio::spawn(async move {
            let timer = calls.instruments.start_call(call.route, has_expired);
            let prefetched = calls.prefetch(&call, permit).await;
            timer.end();
            if prefetched.is_ok() {
                calls.upstream.record_success();
            }
            completion.complete(prefetched);
        });
        // It cannot be set already: `shared` is new.
        let _ = shared.task.set(task.abort_handle());
        Ok(shared)
    }

    /// Sends the call and reads its response, up to [`MAX_PREFETCH`] bytes.
    async fn prefetch(
        &self,
        call: &Call,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Prefetched, ApiError> {
        let UpstreamResponse { gzip, length, mut body } = self.upstream.send(call).await?;
        if length.is_some_and(|length| length > self.max_response_bytes) {
            return Err(self.too_large(length));
        }
        let mut prefetched = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                self.upstream.log_failure(ApiErrorType::ConnectionLost, &redact::error(&error));
                ApiError::connection_lost()
            })?;
            prefetched.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            let max_rest = self.max_response_bytes.checked_sub(prefetched.len() as u64);
            let max_rest = max_rest.ok_or_else(|| self.too_large(None))?;
            check_start(gzip, &prefetched)
                .map_err(|error| self.log_rejected(error, gzip, &prefetched))?;
            if prefetched.len() > MAX_PREFETCH {
                // The proxy decodes the responses of these routes, so they are not streamed.
                if matches!(call.route, Route::Services | Route::Health) {
                    return Err(self.too_large(None));
                }
                let prefetched = prefetched.freeze();
                let response = StreamedResponse {
                    gzip,
                    length,
                    prefetched,
                    rest: body,
                    max_rest,
                    _permit: permit,
                };
                return Ok(Prefetched::Streamed(Arc::new(Mutex::new(Some(response)))));
            }
        }
        check_complete(call.route, &prefetched)
            .map_err(|error| self.log_rejected(error, gzip, &prefetched))?;
        Ok(Prefetched::Complete { gzip, bytes: prefetched.freeze() })
    }

    fn log_rejected(&self, error: ApiError, gzip: bool, body: &[u8]) -> ApiError {
        let text = gzip.then(|| upstream_error::decompress(body)).filter(|text| !text.is_empty());
        self.upstream.log_rejected(error, StatusCode::OK, text.as_deref().unwrap_or(body))
    }

    fn too_large(&self, length: Option<u64>) -> ApiError {
        let error = ApiError::too_large();
        let cause = match length {
            Some(length) => format!("the response has {length} bytes"),
            None => "the response is too large".to_owned(),
        };
        self.upstream.log_failure(error.error_type, &cause);
        error
    }
}

/// A call that has not been sent yet.
struct PreparedCall {
    shared: Arc<SharedCall>,
    completion: Completion<Result<Prefetched, ApiError>>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A running call. Dropping the last reference cancels it.
#[derive(Debug)]
struct SharedCall {
    calls: Arc<SharedCalls>,
    call: Call,
    start: Instant,
    prefetched: Waiter<Result<Prefetched, ApiError>>,
    /// Whether the deadline of a waiter has passed.
    has_expired: Arc<AtomicBool>,
    task: OnceLock<AbortHandle>,
}

/// A response whose first bytes, or whose whole body, has been read.
#[derive(Clone, Debug)]
enum Prefetched {
    Complete {
        gzip: bool,
        bytes: Bytes,
    },
    /// The first waiter takes the response.
    Streamed(Arc<Mutex<Option<StreamedResponse>>>),
}

#[derive(Debug)]
struct CallError {
    error: ApiError,
    /// Whether the call took almost as long as the timeout that the upstream got, or longer. So the
    /// upstream probably timed out.
    is_upstream_timeout: bool,
}

impl SharedCall {
    async fn wait(&self, deadline: Instant) -> Result<Prefetched, CallError> {
        let error = match timeout_at(deadline, self.prefetched.clone().wait()).await {
            Ok(Some(Ok(prefetched))) => return Ok(prefetched),
            Ok(Some(Err(error))) => error,
            // The task panicked, or the runtime stops.
            Ok(None) => ApiError::connection_lost(),
            Err(_) => {
                self.has_expired.store(true, Ordering::Relaxed);
                let error = ApiError::timeout();
                self.calls.upstream.log_failure(error.error_type, "no response in time");
                error
            }
        };
        let timeout = self.call.timeout;
        // VictoriaMetrics rounds timeouts to seconds.
        let timeout = timeout.saturating_sub((timeout / 4).min(Duration::from_secs(1)));
        Err(CallError { error, is_upstream_timeout: self.start.elapsed() >= timeout })
    }
}

impl Drop for SharedCall {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
        let mut running = lock(&self.calls.running);
        if running.get(&self.call).is_some_and(|known| ptr::eq(known.as_ptr(), self)) {
            running.remove(&self.call);
        }
    }
}

/// Waits for a call in a separate task, for two reasons:
///
/// * A client may not poll its future. The task still ends at the deadline, and releases the call.
/// * The waker of a client may panic. Then it panics in the task of this client, where Tokio catches it,
///   and not in the task of the call, which has other clients to wake.
struct CallWaiter(JoinHandle<Result<Prefetched, CallError>>);

impl CallWaiter {
    fn new(shared: Arc<SharedCall>, deadline: Instant) -> Self {
        Self(tokio::spawn(async move { shared.wait(deadline).await }))
    }
}

impl Future for CallWaiter {
    type Output = Result<Prefetched, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |_: JoinError| {
            Err(CallError { error: ApiError::connection_lost(), is_upstream_timeout: false })
        };
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or_else(lost))
    }
}

impl Drop for CallWaiter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Checks the first bytes of a response, before they are sent to a client.
fn check_start(gzip: bool, start: &[u8]) -> Result<(), ApiError> {
    let expected: &[u8] = if gzip { &[0x1f, 0x8b, 8] } else { b"{" };
    if expected.iter().zip(start).all(|(expected, byte)| expected == byte) {
        return Ok(());
    }
    Err(ApiError::bad_response(
        "VictoriaMetrics did not respond in JSON, or not in the encoding of its header",
    ))
}

/// Checks that a response that will be decoded can be decoded, once for all clients that share it.
fn check_complete(route: Route, bytes: &[u8]) -> Result<(), ApiError> {
    match route {
        _ if bytes.is_empty() => {
            Err(ApiError::bad_response("VictoriaMetrics responded with an empty body"))
        }
        Route::Services => UpstreamData::<Vec<String>>::parse(bytes).map(drop),
        Route::Health => UpstreamData::<IgnoredAny>::parse(bytes).map(drop),
        _ => Ok(()),
    }
}

fn take(streamed: &Mutex<Option<StreamedResponse>>) -> Option<StreamedResponse> {
    lock(streamed).take()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The maximum length, in bytes, of a response that is read before it is sent. Such a response can be
/// shared, and can still fail with an error status. Most responses are shorter.
const MAX_PREFETCH: usize = 1 << 20;
