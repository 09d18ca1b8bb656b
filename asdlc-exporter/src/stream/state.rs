//! The data of the window, behind its lock.

use crate::{
    error::{ScrapeError, ScrapeErrorKind},
    stream::client::{Afterwards, Client, Failure, Stage},
};
use bytes::Bytes;
use std::{collections::BTreeMap, mem, sync::Arc, task::Poll, time::Duration};

/// How many unread chunks and bytes there may be, and how long the thread that writes waits for clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowLimits {
    /// How many chunks a client may leave unread.
    pub(crate) chunks: usize,
    /// How many bytes may be unread, of all clients together.
    pub(crate) bytes: usize,
    /// How long a client may keep the writer waiting while others wait for the writer.
    pub(crate) grace: Duration,
    /// A client gets this additional time for each mebibyte that it takes.
    pub(crate) grace_per_mebibyte: Duration,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self {
            // One that is written, one that waits, one that is read.
            chunks: 3,
            bytes: 4 << 20,
            grace: Duration::from_secs(1),
            // 16 MiB a second.
            grace_per_mebibyte: Duration::from_secs(1) / 16,
        }
    }
}

#[derive(Default)]
pub(super) struct WindowState {
    pub(super) clients: BTreeMap<ClientId, Client>,
    pub(super) last_id: u64,
    /// The length of all unread chunks. A chunk that several clients have counts once.
    pub(super) unread: usize,
    /// How many scrapes wait for the thread that writes.
    pub(super) scrapes: usize,
    /// How many calls of `render` wait for the thread that writes.
    pub(super) renders: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(super) u64);

#[derive(Clone, Copy)]
pub(super) enum Who {
    Scrape,
    Render,
}

impl WindowState {
    pub(super) fn count(&mut self, who: Who) -> &mut usize {
        match who {
            Who::Scrape => &mut self.scrapes,
            Who::Render => &mut self.renders,
        }
    }

    /// Those of the clients that get this stream's chunks.
    pub(super) fn writing<'a>(
        &'a self,
        clients: &'a [ClientId],
    ) -> impl Iterator<Item = (ClientId, &'a Client)> {
        let get = |id: &ClientId| self.clients.get(id).map(|client| (*id, client));
        clients.iter().filter_map(get).filter(|(_, client)| client.stage == Stage::Writing)
    }

    pub(super) fn has_live(&self, clients: &[ClientId]) -> bool {
        self.writing(clients).next().is_some()
    }

    /// The clients that have to read before there is room for a chunk of this length. Empty if there is
    /// room.
    pub(super) fn blocking(
        &self,
        clients: &[ClientId],
        len: usize,
        limits: &WindowLimits,
    ) -> Vec<ClientId> {
        let is_full = |client: &Client| client.chunks.len() >= limits.chunks;
        let full: Vec<_> =
            self.writing(clients).filter(|(_, c)| is_full(c)).map(|(id, _)| id).collect();
        if !full.is_empty() || self.unread == 0 || self.unread + len <= limits.bytes {
            return full;
        }
        // Clients of earlier streams, too: they may have all their chunks and not read them.
        let with_chunks = self.clients.iter().filter(|(_, client)| !client.chunks.is_empty());
        with_chunks.map(|(id, _)| *id).collect()
    }

    /// Whether scrapes or clients that do not block the writer wait for it.
    pub(super) fn others_wait(&self, clients: &[ClientId], blocking: &[ClientId]) -> bool {
        let waits =
            |(id, client): (ClientId, &Client)| client.chunks.is_empty() && !blocking.contains(&id);
        self.scrapes > 0 || self.writing(clients).any(waits)
    }

    /// How long the writer may still wait for these clients. If some of them have kept it waiting for too
    /// long, returns these as an error.
    pub(super) fn patience(
        &self,
        blocking: &[ClientId],
        limits: &WindowLimits,
    ) -> Result<Duration, Vec<ClientId>> {
        let patience = |id: &ClientId| {
            let Client { taken, delayed, .. } = self.clients.get(id)?;
            let mebibytes = u32::try_from(taken >> 20).unwrap_or(u32::MAX);
            let earned = limits.grace_per_mebibyte.saturating_mul(mebibytes);
            Some((*id, limits.grace.saturating_add(earned).saturating_sub(*delayed)))
        };
        let all = || blocking.iter().filter_map(patience);
        let slow = all().filter(|(_, left)| left.is_zero()).map(|(id, _)| id);
        let slow: Vec<_> = slow.collect();
        if slow.is_empty() {
            Ok(all().map(|(_, left)| left).min().unwrap_or_default())
        } else {
            Err(slow)
        }
    }

    pub(super) fn delayed(&mut self, blocking: &[ClientId], time: Duration) {
        for id in blocking {
            if let Some(client) = self.clients.get_mut(id) {
                client.delayed = client.delayed.saturating_add(time);
            }
        }
    }

    pub(super) fn give(
        &mut self,
        clients: &[ClientId],
        chunk: Bytes,
        afterwards: &mut Afterwards,
    ) -> bool {
        let chunk = Arc::new(chunk);
        for id in clients {
            let Some(client) = self.clients.get_mut(id) else { continue };
            if client.stage == Stage::Writing {
                client.chunks.push_back(Arc::clone(&chunk));
                afterwards.wake(client);
            }
        }
        let is_left = Arc::strong_count(&chunk) > 1;
        if is_left {
            self.unread += chunk.len();
        }
        is_left
    }

    pub(super) fn take(
        &mut self,
        id: ClientId,
        afterwards: &mut Afterwards,
    ) -> Poll<Option<Result<Bytes, ScrapeError>>> {
        let Self { clients, unread, .. } = self;
        let Some(client) = clients.get_mut(&id) else { return Poll::Ready(None) };
        if let Some(chunk) = client.chunks.pop_front() {
            let chunk = release(chunk, unread);
            client.taken += chunk.len() as u64;
            if !client.is_live() {
                afterwards.end(client);
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match client.stage {
            Stage::Writing => Poll::Pending,
            Stage::Written => {
                afterwards.end(client);
                Poll::Ready(None)
            }
            Stage::Failed(failure) => Poll::Ready(Some(Err(ScrapeErrorKind::from(failure).into()))),
        }
    }

    pub(super) fn fail(&mut self, id: ClientId, failure: Failure, afterwards: &mut Afterwards) {
        self.drop_chunks(id);
        if let Some(client) = self.clients.get_mut(&id) {
            client.stage = Stage::Failed(failure);
            afterwards.end(client);
            afterwards.wake(client);
        }
    }

    pub(super) fn drop_chunks(&mut self, id: ClientId) {
        let Self { clients, unread, .. } = self;
        let Some(client) = clients.get_mut(&id) else { return };
        for chunk in mem::take(&mut client.chunks) {
            release(chunk, unread);
        }
    }
}

/// Takes a chunk from one client. It is no longer unread if this was the last one that had it.
fn release(chunk: Arc<Bytes>, unread: &mut usize) -> Bytes {
    match Arc::try_unwrap(chunk) {
        Ok(chunk) => {
            *unread -= chunk.len();
            chunk
        }
        Err(chunk) => Bytes::clone(&chunk),
    }
}
