//! Streams an exposition that is too large to be sent in one piece.

use crate::{
    error::{ScrapeError, ScrapeErrorKind},
    exposition::{chunks::Sink, text::SPARE},
    scrape::{
        encode::{ChunkEncoder, Encoding},
        pending::{Exposition, ExpositionBody, PendingScrape},
    },
    stream::{ClientId, Failure, StreamReader, Window},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

/// The length of the exposition in each encoding.
pub(super) type Lengths = HashMap<Encoding, u64>;

/// Streams the exposition of one query. When the first chunk is full, the scrapes get their responses. From
/// then on, their bodies get each chunk. Dropping the sink before [`finish`](Self::finish) ends the streams
/// with an error.
///
/// A client that needs the length before the body gets no chunks in the first pass, which only measures the
/// length. It is served by a second pass, with the lengths of the first one.
pub(super) struct StreamSink<'s> {
    window: &'s Arc<Window>,
    scrapes: &'s [&'s Arc<PendingScrape>],
    /// The lengths that the first pass has measured. `None` in the first pass.
    lengths: Option<Lengths>,
    /// Empty before the first chunk is full.
    streams: Vec<Stream>,
    has_begun: bool,
}

/// The exposition in one encoding.
struct Stream {
    requested: Encoding,
    encoder: ChunkEncoder,
    clients: Vec<ClientId>,
    /// Scrapes that need the length first.
    measured: Vec<Arc<PendingScrape>>,
    length: u64,
}

impl<'s> StreamSink<'s> {
    pub(super) fn new(
        window: &'s Arc<Window>,
        scrapes: &'s [&'s Arc<PendingScrape>],
        lengths: Option<Lengths>,
    ) -> Self {
        Self { window, scrapes, lengths, streams: Vec::new(), has_begun: false }
    }

    /// Whether the exposition was too large for one piece.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Ends the streams. `rest` is what was written after the last chunk. If scrapes need the length first,
    /// returns the lengths.
    pub(super) fn finish(mut self, rest: &mut Vec<u8>) -> Option<Lengths> {
        self.write(rest);
        let mut lengths = Lengths::new();
        for mut stream in mem::take(&mut self.streams) {
            let encoder = mem::replace(&mut stream.encoder, ChunkEncoder::Identity);
            match encoder.finish() {
                Ok(end) => {
                    stream.push(self.window, end.into());
                    self.window.end(&stream.clients);
                    if !stream.measured.is_empty() {
                        lengths.insert(stream.requested, stream.length);
                    }
                }
                Err(_) => stream.fail(self.window),
            }
        }
        (!lengths.is_empty()).then_some(lengths)
    }

    fn begin(&mut self) {
        self.has_begun = true;
        let encodings: HashSet<_> = self.scrapes.iter().map(|scrape| scrape.encoding).collect();
        for requested in encodings {
            let encoder = ChunkEncoder::new(requested);
            let encoding = encoder.encoding();
            let length = self.lengths.as_ref().and_then(|lengths| lengths.get(&requested).copied());
            let (mut clients, mut measured) = (Vec::new(), Vec::new());
            for scrape in self.scrapes.iter().filter(|scrape| scrape.encoding == requested) {
                let body = if scrape.delivery.is_head {
                    ExpositionBody::Omitted
                } else if scrape.delivery.needs_length && length.is_none() {
                    measured.push(Arc::clone(scrape));
                    continue;
                } else {
                    let reader = StreamReader::new(Arc::clone(self.window), scrape.deadline);
                    clients.push(reader.id());
                    ExpositionBody::Streamed(reader, length)
                };
                scrape.complete(Ok(Exposition { body, encoding }));
            }
            self.streams.push(Stream { requested, encoder, clients, measured, length: 0 });
        }
        // Its chunks are not copied, so it is the last that gets them.
        self.streams.sort_by_key(|stream| stream.encoder.encoding() == Encoding::Identity);
    }

    /// Gives the text to the streams that still have clients, and removes the others.
    fn write(&mut self, text: &mut Vec<u8>) {
        let Self { window, streams, .. } = self;
        streams.retain_mut(|stream| {
            let is_identity = stream.encoder.encoding() == Encoding::Identity;
            let chunk = if is_identity && stream.clients.is_empty() {
                stream.length += text.len() as u64;
                Bytes::new()
            } else if is_identity {
                mem::take(text).into()
            } else if let Ok(chunk) = stream.encoder.encode(text) {
                chunk.unwrap_or_default().into()
            } else {
                stream.fail(window);
                return false;
            };
            stream.push(window, chunk)
        });
        text.clear();
    }
}

impl Sink for StreamSink<'_> {
    fn take(&mut self, bytes: &mut Vec<u8>) -> Option<usize> {
        if !self.has_begun {
            self.begin();
        }
        self.write(bytes);
        if self.streams.is_empty() {
            return None;
        }
        // The first chunk was larger.
        bytes.shrink_to(CHUNK + SPARE);
        bytes.reserve_exact(CHUNK + SPARE);
        Some(CHUNK)
    }

    fn needs_same_length(&self) -> bool {
        self.scrapes.iter().any(|scrape| scrape.delivery.needs_length)
    }
}

impl Drop for StreamSink<'_> {
    fn drop(&mut self) {
        for stream in &self.streams {
            self.window.fail(&stream.clients, Failure::Panicked);
        }
    }
}

impl Stream {
    /// Returns whether somebody still needs this stream.
    fn push(&mut self, window: &Window, chunk: Bytes) -> bool {
        self.length += chunk.len() as u64;
        let is_read = window.push(&self.clients, chunk);
        self.measured.retain(|scrape| scrape.is_waiting());
        is_read || !self.measured.is_empty()
    }

    fn fail(&self, window: &Window) {
        window.fail(&self.clients, Failure::NotCompressed);
        let error: Arc<ScrapeError> = Arc::new(ScrapeErrorKind::NotCompressed.into());
        self.measured.iter().for_each(|scrape| scrape.complete(Err(Arc::clone(&error))));
    }
}

/// The maximum size of an exposition that is sent in one piece, in bytes before compression.
pub(super) const WHOLE: usize = 1 << 20;
/// The minimum size of a chunk of a larger exposition, in bytes before compression.
const CHUNK: usize = 128 << 10;
