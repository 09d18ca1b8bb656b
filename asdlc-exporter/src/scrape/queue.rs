//! The queue of scrapes. One collection serves all scrapes that wait at the same time.
//!
//! The first scrape starts two threads for its exporter. The collecting thread (`metrics-collect`)
//! collects and writes. The deadline thread (`metrics-timeout`) fails scrapes that are late, and aborts streamed
//! responses that clients have not read in time. The collecting thread cannot do this while a callback hangs,
//! or while it waits for a client. So a scrape needs no async runtime and no timer, and never blocks a thread
//! that serves other requests.

use crate::{
    catch_panic::catch_panic,
    collect::{collector::Collector, source_run::SourceRun},
    error::{ScrapeError, ScrapeErrorKind},
    exposition::render::Query,
    scrape::{
        batch,
        encode::Encoding,
        pending::{Delivery, PendingScrape, ScrapeResult},
    },
    stream::Window,
};
use bytes::Bytes;
use std::{
    fmt, io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread,
    time::Instant,
};

/// The queue of one exporter. Dropping it ends its threads.
pub(crate) struct ScrapeQueue {
    shared: Arc<QueueShared>,
}

struct QueueShared {
    state: Mutex<QueueState>,
    window: Arc<Window>,
    /// Wakes the collecting thread: a scrape waits.
    scrape_arrived: Condvar,
    /// Wakes the deadline thread: a scrape has an earlier deadline.
    deadline_moved: Condvar,
}

struct QueueState {
    /// `None` after the queue was dropped: then the threads end. The collecting thread holds a clone only
    /// while it serves scrapes. So dropping an exporter that serves none drops its sources immediately.
    collector: Option<Arc<Collector>>,
    waiting: Vec<Arc<PendingScrape>>,
    being_served: Vec<Arc<PendingScrape>>,
    /// The run of the sources that the collecting thread waits for.
    source_run: Option<Arc<SourceRun>>,
    in_flight: usize,
    /// When the deadline thread wakes up next.
    next_deadline: Option<Instant>,
    has_collecting_thread: bool,
    has_deadline_thread: bool,
}

/// A scrape in the queue. Dropping it cancels the scrape.
pub(crate) struct InFlight {
    shared: Arc<QueueShared>,
    scrape: Arc<PendingScrape>,
}

impl ScrapeQueue {
    pub(crate) fn new(collector: Arc<Collector>) -> Self {
        let window = Arc::clone(collector.window());
        let state = QueueState {
            collector: Some(collector),
            waiting: Vec::new(),
            being_served: Vec::new(),
            source_run: None,
            in_flight: 0,
            next_deadline: None,
            has_collecting_thread: false,
            has_deadline_thread: false,
        };
        Self {
            shared: Arc::new(QueueShared {
                state: Mutex::new(state),
                window,
                scrape_arrived: Condvar::new(),
                deadline_moved: Condvar::new(),
            }),
        }
    }

    /// Queues a scrape. The collection that serves it begins after this call. So its text has everything
    /// that was recorded before.
    pub(crate) fn enqueue(
        &self,
        query: Query,
        encoding: Encoding,
        delivery: Delivery,
        deadline: Instant,
        max_in_flight: usize,
    ) -> Result<InFlight, ScrapeError> {
        let mut state = self.shared.state();
        if state.in_flight >= max_in_flight {
            return Err(ScrapeErrorKind::TooMany.into());
        }
        self.start_threads(&mut state).map_err(ScrapeErrorKind::NoThread)?;
        let waiting = self.shared.window.scrape_waits();
        let scrape = PendingScrape::new(query, encoding, delivery, deadline, waiting);
        let scrape = Arc::new(scrape);
        state.in_flight += 1;
        state.waiting.push(scrape.clone());
        let source_run = state.source_run.clone();
        let is_earlier = state.next_deadline.is_none_or(|next| deadline < next);
        drop(state);
        self.shared.scrape_arrived.notify_one();
        // The source deadline of this scrape may be earlier than those the collecting thread knows.
        wake_waiters(source_run);
        if is_earlier {
            self.shared.deadline_moved.notify_one();
        }
        Ok(InFlight { shared: self.shared.clone(), scrape })
    }

    fn start_threads(&self, state: &mut QueueState) -> io::Result<()> {
        if !state.has_deadline_thread {
            let shared = self.shared.clone();
            thread::Builder::new()
                .name("metrics-timeout".into())
                .spawn(move || shared.fail_late_scrapes())?;
            state.has_deadline_thread = true;
        }
        if !state.has_collecting_thread {
            let shared = self.shared.clone();
            thread::Builder::new()
                .name("metrics-collect".into())
                .spawn(move || shared.serve_scrapes())?;
            state.has_collecting_thread = true;
        }
        Ok(())
    }
}

impl Drop for ScrapeQueue {
    fn drop(&mut self) {
        let collector = self.shared.state().collector.take();
        self.shared.scrape_arrived.notify_all();
        self.shared.deadline_moved.notify_all();
        drop(collector);
    }
}

impl QueueShared {
    /// The loop of the collecting thread. Each pass serves all waiting scrapes as one batch.
    fn serve_scrapes(&self) {
        let mut last_text = Bytes::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && state.collector.is_some() {
                state = self.scrape_arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(collector) = state.collector.clone() else { return };
            let scrapes = mem::take(&mut state.waiting);
            state.being_served.clone_from(&scrapes);
            drop(state);
            let _ = catch_panic(|| {
                self.refresh_sources(&collector, &scrapes, &mut last_text);
                batch::serve(&collector, &scrapes, &mut last_text);
            });
            // If the exporter was dropped, this drops its sources. They are user code, so the lock
            // is not held.
            let _ = catch_panic(|| drop(collector));
            let served = mem::take(&mut self.state().being_served);
            drop(served);
        }
    }

    /// Waits until the sources were refreshed for these scrapes, or all of these scrapes have ended.
    ///
    /// If the source deadline of a scrape passes before that, this serves the scrape with the
    /// values that were stored before. It does the same for scrapes that arrive in the meantime.
    /// The run of the sources continues.
    fn refresh_sources(
        &self,
        collector: &Collector,
        scrapes: &[Arc<PendingScrape>],
        last_text: &mut Bytes,
    ) {
        let since = Instant::now();
        while let Some(run) = collector.source_run(since) {
            let wakeups = run.wakeups();
            let (is_needed, until) = {
                let mut state = self.state();
                state.source_run = Some(Arc::clone(&run));
                let waiting = scrapes.iter().chain(&state.waiting).filter(|s| s.is_waiting());
                let until = waiting.map(|scrape| scrape.source_deadline).min();
                (scrapes.iter().any(|scrape| scrape.is_waiting()), until)
            };
            let is_closed = is_needed && collector.wait_for(&run, until, wakeups);
            let mut state = self.state();
            state.source_run = None;
            if !is_needed || (is_closed && run.began >= since) {
                return;
            }
            let now = Instant::now();
            let is_due =
                |scrape: &Arc<PendingScrape>| scrape.source_deadline <= now && scrape.is_waiting();
            let (mut due, waiting): (Vec<_>, Vec<_>) =
                mem::take(&mut state.waiting).into_iter().partition(is_due);
            state.waiting = waiting;
            // Many scrapes may become due during a long run. Those that were served must not stay here.
            state.being_served.retain(|scrape| scrape.is_waiting());
            state.being_served.extend_from_slice(&due);
            drop(state);
            due.extend(scrapes.iter().filter(|scrape| is_due(scrape)).cloned());
            batch::serve(collector, &due, last_text);
        }
    }

    /// The loop of the deadline thread. Fails the scrapes whose deadline has passed, and ends their streams.
    fn fail_late_scrapes(&self) {
        let mut state = self.state();
        while state.collector.is_some() {
            let now = Instant::now();
            let all = state.waiting.iter().chain(&state.being_served);
            let (late, in_time): (Vec<_>, Vec<_>) =
                all.filter(|scrape| scrape.is_waiting()).partition(|scrape| scrape.deadline <= now);
            let next = in_time.iter().map(|scrape| scrape.deadline).min();
            let late: Vec<_> = late.into_iter().cloned().collect();
            let (has_late_streams, next_of_streams) = self.window.deadlines(now);
            if has_late_streams || !late.is_empty() {
                drop(state);
                self.window.give_up_late(now);
                let error = Arc::new(ScrapeErrorKind::Deadline.into());
                late.iter().for_each(|scrape| scrape.complete(Err(Arc::clone(&error))));
                state = self.state();
                continue;
            }
            let next = next.into_iter().chain(next_of_streams).min();
            state.next_deadline = next;
            state = match next {
                None => self.deadline_moved.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let timeout = at.saturating_duration_since(now);
                    let woken = self.deadline_moved.wait_timeout(state, timeout);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<ScrapeResult> {
        self.scrape.poll(cx)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.in_flight -= 1;
        state.waiting.retain(|scrape| !Arc::ptr_eq(scrape, &self.scrape));
        let source_run = state.source_run.clone();
        drop(state);
        self.scrape.cancel();
        // If no other scrape needs the run, the collecting thread must stop waiting for it.
        wake_waiters(source_run);
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFlight").field(&self.scrape).finish()
    }
}

fn wake_waiters(source_run: Option<Arc<SourceRun>>) {
    if let Some(source_run) = source_run {
        source_run.wake_waiters();
    }
}
