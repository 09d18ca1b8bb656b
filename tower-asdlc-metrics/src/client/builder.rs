use crate::client::layer::HttpClientMetricsLayer;
use crate::error::BuildError;
use crate::labels::client_error::ClientErrorType;
use crate::labels::endpoint::{AnyEndpoint, Endpoint, FixedEndpoint};
use crate::labels::side::Side;
use crate::layer::builder::{ClientSide, LayerBuilder};
use crate::layer::meter_source::MeterSource;
use crate::record::shard::Shards;
use std::error::Error;

/// Configures an [`HttpClientMetricsLayer`]: a [`LayerBuilder`] of a client.
///
/// ```
/// use tower_asdlc_metrics::HttpClientMetricsLayer;
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpClientMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpClientMetricsLayer::builder()
///     .with_hosts(["artifacts:8080", "api.example.com"])
///     .build(meter)?;
/// # Ok(layer) }
/// ```
pub type HttpClientMetricsLayerBuilder = LayerBuilder<ClientSide>;

impl LayerBuilder<ClientSide> {
    pub(crate) fn new() -> Self {
        let mut builder = Self::of(Side::Client, FixedEndpoint(""));
        builder.has_backpressure = true;
        builder
    }

    /// Sets the hosts that have a label value of their own. All other hosts are `_OTHER`. At most 100 hosts can be listed.
    ///
    /// ```
    /// use tower_asdlc_metrics::HttpClientMetricsLayer;
    ///
    /// let builder = HttpClientMetricsLayer::builder().with_hosts(["artifacts:8080", "api.example.com"]);
    /// ```
    ///
    /// A listed host without a port stands for the default port of the request's scheme: 80 or 443. Without a list, the [first
    /// hosts](Self::with_max_hosts) that requests are sent to have a value of their own.
    pub fn with_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts.listed = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how many hosts have a label value of their own if [no hosts are listed](Self::with_hosts): the first ones that requests
    /// are sent to. All others are `_OTHER`, so that a crawler does not create a series for each host. The default is 50, the
    /// maximum 100. A host with two schemes counts twice.
    pub fn with_max_hosts(mut self, hosts: usize) -> Self {
        self.hosts.max_seen = Some(hosts);
        self
    }

    /// Sets the host of requests that have no host in their URI and no header `Host`, such as those to tonic's `Channel`.
    ///
    /// ```
    /// use tower_asdlc_metrics::HttpClientMetricsLayer;
    ///
    /// let builder = HttpClientMetricsLayer::builder().with_default_host("https://inventory.internal");
    /// ```
    ///
    /// Without a scheme, the scheme is `http`. If you [list hosts](Self::with_hosts), list this one too. Otherwise it is
    /// `_OTHER`.
    pub fn with_default_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.default = Some(host.into());
        self
    }

    /// Adds the endpoint of a request: the label `endpoint`. In OpenTelemetry's conventions it is `url.template`, and `rpc.method` of
    /// a gRPC call.
    ///
    /// Without an endpoint there is no such label, and `rpc.method` is `_OTHER`.
    ///
    /// ```
    /// use tower_asdlc_metrics::{HttpClientMetricsLayer, endpoint_fn};
    ///
    /// let builder = HttpClientMetricsLayer::builder().with_endpoint(endpoint_fn(|head| {
    ///     head.uri().path().starts_with("/artifacts/").then_some("/artifacts/{name}")
    /// }));
    /// ```
    ///
    /// With the feature `tonic`, `TonicMethod` is the endpoint of tonic's generated clients.
    pub fn with_endpoint(mut self, endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        self.settings.endpoint = AnyEndpoint::new(endpoint);
        self.settings.has_endpoints = true;
        self
    }

    /// Adds a function that decides what an error of the client was. `E` is the error type of the service or of the response's
    /// body, or the type of a source of such an error.
    ///
    /// The layer knows [`std::io::Error`]. With features of this crate, it can [know the errors of
    /// hyper-util](Self::with_hyper_util_errors) and [of tonic](Self::with_tonic_errors). For other clients:
    ///
    /// ```
    /// use std::{error::Error, fmt};
    /// use tower_asdlc_metrics::{ClientErrorType, HttpClientMetricsLayer};
    ///
    /// #[derive(Debug)]
    /// struct PoolExhausted;
    /// # impl Error for PoolExhausted {}
    /// # impl fmt::Display for PoolExhausted {
    /// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("no connection is free") }
    /// # }
    ///
    /// let builder = HttpClientMetricsLayer::builder()
    ///     .with_error_type(|_: &PoolExhausted| Some(ClientErrorType::Connect));
    /// ```
    ///
    /// If the function returns `None` or panics, the layer looks at the error's source. Functions that are added later are called
    /// first. If nothing is known of an error, its `error_type` is `service_error`, or `body_error`.
    ///
    /// The layer sees the sources of a `Box<dyn Error>`, of a `Box<dyn Error + Send + Sync>`, and of an error whose type it
    /// knows. For a service or a body with another error type, add a function that returns `None`.
    pub fn with_error_type<E: Error + 'static>(
        mut self,
        function: impl Fn(&E) -> Option<ClientErrorType> + Send + Sync + 'static,
    ) -> Self {
        self.settings.errors = std::mem::take(&mut self.settings.errors).with(function);
        self
    }

    /// Adds the errors of hyper-util's client, hyper, h2, and tower's `Timeout`.
    ///
    /// ```
    /// use tower_asdlc_metrics::HttpClientMetricsLayer;
    ///
    /// let builder = HttpClientMetricsLayer::builder().with_hyper_util_errors();
    /// ```
    #[cfg(feature = "hyper-util")]
    pub fn with_hyper_util_errors(mut self) -> Self {
        self.settings.errors = std::mem::take(&mut self.settings.errors).with_hyper_util();
        self
    }

    /// Adds the errors of tonic's `Channel`, and [those of hyper-util](Self::with_hyper_util_errors).
    ///
    /// ```
    /// use tower_asdlc_metrics::{HttpClientMetricsLayer, TonicMethod};
    ///
    /// let builder = HttpClientMetricsLayer::builder().with_endpoint(TonicMethod).with_tonic_errors();
    /// ```
    #[cfg(feature = "tonic")]
    pub fn with_tonic_errors(mut self) -> Self {
        self.settings.errors = std::mem::take(&mut self.settings.errors).with_tonic();
        self
    }

    /// Builds a layer that records into `meter`, which is a [meter or a meter provider](MeterSource).
    ///
    /// # Errors
    /// If a boundary, a name, a label, a host, a path or a number is invalid. The error says which one, and what is allowed.
    pub fn build<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
    ) -> Result<HttpClientMetricsLayer, BuildError> {
        Ok(HttpClientMetricsLayer::with_shards(self.build_shards(meter)?))
    }

    /// Builds a layer with the default settings.
    pub(crate) fn build_default<K>(mut self, meter: &(impl MeterSource<K> + ?Sized)) -> Shards {
        self.settings.hosts = Some(self.hosts.first_seen());
        self.build_unchecked(meter)
    }
}
