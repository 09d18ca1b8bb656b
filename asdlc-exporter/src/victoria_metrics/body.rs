//! The body of an answer: counted, and cut off rather than completed when something fails.

use super::{
    api_error::Kind,
    instruments::{Exchange, OK},
    shared_call::Long,
    streamed::Held,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    error::Error,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The body of an answer of a [`QueryProxy`](super::QueryProxy).
///
/// Its error is for the server, which closes the connection then: a client never takes a part of
/// an answer for the whole.
///
/// # Panics
///
/// When polled outside of a Tokio runtime with its time driver.
#[derive(Debug)]
pub struct QueryProxyBody {
    content: Content,
    /// `None` at the end.
    exchange: Option<Exchange>,
    outcome: &'static str,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    Long { held: Held, deadline: Pin<Box<Sleep>> },
}

impl QueryProxyBody {
    /// `outcome` is what it is counted as when all of it was sent.
    pub(super) fn whole(bytes: Bytes, exchange: Exchange, outcome: &'static str) -> Self {
        let mut this = Self { content: Content::Whole(bytes), exchange: Some(exchange), outcome };
        if this.is_end_stream() {
            this.end(outcome);
        }
        this
    }

    pub(super) fn long(long: Long, deadline: Instant, exchange: Exchange) -> Self {
        let held = Held::new(long, deadline);
        let deadline = Box::pin(sleep_until(deadline));
        Self { content: Content::Long { held, deadline }, exchange: Some(exchange), outcome: OK }
    }

    fn end(&mut self, outcome: &'static str) {
        self.content = Content::Whole(Bytes::new());
        if let Some(exchange) = self.exchange.take() {
            exchange.end(outcome);
        }
    }
}

impl Long {
    /// The next bytes; none at the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Kind>> {
        if !self.begin.is_empty() {
            return Poll::Ready(Ok(mem::take(&mut self.begin)));
        }
        while let Some(frame) = ready!(Pin::new(&mut self.rest).poll_frame(context)) {
            let frame = frame.map_err(|_| Kind::ConnectionLost)?;
            // Trailers are the upstream's own, and an empty frame is no end.
            if let Ok(bytes) = frame.into_data()
                && !bytes.is_empty()
            {
                self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Kind::TooLarge)?;
                return Poll::Ready(Ok(bytes));
            }
        }
        Poll::Ready(Ok(Bytes::new()))
    }
}

impl Body for QueryProxyBody {
    type Data = Bytes;
    type Error = QueryProxyBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, QueryProxyBodyError>>> {
        let this = &mut *self;
        let bytes = match &mut this.content {
            Content::Whole(bytes) => mem::take(bytes),
            Content::Long { held, deadline } => {
                // The client may be what is slow: the time is up all the same.
                let polled = match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => None,
                    Poll::Pending => held.with(|long| long.poll_bytes(context)),
                };
                match ready!(polled.unwrap_or(Poll::Ready(Err(Kind::Timeout)))) {
                    Ok(bytes) => bytes,
                    Err(kind) => {
                        this.end(kind.name());
                        return Poll::Ready(Some(Err(QueryProxyBodyError { kind })));
                    }
                }
            }
        };
        if let Some(exchange) = &mut this.exchange {
            exchange.sent(bytes.len());
        }
        // A server need not ask again after the last frame.
        if bytes.is_empty() || this.is_end_stream() {
            this.end(this.outcome);
        }
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Long { held, .. } => held
                .with(|long| long.begin.is_empty() && long.rest.is_end_stream())
                .unwrap_or_default(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Long { held, .. } => {
                let length = |long: &mut Long| {
                    let rest = long.rest.size_hint().exact()?;
                    Some(long.begin.len() as u64 + rest)
                };
                held.with(length).flatten().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
        }
    }
}

/// An answer that was cut off: `VictoriaMetrics` failed half-way, the time was up, or the answer was
/// too large.
pub struct QueryProxyBodyError {
    kind: Kind,
}

impl QueryProxyBodyError {
    /// Whether the time was up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }
}

impl fmt::Display for QueryProxyBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer of VictoriaMetrics was cut off: {}", self.kind.name())
    }
}

impl fmt::Debug for QueryProxyBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "QueryProxyBodyError", self)
    }
}

impl Error for QueryProxyBodyError {}
