//! Connections to `VictoriaMetrics`, kept for later requests.

use super::upstream::Connector;
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
    future::{pending, poll_fn},
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep, sleep_until},
};
use tower_service::Service;

#[derive(Debug)]
pub(super) struct Connections {
    connector: Connector,
    uri: Uri,
    idle: Arc<Mutex<Idle>>,
}

/// Connections without a request, the one that was used last at the end.
#[derive(Debug, Default)]
struct Idle {
    connections: Vec<(Instant, Connection)>,
    /// Whether a task closes those that are idle for too long.
    reaped: bool,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// How many bytes have come.
    received: Arc<AtomicU64>,
}

/// Why there is no answer.
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

impl Connections {
    /// To the server of this URL.
    pub(super) fn new(connector: Connector, uri: Uri) -> Self {
        Self { connector, uri, idle: Arc::default() }
    }

    /// Sends a request that may arrive twice.
    ///
    /// A server closes connections that are idle, and cannot know that a request is on its way. So a
    /// request on a kept connection that ends without a byte of an answer is sent once more, on a new
    /// connection: other kept ones may have been closed as well. The client of hyper-util sends again
    /// only what hyper has not begun to write, and then on any connection.
    ///
    /// A kept connection may also have gone silent on the way. A request with a `patience` is sent on a
    /// new one as well when there is no answer by then: the first answer counts.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Option<Duration>,
    ) -> Result<Response<AnswerBody>, SendError> {
        let Some(kept) = self.take() else { return self.send_anew(request).await };
        let mut asked = pin!(self.send_on(kept, request.clone()));
        let mut soon = pin!(async {
            match patience {
                Some(patience) => sleep(patience).await,
                None => pending().await,
            }
        });
        let answer = poll_fn(|context| match asked.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => soon.as_mut().poll(context).map(|()| None),
        });
        match answer.await {
            Some(Some(answer)) => return answer,
            Some(None) => return self.send_anew(request).await,
            None => {}
        }
        let mut anew = pin!(self.send_anew(request));
        let mut is_lost = false;
        poll_fn(|context| {
            if !is_lost && let Poll::Ready(answer) = asked.as_mut().poll(context) {
                match answer {
                    Some(answer) => return Poll::Ready(answer),
                    None => is_lost = true,
                }
            }
            anew.as_mut().poll(context)
        })
        .await
    }

    /// `None` when the connection ended without a byte of an answer.
    async fn send_on(
        &self,
        mut kept: Connection,
        request: Request<Full<Bytes>>,
    ) -> Option<Result<Response<AnswerBody>, SendError>> {
        let before = kept.received.load(Ordering::Relaxed);
        match kept.sender.send_request(request).await {
            Ok(answer) => Some(Ok(self.answered(kept, answer))),
            Err(error) if kept.received.load(Ordering::Relaxed) > before => {
                Some(Err(SendError::Lost(error)))
            }
            Err(_) => None,
        }
    }

    async fn send_anew(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody>, SendError> {
        let mut new = self.connect().await?;
        let answer = new.sender.send_request(request).await.map_err(SendError::Lost)?;
        Ok(self.answered(new, answer))
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        let mut connector = self.connector.clone();
        let ready = poll_fn(|context| connector.poll_ready(context)).await;
        ready.map_err(SendError::connect)?;
        let stream = connector.call(self.uri.clone()).await;
        let stream = stream.map_err(SendError::connect)?;
        let received = Arc::default();
        let stream = Counted { stream: TokioIo::new(stream), received: Arc::clone(&received) };
        let mut builder = http1::Builder::new();
        // Of a connection, for the head and for what is read ahead of the client.
        let handshake = builder.max_buf_size(64 << 10).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(SendError::Lost)?;
        // How it ends is known from the answer.
        tokio::spawn(connection);
        Ok(Connection { sender, received })
    }

    fn answered(&self, connection: Connection, answer: Response<Incoming>) -> Response<AnswerBody> {
        let idle = Arc::downgrade(&self.idle);
        answer.map(|body| AnswerBody { body, kept: Some(Kept { connection, idle }) })
    }

    /// A kept connection that has not been closed, as far as is known.
    fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        loop {
            let (until, connection) = lock(&self.idle).connections.pop()?;
            if until > now && connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }
}

/// The body of an answer. Read to its end it gives the connection back, else the connection is
/// closed with it.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Incoming,
    kept: Option<Kept>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let ends = match &frame {
            None => true,
            Some(Ok(_)) => self.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if ends && let Some(kept) = self.kept.take() {
            kept.give_back();
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

#[derive(Debug)]
struct Kept {
    connection: Connection,
    idle: Weak<Mutex<Idle>>,
}

impl Kept {
    fn give_back(mut self) {
        if self.connection.sender.is_ready() {
            self.put();
        } else {
            // hyper has something left to do, such as to write a form that was answered early.
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
        guard.connections.push((Instant::now() + IDLE_TIME, connection));
        let reaped = mem::replace(&mut guard.reaped, true);
        drop(guard);
        drop(oldest);
        if !reaped {
            tokio::spawn(reap(Arc::downgrade(&idle)));
        }
    }
}

/// Closes connections whose time is up, until there are none.
async fn reap(idle: Weak<Mutex<Idle>>) {
    let mut next = Instant::now() + IDLE_TIME;
    loop {
        sleep_until(next).await;
        let Some(idle) = idle.upgrade() else { return };
        let now = Instant::now();
        let mut guard = lock(&idle);
        let connections = mem::take(&mut guard.connections);
        let (left, ended): (Vec<_>, Vec<_>) =
            connections.into_iter().partition(|(until, _)| *until > now);
        let first = left.first().map(|(until, _)| *until);
        guard.connections = left;
        guard.reaped = first.is_some();
        drop(guard);
        drop(ended);
        match first {
            Some(first) => next = first,
            None => return,
        }
    }
}

/// A stream that counts the bytes that come.
#[derive(Debug)]
struct Counted<S> {
    stream: S,
    received: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = buffer.filled().len() - before;
        self.received.fetch_add(came as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
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

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `VictoriaMetrics` closes idle connections after a minute.
const IDLE_TIME: Duration = Duration::from_secs(30);

const MAX_IDLE: usize = 8;
