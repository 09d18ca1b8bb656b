//! The ids of the OpenTelemetry spans of open spans.

use crate::layer::open_spans::{Position, TABLES, WAYS, bucket_count};
use crate::record::exemplars::SpanIds;
use opentelemetry::trace::{SpanId, TraceId};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The ids of the sampled spans among the [`OpenSpans`](crate::layer::open_spans::OpenSpans), at the same positions.
///
/// They are not in the states of the spans, so that these stay small. A table is allocated for the first of its spans.
///
/// # Synchronization
///
/// The state of the span says whether ids are stored here. A thread that stores ids claims the state before, and sets it after that.
#[derive(Debug)]
pub(crate) struct SampledSpans {
    tables: [OnceLock<Box<[[AtomicSpanIds; WAYS]]>>; TABLES],
}

#[derive(Debug, Default)]
struct AtomicSpanIds {
    /// The upper and the lower half.
    trace_id: [AtomicU64; 2],
    span_id: AtomicU64,
}

impl SampledSpans {
    pub(crate) fn new() -> Self {
        Self { tables: [const { OnceLock::new() }; TABLES] }
    }

    pub(crate) fn get(&self, position: Position) -> Option<SpanIds> {
        let AtomicSpanIds { trace_id: [high, low], span_id } = self.find(position)?;
        let load = |half: &AtomicU64| half.load(Ordering::Relaxed);
        Some(SpanIds {
            trace_id: TraceId::from(u128::from(load(high)) << 64 | u128::from(load(low))),
            span_id: SpanId::from(load(span_id)),
        })
    }

    pub(crate) fn set(&self, position: Position, span: SpanIds) {
        let AtomicSpanIds { trace_id: [high, low], span_id } = self.find_or_allocate(position);
        let trace = u128::from_be_bytes(span.trace_id.to_bytes());
        // The casts split it into its halves.
        high.store((trace >> 64) as u64, Ordering::Relaxed);
        low.store(trace as u64, Ordering::Relaxed);
        span_id.store(u64::from_be_bytes(span.span_id.to_bytes()), Ordering::Relaxed);
    }

    fn find(&self, Position { table, bucket, way }: Position) -> Option<&AtomicSpanIds> {
        self.tables.get(table)?.get()?.get(bucket)?.get(way)
    }

    fn find_or_allocate(&self, Position { table, bucket, way }: Position) -> &AtomicSpanIds {
        let allocate = || (0..bucket_count(table)).map(|_| Default::default()).collect();
        &self.tables[table].get_or_init(allocate)[bucket][way]
    }
}
