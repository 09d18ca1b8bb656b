use super::{
    base_url::BaseUrl,
    connector::connector,
    cors::Cors,
    error::{QueryProxyError, QueryProxyErrorKind},
    service::QueryProxy,
    settings::Settings,
    upstream::Upstream,
};
use crate::{
    credentials::{Credentials, InvalidCredentials},
    meter_source::MeterSource,
};
use std::{fmt, time::Duration};

impl QueryProxy {
    /// Creates a builder with the URL of a `VictoriaMetrics` or of a part of a cluster, such as
    /// `http://vmselect:8481/select/0/prometheus`. The URL may have `user:password@`.
    ///
    /// Without a URL, or with an empty one, the proxy responds to queries with 503 and the `errorType`
    /// `not_configured`. So a service can add the route whether a `VictoriaMetrics` is configured or not.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let exporter = Exporter::builder("shop").build()?;
    /// let url = std::env::var("VICTORIAMETRICS_URL").ok();
    /// let proxy = QueryProxy::builder(url.as_deref()).build(&exporter)?;
    /// # Ok(()) }
    /// ```
    pub fn builder<'a>(url: impl Into<Option<&'a str>>) -> QueryProxyBuilder {
        let base = url.into().filter(|url| !url.is_empty()).map(BaseUrl::parse);
        QueryProxyBuilder {
            base,
            credentials: Vec::new(),
            settings: Settings::default(),
            origins: Vec::new(),
            #[cfg(feature = "victoria-metrics-tls")]
            root_certificates: None,
        }
    }
}

/// Builder of a [`QueryProxy`].
///
/// ```
/// use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let exporter = Exporter::builder("shop").build()?;
/// let proxy = QueryProxy::builder("http://vmselect:8481/select/0/prometheus")
///     .with_basic_auth("reader", "secret")
///     .with_timeout(Duration::from_secs(10))
///     .with_cors_origin("https://dashboards.example.com")
///     .build(&exporter)?;
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing before `build`"]
pub struct QueryProxyBuilder {
    base: Option<Result<BaseUrl, QueryProxyError>>,
    credentials: Vec<Result<Credentials, QueryProxyError>>,
    settings: Settings,
    origins: Vec<String>,
    #[cfg(feature = "victoria-metrics-tls")]
    root_certificates: Option<Vec<u8>>,
}

impl QueryProxyBuilder {
    /// Sends this user and password to `VictoriaMetrics`.
    pub fn with_basic_auth(mut self, user: &str, password: &str) -> Self {
        let invalid = |InvalidCredentials| QueryProxyErrorKind::UserOrPassword.into();
        self.credentials.push(Credentials::basic(user, password).map_err(invalid));
        self
    }

    /// Sends this token to `VictoriaMetrics`.
    pub fn with_bearer_token(mut self, token: &str) -> Self {
        let invalid = |InvalidCredentials| QueryProxyErrorKind::Token.into();
        self.credentials.push(Credentials::bearer(token).map_err(invalid));
        self
    }

    /// Trusts only these root certificates, in PEM, when the URL is `https`. Default: those of the
    /// system.
    #[cfg(feature = "victoria-metrics-tls")]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Sets how long a response may take, from the arrival of the request to its last byte: 100 ms to
    /// 1 h. Default: 30 s, as in `VictoriaMetrics`. The proxy sends `VictoriaMetrics` a slightly shorter
    /// timeout.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many points per series a range query may request: 2 to 30 000. Default: 11 000, as in
    /// Prometheus.
    pub fn with_max_points(mut self, points: u32) -> Self {
        self.settings.max_points = points;
        self
    }

    /// Sets how many queries of this proxy `VictoriaMetrics` may run at the same time: 1 to 1024. Default:
    /// 16. Further queries are refused with 429. Queries that share a response count once. Health checks
    /// do not count.
    pub fn with_max_in_flight(mut self, queries: usize) -> Self {
        self.settings.max_in_flight = queries;
        self
    }

    /// Sets the maximum size of a response in bytes: at least 1 KiB. Default: 64 MiB. For a compressed
    /// response it is the compressed size.
    pub fn with_max_response_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_response_bytes = bytes;
        self
    }

    /// Sets the time window of `services`: 1 min to 1 year. Default: 1 h. The list has the services
    /// that had metrics in this window, which ends now. `VictoriaMetrics` has an index per day
    /// (UTC), so the list may have the services of the whole day.
    pub fn with_services_window(mut self, window: Duration) -> Self {
        self.settings.services_window = window;
        self
    }

    /// Allows pages of this origin to read responses, such as `https://dashboards.example.com`; `*`
    /// allows all. It can be called several times. Default: only pages of the proxy's own origin.
    pub fn with_cors_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Creates the proxy. Its metrics are recorded with this [meter or meter provider](MeterSource).
    ///
    /// # Errors
    ///
    /// When the URL, the credentials, a limit or an origin is not allowed.
    pub fn build<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
    ) -> Result<QueryProxy, QueryProxyError> {
        self.settings.check()?;
        let cors = Cors::new(self.origins)?;
        let credentials = self.credentials.into_iter().collect::<Result<Vec<_>, _>>()?;
        // Also checked without a URL. Otherwise the error would appear only when a URL is
        // configured.
        if credentials.len() > 1 {
            return Err(QueryProxyErrorKind::MultipleCredentials.into());
        }
        let upstream = match self.base {
            Some(base) => {
                let base = credentials.into_iter().try_fold(base?, BaseUrl::with_credentials)?;
                #[cfg(feature = "victoria-metrics-tls")]
                let connector = connector(base.url(), self.root_certificates.as_deref())?;
                #[cfg(not(feature = "victoria-metrics-tls"))]
                let connector = connector();
                Some(Upstream::new(connector, base)?)
            }
            None => None,
        };
        Ok(QueryProxy::new(upstream, self.settings, cors, &meter.to_meter()))
    }
}

impl fmt::Debug for QueryProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, settings, origins, .. } = self;
        f.debug_struct("QueryProxyBuilder")
            .field("base", base)
            .field("settings", settings)
            .field("origins", origins)
            .finish_non_exhaustive()
    }
}
