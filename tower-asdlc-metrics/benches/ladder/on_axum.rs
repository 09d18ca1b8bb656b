//! A route of an axum router, without a layer and with ours.

use crate::harness::Subject;
use crate::subjects::{provider, requests};
use axum::{Router, routing::get};
use opentelemetry::metrics::MeterProvider;
use std::future::ready;
use tower_asdlc_metrics::HttpMetricsLayer;

pub fn own() -> [Subject; 2] {
    let router = || Router::new().route("/items/{id}", get(|| ready("an item")));
    let provider = provider();
    let layered = router().layer(HttpMetricsLayer::new(&provider.meter("bench")));
    provider.force_flush().expect("an exporter that does not fail");
    let bare = router();
    [
        Subject::new("axum", move || requests(bare.clone())),
        Subject::new("axum with ours", move || requests(layered.clone())),
    ]
}
