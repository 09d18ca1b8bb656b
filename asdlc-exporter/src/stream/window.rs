//! The chunks that were written and not yet read.

use crate::{
    catch_panic::catch_panic,
    error::ScrapeError,
    stream::{
        client::{Afterwards, Client, Failure, OnEnd, Stage},
        state::{ClientId, Who, WindowLimits, WindowState},
    },
};
use bytes::Bytes;
use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// The chunks of all streams of one exporter, by client.
///
/// A chunk is in memory once, even if several clients have not read it yet.
#[derive(Default)]
pub(crate) struct Window {
    state: Mutex<WindowState>,
    /// Wakes the thread that writes: there may be room, or somebody else waits.
    changed: Condvar,
    limits: WindowLimits,
}

/// A scrape or a call of `render` waits for the thread that writes, until this is dropped.
pub(crate) struct Waiting {
    window: Arc<Window>,
    who: Who,
}

impl Window {
    #[cfg(test)]
    pub(crate) fn new(limits: WindowLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A scrape waits for the thread that writes. So clients that do not read are given up.
    pub(crate) fn scrape_waits(self: &Arc<Self>) -> Waiting {
        self.waiting(Who::Scrape)
    }

    /// A call of `render` waits for the thread that writes. The call may block the thread that sends chunks to
    /// the clients. So, in the meantime, the writer does not wait for clients, and all unread chunks stay in
    /// memory. `render` itself also needs memory for a whole exposition.
    pub(crate) fn render_waits(self: &Arc<Self>) -> Waiting {
        self.waiting(Who::Render)
    }

    fn waiting(self: &Arc<Self>, who: Who) -> Waiting {
        *self.state().count(who) += 1;
        self.changed.notify_all();
        Waiting { window: Arc::clone(self), who }
    }

    /// Adds a client. It is given up at its deadline, by [`give_up_late`](Self::give_up_late).
    pub(super) fn join(&self, deadline: Instant) -> ClientId {
        let mut state = self.state();
        state.last_id += 1;
        let id = ClientId(state.last_id);
        state.clients.insert(id, Client::new(deadline));
        id
    }

    /// Waits until the [limits](WindowLimits) allow it, then gives the chunk to these clients. Returns whether any
    /// of them still reads.
    pub(crate) fn push(&self, clients: &[ClientId], chunk: Bytes) -> bool {
        if chunk.is_empty() {
            return self.state().has_live(clients);
        }
        let mut state = self.state();
        let mut afterwards = Afterwards::default();
        while state.has_live(clients) {
            let blocking = state.blocking(clients, chunk.len(), &self.limits);
            if blocking.is_empty() || state.renders > 0 {
                break;
            }
            let patience = if state.others_wait(clients, &blocking) {
                match state.patience(&blocking, &self.limits) {
                    Ok(patience) => Some(patience),
                    Err(slow) => {
                        for id in slow {
                            state.fail(id, Failure::NotRead, &mut afterwards);
                        }
                        drop(state);
                        mem::take(&mut afterwards).run();
                        state = self.state();
                        continue;
                    }
                }
            } else {
                None
            };
            let start = Instant::now();
            state = self.wait(state, patience);
            if patience.is_some() {
                state.delayed(&blocking, start.elapsed());
            }
        }
        let is_left = state.give(clients, chunk, &mut afterwards);
        drop(state);
        afterwards.run();
        is_left
    }

    fn wait<'s>(
        &self,
        state: MutexGuard<'s, WindowState>,
        patience: Option<Duration>,
    ) -> MutexGuard<'s, WindowState> {
        match patience {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let woken = self.changed.wait_timeout(state, patience);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Ends the streams of these clients: they have all chunks.
    pub(crate) fn end(&self, clients: &[ClientId]) {
        self.each_writing(clients, |state, id, afterwards| {
            let Some(client) = state.clients.get_mut(id) else { return };
            client.stage = Stage::Written;
            if !client.is_live() {
                afterwards.end(client);
            }
            afterwards.wake(client);
        });
    }

    /// The streams of these clients end with an error. Does nothing if they have all chunks.
    pub(crate) fn fail(&self, clients: &[ClientId], failure: Failure) {
        self.each_writing(clients, |state, id, afterwards| state.fail(*id, failure, afterwards));
    }

    fn each_writing(
        &self,
        clients: &[ClientId],
        mut change: impl FnMut(&mut WindowState, &ClientId, &mut Afterwards),
    ) {
        let mut afterwards = Afterwards::default();
        let mut state = self.state();
        for id in clients {
            if state.clients.get(id).is_some_and(|client| client.stage == Stage::Writing) {
                change(&mut state, id, &mut afterwards);
            }
        }
        drop(state);
        afterwards.run();
    }

    /// Whether the deadline of any client has passed, and the next deadline after `now`.
    pub(crate) fn deadlines(&self, now: Instant) -> (bool, Option<Instant>) {
        let state = self.state();
        let live = state.clients.values().filter(|client| client.is_live());
        let (late, in_time): (Vec<_>, Vec<_>) =
            live.map(|client| client.deadline).partition(|deadline| *deadline <= now);
        (!late.is_empty(), in_time.into_iter().min())
    }

    /// Gives up the clients whose deadline has passed.
    pub(crate) fn give_up_late(&self, now: Instant) {
        let mut state = self.state();
        let is_late = |client: &Client| client.is_live() && client.deadline <= now;
        let failure = |client: &Client| match client.chunks.is_empty() {
            true => Failure::NotWritten,
            false => Failure::NotRead,
        };
        let late = state.clients.iter().filter(|(_, client)| is_late(client));
        let late: Vec<_> = late.map(|(id, client)| (*id, failure(client))).collect();
        let mut afterwards = Afterwards::default();
        for (id, failure) in late {
            state.fail(id, failure, &mut afterwards);
        }
        drop(state);
        self.changed.notify_all();
        afterwards.run();
    }

    /// The next chunk of a client.
    pub(super) fn poll(
        &self,
        id: ClientId,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ScrapeError>>> {
        let mut new_waker: Option<Waker> = None;
        loop {
            let mut state = self.state();
            let mut afterwards = Afterwards::default();
            let poll = state.take(id, &mut afterwards);
            let client = state.clients.get_mut(&id);
            let (Poll::Pending, Some(client)) = (&poll, client) else {
                drop(state);
                self.changed.notify_all();
                afterwards.run();
                return poll;
            };
            if client.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if let Some(new) = new_waker.take() {
                let old = client.waker.replace(new);
                drop(state);
                let _ = catch_panic(|| drop(old));
                return Poll::Pending;
            }
            drop(state);
            new_waker = Some(cx.waker().clone());
        }
    }

    /// Whether a client has taken all chunks, so that no more will come.
    pub(super) fn is_over(&self, id: ClientId) -> bool {
        let state = self.state();
        let is_over = |client: &Client| client.stage == Stage::Written && client.chunks.is_empty();
        state.clients.get(&id).is_none_or(is_over)
    }

    /// Calls `on_end` when the stream of this client has ended: immediately if it has already.
    pub(super) fn on_end(&self, id: ClientId, on_end: OnEnd) {
        let mut state = self.state();
        let mut taken = 0;
        if let Some(client) = state.clients.get_mut(&id) {
            if client.is_live() {
                client.on_end = Some(on_end);
                return;
            }
            taken = client.taken;
        }
        drop(state);
        on_end(taken);
    }

    /// Removes a client.
    pub(super) fn leave(&self, id: ClientId) {
        let mut state = self.state();
        state.drop_chunks(id);
        let mut afterwards = Afterwards::default();
        let client = state.clients.remove(&id).map(|mut client| {
            afterwards.end(&mut client);
            client
        });
        drop(state);
        self.changed.notify_all();
        afterwards.run();
        let _ = catch_panic(|| drop(client));
    }

    /// How many bytes are unread.
    #[cfg(test)]
    pub(crate) fn unread(&self) -> usize {
        self.state().unread
    }

    fn state(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        *self.window.state().count(self.who) -= 1;
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("limits", &self.limits).finish_non_exhaustive()
    }
}
