//! The layer for clients, beside the layer for servers around the same service with the same request.

use crate::harness::Subject;
use crate::subjects::{client_requests, provider, service};
use opentelemetry::metrics::MeterProvider;
use tower::Layer;
use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer};

pub fn own() -> [Subject; 5] {
    let provider = provider();
    let [server, semantic_server] = CONVENTIONS.map(|(name, conventions)| {
        let builder = HttpMetricsLayer::builder(FixedEndpoint("/items/{id}"));
        let builder = builder.with_conventions(conventions);
        builder.build(&provider.meter(name)).expect("these settings are allowed")
    });
    let [client, semantic_client] = CONVENTIONS.map(|(name, conventions)| {
        let builder = HttpClientMetricsLayer::builder().with_conventions(conventions);
        builder.build(&provider.meter(name)).expect("these settings are allowed")
    });
    provider.force_flush().expect("an exporter that does not fail");
    [
        Subject::new("bare, client", || client_requests(service())),
        Subject::new("server layer, client's request", move || {
            client_requests(server.layer(service()))
        }),
        Subject::new("client layer", move || client_requests(client.layer(service()))),
        Subject::new("server layer, client's request, OpenTelemetry's convention", move || {
            client_requests(semantic_server.layer(service()))
        }),
        Subject::new("client layer, OpenTelemetry's convention", move || {
            client_requests(semantic_client.layer(service()))
        }),
    ]
}

const CONVENTIONS: [(&str, Conventions); 2] =
    [("Prometheus", Conventions::Prometheus), ("OpenTelemetry", Conventions::OpenTelemetry)];
