//! The server's side: axum's `GET /hello` with one of the layers.

use asdlc_peers::peers::{
    axum_otel_metrics, axum_prometheus, official, ours, tower_otel, tower_otel_http_metrics,
};
use asdlc_peers::recorded::{Recorded, otel_0_33};
use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use std::io::stdin;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower::util::{MapFutureLayer, MapRequestLayer};

pub const SUBJECTS: [&str; 9] = [
    "bare",
    "no-op layer",
    "hand-written, bound",
    ours::NAME,
    axum_otel_metrics::NAME,
    tower_otel::NAME,
    tower_otel_http_metrics::NAME,
    axum_prometheus::NAME,
    official::NAME,
];

/// Serves as `#[tokio::main]` would, and collects with each line that comes in, as a scrape does. When the input ends, says how
/// many requests were recorded.
pub fn serve(subject: &str) {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let recorded = runtime.block_on(async {
        let (app, recorded) = app(subject);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address"));
        tokio::spawn(async { axum::serve(listener, app).await });
        recorded
    });
    let requests = stdin().lines().fold(0, |_, _| recorded(ROUTE));
    println!("{requests}");
}

fn app(subject: &str) -> (Router, Recorded) {
    let app = Router::new().route(ROUTE, get(async || "Hello, world!"));
    macro_rules! with {
        ($peer:ident) => {{
            let (layer, recorded) = $peer::layer();
            (app.layer(layer), recorded)
        }};
    }
    match subject {
        "bare" => (app, Box::new(|_| 0)),
        "no-op layer" => {
            (app.layer(MapRequestLayer::new(|request: Request| request)), Box::new(|_| 0))
        }
        "hand-written, bound" => hand_written(app),
        ours::NAME => with!(ours),
        axum_otel_metrics::NAME => with!(axum_otel_metrics),
        tower_otel::NAME => with!(tower_otel),
        tower_otel_http_metrics::NAME => with!(tower_otel_http_metrics),
        axum_prometheus::NAME => with!(axum_prometheus),
        official::NAME => with!(official),
        _ => unreachable!("no subject is called {subject}"),
    }
}

/// The ladder's reference as an axum user writes it: a counter and a histogram whose attributes are known beforehand, and the
/// clock read twice, when the service answers.
fn hand_written(app: Router) -> (Router, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&["http_request_duration_seconds"]);
    let meter = provider.meter("hand-written");
    let labels = [KeyValue::new("endpoint", ROUTE), KeyValue::new("method", "GET")];
    let outcome = [&labels[..], &[KeyValue::new("status", "200")]].concat();
    let counter = meter.u64_counter("http_requests_total").build().bind(&outcome);
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let duration = meter.f64_histogram("http_request_duration_seconds");
    let duration = duration.with_boundaries(boundaries).build().bind(&labels);
    let series = std::sync::Arc::new((counter, duration));
    let layer = MapFutureLayer::new(move |response| {
        let (start, series) = (Instant::now(), series.clone());
        async move {
            let response = response.await;
            series.0.add(1);
            series.1.record(start.elapsed().as_secs_f64());
            response
        }
    });
    (app.layer(layer), recorded)
}

pub const ROUTE: &str = "/hello";
