//! OpenTelemetry's semantic conventions: what real servers and clients push over OTLP and serve to Prometheus, compared with the
//! tables of the specification in `docs/semantic-conventions.md`, and with the crate `opentelemetry-semantic-conventions`.

mod clients;
mod constants;
mod expected;
mod golden;
mod known_methods;
mod prometheus_text;
mod pushed;
mod servers;
mod specification;
mod typed;

use tower_asdlc_metrics::Conventions;

/// How the layers of a test are configured.
#[derive(Clone, Copy)]
struct Setup {
    conventions: Conventions,
    /// All metrics and attributes that are off by default.
    has_opt_in: bool,
}
