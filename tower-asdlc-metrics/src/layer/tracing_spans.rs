use crate::layer::builder::LayerBuilder;

impl<S> LayerBuilder<S> {
    /// Takes the trace of a request from the current span of `tracing` too, if no span of OpenTelemetry is current. See
    /// [Exemplars](crate#exemplars).
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload")).with_tracing_spans();
    /// ```
    ///
    /// This is only needed if the layer of `tracing-opentelemetry` is built with `with_context_activation(false)`. By default, that
    /// layer makes its spans OpenTelemetry's current ones.
    ///
    /// To read the ids of a span, `tracing-opentelemetry` starts its OpenTelemetry span. Set the parent of the span before the request
    /// reaches this layer: later, `set_parent` returns an error.
    pub fn with_tracing_spans(mut self) -> Self {
        self.settings.reads_tracing_spans = true;
        self
    }
}
