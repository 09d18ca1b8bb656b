//! The views of an exporter's meter provider: those of the user, the policy, the native histograms and the
//! series limit. An instrument that the policy denies records nothing.

use crate::families::{
    model::FamilyKind, names::policy::NamePolicy, series::native_histograms::NativeHistograms,
};
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, Stream,
};
use std::{fmt, sync::Arc};

/// The views of the user.
#[derive(Clone, Default)]
pub(crate) struct Views(Vec<Arc<dyn View>>);

trait View: Fn(&Instrument) -> Option<Stream> + Send + Sync {}

impl<V: Fn(&Instrument) -> Option<Stream> + Send + Sync> View for V {}

impl Views {
    pub(crate) fn push(
        &mut self,
        view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(view));
    }

    /// Adds these views to the provider, and a view with the policy, the native histograms and the series
    /// limit.
    ///
    /// The SDK adds a stream for each view that matches. So exactly one side may match: our own view for
    /// a denied instrument and for one that no view of the user matches, otherwise the views of the user.
    pub(crate) fn add_to(
        self,
        provider: MeterProviderBuilder,
        policy: &NamePolicy,
        native: NativeView,
        max_series: Option<usize>,
    ) -> MeterProviderBuilder {
        let with_views =
            self.0.iter().cloned().fold(provider, |provider, view| {
                let policy = policy.clone();
                provider.with_view(move |instrument| {
                    if serves(&policy, instrument) { view(instrument) } else { None }
                })
            });
        let policy = policy.clone();
        with_views.with_view(move |instrument| {
            if !serves(&policy, instrument) {
                return Stream::builder().with_aggregation(Aggregation::Drop).build().ok();
            }
            let aggregation = native.aggregation(instrument);
            if aggregation.is_none() && max_series.is_none() {
                return None;
            }
            if self.0.iter().any(|view| view(instrument).is_some()) {
                return None;
            }
            let mut stream = Stream::builder();
            if let Some(aggregation) = aggregation {
                stream = stream.with_aggregation(aggregation);
            }
            if let Some(limit) = max_series {
                stream = stream.with_cardinality_limit(limit);
            }
            stream.build().ok()
        })
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Views({})", self.0.len())
    }
}

/// Chooses the aggregation of native histograms.
#[derive(Debug)]
pub(crate) struct NativeView {
    policy: NamePolicy,
    native: Option<NativeHistograms>,
}

impl NativeView {
    pub(crate) fn new(policy: NamePolicy, native: Option<NativeHistograms>) -> Self {
        Self { policy, native }
    }

    /// The aggregation of this instrument if it is a native histogram.
    fn aggregation(&self, instrument: &Instrument) -> Option<Aggregation> {
        let native = self.native.as_ref()?;
        let is_native = instrument.kind() == InstrumentKind::Histogram
            && self.policy.is_native(native, instrument.name(), instrument.unit());
        is_native.then(|| native.aggregation())
    }

    /// As a view for the SDK.
    pub(crate) fn stream(&self, instrument: &Instrument) -> Option<Stream> {
        Stream::builder().with_aggregation(self.aggregation(instrument)?).build().ok()
    }
}

fn serves(policy: &NamePolicy, instrument: &Instrument) -> bool {
    let kind = family_kind(instrument.kind());
    let mut name = String::new();
    policy.push_name(&mut name, instrument.name(), instrument.unit(), kind);
    policy.serves(instrument.name(), &name, kind)
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
