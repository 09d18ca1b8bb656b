//! The formats of an exposition.

use crate::families::names::escaping::Escaping;

/// A text format of an exposition. For protobuf, see
/// [`render_protobuf`](crate::PrometheusReader::render_protobuf).
///
/// ```
/// use asdlc_exporter::{Exporter, Format};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// exporter.meter().u64_counter("orders").build().add(1, &[]);
/// let text = exporter.render_as(Format::OpenMetrics)?;
/// assert!(text.contains("# TYPE orders counter\norders_total{service=\"shop\"} 1\n"));
/// assert!(text.ends_with("# EOF\n"));
/// # Ok(()) }
/// ```
///
/// [`Utf8Text`](Self::Utf8Text) and [`Utf8OpenMetrics`](Self::Utf8OpenMetrics) have other names than
/// [`Text`](Self::Text) and [`OpenMetrics`](Self::OpenMetrics) only if the
/// [translation strategy](crate::TranslationStrategy) keeps UTF-8 names. With the default strategy, the names
/// are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The Prometheus text format, version 0.0.4. Each invalid character of a name becomes `_`.
    #[default]
    Text,
    /// The Prometheus text format, version 1.0.0, with UTF-8 names.
    Utf8Text,
    /// The `OpenMetrics` text format, version 1.0.0. Each invalid character of a name becomes `_`.
    OpenMetrics,
    /// The `OpenMetrics` text format, version 1.0.0, with UTF-8 names.
    Utf8OpenMetrics,
}

/// The syntax of an exposition, and how its names are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Output {
    pub(crate) syntax: Syntax,
    pub(crate) escaping: Escaping,
}

/// The syntax of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Syntax {
    /// The Prometheus text format, version 0.0.4.
    Text004,
    /// The Prometheus text format, version 1.0.0. It differs from 0.0.4 only in that it allows UTF-8 names.
    Text100,
    /// The `OpenMetrics` text format, version 1.0.0.
    OpenMetrics,
    /// Prometheus' protobuf format: length-delimited messages `io.prometheus.client.MetricFamily`.
    Protobuf,
}

impl Output {
    /// Protobuf with UTF-8 names.
    pub(crate) const PROTOBUF: Self =
        Self { syntax: Syntax::Protobuf, escaping: Escaping::AllowUtf8 };
    /// Text format 0.0.4.
    pub(crate) const TEXT: Self = Self { syntax: Syntax::Text004, escaping: Escaping::Underscores };
    /// The number of different outputs.
    pub(crate) const COUNT: usize = Syntax::COUNT * Escaping::COUNT;

    /// A number below [`COUNT`](Self::COUNT).
    pub(crate) fn index(self) -> usize {
        self.syntax as usize * Escaping::COUNT + self.escaping as usize
    }
}

impl Syntax {
    pub(crate) const COUNT: usize = 4;
}

impl From<Format> for Output {
    fn from(format: Format) -> Self {
        let (syntax, escaping) = match format {
            Format::Text => (Syntax::Text004, Escaping::Underscores),
            Format::Utf8Text => (Syntax::Text100, Escaping::AllowUtf8),
            Format::OpenMetrics => (Syntax::OpenMetrics, Escaping::Underscores),
            Format::Utf8OpenMetrics => (Syntax::OpenMetrics, Escaping::AllowUtf8),
        };
        Self { syntax, escaping }
    }
}
