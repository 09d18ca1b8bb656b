//! Queries that are the same share one call of the upstream while it lasts.

use super::{
    failure::{Failure, Kind},
    instruments::Instruments,
    route::Route,
    upstream::{Call, Reply, Upstream, chain},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::{
    collections::HashMap,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

/// All calls under way.
#[derive(Debug)]
pub(super) struct Flights {
    upstream: Upstream,
    permits: Arc<Semaphore>,
    max_bytes: u64,
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
    pub(super) rest: Incoming,
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

    /// The answer to `call`, until `deadline`; without one the call does not count against the
    /// limit. When nobody waits for it any more, the call is cancelled.
    pub(super) async fn ask(
        self: &Arc<Self>,
        route: Route,
        call: Call,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let (flight, joined) = self.join(route, &call, deadline)?;
        match flight.land(deadline).await? {
            Landed::Whole { gzip, bytes } => {
                if joined {
                    self.instruments.shared(route);
                }
                return Ok(Answer::Whole { gzip, bytes });
            }
            Landed::Long(long) => {
                if let Some(long) = lock(&long).take() {
                    return Ok(Answer::Long(long));
                }
            }
        }
        // Somebody else reads that one, and it is too long to be kept for two.
        drop(flight);
        match self.launch(route, &call, deadline)?.land(deadline).await? {
            Landed::Whole { gzip, bytes } => Ok(Answer::Whole { gzip, bytes }),
            Landed::Long(long) => {
                let long = lock(&long).take();
                long.map(Answer::Long).ok_or_else(Failure::connection_lost)
            }
        }
    }

    /// The flight of this call, and whether others wait for it.
    fn join(
        self: &Arc<Self>,
        route: Route,
        call: &Call,
        deadline: Instant,
    ) -> Result<(Arc<Flight>, bool), Failure> {
        let mut under_way = lock(&self.under_way);
        // It may be the last holder, whose drop takes the lock: it has to outlive it.
        let known = under_way.get(call).and_then(Weak::upgrade);
        if let Some(flight) = known.as_ref().filter(|flight| flight.landed.borrow().is_none()) {
            let flight = Arc::clone(flight);
            drop(under_way);
            return Ok((flight, true));
        }
        let launched = self.launch(route, call, deadline);
        if let Ok(flight) = &launched {
            under_way.insert(call.clone(), Arc::downgrade(flight));
        }
        drop(under_way);
        drop(known);
        Ok((launched?, false))
    }

    fn launch(
        self: &Arc<Self>,
        route: Route,
        call: &Call,
        deadline: Instant,
    ) -> Result<Arc<Flight>, Failure> {
        let permit = match (route, Arc::clone(&self.permits).try_acquire_owned()) {
            // Whether it is there is told also when it is busy; there is one such call at a time.
            (Route::Health, _) => None,
            (_, Ok(permit)) => Some(permit),
            (_, Err(_)) => {
                self.instruments.rejected(Kind::Busy);
                return Err(Failure::busy(1));
            }
        };
        let (land, landed) = watch::channel(None);
        let (flights, asked) = (Arc::clone(self), call.clone());
        let task = tokio::spawn(async move {
            let called = flights.instruments.called(route);
            let fetched = timeout_at(deadline, flights.fetch(&asked, permit)).await;
            called.end();
            let fetched = fetched.unwrap_or_else(|_| {
                flights.upstream.report("timeout");
                Err(Failure::timeout())
            });
            land.send_replace(Some(fetched));
        });
        let (flights, call, task) = (Arc::clone(self), call.clone(), task.abort_handle());
        Ok(Arc::new(Flight { flights, call, landed, task }))
    }

    /// Reads the answer to its end, or as far as it is kept.
    async fn fetch(
        &self,
        call: &Call,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Landed, Failure> {
        let Reply { gzip, length, mut body } = self.upstream.ask(call).await?;
        if length.is_some_and(|length| length > self.max_bytes) {
            return Err(Failure::too_large());
        }
        let mut begin = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                self.upstream.report(&chain(&error));
                Failure::connection_lost()
            })?;
            begin.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            let left =
                self.max_bytes.checked_sub(begin.len() as u64).ok_or_else(Failure::too_large)?;
            check_begin(gzip, &begin)?;
            if begin.len() > KEPT {
                let begin = begin.freeze();
                let long = Long { gzip, length, begin, rest: body, left, _permit: permit };
                return Ok(Landed::Long(Arc::new(Mutex::new(Some(long)))));
            }
        }
        if begin.is_empty() {
            return Err(Failure::bad_answer("VictoriaMetrics answered with nothing"));
        }
        Ok(Landed::Whole { gzip, bytes: begin.freeze() })
    }
}

/// A call; the last who waits for it takes it down.
#[derive(Debug)]
struct Flight {
    flights: Arc<Flights>,
    call: Call,
    landed: watch::Receiver<Option<Result<Landed, Failure>>>,
    task: AbortHandle,
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

impl Flight {
    async fn land(&self, deadline: Instant) -> Result<Landed, Failure> {
        let mut landed = self.landed.clone();
        match timeout_at(deadline, landed.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => landed.clone().unwrap_or_else(|| Err(Failure::connection_lost())),
            // The runtime stops.
            Ok(Err(_)) => Err(Failure::connection_lost()),
            Err(_) => Err(Failure::timeout()),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
        let mut under_way = lock(&self.flights.under_way);
        if under_way.get(&self.call).is_some_and(|known| ptr::eq(known.as_ptr(), self)) {
            under_way.remove(&self.call);
        }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of an answer is kept, to share it and to be able to fail with a status: as a rule, all.
const KEPT: usize = 1 << 20;
