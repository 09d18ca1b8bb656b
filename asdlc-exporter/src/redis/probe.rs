//! Whether Redis answers, asked at each scrape.

use super::{
    error::{RedisSetupError, RedisSetupErrorKind},
    error_type::ErrorType,
    probe_connection::Line,
};
use crate::{collect::source::Source, exporter::exporter::Exporter};
use opentelemetry::{KeyValue, metrics::Meter};
use redis::{Client, ConnectionAddr, IntoConnectionInfo as _};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::{Builder, Handle};

/// Asks Redis for a `PONG` at each scrape, on a connection of its own.
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
/// | `redis_connection_up` | gauge | 1 when the `PING` of this scrape was answered, else 0; a client that does not wait for the answer gets that of the last one, or none before the first |
/// | `redis_connection_last_success_age_seconds` | gauge | since the last answer; absent before the first |
/// | `redis_connection_errors_total{error_type}` | counter | looks that ended with anything but a `PONG`; all types are there from the start |
///
/// A look has to end within its [timeout](Self::with_timeout), whatever the server does. All scrapes
/// and readiness checks that come meanwhile wait for the same look. The connection is kept for the
/// next look. If it is broken, or does not answer within a third of the timeout, the look opens a new
/// connection as well, and the first answer of either counts. Nothing is sent between scrapes.
///
/// With the feature `health` it is a [`Check`](crate::health::Check): give a clone to a
/// [`Dependency`](crate::health::Dependency).
///
/// Most errors that Redis answers count as up. The log has the `error_type` once, until it changes:
///
/// | answer | `redis_connection_up` | healthy as a check |
/// |---|---|---|
/// | `PONG` | 1 | yes |
/// | `NOPERM`: this user may not send `PING` | 1 | yes |
/// | `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`, `BUSY`: no command works for now | 1 | no |
/// | any other error to the `PING`, such as `MISCONF` | 1 | yes |
/// | `NOAUTH`, `WRONGPASS`, or any other error than `LOADING` while the probe connects | 0 | no |
/// | none in time, no connection, or not Redis | 0 | no |
///
/// Clones are cheap and share everything.
#[derive(Clone)]
pub struct RedisProbe {
    line: Option<Arc<Line>>,
}

impl RedisProbe {
    /// Will ask the server at this URL; nothing is connected before the first look.
    ///
    /// `rediss://` needs a TLS feature of the crate `redis`, in the `Cargo.toml` of the service:
    /// `redis = { version = "1.2", features = ["tokio-rustls-comp"] }`.
    ///
    /// # Errors
    ///
    /// When `url` is not the URL of a Redis server, or asks for TLS that is not built in. The message
    /// does not repeat the URL, because it may hold a password.
    pub fn open(url: &str) -> Result<Self, RedisSetupError> {
        let refused = || {
            let wants_tls = url.starts_with("rediss://") || url.starts_with("valkeys://");
            // With TLS built in the same URL, but for its scheme, fails as well when it is not valid.
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

    /// Will ask the server of this client: for certificates of its own, or settings that no URL has.
    #[must_use = "it is asked once it is registered"]
    pub fn new(client: Client) -> Self {
        Self { line: Some(Arc::new(Line::new(client, DEFAULT_TIMEOUT))) }
    }

    /// For a service that runs without Redis: `redis_connection_up` is 0, and there is no other metric.
    #[must_use = "it is asked once it is registered"]
    pub fn absent() -> Self {
        Self { line: None }
    }

    /// How long one look may take, connecting included, 1 ms to 4.5 s. Default: 1 s.
    ///
    /// A scrape waits no longer than the
    /// [exporter allows](crate::ExporterBuilder::with_source_timeout) either, 1 s by default: later
    /// it is a 0. Clones that were made before keep their own timeout and connection.
    ///
    /// # Errors
    ///
    /// When the timeout is not from 1 ms to 4.5 s.
    pub fn with_timeout(self, timeout: Duration) -> Result<Self, RedisSetupError> {
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
            return Err(RedisSetupErrorKind::Timeout(timeout).into());
        }
        let line = self.line.map(|line| Arc::new(Line::new(line.client().clone(), timeout)));
        Ok(Self { line })
    }

    /// Creates the metrics and asks at each scrape of this exporter from now on; the same probe comes
    /// back.
    ///
    /// Call it once, within the Tokio runtime that shall drive the connection: it is that of the
    /// service. Elsewhere it works too, but then each scrape makes a connection anew. A thread that
    /// calls [`render`](Exporter::render) is not free for the runtime: when it is its only one, the
    /// answer comes too late. The scrape service does not collect on the runtime's threads.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "only readiness needs the probe after this"
    )]
    pub fn register(self, exporter: &Exporter) -> Self {
        let meter = exporter.meter();
        match &self.line {
            None => up(&meter, || Some(false)),
            Some(line) => {
                let seen = Arc::clone(line);
                up(&meter, move || seen.is_up());
                age(&meter, Arc::clone(line));
                errors(&meter, Arc::clone(line));
                let runtime = Handle::try_current().ok();
                exporter.add_source("redis", Scraped { line: Arc::clone(line), runtime });
            }
        }
        self
    }

    /// Waits for a look, on the runtime of the caller; `None` without Redis.
    #[cfg(feature = "health")]
    pub(super) async fn look(&self) -> Option<super::probe_connection::Finding> {
        Some(self.line.as_ref()?.look(&Handle::current()).await)
    }
}

impl fmt::Debug for RedisProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A client holds a password.
        f.debug_struct("RedisProbe").finish_non_exhaustive()
    }
}

fn up(meter: &Meter, is_up: impl Fn() -> Option<bool> + Send + Sync + 'static) {
    meter
        .u64_observable_gauge("redis_connection_up")
        .with_description("Whether Redis answered a PING at this scrape.")
        .with_callback(move |observer| {
            if let Some(is_up) = is_up() {
                observer.observe(is_up.into(), &[]);
            }
        })
        .build();
}

fn age(meter: &Meter, line: Arc<Line>) {
    meter
        .f64_observable_gauge("redis_connection_last_success_age_seconds")
        .with_unit("s")
        .with_description("Time since Redis last answered a PING.")
        .with_callback(move |observer| {
            if let Some(age) = line.last_success_age() {
                observer.observe(age.as_secs_f64(), &[]);
            }
        })
        .build();
}

fn errors(meter: &Meter, line: Arc<Line>) {
    let labels = ErrorType::ALL.map(|error| [KeyValue::new("error_type", error.label())]);
    meter
        .u64_observable_counter("redis_connection_errors_total")
        .with_description("Looks at Redis that ended with anything but a PONG.")
        .with_callback(move |observer| {
            for (label, error) in labels.iter().zip(ErrorType::ALL) {
                observer.observe(line.errors(error), label);
            }
        })
        .build();
}

/// The look of a scrape.
struct Scraped {
    line: Arc<Line>,
    runtime: Option<Handle>,
}

impl Source for Scraped {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let Self { line, runtime } = self;
        match runtime {
            Some(runtime) => Box::pin(async {
                let _seen = line.look(runtime).await;
            }),
            // This thread may block, and the look ends in time.
            None => Box::pin(async {
                match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => {
                        let _seen = runtime.block_on(line.look(runtime.handle()));
                        // Dropping it would wait for a name that is being resolved.
                        runtime.shutdown_background();
                    }
                    Err(_) => line.missed(),
                }
            }),
        }
    }

    fn missed(&self) {
        self.line.missed();
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// With time left to answer before a scraper that waits 5 s gives up.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(4_500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_is_refused_without_repeating_it() {
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
            assert!(error.to_string().starts_with("the URL of Redis cannot be read: "), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn every_kind_of_url_is_taken() {
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
    fn tls_is_taken_when_it_is_built_in_and_else_refused_with_the_way_to_get_it() {
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
    fn no_look_lasts_5_seconds() {
        let asked =
            |timeout| RedisProbe::open("redis://host").expect("valid").with_timeout(timeout);
        for timeout in [Duration::MAX, Duration::from_millis(4_501), Duration::ZERO] {
            let error = asked(timeout).expect_err("out of range").to_string();
            let expected = "of the Redis probe: allowed is 1ms to 4.5s";
            assert_eq!(error, format!("timeout {timeout:?} {expected}"));
        }
        for timeout in [1, 2_000, 4_500].map(Duration::from_millis) {
            let probe = asked(timeout).expect("in range");
            assert_eq!(probe.line.expect("it is there").timeout(), timeout);
        }
        let default = RedisProbe::open("redis://host").expect("valid").line.expect("there");
        assert_eq!(default.timeout(), Duration::from_secs(1));
    }
}
