//! The plain type.

use crate::unix_time::UnixTime;

/// A measurement with the span that it was made in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) value: f64,
    pub(crate) time: UnixTime,
    pub(crate) span: SpanIds,
}

impl AsRef<Self> for Exemplar {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The ids of a sampled span, or zeros. Bytes, because the type of OpenTelemetry for trace ids would make each
/// exemplar 8 bytes larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanIds {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

impl SpanIds {
    /// Whether both ids are those of a span.
    pub(crate) fn are_valid(&self) -> bool {
        self.trace != [0; 16] && self.span != [0; 8]
    }
}
