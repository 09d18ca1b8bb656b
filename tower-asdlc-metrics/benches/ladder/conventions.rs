//! The layer by OpenTelemetry's convention, and by both.

use crate::harness::Subject;
use crate::subjects::{provider, requests, service};
use opentelemetry::metrics::MeterProvider;
use tower::Layer;
use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpMetricsLayer};

pub fn own() -> [Subject; 3] {
    let provider = provider();
    let builder = |conventions| {
        HttpMetricsLayer::builder(FixedEndpoint("/items/{id}")).with_conventions(conventions)
    };
    let semantic = builder(Conventions::OpenTelemetry);
    let all = builder(Conventions::OpenTelemetry).with_active_requests().with_body_sizes();
    let both = builder(Conventions::Both);
    // Each with a meter of its own: layers of one meter share their series.
    let [semantic, all, both] =
        [("OpenTelemetry", semantic), ("all", all), ("both", both)].map(|(name, builder)| {
            builder.build(&provider.meter(name)).expect("these settings are allowed")
        });
    provider.force_flush().expect("an exporter that does not fail");
    [
        Subject::new("ours, OpenTelemetry's convention", move || {
            requests(semantic.layer(service()))
        }),
        Subject::new("the same, all metrics", move || requests(all.layer(service()))),
        Subject::new("ours, both conventions", move || requests(both.layer(service()))),
    ]
}
