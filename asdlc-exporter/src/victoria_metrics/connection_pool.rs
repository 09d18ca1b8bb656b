//! A pool of connections to `VictoriaMetrics`.

use super::connector::Connector;
use crate::hedged::hedged;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use std::{
    error::Error,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep_until},
};
use tower_service::Service;

// This pool replaces the client of hyper-util. That client retries a request only if hyper has not
// started to write it, and it may retry on any idle connection. It does not report whether a byte
// of a response has arrived. So a request that is written while the server closes the idle
// connection would fail (see `send`).
#[derive(Debug)]
pub(super) struct ConnectionPool {
    connector: Connector,
    uri: Uri,
    idle: Arc<Mutex<IdleConnections>>,
}

#[derive(Debug, Default)]
struct IdleConnections {
    /// Each with the time at which it expires. The most recently used is the last.
    connections: Vec<(Instant, Connection)>,
    /// Whether a task closes expired connections.
    has_reaper: bool,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The number of bytes that have arrived.
    received: Arc<AtomicU64>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum SendError {
    Connect(Box<dyn Error + Send + Sync>),
    Lost(hyper::Error),
}

impl SendError {
    fn connect(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Connect(error.into())
    }
}

impl ConnectionPool {
    /// Creates a pool of connections to the server of this URL.
    pub(super) fn new(connector: Connector, uri: Uri) -> Self {
        Self { connector, uri, idle: Arc::default() }
    }

    /// Sends a request. The server may receive it twice.
    ///
    /// A server may close an idle connection while a request is sent on it. So if a reused connection
    /// ends before the first byte of a response, the request is sent again. It is sent on a new
    /// connection, because the server may have closed the other idle connections as well.
    ///
    /// A reused connection may also be dead without being closed. If there is no response after
    /// `hedge_delay`, the request is also sent on a new connection, and the first response is used.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        hedge_delay: Option<Duration>,
    ) -> Result<Response<PooledBody>, SendError> {
        let Some(reused) = self.take() else { return self.send_on_new(request).await };
        let first = self.send_on_reused(reused, request.clone());
        hedged(first, hedge_delay, self.send_on_new(request)).await
    }

    /// `None` if the connection ended before the first byte of a response.
    async fn send_on_reused(
        &self,
        mut reused: Connection,
        request: Request<Full<Bytes>>,
    ) -> Option<Result<Response<PooledBody>, SendError>> {
        let before = reused.received.load(Ordering::Relaxed);
        match reused.sender.send_request(request).await {
            Ok(response) => Some(Ok(self.pooled(reused, response))),
            Err(error) if reused.received.load(Ordering::Relaxed) > before => {
                Some(Err(SendError::Lost(error)))
            }
            Err(_) => None,
        }
    }

    async fn send_on_new(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<PooledBody>, SendError> {
        let mut new = self.connect().await?;
        let response = new.sender.send_request(request).await.map_err(SendError::Lost)?;
        Ok(self.pooled(new, response))
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        let mut connector = self.connector.clone();
        let ready = poll_fn(|context| connector.poll_ready(context)).await;
        ready.map_err(SendError::connect)?;
        let stream = connector.call(self.uri.clone()).await;
        let stream = stream.map_err(SendError::connect)?;
        let received = Arc::default();
        let stream =
            CountingStream { stream: TokioIo::new(stream), received: Arc::clone(&received) };
        let mut builder = http1::Builder::new();
        // This limits the head of a response, and the bytes that hyper reads ahead of the client.
        let handshake = builder.max_buf_size(64 << 10).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(SendError::Lost)?;
        // The result of the task is ignored, because the sender returns the same error.
        tokio::spawn(connection);
        Ok(Connection { sender, received })
    }

    fn pooled(&self, connection: Connection, response: Response<Incoming>) -> Response<PooledBody> {
        let idle = Arc::downgrade(&self.idle);
        response.map(|body| PooledBody { body, lease: Some(ConnectionLease { connection, idle }) })
    }

    /// Takes an idle connection out of the pool. The server may have closed it already, without
    /// hyper knowing that yet.
    fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        loop {
            let (expires, connection) = lock(&self.idle).connections.pop()?;
            if expires > now && connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }
}

/// The body of a response. At the end of the body, its connection returns to the pool. If the body is
/// dropped before its end, the connection is closed.
#[derive(Debug)]
pub(super) struct PooledBody {
    body: Incoming,
    lease: Option<ConnectionLease>,
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let is_end = match &frame {
            None => true,
            Some(Ok(_)) => self.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if let Some(lease) = self.lease.take_if(|_| is_end) {
            lease.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that is in use.
#[derive(Debug)]
struct ConnectionLease {
    connection: Connection,
    idle: Weak<Mutex<IdleConnections>>,
}

impl ConnectionLease {
    fn give_back(mut self) {
        if self.connection.sender.is_ready() {
            self.put();
        } else {
            // hyper is still busy. For example, the response arrived before the whole form was sent.
            tokio::spawn(async move {
                if self.connection.sender.ready().await.is_ok() {
                    self.put();
                }
            });
        }
    }

    fn put(self) {
        let Self { connection, idle } = self;
        let Some(idle) = idle.upgrade() else { return };
        let mut guard = lock(&idle);
        let oldest = (guard.connections.len() == MAX_IDLE).then(|| guard.connections.remove(0));
        guard.connections.push((Instant::now() + IDLE_TIMEOUT, connection));
        let has_reaper = mem::replace(&mut guard.has_reaper, true);
        drop(guard);
        drop(oldest);
        if !has_reaper {
            tokio::spawn(reap(Arc::downgrade(&idle)));
        }
    }
}

/// Closes expired connections. Ends when the pool has no idle connections.
async fn reap(idle: Weak<Mutex<IdleConnections>>) {
    let mut next = Instant::now() + IDLE_TIMEOUT;
    loop {
        sleep_until(next).await;
        let Some(idle) = idle.upgrade() else { return };
        let now = Instant::now();
        let mut guard = lock(&idle);
        let connections = mem::take(&mut guard.connections);
        let (left, expired): (Vec<_>, Vec<_>) =
            connections.into_iter().partition(|(expires, _)| *expires > now);
        let first = left.first().map(|(expires, _)| *expires);
        guard.connections = left;
        guard.has_reaper = first.is_some();
        drop(guard);
        drop(expired);
        match first {
            Some(first) => next = first,
            None => return,
        }
    }
}

/// A stream that counts the bytes that it reads.
#[derive(Debug)]
struct CountingStream<S> {
    stream: S,
    received: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for CountingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let arrived = buffer.filled().len() - before;
        self.received.fetch_add(arrived as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn lock(idle: &Mutex<IdleConnections>) -> MutexGuard<'_, IdleConnections> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `VictoriaMetrics` closes idle connections after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const MAX_IDLE: usize = 8;
