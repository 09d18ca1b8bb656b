//! The labels that say which instrumentation scope recorded a series.

use crate::families::labels::{
    attributes::{Attribute, AttributeValue},
    key::{KeyStyle, SCOPE_PREFIX},
    text::SharedLabels,
};
use opentelemetry::InstrumentationScope;

/// Which labels of the instrumentation scope each recorded series has.
///
/// ```
/// use asdlc_exporter::{Exporter, ScopeLabels};
/// use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop")
///     .with_scope_labels(ScopeLabels::ALL.without_schema_url())
///     .build()?;
/// let scope = InstrumentationScope::builder("payments")
///     .with_version("1.2.3")
///     .with_attributes([KeyValue::new("team", "billing")])
///     .build();
/// exporter.meter_provider().meter_with_scope(scope).u64_counter("orders").build().add(1, &[]);
/// assert!(exporter.render()?.contains(
///     r#"orders_total{service="shop",otel_scope_name="payments",otel_scope_team="billing",otel_scope_version="1.2.3"} 1"#
/// ));
/// # Ok(()) }
/// ```
///
/// | label | value |
/// |---|---|
/// | `otel_scope_name` | the name of the scope, which is the name of the meter |
/// | `otel_scope_version` | its version |
/// | `otel_scope_schema_url` | its schema URL |
/// | `otel_scope_<key>` | each of its attributes; not an attribute whose label would be one of the above |
///
/// There is no label for what the scope does not have. Series of different scopes are different
/// series, unless all labels that are served are the same. An attribute of a measurement whose label
/// would be one of these, for example `otel.scope.name`, is joined with the value of the scope by `;`.
/// The metrics of a registry have no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeLabels {
    name: bool,
    version: bool,
    schema_url: bool,
    attributes: bool,
}

impl ScopeLabels {
    /// All labels, as the OpenTelemetry specification requires by default.
    pub const ALL: Self = Self { name: true, version: true, schema_url: true, attributes: true };

    /// No labels: series of different scopes with the same other labels are merged.
    pub const NONE: Self =
        Self { name: false, version: false, schema_url: false, attributes: false };

    /// The same without `otel_scope_name`.
    #[must_use]
    pub const fn without_name(mut self) -> Self {
        self.name = false;
        self
    }

    /// The same without `otel_scope_version`.
    #[must_use]
    pub const fn without_version(mut self) -> Self {
        self.version = false;
        self
    }

    /// The same without `otel_scope_schema_url`.
    #[must_use]
    pub const fn without_schema_url(mut self) -> Self {
        self.schema_url = false;
        self
    }

    /// The same without the attributes of the scope.
    #[must_use]
    pub const fn without_attributes(mut self) -> Self {
        self.attributes = false;
        self
    }

    /// Adds the labels of the scope.
    pub(crate) fn add<'a>(
        self,
        labels: &mut SharedLabels<'a>,
        style: KeyStyle,
        scope: &'a InstrumentationScope,
    ) {
        let Self { name, version, schema_url, attributes } = self;
        let fields = [
            (name, NAME, Some(scope.name())),
            (version, VERSION, scope.version()),
            (schema_url, SCHEMA_URL, scope.schema_url()),
        ];
        for (_, key, value) in fields.into_iter().filter(|(is_served, ..)| *is_served) {
            if let Some(value) = value {
                labels.add(key.to_owned(), key, AttributeValue::Text(value));
            }
        }
        for attribute in scope.attributes().filter(|_| attributes).map(Attribute::from) {
            let recorded = SCOPE_PREFIX.to_owned() + attribute.key;
            let key = style.label_key(&recorded).into_owned();
            if ![NAME, VERSION, SCHEMA_URL].contains(&&*key) {
                labels.add(key, recorded, attribute.value);
            }
        }
    }
}

const NAME: &str = "otel_scope_name";
const VERSION: &str = "otel_scope_version";
const SCHEMA_URL: &str = "otel_scope_schema_url";
