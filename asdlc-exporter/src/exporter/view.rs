//! Applies the policy and the series limit in the SDK. An instrument that the policy denies records
//! nothing.

use crate::families::{model::FamilyKind, policy::NamePolicy};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream};

/// The view of an exporter's meter provider.
pub(crate) fn view(
    policy: NamePolicy,
    max_series: Option<usize>,
) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    move |instrument| {
        let kind = family_kind(instrument.kind());
        let mut name = String::new();
        policy.push_name(&mut name, instrument.name(), instrument.unit(), kind);
        if policy.serves(instrument.name(), &name, kind) {
            return Stream::builder().with_cardinality_limit(max_series?).build().ok();
        }
        Stream::builder().with_aggregation(Aggregation::Drop).build().ok()
    }
}

fn family_kind(kind: InstrumentKind) -> FamilyKind {
    match kind {
        InstrumentKind::Counter | InstrumentKind::ObservableCounter => FamilyKind::Counter,
        InstrumentKind::Histogram => FamilyKind::Histogram,
        InstrumentKind::UpDownCounter
        | InstrumentKind::ObservableUpDownCounter
        | InstrumentKind::Gauge
        | InstrumentKind::ObservableGauge => FamilyKind::Gauge,
    }
}
