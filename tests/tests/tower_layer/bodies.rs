//! A body that yields what it is given, frame by frame, and knows nothing of its length.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::oneshot;

#[derive(Debug, Default)]
pub(crate) struct Frames(VecDeque<Frame<Bytes>>);

impl Frames {
    pub(crate) fn data(frames: &[&'static str]) -> Self {
        Self(frames.iter().map(|data| Frame::data(Bytes::from_static(data.as_bytes()))).collect())
    }

    pub(crate) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.0.push_back(Frame::trailers(trailers));
        self
    }
}

/// A body of two chunks, `head ` and `tail`; the second one waits until the sender is dropped.
pub(crate) struct Held(Frames, oneshot::Receiver<Infallible>);

impl Held {
    pub(crate) fn new() -> (oneshot::Sender<Infallible>, Self) {
        let (release, released) = oneshot::channel();
        (release, Self(Frames::data(&["head ", "tail"]), released))
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.0.len() == 1 {
            // An error is what a dropped sender leaves.
            let Err(_) = ready!(Pin::new(&mut self.1).poll(context));
        }
        Pin::new(&mut self.0).poll_frame(context)
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
