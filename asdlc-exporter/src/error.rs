//! What can go wrong: once when the exporter is built, and at each scrape.

use crate::{
    exporter::settings::MOST_SERIES,
    families::truncate::{LEAST_VALUE_LEN, MAX_CONSTANT_LEN, MAX_KEY_LEN, MOST_VALUE_LEN, excerpt},
};
use opentelemetry_sdk::error::OTelSdkError;
use std::{error::Error, fmt, time::Duration};

/// The exporter cannot be built from what it was given.
///
/// The message names the setting, the value and what is allowed:
///
/// ```
/// use asdlc_exporter::Exporter;
///
/// let error = Exporter::builder("shop").with_constant_label("le", "x").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "constant label `le` is reserved: `service`, `le` and `quantile` have a meaning of their own",
/// );
/// ```
pub struct BuildError {
    kind: BuildErrorKind,
}

#[derive(Debug)]
pub(crate) enum BuildErrorKind {
    EmptyService,
    LongService { len: usize, max: usize },
    Namespace(String),
    LongNamespace(String),
    LabelKey(String),
    ReservedLabelKey(String),
    DuplicateLabelKey(String),
    LongLabelKey(String),
    LongLabelValue { key: String, len: usize, max: usize },
    LongLabels(usize),
    ScrapeTimeout(Duration),
    SourceTimeout(Duration),
    InFlight,
    Cardinality(usize),
    MaxLabelValueLen(usize),
    ReaderInUse,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BuildErrorKind::EmptyService => f.write_str(
                "the service name is empty: it becomes the label `service` of every series",
            ),
            BuildErrorKind::Namespace(value) => {
                write!(
                    f,
                    "namespace `{}` is not a metric name prefix: {ALLOWED}",
                    value.escape_debug()
                )
            }
            BuildErrorKind::LabelKey(key) => {
                write!(f, "constant label `{}` is not a label name: {ALLOWED}", key.escape_debug())
            }
            BuildErrorKind::ReservedLabelKey(key) => {
                write!(f, "constant label `{key}` is reserved: {RESERVED}")
            }
            BuildErrorKind::DuplicateLabelKey(key) => {
                write!(f, "constant label `{key}` is given twice")
            }
            BuildErrorKind::LongService { len, max } => {
                write!(f, "the service name has {len} bytes: allowed are {max}")
            }
            BuildErrorKind::LongNamespace(value) => write!(
                f,
                "namespace `{}` has {} bytes: allowed are {MAX_KEY_LEN}",
                excerpt(value),
                value.len()
            ),
            BuildErrorKind::LongLabelKey(key) => write!(
                f,
                "constant label `{}` has {} bytes: allowed are {MAX_KEY_LEN}",
                excerpt(key),
                key.len()
            ),
            BuildErrorKind::LongLabelValue { key, len, max } => {
                write!(f, "the value of constant label `{key}` has {len} bytes: allowed are {max}")
            }
            BuildErrorKind::LongLabels(len) => write!(
                f,
                "the constant labels have {len} bytes together: allowed are {MAX_CONSTANT_LEN}"
            ),
            BuildErrorKind::ScrapeTimeout(timeout) => {
                write!(f, "scrape timeout {timeout:?}: allowed is 1ms and more")
            }
            BuildErrorKind::SourceTimeout(timeout) => {
                write!(f, "source timeout {timeout:?}: allowed is 1ms and more")
            }
            BuildErrorKind::InFlight => f.write_str("0 scrapes in flight: allowed is 1 and more"),
            BuildErrorKind::Cardinality(limit) => {
                write!(f, "cardinality limit {limit}: allowed are 1 to {MOST_SERIES}")
            }
            BuildErrorKind::MaxLabelValueLen(len) => write!(
                f,
                "label values of up to {len} bytes: allowed are {LEAST_VALUE_LEN} to {MOST_VALUE_LEN}"
            ),
            BuildErrorKind::ReaderInUse => f.write_str(
                "a reader given to `with_reader` is in use: a clone of this builder was built with it, \
                 and a reader serves one exporter",
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

/// There is nothing true to answer a scrape with.
///
/// [`ScrapeService`](crate::ScrapeService) answers it with status 503 and this message.
pub struct ScrapeError {
    kind: ScrapeErrorKind,
}

#[derive(Debug)]
pub(crate) enum ScrapeErrorKind {
    ShutDown,
    CallbackPanicked,
    Collect(OTelSdkError),
    Empty,
    Deadline,
    TooMany,
    NoThread(std::io::Error),
    Panicked,
}

impl ScrapeError {
    /// Whether the meter provider was shut down: no later scrape will succeed, and that was
    /// intended.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::ShutDown)
    }

    /// Whether the answer took longer than the client or the exporter allows.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::Deadline)
    }

    /// Whether a callback panicked, at this scrape or an earlier one, on a meter that the exporter
    /// does not [guard](crate::Meters).
    ///
    /// The SDK cannot collect again after that: no later scrape will succeed until the process
    /// restarts.
    #[must_use]
    pub fn is_callback_panic(&self) -> bool {
        matches!(self.kind, ScrapeErrorKind::CallbackPanicked)
    }
}

impl fmt::Display for ScrapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            ScrapeErrorKind::ShutDown => "the meter provider is shut down",
            ScrapeErrorKind::CallbackPanicked => {
                "a metric callback panicked: metrics are lost until a restart"
            }
            ScrapeErrorKind::Collect(_) => "the metrics cannot be collected",
            ScrapeErrorKind::Empty => "the meter provider returned no metrics",
            ScrapeErrorKind::Deadline => "the metrics are not there in time",
            ScrapeErrorKind::TooMany => "too many scrapes are waiting already",
            ScrapeErrorKind::NoThread(_) => "there is no thread to collect the metrics on",
            ScrapeErrorKind::Panicked => "the metrics cannot be written: this is a bug",
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
            ScrapeErrorKind::ShutDown
            | ScrapeErrorKind::CallbackPanicked
            | ScrapeErrorKind::Empty
            | ScrapeErrorKind::Deadline
            | ScrapeErrorKind::TooMany
            | ScrapeErrorKind::Panicked => None,
        }
    }
}

impl From<ScrapeErrorKind> for ScrapeError {
    fn from(kind: ScrapeErrorKind) -> Self {
        Self { kind }
    }
}

/// Writes the name of the type and the sentence of the error, with its causes, so that `unwrap` and a
/// `main` that returns the error say what is wrong.
pub(crate) fn debug(f: &mut fmt::Formatter<'_>, name: &str, error: &dyn Error) -> fmt::Result {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some sentences have their cause.
        if !sentence.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        cause = error.source();
    }
    write!(f, "{name}({sentence})")
}

/// The rule of [`is_label_key`](crate::families::name::is_label_key), in words.
const ALLOWED: &str =
    "allowed are ASCII letters, digits and `_`, no digit first, not empty, no `__` first";

const RESERVED: &str = "`service`, `le` and `quantile` have a meaning of their own";
