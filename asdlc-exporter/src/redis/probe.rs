//! The probe: it sends a `PING` at each scrape. This file has its settings and its metrics.

use super::{
    error::{RedisSetupError, RedisSetupErrorKind},
    error_type::ErrorType,
    probe_connection::ProbeConnection,
};
use crate::{Exporter, MeterSource, PrometheusReader, Source};
use opentelemetry::{KeyValue, metrics::Meter};
use redis::{Client, ConnectionAddr, IntoConnectionInfo as _};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::{Builder, Handle};

/// Sends a `PING` to Redis at each scrape, on its own connection.
///
/// ```
/// use asdlc_exporter::{Exporter, redis::RedisProbe};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let probe = match std::env::var("REDIS_URL") {
///     Ok(url) => RedisProbe::open(&url)?,
///     Err(_) => RedisProbe::absent(),
/// };
/// probe.register(&exporter);
/// assert!(exporter.render()?.contains("redis_connection_up{service=\"shop\"} "));
/// # Ok(()) }
/// ```
///
/// | family | type | |
/// |---|---|---|
/// | `redis_connection_up` | gauge | 1 if Redis responded to the `PING` of this scrape in time, 0 if not |
/// | `redis_connection_last_success_age_seconds` | gauge | seconds since the last response; absent before the first |
/// | `redis_connection_errors_total{error_type}` | counter | attempts without a `PONG`; the series of all types exist from the start |
///
/// If the timeout of a scraper is too short to wait for the `PING`, its scrape has the
/// `redis_connection_up` of the previous attempt. If no attempt has ended, that family is absent.
///
/// An attempt ends within its [timeout](Self::with_timeout), whatever the server does. Scrapes and
/// readiness checks that arrive during an attempt wait for the same attempt. The next attempt reuses
/// the connection. If the reused connection is broken, or has no response within a third of the
/// timeout, the attempt also opens a new connection, and uses the first response on either. Nothing is
/// sent between scrapes and checks.
///
/// With the feature `health` a probe is a [`Check`](crate::health::Check): give a clone to a
/// [`Dependency`](crate::health::Dependency).
///
/// Redis is up if it replies to the `PING`, also with most errors. The `error_type` of such a reply is
/// logged once, until it changes:
///
/// | reply | `redis_connection_up` | healthy as a check |
/// |---|---|---|
/// | `PONG` | 1 | yes |
/// | `NOPERM`: this user may not send `PING` | 1 | yes |
/// | `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`, `BUSY`: no command works for now | 1 | no |
/// | any other error reply to the `PING`, such as `MISCONF` | 1 | yes |
/// | `NOAUTH`, `WRONGPASS`, or any error except `LOADING` while the probe connects | 0 | no |
/// | no reply in time, no connection, or the server is not Redis | 0 | no |
///
/// Clones are cheap and share the connection.
#[derive(Clone)]
pub struct RedisProbe {
    /// `None` without Redis.
    connection: Option<Arc<ProbeConnection>>,
}

impl RedisProbe {
    /// Creates a probe of the server at this URL. It connects at the first attempt.
    ///
    /// `rediss://` needs a TLS feature of the crate `redis`. Enable it in the `Cargo.toml` of the service:
    /// `redis = { version = "1.2", features = ["tokio-rustls-comp"] }`.
    ///
    /// # Errors
    ///
    /// When `url` is not the URL of a Redis server, or needs TLS and no TLS feature is enabled. The
    /// message does not have the URL, because it may contain a password.
    pub fn open(url: &str) -> Result<Self, RedisSetupError> {
        let refused = || {
            let wants_tls = url.starts_with("rediss://") || url.starts_with("valkeys://");
            // If the URL is also invalid without TLS, the feature is not the reason.
            let plain = url.replacen("s://", "://", 1);
            match wants_tls && plain.as_str().into_connection_info().is_ok() {
                true => RedisSetupErrorKind::NoTls,
                false => RedisSetupErrorKind::Url,
            }
        };
        let info = url.into_connection_info().map_err(|_| refused())?;
        if matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host.is_empty()) {
            return Err(RedisSetupErrorKind::Url.into());
        }
        Client::open(info).map(Self::new).map_err(|_| RedisSetupErrorKind::Url.into())
    }

    /// Creates a probe of the server of this client. A client can have settings that a URL cannot have,
    /// such as certificates.
    #[must_use = "a probe does nothing before `register`"]
    pub fn new(client: Client) -> Self {
        Self { connection: Some(Arc::new(ProbeConnection::new(client, DEFAULT_TIMEOUT))) }
    }

    /// Creates the probe of a service that runs without Redis: `redis_connection_up` is 0, and there
    /// is no other metric.
    #[must_use = "a probe does nothing before `register`"]
    pub fn absent() -> Self {
        Self { connection: None }
    }

    /// Sets the timeout of an attempt, which includes the time to connect: 1 ms to 4.5 s. Default: 1 s.
    ///
    /// A scrape waits no longer than the [source
    /// timeout](crate::ExporterBuilder::with_source_timeout) of the exporter, 1 s by default. If there is
    /// no response by then, `redis_connection_up` is 0. Existing clones keep their timeout and their
    /// connection.
    ///
    /// # Errors
    ///
    /// When the timeout is not from 1 ms to 4.5 s.
    pub fn with_timeout(self, timeout: Duration) -> Result<Self, RedisSetupError> {
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
            return Err(RedisSetupErrorKind::Timeout(timeout).into());
        }
        let with_timeout = |connection: Arc<ProbeConnection>| {
            Arc::new(ProbeConnection::new(connection.client().clone(), timeout))
        };
        Ok(Self { connection: self.connection.map(with_timeout) })
    }

    /// Creates the metrics, and sends a `PING` at each scrape of this exporter from now on. Returns the
    /// probe.
    ///
    /// Call it once, in the Tokio runtime that drives the connection, usually that of the service.
    /// Outside of a runtime it works too, but then each scrape opens a new connection.
    ///
    /// [`render`](Exporter::render) blocks its thread. If that is the only thread of the runtime, the
    /// runtime cannot read the response, and `redis_connection_up` is 0. The scrape service does not have
    /// this problem: it collects on a thread of the exporter.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "only readiness needs the probe after this"
    )]
    pub fn register(self, exporter: &Exporter) -> Self {
        self.register_with(exporter, exporter.reader())
    }

    /// Like [`register`](Self::register), for your own meter provider: creates the metrics with this
    /// [meter or meter provider](MeterSource), and sends a `PING` at each scrape of this reader.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "only readiness needs the probe after this"
    )]
    pub fn register_with<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
        reader: &PrometheusReader,
    ) -> Self {
        let meter = &meter.to_meter();
        match &self.connection {
            None => create_up(meter, || Some(false)),
            Some(connection) => {
                let observed = Arc::clone(connection);
                create_up(meter, move || observed.is_up());
                create_age(meter, Arc::clone(connection));
                create_errors(meter, Arc::clone(connection));
                let (connection, runtime) = (Arc::clone(connection), Handle::try_current().ok());
                reader.add_source("redis", ProbeSource { connection, runtime });
            }
        }
        self
    }

    /// Joins or starts an attempt on the runtime of the caller; `None` without Redis.
    #[cfg(feature = "health")]
    pub(super) async fn ping(&self) -> Option<super::probe_connection::PingOutcome> {
        Some(self.connection.as_ref()?.ping(&Handle::current()).await)
    }
}

impl fmt::Debug for RedisProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client may contain a password.
        f.debug_struct("RedisProbe").finish_non_exhaustive()
    }
}

fn create_up(meter: &Meter, is_up: impl Fn() -> Option<bool> + Send + Sync + 'static) {
    meter
        .u64_observable_gauge("redis_connection_up")
        .with_description("Whether Redis responded to a PING at this scrape.")
        .with_callback(move |observer| {
            if let Some(is_up) = is_up() {
                observer.observe(is_up.into(), &[]);
            }
        })
        .build();
}

fn create_age(meter: &Meter, connection: Arc<ProbeConnection>) {
    meter
        .f64_observable_gauge("redis_connection_last_success_age")
        .with_unit("s")
        .with_description("Time since Redis last responded to a PING.")
        .with_callback(move |observer| {
            if let Some(age) = connection.last_success_age() {
                observer.observe(age.as_secs_f64(), &[]);
            }
        })
        .build();
}

fn create_errors(meter: &Meter, connection: Arc<ProbeConnection>) {
    let labels = ErrorType::ALL.map(|error| [KeyValue::new("error_type", error.label())]);
    meter
        .u64_observable_counter("redis_connection_errors")
        .with_description("Attempts to PING Redis that ended without a PONG.")
        .with_callback(move |observer| {
            for (label, error) in labels.iter().zip(ErrorType::ALL) {
                observer.observe(connection.errors(error), label);
            }
        })
        .build();
}

/// Sends the `PING` of a scrape.
struct ProbeSource {
    connection: Arc<ProbeConnection>,
    /// `None` when the probe was registered outside of a runtime.
    runtime: Option<Handle>,
}

impl Source for ProbeSource {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let Self { connection, runtime } = self;
        match runtime {
            Some(runtime) => Box::pin(async {
                let _outcome = connection.ping(runtime).await;
            }),
            // Blocking is allowed here: sources have their own thread, and the attempt has a
            // timeout.
            None => Box::pin(async {
                match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => {
                        let _outcome = runtime.block_on(connection.ping(runtime.handle()));
                        // Dropping the runtime would wait for a name resolution in progress.
                        runtime.shutdown_background();
                    }
                    Err(_) => connection.set_down(),
                }
            }),
        }
    }

    fn missed(&self) {
        self.connection.set_down();
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// The response to the scrape still arrives within a scrape timeout of 5 s.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(4_500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "redis",
            "localhost:6379",
            "http://user:secret@host",
            "redis://user:secret@",
            "redis://user:secret@host:port",
            "redis://user:secret@host:99999999",
            "redis://user:sec ret@ho st",
            "redis://:secret@host/database",
            "redis://:secret@host?protocol=secret",
            "rediss://user:secret@",
        ] {
            let error = RedisProbe::open(url).expect_err(url);
            assert!(
                error.to_string().starts_with("invalid Redis URL: must be redis://"),
                "{error}"
            );
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn every_kind_of_url_is_accepted() {
        for url in [
            "redis://127.0.0.1",
            "redis://[::1]:6379",
            "redis://user:secret@redis.internal:6379/3",
            "redis://:p%40ss@host?protocol=resp3",
            "valkey://host",
            "unix:///run/redis.sock",
        ] {
            let probe = RedisProbe::open(url).expect(url);
            assert!(!format!("{probe:?}").contains("secret"));
        }
    }

    #[test]
    fn tls_is_accepted_if_it_is_built_in_and_else_the_error_names_the_feature() {
        for url in ["rediss://host", "valkeys://:secret@host"] {
            let opened = RedisProbe::open(url).map_err(|error| error.to_string());
            match Client::open(url) {
                Ok(_) => assert!(opened.is_ok(), "{opened:?}"),
                Err(_) => assert!(opened.unwrap_err().contains("`tokio-rustls-comp`")),
            }
        }
    }

    // O-06
    #[test]
    fn no_attempt_takes_5_seconds() {
        let requested =
            |timeout| RedisProbe::open("redis://host").expect("valid").with_timeout(timeout);
        for timeout in [Duration::MAX, Duration::from_millis(4_501), Duration::ZERO] {
            let error = requested(timeout).expect_err("out of range").to_string();
            let expected = format!("invalid Redis probe timeout {timeout:?}: must be 1ms to 4.5s");
            assert_eq!(error, expected);
        }
        for timeout in [1, 2_000, 4_500].map(Duration::from_millis) {
            let probe = requested(timeout).expect("in range");
            assert_eq!(probe.connection.expect("it is there").timeout(), timeout);
        }
        let default = RedisProbe::open("redis://host").expect("valid").connection.expect("there");
        assert_eq!(default.timeout(), Duration::from_secs(1));
    }
}
