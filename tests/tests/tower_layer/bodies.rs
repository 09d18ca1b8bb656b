//! A response body that yields the given frames.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// Yields its frames in order. Its size is unknown unless [`with_size`](Self::with_size) states one.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    /// The bytes that are left according to `size_hint`.
    size: Option<u64>,
    /// The last frame waits until the sender is dropped.
    held: Option<oneshot::Receiver<Infallible>>,
}

impl Frames {
    pub(crate) fn data(frames: &[&'static str]) -> Self {
        let frames = frames.iter().map(|data| Frame::data(Bytes::from_static(data.as_bytes())));
        Self { frames: frames.collect(), ..Self::default() }
    }

    pub(crate) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.frames.push_back(Frame::trailers(trailers));
        self
    }

    /// States an exact size, which need not be true.
    pub(crate) fn with_size(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }

    /// Two chunks, `head ` and `tail`. The second one waits until the sender is dropped.
    pub(crate) fn held() -> (oneshot::Sender<Infallible>, Self) {
        let (release, held) = oneshot::channel();
        (release, Self { held: Some(held), ..Self::data(&["head ", "tail"]) })
    }

    /// `head `, and then nothing for ever.
    pub(crate) fn never_ending() -> Self {
        let (release, body) = Self::held();
        std::mem::forget(release);
        body
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.frames.len() == 1
            && let Some(held) = &mut this.held
        {
            // The receiver returns an error when the sender is dropped.
            let Err(_) = ready!(Pin::new(held).poll(context));
        }
        let frame = this.frames.pop_front();
        let data = frame.as_ref().and_then(Frame::data_ref);
        if let (Some(size), Some(data)) = (&mut this.size, data) {
            *size -= data.len() as u64;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
