//! The body of a response to a client. It records the exchange, and ends with an error when something
//! fails, so that an incomplete response never looks complete.

use super::{
    api_error::ApiErrorType,
    instruments::{Exchange, OK},
    streamed::{StreamedResponse, TimedResponse},
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

/// The body of a response of a [`QueryProxy`](super::QueryProxy).
///
/// After an error of this body, the server closes the connection. So the client does not take an
/// incomplete response for a complete one.
///
/// # Panics
///
/// When polled outside of a Tokio runtime with its time driver.
#[derive(Debug)]
pub struct QueryProxyBody {
    content: BodyContent,
    /// `None` after the end of the body.
    exchange: Option<Exchange>,
    /// The outcome that is recorded when the whole body was sent.
    outcome: &'static str,
}

#[derive(Debug)]
enum BodyContent {
    Complete(Bytes),
    Streamed { response: TimedResponse, deadline: Pin<Box<Sleep>> },
}

impl QueryProxyBody {
    pub(super) fn complete(bytes: Bytes, exchange: Exchange, outcome: &'static str) -> Self {
        let content = BodyContent::Complete(bytes);
        let mut this = Self { content, exchange: Some(exchange), outcome };
        if this.is_end_stream() {
            this.end(outcome);
        }
        this
    }

    pub(super) fn streamed(
        response: StreamedResponse,
        deadline: Instant,
        exchange: Exchange,
    ) -> Self {
        let response = TimedResponse::new(response, deadline);
        let deadline = Box::pin(sleep_until(deadline));
        let content = BodyContent::Streamed { response, deadline };
        Self { content, exchange: Some(exchange), outcome: OK }
    }

    fn end(&mut self, outcome: &'static str) {
        self.content = BodyContent::Complete(Bytes::new());
        if let Some(exchange) = self.exchange.take() {
            exchange.end(outcome);
        }
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
            BodyContent::Complete(bytes) => mem::take(bytes),
            BodyContent::Streamed { response, deadline } => {
                // The deadline also applies when the client reads slowly.
                let polled = match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => None,
                    Poll::Pending => response.with(|response| response.poll_bytes(context)),
                };
                match ready!(polled.unwrap_or(Poll::Ready(Err(ApiErrorType::Timeout)))) {
                    Ok(bytes) => bytes,
                    Err(error_type) => {
                        this.end(error_type.name());
                        return Poll::Ready(Some(Err(QueryProxyBodyError { error_type })));
                    }
                }
            }
        };
        if let Some(exchange) = &mut this.exchange {
            exchange.sent(bytes.len());
        }
        // Checked after each frame, because a server does not have to poll after the last frame.
        if bytes.is_empty() || this.is_end_stream() {
            this.end(this.outcome);
        }
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            BodyContent::Complete(bytes) => bytes.is_empty(),
            BodyContent::Streamed { response, .. } => {
                response.with(|response| response.is_end_stream()).unwrap_or_default()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            BodyContent::Complete(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyContent::Streamed { response, .. } => response
                .with(|response| response.remaining_length())
                .flatten()
                .map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}

/// The response was cut off: `VictoriaMetrics` failed while it was sent, the deadline passed, or the
/// response exceeded the limit.
pub struct QueryProxyBodyError {
    error_type: ApiErrorType,
}

impl QueryProxyBodyError {
    /// Whether the deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.error_type == ApiErrorType::Timeout
    }
}

impl fmt::Display for QueryProxyBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response of VictoriaMetrics was cut off: {}", self.error_type.name())
    }
}

impl fmt::Debug for QueryProxyBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "QueryProxyBodyError", self)
    }
}

impl Error for QueryProxyBodyError {}
