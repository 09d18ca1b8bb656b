//! Where scrapes wait: those that wait at the same time are answered from one collection.
//!
//! Two threads per exporter, started at the first scrape: one collects and writes, and one answers
//! those whose time is up, which the first cannot when a callback hangs. So a scrape needs no
//! runtime and no timer of one, and never holds up a thread that serves other requests.

use crate::{
    collect::source_run::Round,
    error::{ScrapeError, ScrapeErrorKind},
    exporter::exporter::Inner,
    exposition::render::Query,
    scrape::{
        encode::encode,
        negotiate::Encoding,
        pending::{Answer, Body, Ticket},
    },
    survive::survive,
};
use bytes::Bytes;
use std::{
    collections::HashSet,
    fmt, io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    thread,
    time::Instant,
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
    /// What the collecting thread waits for.
    round: Option<Arc<Round>>,
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
        let round = state.round.clone();
        let is_earlier = state.next_alarm.is_none_or(|alarm| deadline < alarm);
        drop(state);
        self.shared.arrived.notify_one();
        // It may have less patience than those that wait with the collecting thread.
        nudge(round);
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
            drop(state);
            // Who waits for an answer keeps the exporter alive.
            let Some(exporter) = exporter.upgrade() else { continue };
            let _ = survive(|| {
                self.wait_for_sources(&exporter, &tickets, &mut last);
                answer(&exporter, &tickets, &mut last);
            });
            // Without the lock: this may be the last one, and dropping it closes the desk and drops
            // what users gave.
            let _ = survive(|| drop(exporter));
            let answered = mem::take(&mut self.state().being_answered);
            drop(answered);
        }
    }

    /// Waits until the sources were asked on behalf of these scrapes, or all of these are over.
    ///
    /// Meanwhile answers those of them, and of those that come, whose patience ends before: from the
    /// values that are there, without any harm to the round.
    fn wait_for_sources(&self, exporter: &Inner, tickets: &[Arc<Ticket>], last: &mut Bytes) {
        let since = Instant::now();
        while let Some(round) = exporter.ask_sources(since) {
            let nudges = round.nudges();
            let (is_needed, until) = {
                let mut state = self.state();
                state.round = Some(Arc::clone(&round));
                let waiting = |ticket: &&Arc<Ticket>| ticket.is_waiting();
                let until = tickets.iter().chain(&state.waiting).filter(waiting);
                (tickets.iter().any(|t| t.is_waiting()), until.map(|ticket| ticket.patience).min())
            };
            let is_closed = is_needed && exporter.wait_for(&round, until, nudges);
            let mut state = self.state();
            state.round = None;
            if !is_needed || (is_closed && round.began >= since) {
                return;
            }
            let now = Instant::now();
            let is_due = |ticket: &Arc<Ticket>| ticket.patience <= now && ticket.is_waiting();
            let (mut due, waiting): (Vec<_>, Vec<_>) =
                mem::take(&mut state.waiting).into_iter().partition(is_due);
            state.waiting = waiting;
            // A round may take long, and many may be in a hurry: what is answered is not kept.
            state.being_answered.retain(|ticket| ticket.is_waiting());
            state.being_answered.extend_from_slice(&due);
            drop(state);
            due.extend(tickets.iter().filter(|ticket| is_due(ticket)).cloned());
            answer(exporter, &due, last);
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
        let mut state = self.shared.state();
        state.in_flight -= 1;
        state.waiting.retain(|ticket| !Arc::ptr_eq(ticket, &self.ticket));
        let round = state.round.clone();
        drop(state);
        self.ticket.give_up();
        // Perhaps nobody waits any more.
        nudge(round);
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFlight").field(&self.ticket).finish()
    }
}

fn nudge(round: Option<Arc<Round>>) {
    if let Some(round) = round {
        round.nudge();
    }
}

/// Collects once, writes each query once and encodes each text once.
///
/// The memory of the `last` text serves this one, unless a client is still receiving it.
fn answer(exporter: &Inner, tickets: &[Arc<Ticket>], last: &mut Bytes) {
    let tickets: Vec<_> = tickets.iter().filter(|ticket| ticket.is_waiting()).collect();
    if tickets.is_empty() {
        return;
    }
    let answered = survive(|| -> Result<(), ScrapeError> {
        let queries: HashSet<&Query> = tickets.iter().map(|ticket| &ticket.query).collect();
        for (query, rendered) in exporter.render(queries, reuse(mem::take(last)))? {
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
    });
    let error = match answered {
        Some(Ok(())) => return,
        Some(Err(error)) => error,
        None => ScrapeErrorKind::Panicked.into(),
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
