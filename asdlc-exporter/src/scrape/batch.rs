//! Serves a batch of scrapes from one collection.

use crate::{
    catch_panic::catch_panic,
    collect::collector::{Collector, Snapshot},
    error::{ScrapeError, ScrapeErrorKind},
    exposition::{chunks::Sink, format::Syntax, open_metrics::EOF, render::Query},
    scrape::{
        encode::{Encoding, encode},
        pending::{Exposition, ExpositionBody, PendingScrape},
        stream_sink::{StreamSink, WHOLE},
    },
};
use bytes::Bytes;
use std::{collections::HashSet, mem, sync::Arc};

/// Collects once. Writes each query once, and compresses it once for each encoding.
///
/// Reuses the memory of `last_text`, unless a response that is still being sent has this text.
pub(super) fn serve(collector: &Collector, scrapes: &[Arc<PendingScrape>], last_text: &mut Bytes) {
    let scrapes: Vec<_> = scrapes.iter().filter(|scrape| scrape.is_waiting()).collect();
    if scrapes.is_empty() {
        return;
    }
    let queries: HashSet<&Query> = scrapes.iter().map(|scrape| &scrape.query).collect();
    let served = catch_panic(|| {
        collector.collect(|snapshot| {
            queries
                .into_iter()
                .try_for_each(|query| serve_query(collector, snapshot, query, &scrapes, last_text))
        })
    });
    let error = match served {
        Some(Ok(Ok(()))) => return,
        Some(Ok(Err(error)) | Err(error)) => error,
        None => ScrapeErrorKind::Panicked.into(),
    };
    let error = Arc::new(error);
    scrapes.iter().for_each(|scrape| scrape.complete(Err(Arc::clone(&error))));
}

fn serve_query(
    collector: &Collector,
    snapshot: &Snapshot<'_>,
    query: &Query,
    scrapes: &[&Arc<PendingScrape>],
    last_text: &mut Bytes,
) -> Result<(), ScrapeError> {
    // A filtered text is small: its memory is not worth keeping.
    let is_kept = query.names.is_empty();
    // The last line of `OpenMetrics` is written after the last chunk was given to the sink.
    let end = if query.output.syntax == Syntax::OpenMetrics { EOF.len() } else { 0 };
    let too_large = WHOLE + 1 - end;
    let mut lengths = None;
    loop {
        let of_query = scrapes.iter().filter(|scrape| scrape.query == *query);
        let of_query: Vec<_> = of_query.filter(|scrape| scrape.is_waiting()).copied().collect();
        if of_query.is_empty() {
            return Ok(());
        }
        let memory = if is_kept { reuse(mem::take(last_text)) } else { Vec::new() };
        let mut sink = StreamSink::new(collector.window(), &of_query, lengths.take());
        let first: (&mut dyn Sink, usize) = (&mut sink, too_large);
        let mut rendered = snapshot.write(query, memory, Some(first))?;
        let is_streamed = sink.has_begun();
        if is_streamed {
            lengths = sink.finish(&mut rendered.bytes);
        }
        let text = Bytes::from(rendered.bytes);
        if is_kept {
            last_text.clone_from(&text);
        }
        if !is_streamed {
            complete(&of_query, &text);
        }
        if lengths.is_none() {
            return Ok(());
        }
    }
}

/// Completes the scrapes that are not streamed. Compresses the text once for each encoding.
fn complete(scrapes: &[&Arc<PendingScrape>], text: &Bytes) {
    let scrapes = || scrapes.iter().filter(|scrape| scrape.is_waiting());
    let encodings: HashSet<Encoding> = scrapes().map(|scrape| scrape.encoding).collect();
    for requested in encodings {
        let (bytes, encoding) = encode(text, requested);
        for scrape in scrapes().filter(|scrape| scrape.encoding == requested) {
            let body = ExpositionBody::Whole(bytes.clone());
            scrape.complete(Ok(Exposition { body, encoding }));
        }
    }
}

/// Returns an empty buffer: the memory of the text, unless a response still holds the text.
fn reuse(text: Bytes) -> Vec<u8> {
    let memory = text.try_into_mut().map(|mut text| {
        text.clear();
        Vec::from(text)
    });
    memory.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_text_is_reused_unless_a_client_still_has_it() {
        let last = Bytes::from(String::from("a 1\n"));
        let receiving = last.clone();
        assert_eq!(reuse(last).capacity(), 0);
        let memory = receiving.as_ptr();
        let mut text = reuse(receiving);
        text.extend_from_slice(b"b 2\n");
        assert_eq!((text.as_ptr(), text.as_slice()), (memory, b"b 2\n".as_slice()));
        let mut long = String::with_capacity(1000);
        long.push_str("a 1\n");
        assert!(reuse(Bytes::from(long)).capacity() >= 1000);
    }
}
