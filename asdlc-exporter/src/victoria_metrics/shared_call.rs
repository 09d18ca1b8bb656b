//! Queries that are the same share one call of the upstream while it lasts.

use super::{
    api_error::{Failure, Kind},
    connection_pool::AnswerBody,
    envelope::Said,
    instruments::Instruments,
    route::Route,
    upstream::{Call, Reply, Upstream},
    upstream_error,
};
use crate::redact;
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
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{AbortHandle, JoinError, JoinHandle},
    time::{Instant, timeout_at},
};

/// All calls under way.
#[derive(Debug)]
pub(super) struct Flights {
    upstream: Upstream,
    permits: Arc<Semaphore>,
    max_bytes: u64,
    /// No code of others runs under this lock: no instrument, no waker, no log, no hook of the
    /// runtime.
    under_way: Mutex<HashMap<Call, Weak<Flight>>>,
    instruments: Arc<Instruments>,
}

/// An answer, as far as it is kept.
#[derive(Debug)]
pub(super) enum Answer {
    Whole { gzip: bool, bytes: Bytes },
    Long(Long),
}

/// An answer that is read on while it is sent.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) gzip: bool,
    pub(super) length: Option<u64>,
    pub(super) begin: Bytes,
    pub(super) rest: AnswerBody,
    /// How many bytes the rest may have.
    pub(super) left: u64,
    /// Held until the end.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl Flights {
    pub(super) fn new(
        upstream: Upstream,
        max_in_flight: usize,
        max_bytes: u64,
        instruments: Arc<Instruments>,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(max_in_flight));
        Arc::new(Self { upstream, permits, max_bytes, under_way: Mutex::default(), instruments })
    }

    /// The answer to `call`, until `deadline`. When nobody waits for it any more, the call is
    /// cancelled.
    pub(super) async fn ask(
        self: &Arc<Self>,
        call: Call,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let long = loop {
            let (flight, joined) = self.join(&call)?;
            match Waiting::new(flight, deadline).await {
                Ok(Landed::Whole { gzip, bytes }) => {
                    if joined {
                        self.instruments.shared(call.route);
                    }
                    return Ok(Answer::Whole { gzip, bytes });
                }
                Ok(Landed::Long(long)) => break long,
                // The upstream was told how long the first client waits. This one waits longer.
                Err(Failed { out_of_time: true, .. }) if joined && Instant::now() < deadline => {}
                Err(Failed { failure, .. }) => return Err(failure),
            }
        };
        if let Some(long) = take(&long) {
            return Ok(Answer::Long(long));
        }
        // Somebody else reads that one, and it is too long to be kept for two.
        let flight = self.alone(&call)?;
        match Waiting::new(flight, deadline).await.map_err(|failed| failed.failure)? {
            Landed::Whole { gzip, bytes } => Ok(Answer::Whole { gzip, bytes }),
            Landed::Long(long) => {
                take(&long).map(Answer::Long).ok_or_else(Failure::connection_lost)
            }
        }
    }

    /// The flight of this call, and whether others wait for it.
    fn join(self: &Arc<Self>, call: &Call) -> Result<(Arc<Flight>, bool), Failure> {
        // Both are dropped after the lock is released: it may be the last holder of a flight,
        // whose drop takes the lock.
        let known;
        let launch;
        {
            let mut under_way = lock(&self.under_way);
            known = under_way.get(call).and_then(Weak::upgrade);
            if let Some(flight) = known.as_ref().filter(|flight| flight.is_under_way()) {
                return Ok((Arc::clone(flight), true));
            }
            launch = self.prepare(call);
            if let Some(Launch { flight, .. }) = &launch {
                under_way.insert(call.clone(), Arc::downgrade(flight));
            }
        }
        Ok((self.launch(launch)?, false))
    }

    /// A flight that nobody else finds.
    fn alone(self: &Arc<Self>, call: &Call) -> Result<Arc<Flight>, Failure> {
        self.launch(self.prepare(call))
    }

    /// `None` when there are too many.
    fn prepare(self: &Arc<Self>, call: &Call) -> Option<Launch> {
        let permit = match call.route {
            // Whether it is there is told also when it is busy; there is one such call at a time.
            Route::Health => None,
            _ => Some(Arc::clone(&self.permits).try_acquire_owned().ok()?),
        };
        let (land, landed) = watch::channel(None);
        let flight = Arc::new(Flight {
            flights: Arc::clone(self),
            call: call.clone(),
            start: Instant::now(),
            landed,
            expired: Arc::default(),
            task: OnceLock::new(),
        });
        Some(Launch { flight, land, permit })
    }

    fn launch(self: &Arc<Self>, launch: Option<Launch>) -> Result<Arc<Flight>, Failure> {
        let Some(Launch { flight, land, permit }) = launch else {
            self.instruments.rejected(Kind::Busy);
            return Err(Failure::busy(1));
        };
        let (flights, call) = (Arc::clone(self), flight.call.clone());
        let expired = Arc::clone(&flight.expired);
        // It has no deadline: it ends with the last of those who wait, who have theirs.
        let task = tokio::spawn(async move {
            let called = flights.instruments.called(call.route, expired);
            let fetched = flights.fetch(&call, permit).await;
            called.end();
            if fetched.is_ok() {
                flights.upstream.answered();
            }
            land.send_replace(Some(fetched));
        });
        // Set once, here.
        let _ = flight.task.set(task.abort_handle());
        Ok(flight)
    }

    /// Reads the answer to its end, or as far as it is kept.
    async fn fetch(
        &self,
        call: &Call,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Landed, Failure> {
        let Reply { gzip, length, mut body } = self.upstream.ask(call).await?;
        if length.is_some_and(|length| length > self.max_bytes) {
            return Err(self.too_large(length));
        }
        let mut begin = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                self.upstream.report(Kind::ConnectionLost, &redact::error(&error));
                Failure::connection_lost()
            })?;
            begin.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            let left = self.max_bytes.checked_sub(begin.len() as u64);
            let left = left.ok_or_else(|| self.too_large(None))?;
            check_begin(gzip, &begin).map_err(|failure| self.rejected(failure, gzip, &begin))?;
            if begin.len() > KEPT {
                // Those are decoded, not passed on.
                if matches!(call.route, Route::Services | Route::Health) {
                    return Err(self.too_large(None));
                }
                let begin = begin.freeze();
                let long = Long { gzip, length, begin, rest: body, left, _permit: permit };
                return Ok(Landed::Long(Arc::new(Mutex::new(Some(long)))));
            }
        }
        check_whole(call.route, &begin).map_err(|failure| self.rejected(failure, gzip, &begin))?;
        Ok(Landed::Whole { gzip, bytes: begin.freeze() })
    }

    fn rejected(&self, failure: Failure, gzip: bool, begin: &[u8]) -> Failure {
        let unzipped =
            gzip.then(|| upstream_error::unzipped(begin)).filter(|text| !text.is_empty());
        self.upstream.rejected(failure, StatusCode::OK, unzipped.as_deref().unwrap_or(begin))
    }

    fn too_large(&self, length: Option<u64>) -> Failure {
        let failure = Failure::too_large();
        let cause = match length {
            Some(length) => format!("the answer has {length} bytes"),
            None => "the answer is too large".to_owned(),
        };
        self.upstream.report(failure.kind, &cause);
        failure
    }
}

/// A flight before its call is made.
struct Launch {
    flight: Arc<Flight>,
    land: watch::Sender<Option<Result<Landed, Failure>>>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A call; the last who waits for it takes it down.
#[derive(Debug)]
struct Flight {
    flights: Arc<Flights>,
    call: Call,
    start: Instant,
    landed: watch::Receiver<Option<Result<Landed, Failure>>>,
    /// Whether the time of somebody who waited was up.
    expired: Arc<AtomicBool>,
    task: OnceLock<AbortHandle>,
}

/// How a call ended.
#[derive(Clone, Debug)]
enum Landed {
    Whole {
        gzip: bool,
        bytes: Bytes,
    },
    /// For whoever takes it first.
    Long(Arc<Mutex<Option<Long>>>),
}

/// A failure, and whether the call had the time that the upstream was told.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    out_of_time: bool,
}

impl Flight {
    /// Whether its end is still to come. A task that panicked or was stopped has none.
    fn is_under_way(&self) -> bool {
        self.landed.borrow().is_none() && self.landed.has_changed().is_ok()
    }

    async fn land(&self, deadline: Instant) -> Result<Landed, Failed> {
        let mut landed = self.landed.clone();
        let failure = match timeout_at(deadline, landed.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => match landed.clone() {
                Some(Ok(landed)) => return Ok(landed),
                Some(Err(failure)) => failure,
                None => Failure::connection_lost(),
            },
            // The task panicked, or the runtime stops.
            Ok(Err(_)) => Failure::connection_lost(),
            Err(_) => {
                self.expired.store(true, Ordering::Relaxed);
                let failure = Failure::timeout();
                self.flights.upstream.report(failure.kind, "it did not answer in time");
                failure
            }
        };
        let told = self.call.give_up;
        // VictoriaMetrics counts in whole seconds.
        let told = told.saturating_sub((told / 4).min(Duration::from_secs(1)));
        Err(Failed { failure, out_of_time: self.start.elapsed() >= told })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
        let mut under_way = lock(&self.flights.under_way);
        if under_way.get(&self.call).is_some_and(|known| ptr::eq(known.as_ptr(), self)) {
            under_way.remove(&self.call);
        }
    }
}

/// Somebody who waits for a flight, in a task of its own: a future that its owner does not poll
/// keeps no flight for longer than its deadline, and what wakes it is not called by the flight, which
/// has others to wake. Tokio survives a waker that panics.
struct Waiting(JoinHandle<Result<Landed, Failed>>);

impl Waiting {
    fn new(flight: Arc<Flight>, deadline: Instant) -> Self {
        Self(tokio::spawn(async move { flight.land(deadline).await }))
    }
}

impl Future for Waiting {
    type Output = Result<Landed, Failed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lost =
            |_: JoinError| Err(Failed { failure: Failure::connection_lost(), out_of_time: false });
        Pin::new(&mut self.0).poll(context).map(|landed| landed.unwrap_or_else(lost))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// JSON that begins otherwise, or is compressed otherwise, is found out before anything is sent.
fn check_begin(gzip: bool, begin: &[u8]) -> Result<(), Failure> {
    let magic: &[u8] = if gzip { &[0x1f, 0x8b, 8] } else { b"{" };
    let seen = begin.len().min(magic.len());
    if begin[..seen] == magic[..seen] {
        return Ok(());
    }
    Err(Failure::bad_answer(
        "VictoriaMetrics answered with what is not JSON, or not compressed as it says",
    ))
}

/// What is decoded can be decoded: whoever shares the answer need not look again.
fn check_whole(route: Route, whole: &[u8]) -> Result<(), Failure> {
    match route {
        _ if whole.is_empty() => Err(Failure::bad_answer("VictoriaMetrics answered with nothing")),
        Route::Services => Said::<Vec<String>>::read(whole).map(drop),
        Route::Health => Said::<IgnoredAny>::read(whole).map(drop),
        _ => Ok(()),
    }
}

fn take(long: &Mutex<Option<Long>>) -> Option<Long> {
    lock(long).take()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of an answer is kept, to share it and to be able to fail with a status: as a rule, all.
const KEPT: usize = 1 << 20;
