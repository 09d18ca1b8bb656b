use super::{
    base_url::{Base, Credentials, basic, bearer},
    cors::Cors,
    error::{QueryProxyError, QueryProxyErrorKind},
    service::QueryProxy,
    settings::Settings,
    upstream::Upstream,
};
use opentelemetry::metrics::Meter;
use std::{fmt, time::Duration};

impl QueryProxy {
    /// Starts with the URL of a `VictoriaMetrics` or of a part of a cluster, such as
    /// `http://vmselect:8481/select/0/prometheus`; it may hold `user:password@`.
    ///
    /// Without a URL, or with an empty one, the proxy answers its routes with 503 and the
    /// `errorType` `not_configured`: a service that may have no `VictoriaMetrics` needs no code
    /// for that.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let exporter = Exporter::builder("shop").build()?;
    /// let url = std::env::var("VICTORIAMETRICS_URL").ok();
    /// let proxy = QueryProxy::builder(url.as_deref()).build(&exporter.meter())?;
    /// # Ok(()) }
    /// ```
    pub fn builder<'a>(url: impl Into<Option<&'a str>>) -> QueryProxyBuilder {
        let base = url.into().filter(|url| !url.is_empty()).map(Base::parse);
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

/// Settings of a [`QueryProxy`].
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
///     .build(&exporter.meter())?;
/// # Ok(()) }
/// ```
#[must_use = "there is no proxy before `build`"]
pub struct QueryProxyBuilder {
    base: Option<Result<Base, QueryProxyError>>,
    credentials: Vec<Result<Credentials, QueryProxyError>>,
    settings: Settings,
    origins: Vec<String>,
    #[cfg(feature = "victoria-metrics-tls")]
    root_certificates: Option<Vec<u8>>,
}

impl QueryProxyBuilder {
    /// Sends this user and password to `VictoriaMetrics`.
    pub fn with_basic_auth(mut self, user: &str, password: &str) -> Self {
        self.credentials.push(basic(user, password));
        self
    }

    /// Sends this token to `VictoriaMetrics`.
    pub fn with_bearer_token(mut self, token: &str) -> Self {
        self.credentials.push(bearer(token));
        self
    }

    /// Trusts the authorities of these certificates, in PEM, and no others, when the URL is
    /// `https`. Default: those that the system trusts.
    #[cfg(feature = "victoria-metrics-tls")]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// How long an answer may take, from the arrival of the request to its last byte. Default:
    /// 30 s, as in `VictoriaMetrics`, which is asked to give up a little earlier; 100 ms to 1 h.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How many points a series of a range query may have. Default: 11 000, as in Prometheus; 2 to
    /// 30 000.
    pub fn with_max_points(mut self, points: u32) -> Self {
        self.settings.max_points = points;
        self
    }

    /// How many queries `VictoriaMetrics` may work on for this proxy at a time, 429 for more;
    /// queries that share an answer are one, health checks are none. Default: 16; 1 to 1024.
    pub fn with_max_in_flight(mut self, queries: usize) -> Self {
        self.settings.max_in_flight = queries;
        self
    }

    /// How many bytes an answer may have, as it is sent, so compressed or not. Default: 64 MiB; 1 KiB
    /// and more.
    pub fn with_max_answer_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_answer_bytes = bytes;
        self
    }

    /// A service is listed when it had metrics since this long ago. Default: 1 h; 1 min to 1 year.
    /// The index of `VictoriaMetrics` is by day (UTC): it may list those of the whole day.
    pub fn with_services_window(mut self, window: Duration) -> Self {
        self.settings.services_window = window;
        self
    }

    /// Lets pages of this origin read the answers, such as `https://dashboards.example.com`; `*`
    /// lets all. May be called several times. Default: none but the proxy's own.
    pub fn with_cors_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// The proxy; what it measures of itself is recorded by this meter.
    ///
    /// # Errors
    ///
    /// When the URL, the credentials, a limit or an origin is not allowed.
    pub fn build(self, meter: &Meter) -> Result<QueryProxy, QueryProxyError> {
        self.settings.check()?;
        let cors = Cors::new(self.origins)?;
        let credentials = self.credentials.into_iter().collect::<Result<Vec<_>, _>>()?;
        // Also without a URL, which may come with the next start.
        if credentials.len() > 1 {
            return Err(QueryProxyErrorKind::TwoCredentials.into());
        }
        let upstream = match self.base {
            Some(base) => {
                let base = credentials.into_iter().try_fold(base?, Base::authorize)?;
                Some(Upstream::new(
                    base,
                    #[cfg(feature = "victoria-metrics-tls")]
                    self.root_certificates.as_deref(),
                )?)
            }
            None => None,
        };
        Ok(QueryProxy::new(upstream, self.settings, cors, meter))
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
