//! Serves a batch of scrapes from one collection.

use crate::{
    catch_panic::catch_panic,
    collect::collector::Collector,
    error::{ScrapeError, ScrapeErrorKind},
    exposition::render::Query,
    scrape::{
        encode::{Encoding, encode},
        pending::{Exposition, PendingScrape},
    },
};
use bytes::Bytes;
use std::{collections::HashSet, mem, sync::Arc};

/// Collects once. Writes the text of each query once, and compresses each text once for each
/// encoding.
///
/// Reuses the memory of `last_text`, unless a response that is still being sent has this text.
pub(super) fn serve(collector: &Collector, scrapes: &[Arc<PendingScrape>], last_text: &mut Bytes) {
    let scrapes: Vec<_> = scrapes.iter().filter(|scrape| scrape.is_waiting()).collect();
    if scrapes.is_empty() {
        return;
    }
    let served = catch_panic(|| -> Result<(), ScrapeError> {
        let queries: HashSet<&Query> = scrapes.iter().map(|scrape| &scrape.query).collect();
        for (query, rendered) in collector.render(queries, reuse(mem::take(last_text)))? {
            let of_query = || scrapes.iter().filter(|scrape| scrape.query == *query);
            let text = Bytes::from(rendered.bytes);
            // A filtered text is small: its memory is not worth keeping.
            if query.names.is_empty() {
                last_text.clone_from(&text);
            }
            let encodings: HashSet<Encoding> = of_query().map(|scrape| scrape.encoding).collect();
            for requested in encodings {
                let (bytes, encoding) = encode(&text, requested);
                let exposition = Exposition { bytes, encoding };
                of_query()
                    .filter(|scrape| scrape.encoding == requested)
                    .for_each(|scrape| scrape.complete(Ok(exposition.clone())));
            }
        }
        Ok(())
    });
    let error = match served {
        Some(Ok(())) => return,
        Some(Err(error)) => error,
        None => ScrapeErrorKind::Panicked.into(),
    };
    let error = Arc::new(error);
    scrapes.iter().for_each(|scrape| scrape.complete(Err(Arc::clone(&error))));
}

/// Returns empty memory. It is that of the text, unless a response still holds the text.
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
