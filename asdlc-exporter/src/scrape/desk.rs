//! Where scrapes wait: those that wait at the same time are answered from one collection.
//!
//! Two threads per exporter, started at the first scrape: one collects and writes, and one answers
//! those whose time is up, which the first cannot when a callback hangs. So a scrape needs no
//! runtime and no timer of one, and never holds up a thread that serves other requests.

use crate::{
    error::{ScrapeError, ScrapeErrorKind},
    exporter::Inner,
    render::Query,
    round::Round,
    scrape::{
        encode::encode,
        negotiate::Encoding,
        ticket::{Answer, Body, Ticket},
    },
};
use bytes::Bytes;
use std::{
    collections::HashSet,
    fmt, io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

/// The place of one exporter. Its threads end with it.
pub(crate) struct Desk {
    exporter: Weak<Inner>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// For the collecting thread: someone waits.
    arrived: Condvar,
    /// For the watching thread: someone waits whose time is up earlier.
    alarm: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Arc<Ticket>>,
    being_answered: Vec<Arc<Ticket>>,
    /// How long those wait for the sources.
    round: Arc<Round>,
    in_flight: usize,
    /// When the watching thread wakes up next.
    next_alarm: Option<Instant>,
    has_collector: bool,
    has_watch: bool,
    is_closed: bool,
}

/// A scrape in flight.
pub(crate) struct InFlight {
    shared: Arc<Shared>,
    ticket: Arc<Ticket>,
}

impl Desk {
    pub(crate) fn new(exporter: Weak<Inner>) -> Self {
        Self { exporter, shared: Arc::default() }
    }

    /// Queues a scrape. It is answered from a collection that begins after this call, so that what
    /// was recorded before is in the answer.
    pub(crate) fn enqueue(
        &self,
        query: Query,
        encoding: Encoding,
        deadline: Instant,
        max_in_flight: usize,
    ) -> Result<InFlight, ScrapeError> {
        let mut state = self.shared.state();
        if state.in_flight >= max_in_flight {
            return Err(ScrapeErrorKind::TooMany.into());
        }
        self.start_threads(&mut state).map_err(ScrapeErrorKind::NoThread)?;
        let ticket = Arc::new(Ticket::new(query, encoding, deadline));
        state.in_flight += 1;
        state.waiting.push(ticket.clone());
        // It has to wait for the collection that goes on, which so must not wait for its sources
        // until this one's time is up: a third for those, a third for its own, the rest for the text.
        let now = Instant::now();
        state.round.wait_until(now + deadline.saturating_duration_since(now) / 3);
        let is_earlier = state.next_alarm.is_none_or(|alarm| deadline < alarm);
        drop(state);
        self.shared.arrived.notify_one();
        if is_earlier {
            self.shared.alarm.notify_one();
        }
        Ok(InFlight { shared: self.shared.clone(), ticket })
    }

    fn start_threads(&self, state: &mut State) -> io::Result<()> {
        if !state.has_watch {
            let shared = self.shared.clone();
            thread::Builder::new().name("metrics-watch".into()).spawn(move || shared.watch())?;
            state.has_watch = true;
        }
        if !state.has_collector {
            let (shared, exporter) = (self.shared.clone(), self.exporter.clone());
            thread::Builder::new()
                .name("metrics-collect".into())
                .spawn(move || shared.collect(&exporter))?;
            state.has_collector = true;
        }
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.arrived.notify_all();
        self.shared.alarm.notify_all();
    }
}

impl Shared {
    /// Answers all that wait, and again.
    fn collect(&self, exporter: &Weak<Inner>) {
        let mut last = Bytes::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && !state.is_closed {
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_closed {
                return;
            }
            let tickets = mem::take(&mut state.waiting);
            state.being_answered.clone_from(&tickets);
            let round = Arc::<Round>::default();
            state.round = Arc::clone(&round);
            drop(state);
            // Who waits for an answer keeps the exporter alive.
            let Some(exporter) = exporter.upgrade() else { continue };
            answer(&exporter, &tickets, &round, &mut last);
            // Without the lock: this may be the last one, and dropping it closes the desk.
            drop(exporter);
            self.state().being_answered.clear();
        }
    }

    /// Answers those whose time is up.
    fn watch(&self) {
        let mut state = self.state();
        while !state.is_closed {
            let now = Instant::now();
            let all = state.waiting.iter().chain(&state.being_answered);
            let (late, in_time): (Vec<_>, Vec<_>) =
                all.filter(|ticket| ticket.is_waiting()).partition(|ticket| ticket.deadline <= now);
            let next = in_time.iter().map(|ticket| ticket.deadline).min();
            let late: Vec<_> = late.into_iter().cloned().collect();
            if !late.is_empty() {
                drop(state);
                let error = Arc::new(ScrapeErrorKind::Deadline.into());
                late.iter().for_each(|ticket| ticket.answer(Err(Arc::clone(&error))));
                state = self.state();
                continue;
            }
            state.next_alarm = next;
            state = match next {
                None => self.alarm.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = self.alarm.wait_timeout(state, at.saturating_duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        self.ticket.poll(cx)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.ticket.give_up();
        let mut state = self.shared.state();
        state.in_flight -= 1;
        state.waiting.retain(|ticket| !Arc::ptr_eq(ticket, &self.ticket));
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFlight").field(&self.ticket).finish()
    }
}

/// Collects once, writes each query once and encodes each text once.
///
/// The memory of the `last` text serves this one, unless a client is still receiving it.
fn answer(exporter: &Inner, tickets: &[Arc<Ticket>], round: &Arc<Round>, last: &mut Bytes) {
    let tickets: Vec<_> = tickets.iter().filter(|ticket| ticket.is_waiting()).collect();
    if tickets.is_empty() {
        return;
    }
    let answered = catch_unwind(AssertUnwindSafe(|| -> Result<(), ScrapeError> {
        let deadline = tickets.iter().map(|ticket| ticket.deadline).min();
        let time =
            deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        let queries: HashSet<&Query> = tickets.iter().map(|ticket| &ticket.query).collect();
        for (query, rendered) in exporter.render(queries, round, time, reuse(mem::take(last)))? {
            let of_query = || tickets.iter().filter(|ticket| ticket.query == *query);
            let text = Bytes::from(rendered.text);
            // What filters leave is small.
            if query.names.is_empty() {
                last.clone_from(&text);
            }
            let encodings: HashSet<Encoding> = of_query().map(|ticket| ticket.encoding).collect();
            for wanted in encodings {
                let (bytes, encoding) = encode(&text, wanted);
                let body = Body { bytes, encoding };
                of_query()
                    .filter(|ticket| ticket.encoding == wanted)
                    .for_each(|ticket| ticket.answer(Ok(body.clone())));
            }
        }
        Ok(())
    }));
    let error = match answered {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_panic) => ScrapeErrorKind::Panicked.into(),
    };
    let error = Arc::new(error);
    tickets.iter().for_each(|ticket| ticket.answer(Err(Arc::clone(&error))));
}

/// An empty string in the memory of the text, if nobody else has it.
fn reuse(text: Bytes) -> String {
    let memory = text.try_into_mut().map(|mut text| {
        text.clear();
        Vec::from(text)
    });
    String::from_utf8(memory.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_text_is_reused_unless_someone_still_has_it() {
        let last = Bytes::from(String::from("a 1\n"));
        let receiving = last.clone();
        assert_eq!(reuse(last).capacity(), 0);
        let memory = receiving.as_ptr();
        let mut text = reuse(receiving);
        text.push_str("b 2\n");
        assert_eq!((text.as_ptr(), text.as_str()), (memory, "b 2\n"));
        let mut long = String::with_capacity(1000);
        long.push_str("a 1\n");
        assert!(reuse(Bytes::from(long)).capacity() >= 1000);
    }
}
