//! The errors of building an exporter and of a scrape.

use crate::families::{
    labels::truncate::excerpt,
    limits::{MAX_CONSTANT_LEN, MAX_KEY_LEN, MAX_SERIES, MAX_VALUE_LEN, MIN_VALUE_LEN},
    model::NativeHistogram,
    series::native_histograms::MAX_BUCKETS,
};
use opentelemetry_sdk::error::OTelSdkError;
use std::{error::Error, fmt, time::Duration};

/// A setting of an [`ExporterBuilder`](crate::ExporterBuilder) is invalid.
///
/// The message has the setting, its value and what is allowed:
///
/// ```
/// use asdlc_exporter::Exporter;
///
/// let error = Exporter::builder("shop").with_constant_label("le", "x").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid label key \"le\": must not be service, le or quantile",
/// );
/// ```
pub struct BuildError {
    kind: BuildErrorKind,
}

#[derive(Debug)]
pub(crate) enum BuildErrorKind {
    EmptyService,
    LongService { len: usize, max: usize, variable: Option<&'static str> },
    Namespace { namespace: String, allowed: &'static str },
    LongNamespace(String),
    LabelKey { key: String, allowed: &'static str },
    DuplicateLabelKey(String),
    ResourceLabel { key: String, allowed: &'static str },
    LongLabelKey(String),
    LongLabelValue { key: String, len: usize, max: usize },
    LongLabels(usize),
    ScrapeTimeout(Duration),
    SourceTimeout(Duration),
    IdleTimeout(Duration),
    ExemplarMaxAge(Duration),
    MaxInFlight,
    MaxSeries(usize),
    MaxLabelValueLen(usize),
    MaxScale(i8),
    MaxBuckets(u32),
}

impl BuildError {
    /// Adds the environment variable that has the service name, if the name is wrong.
    pub(crate) fn with_variable(mut self, name: Option<&'static str>) -> Self {
        if let BuildErrorKind::LongService { variable, .. } = &mut self.kind {
            *variable = name;
        }
        self
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BuildErrorKind::EmptyService => f.write_str("missing service name: must not be empty"),
            BuildErrorKind::LongService { len, max, variable } => {
                if let Some(variable) = variable {
                    write!(f, "environment variable {variable}: ")?;
                }
                write!(f, "invalid service name of {len} bytes: must have at most {max} bytes")
            }
            BuildErrorKind::Namespace { namespace, allowed } => {
                write!(f, "invalid namespace {namespace:?}: {allowed}")
            }
            BuildErrorKind::LongNamespace(namespace) => write!(
                f,
                "invalid namespace {:?} of {} bytes: must have at most {MAX_KEY_LEN} bytes",
                excerpt(namespace),
                namespace.len()
            ),
            BuildErrorKind::LabelKey { key, allowed } => {
                write!(f, "invalid label key {key:?}: {allowed}")
            }
            BuildErrorKind::DuplicateLabelKey(key) => {
                write!(f, "invalid label key {key:?}: must not be given twice")
            }
            BuildErrorKind::ResourceLabel { key, allowed } => {
                write!(f, "invalid resource label {key:?}: the label {allowed}")
            }
            BuildErrorKind::LongLabelKey(key) => write!(
                f,
                "invalid label key {:?} of {} bytes: must have at most {MAX_KEY_LEN} bytes",
                excerpt(key),
                key.len()
            ),
            BuildErrorKind::LongLabelValue { key, len, max } => write!(
                f,
                "invalid value of label {key:?} of {len} bytes: must have at most {max} bytes"
            ),
            BuildErrorKind::LongLabels(len) => write!(
                f,
                "invalid constant labels of {len} bytes: must have at most {MAX_CONSTANT_LEN} bytes together"
            ),
            BuildErrorKind::ScrapeTimeout(timeout) => {
                write!(f, "invalid scrape timeout {timeout:?}: must be at least 1ms")
            }
            BuildErrorKind::SourceTimeout(timeout) => {
                write!(f, "invalid source timeout {timeout:?}: must be at least 1ms")
            }
            BuildErrorKind::IdleTimeout(timeout) => {
                write!(f, "invalid idle timeout {timeout:?}: must be at least 1s")
            }
            BuildErrorKind::ExemplarMaxAge(age) => {
                write!(f, "invalid maximum age of exemplars {age:?}: must be at least 1s")
            }
            BuildErrorKind::MaxInFlight => {
                f.write_str("invalid maximum of scrapes in flight 0: must be at least 1")
            }
            BuildErrorKind::MaxSeries(limit) => {
                write!(f, "invalid series limit {limit}: must be 1 to {MAX_SERIES}")
            }
            BuildErrorKind::MaxScale(scale) => {
                let (least, greatest) =
                    (NativeHistogram::SCHEMAS.start(), NativeHistogram::SCHEMAS.end());
                write!(
                    f,
                    "invalid maximum scale of native histograms {scale}: must be {least} to {greatest}"
                )
            }
            BuildErrorKind::MaxBuckets(buckets) => {
                let (least, greatest) = (MAX_BUCKETS.start(), MAX_BUCKETS.end());
                write!(
                    f,
                    "invalid maximum of buckets of native histograms {buckets}: must be {least} to {greatest}"
                )
            }
            BuildErrorKind::MaxLabelValueLen(len) => write!(
                f,
                "invalid maximum length of label values {len}: must be {MIN_VALUE_LEN} to {MAX_VALUE_LEN}"
            ),
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "BuildError", self)
    }
}

impl Error for BuildError {}

impl From<BuildErrorKind> for BuildError {
    fn from(kind: BuildErrorKind) -> Self {
        Self { kind }
    }
}

/// The metrics could not be collected, or could not be sent completely.
///
/// If they could not be collected, [`ScrapeService`](crate::ScrapeService) responds with status 503 and this
/// message. If a [large exposition](crate::ScrapeService#large-expositions) could not be sent completely, its
/// [`ScrapeBody`](crate::ScrapeBody) ends with this error.
pub struct ScrapeError {
    kind: ScrapeErrorKind,
}

#[derive(Debug)]
pub(crate) enum ScrapeErrorKind {
    Disabled,
    ShutDown,
    NoProvider,
    CallbackPanicked,
    Collect(OTelSdkError),
    Empty,
    Deadline,
    TooMany,
    NoThread(std::io::Error),
    NotRead,
    NotCompressed,
    Panicked,
}

impl ScrapeError {
    /// Whether the SDK is disabled by the environment variable `OTEL_SDK_DISABLED`. No later scrape will
    /// succeed. See [`Exporter::builder_from_env`](crate::Exporter::builder_from_env).
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::Disabled)
    }

    /// Whether the meter provider was shut down. No later scrape will succeed.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::ShutDown)
    }

    /// Whether the scrape took longer than the client or the exporter allows, or the client read its response
    /// too slowly.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::Deadline | ScrapeErrorKind::NotRead)
    }

    /// Whether a callback of an [unguarded meter](crate::Exporter::sdk_meter_provider) panicked, at this
    /// scrape or an earlier one.
    ///
    /// The SDK cannot collect again after that. No later scrape will succeed until the process
    /// restarts.
    #[must_use]
    pub fn is_callback_panic(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::CallbackPanicked)
    }
}

impl fmt::Display for ScrapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            ScrapeErrorKind::Disabled => {
                "the SDK is disabled by the environment variable OTEL_SDK_DISABLED"
            }
            ScrapeErrorKind::ShutDown => "the meter provider is shut down",
            ScrapeErrorKind::NoProvider => {
                "the reader belongs to no meter provider: add it with MeterProviderBuilder::with_reader"
            }
            ScrapeErrorKind::CallbackPanicked => {
                "a metric callback panicked: no metrics can be collected until a restart"
            }
            ScrapeErrorKind::Collect(_) => "the metrics could not be collected",
            ScrapeErrorKind::Empty => "the meter provider returned no metrics",
            ScrapeErrorKind::Deadline => "the metrics were not collected in time",
            ScrapeErrorKind::TooMany => "too many scrapes are waiting already",
            ScrapeErrorKind::NoThread(_) => {
                "the thread that collects the metrics could not be started"
            }
            ScrapeErrorKind::NotRead => "the client did not read the response in time",
            ScrapeErrorKind::NotCompressed => "the metrics could not be compressed",
            ScrapeErrorKind::Panicked => "writing the metrics panicked: this is a bug",
        })
    }
}

impl fmt::Debug for ScrapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ScrapeError", self)
    }
}

impl Error for ScrapeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ScrapeErrorKind::Collect(source) => Some(source),
            ScrapeErrorKind::NoThread(source) => Some(source),
            ScrapeErrorKind::Disabled
            | ScrapeErrorKind::ShutDown
            | ScrapeErrorKind::NoProvider
            | ScrapeErrorKind::CallbackPanicked
            | ScrapeErrorKind::Empty
            | ScrapeErrorKind::Deadline
            | ScrapeErrorKind::TooMany
            | ScrapeErrorKind::NotRead
            | ScrapeErrorKind::NotCompressed
            | ScrapeErrorKind::Panicked => None,
        }
    }
}

impl From<ScrapeErrorKind> for ScrapeError {
    fn from(kind: ScrapeErrorKind) -> Self {
        Self { kind }
    }
}

/// Writes the `Debug` form of an error: the name of its type, its message and its sources. So `unwrap`,
/// and a `main` that returns the error, print what is wrong.
pub(crate) fn debug(f: &mut fmt::Formatter<'_>, name: &str, error: &dyn Error) -> fmt::Result {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // Some messages already contain the message of their source.
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = error.source();
    }
    write!(f, "{name}({message})")
}
