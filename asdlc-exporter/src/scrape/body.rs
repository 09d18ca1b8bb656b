use crate::{error::ScrapeError, stream::StreamReader};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of a response of [`ScrapeService`](crate::ScrapeService).
///
/// ```
/// use asdlc_exporter::Exporter;
/// use http::Request;
/// use http_body_util::BodyExt as _;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let response = exporter.scrape_service().oneshot(Request::new(())).await?;
/// let text = response.into_body().collect().await?.to_bytes();
/// assert!(text.starts_with(b"# HELP"));
/// # Ok(()) }
/// ```
///
/// If the exposition has at most 1 MiB before compression, the body is one chunk of known length. A larger
/// exposition is written while the client reads it, and other tasks of the thread run after each chunk. Such a
/// body can end with an error, a [`ScrapeError`]. The server then closes the connection, so that the client sees
/// that the response is incomplete. [`ScrapeService`](crate::ScrapeService#large-expositions) says when this
/// happens.
pub struct ScrapeBody {
    content: Content,
}

enum Content {
    /// The whole body. Empty after it was taken.
    Whole(Bytes),
    /// The chunks of a large exposition.
    Streamed {
        reader: StreamReader,
        /// How many bytes remain, if this is known.
        remaining: Option<u64>,
        /// Whether the next poll lets other tasks run first.
        yields: bool,
    },
    /// The response to `HEAD`, when the length of the body is not known.
    Omitted,
}

impl ScrapeBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes) }
    }

    pub(super) fn streamed(reader: StreamReader, length: Option<u64>) -> Self {
        Self { content: Content::Streamed { reader, remaining: length, yields: false } }
    }

    pub(super) fn omitted() -> Self {
        Self { content: Content::Omitted }
    }
}

impl Body for ScrapeBody {
    type Data = Bytes;
    type Error = ScrapeError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ScrapeError>>> {
        let chunk = match &mut self.content {
            Content::Omitted => None,
            Content::Whole(bytes) => {
                Some(mem::take(bytes)).filter(|bytes| !bytes.is_empty()).map(Ok)
            }
            Content::Streamed { reader, remaining, yields } => {
                // A client may read as fast as the server writes. Then a server could write the whole body in one poll, and the other
                // tasks of the thread would wait.
                if mem::take(yields) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let Poll::Ready(chunk) = reader.poll(cx) else { return Poll::Pending };
                *yields = matches!(chunk, Some(Ok(_)));
                if let (Some(remaining), Some(Ok(chunk))) = (remaining, &chunk) {
                    *remaining = remaining.saturating_sub(chunk.len() as u64);
                }
                chunk
            }
        };
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Streamed { reader, .. } => reader.is_over(),
            Content::Omitted => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streamed { remaining: Some(remaining), .. } => {
                SizeHint::with_exact(*remaining)
            }
            // Even of an omitted body: otherwise, a server could tell that the length for `GET` is 0.
            Content::Streamed { remaining: None, .. } | Content::Omitted => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ScrapeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
