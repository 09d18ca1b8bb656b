//! What a connection waits for, and since when.

use super::limits::Limits;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// All connections that are open.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Mutex<Vec<Arc<Client>>>,
}

impl Clients {
    pub(super) fn connected(self: &Arc<Self>, limits: Limits) -> Connected {
        let client = Arc::new(Client::new(limits));
        self.all().push(Arc::clone(&client));
        Connected { clients: Arc::clone(self), client }
    }

    /// Gives up the connection that has waited the longest for its client; none, when the service
    /// works for all of them.
    pub(super) fn evict(&self) {
        let now = Instant::now();
        let all = self.all();
        if all.iter().any(|client| client.is_given_up()) {
            // Its place is about to be free.
            return;
        }
        let waiting = all.iter().filter_map(|client| Some((client.waiting_since()?, client)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        if let Some((since, client)) = longest
            && now.saturating_duration_since(since) >= SHORTEST_WAIT
        {
            client.evict();
        }
    }

    /// Gives up clients that do not read their answers, the longest first, when the answers of all
    /// of them take too much memory.
    pub(super) fn bound_memory(&self) {
        let now = Instant::now();
        let all = self.all();
        let stalled = all.iter().filter(|client| !client.is_given_up());
        let mut stalled: Vec<_> = stalled.filter_map(|client| client.stalled(now)).collect();
        let mut unread: u64 = stalled.iter().map(|stalled| stalled.unread).sum();
        stalled.sort_unstable_by_key(|stalled| stalled.since);
        for Stalled { client, unread: own, since: _ } in stalled {
            if unread <= MAX_UNREAD {
                break;
            }
            client.evict();
            unread -= own;
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client in the list of all; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Connected {
    clients: Arc<Clients>,
    client: Arc<Client>,
}

impl Connected {
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.clients.all().retain(|client| !Arc::ptr_eq(client, &self.client));
    }
}

/// One connection, as its socket and its service see it.
#[derive(Debug)]
pub(super) struct Client {
    limits: Limits,
    state: Mutex<State>,
    evicted: Notify,
    given_up: AtomicBool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// The first write of this answer that had to wait for the client.
    blocked_since: Option<Instant>,
    is_blocked: bool,
    /// When the client last took some bytes.
    written: Instant,
    /// Bytes of the answer that it has not taken.
    unread: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Between two requests.
    Idle,
    /// Before the first byte.
    New,
    /// A request whose head is not complete.
    Head,
    /// A request that is being answered.
    Exchange,
}

struct Stalled<'a> {
    client: &'a Client,
    since: Instant,
    unread: u64,
}

impl Client {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let state = State {
            phase: Phase::New,
            since: now,
            blocked_since: None,
            is_blocked: false,
            written: now,
            unread: 0,
        };
        Self {
            limits,
            state: Mutex::new(state),
            evicted: Notify::new(),
            given_up: AtomicBool::new(false),
        }
    }

    /// When the connection is given up, unless something happens before.
    pub(super) fn deadline(&self) -> Instant {
        let Limits { read_timeout, write_timeout, idle_timeout, .. } = self.limits;
        let state = self.state();
        let deadline = match state.phase {
            Phase::Idle => state.since.max(state.written) + idle_timeout,
            Phase::New | Phase::Head => state.since + read_timeout,
            Phase::Exchange => state.since + LONGEST_ANSWER,
        };
        match state.blocked_since.filter(|_| state.is_blocked) {
            Some(since) => {
                deadline.min(state.written.max(since) + write_timeout).min(since + LONGEST_ANSWER)
            }
            None => deadline,
        }
    }

    fn evict(&self) {
        self.give_up();
        self.evicted.notify_one();
    }

    /// Ready when its place, or its memory, is needed.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// What is not sent yet shall not be sent any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// The client has sent something.
    pub(super) fn read(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::New | Phase::Idle) {
            state.enter(Phase::Head);
        }
    }

    /// The client has taken this many bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut state = self.state();
        state.is_blocked = false;
        state.written = Instant::now();
        state.unread = state.unread.saturating_sub(bytes as u64);
    }

    /// The client takes nothing more for now.
    pub(super) fn blocked(&self) {
        let mut state = self.state();
        state.is_blocked = true;
        state.blocked_since.get_or_insert_with(Instant::now);
    }

    /// The head of a request is complete.
    pub(super) fn exchange(self: &Arc<Self>) -> Exchange {
        let mut state = self.state();
        state.enter(Phase::Exchange);
        state.blocked_since = None;
        state.unread = 0;
        drop(state);
        Exchange(Arc::clone(self))
    }

    /// Since when this server waits for the client and for nothing else.
    fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        match state.phase {
            _ if state.is_blocked => state.blocked_since,
            Phase::Idle => Some(state.since.max(state.written)),
            Phase::New | Phase::Head => Some(state.since),
            Phase::Exchange => None,
        }
    }

    fn stalled(&self, now: Instant) -> Option<Stalled<'_>> {
        let state = self.state();
        let since = state.written.max(state.blocked_since?);
        let is_stalled = state.is_blocked && now.saturating_duration_since(since) >= SHORTEST_WAIT;
        is_stalled.then_some(Stalled { client: self, since, unread: state.unread })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// A request that is being answered; dropping it says that all of the answer is on its way.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Client>);

impl Exchange {
    /// The answer has this many bytes.
    pub(super) fn answers(&self, bytes: u64) {
        self.0.state().unread = bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.state().enter(Phase::Idle);
    }
}

/// A client that has just connected may still be about to send its request.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// Of clients that do not read.
const MAX_UNREAD: u64 = 64 << 20;

/// For a client that reads too slowly, and a service that never answers.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);
