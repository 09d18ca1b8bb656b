//! A route of an axum router, without a layer, with one that does nothing, and with ours.

use crate::harness::Subject;
use crate::subjects::{NoOp, provider, requests};
use axum::{Router, routing::get};
use opentelemetry::metrics::MeterProvider;
use std::future::ready;
use tower::layer::layer_fn;
use tower_asdlc_metrics::HttpMetricsLayer;

pub fn own() -> [Subject; 3] {
    let router = || Router::new().route("/items/{id}", get(|| ready("an item")));
    let provider = provider();
    let layered = router().layer(HttpMetricsLayer::new(&provider.meter("bench")));
    let layered = served(layered);
    provider.force_flush().expect("an exporter that does not fail");
    let bare = served(router());
    let no_op = served(router().layer(layer_fn(NoOp)));
    [
        Subject::new("axum", move || requests(bare.clone())),
        Subject::new("axum with a no-op layer", move || requests(no_op.clone())),
        Subject::new("axum with ours", move || requests(layered.clone())),
    ]
}

/// The router as `axum::serve` calls it. Without a state, it would apply its layers again to each request.
fn served(router: Router) -> Router {
    router.with_state(())
}
