//! The state of each connection: its phase, and the time at which the phase started. From this the
//! server decides which connections it closes, and when.

use super::limits::Limits;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Mutex<Vec<Arc<Client>>>,
}

impl Clients {
    /// Adds a connection. Dropping the result removes it.
    pub(super) fn add(self: &Arc<Self>, limits: Limits) -> ConnectedClient {
        let client = Arc::new(Client::new(limits));
        self.all().push(Arc::clone(&client));
        ConnectedClient { clients: Arc::clone(self), client }
    }

    /// Closes the connection whose client has been idle or stalled for the longest time. Closes none
    /// when services are working on a response for all of them.
    pub(super) fn evict(&self) {
        let now = Instant::now();
        let all = self.all();
        if all.iter().any(|client| client.is_abandoned()) {
            // That connection is being closed, which will release its permit.
            return;
        }
        let waiting = all.iter().filter_map(|client| Some((client.waiting_since()?, client)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        let is_long = |since: Instant| now.saturating_duration_since(since) >= SHORTEST_WAIT;
        if let Some((_, client)) = longest.filter(|(since, _)| is_long(*since)) {
            client.evict();
        }
    }

    /// Closes connections of clients that do not read their responses, the longest stalled first,
    /// until the unread responses take no more than [`MAX_UNREAD`].
    pub(super) fn bound_memory(&self) {
        let now = Instant::now();
        let all = self.all();
        let stalled = all.iter().filter(|client| !client.is_abandoned());
        let mut stalled: Vec<_> = stalled.filter_map(|client| client.stalled(now)).collect();
        let mut unread: u64 = stalled.iter().map(|stalled| stalled.unread).sum();
        stalled.sort_unstable_by_key(|stalled| stalled.since);
        for StalledClient { client, unread: own, since: _ } in stalled {
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

/// A client in the list of all clients. Dropping it removes it from the list.
#[derive(Debug)]
pub(super) struct ConnectedClient {
    clients: Arc<Clients>,
    client: Arc<Client>,
}

impl ConnectedClient {
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }
}

impl Drop for ConnectedClient {
    fn drop(&mut self) {
        self.clients.all().retain(|client| !Arc::ptr_eq(client, &self.client));
    }
}

/// One connection. Its socket and its service report to it.
#[derive(Debug)]
pub(super) struct Client {
    limits: Limits,
    activity: Mutex<Activity>,
    evicted: Notify,
    is_abandoned: AtomicBool,
}

#[derive(Debug)]
struct Activity {
    phase: Phase,
    /// The start of the phase.
    since: Instant,
    /// The time at which a write of this response first found the socket buffer full.
    blocked_since: Option<Instant>,
    /// Whether the last write found the socket buffer full: the client does not read.
    is_blocked: bool,
    /// The last time that the socket accepted bytes of a response.
    written: Instant,
    /// Bytes of the response that the socket has not accepted.
    unread: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Between two requests.
    Idle,
    /// Before the first byte.
    New,
    /// Within the head of a request.
    Head,
    /// From the end of the head to the end of the response.
    Exchange,
}

struct StalledClient<'a> {
    client: &'a Client,
    since: Instant,
    unread: u64,
}

impl Client {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let activity = Activity {
            phase: Phase::New,
            since: now,
            blocked_since: None,
            is_blocked: false,
            written: now,
            unread: 0,
        };
        Self {
            limits,
            activity: Mutex::new(activity),
            evicted: Notify::new(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// The time at which the connection is closed, unless its state changes before.
    pub(super) fn deadline(&self) -> Instant {
        let Limits { read_timeout, write_timeout, idle_timeout, .. } = self.limits;
        let activity = self.activity();
        let deadline = match activity.phase {
            Phase::Idle => activity.since.max(activity.written) + idle_timeout,
            Phase::New | Phase::Head => activity.since + read_timeout,
            Phase::Exchange => activity.since + LONGEST_RESPONSE,
        };
        match activity.blocked_since.filter(|_| activity.is_blocked) {
            Some(since) => deadline
                .min(activity.written.max(since) + write_timeout)
                .min(since + LONGEST_RESPONSE),
            None => deadline,
        }
    }

    fn evict(&self) {
        self.abandon();
        self.evicted.notify_one();
    }

    /// Waits until the connection is evicted: for a new connection, or to free memory.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Marks the connection to be reset when it is dropped: data that was not sent is discarded.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Bytes arrived from the client.
    pub(super) fn read(&self) {
        let mut activity = self.activity();
        if matches!(activity.phase, Phase::New | Phase::Idle) {
            activity.enter(Phase::Head);
        }
    }

    /// The socket accepted this many bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut activity = self.activity();
        activity.is_blocked = false;
        activity.written = Instant::now();
        activity.unread = activity.unread.saturating_sub(bytes as u64);
    }

    /// The socket buffer is full, because the client does not read.
    pub(super) fn write_blocked(&self) {
        let mut activity = self.activity();
        activity.is_blocked = true;
        activity.blocked_since.get_or_insert_with(Instant::now);
    }

    /// The head of a request is complete.
    pub(super) fn start_exchange(self: &Arc<Self>) -> Exchange {
        let mut activity = self.activity();
        activity.enter(Phase::Exchange);
        activity.blocked_since = None;
        activity.unread = 0;
        drop(activity);
        Exchange(Arc::clone(self))
    }

    /// The time since which the server has waited for this client to send or to read. `None` while
    /// a service works on the response.
    fn waiting_since(&self) -> Option<Instant> {
        let activity = self.activity();
        match activity.phase {
            _ if activity.is_blocked => activity.blocked_since,
            Phase::Idle => Some(activity.since.max(activity.written)),
            Phase::New | Phase::Head => Some(activity.since),
            Phase::Exchange => None,
        }
    }

    fn stalled(&self, now: Instant) -> Option<StalledClient<'_>> {
        let activity = self.activity();
        let since = activity.written.max(activity.blocked_since?);
        let is_stalled =
            activity.is_blocked && now.saturating_duration_since(since) >= SHORTEST_WAIT;
        is_stalled.then_some(StalledClient { client: self, since, unread: activity.unread })
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// A request and its response. It is dropped when hyper has taken the whole body of the response.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Client>);

impl Exchange {
    /// Sets the length of the response.
    pub(super) fn set_response_length(&self, bytes: u64) {
        self.0.activity().unread = bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.activity().enter(Phase::Idle);
    }
}

/// A client is evicted only after the server has waited for it for this time. A client that was
/// active more recently may be about to send its request, or to read.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// The limit of the unread responses of stalled clients, in bytes.
const MAX_UNREAD: u64 = 64 << 20;

/// The limit for a client that reads too slowly, and for a service that never responds.
const LONGEST_RESPONSE: Duration = Duration::from_secs(120);
