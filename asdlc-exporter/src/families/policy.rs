//! Which metrics may be served.

use crate::families::{model::Kind, name::push_name};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream};

/// Which metric families may be served, by name.
///
/// ```
/// use asdlc_exporter::{Exporter, MetricPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = MetricPolicy::new().allow("http_*").allow("storage_*").deny("*_secret*");
/// let exporter = Exporter::builder("shop").with_policy(policy).build()?;
/// let meter = exporter.meter();
/// for name in ["http_requests", "http_secrets", "halt_state"] {
///     meter.u64_counter(name).build().add(1, &[]);
/// }
///
/// let text = exporter.render()?;
/// assert!(text.contains("http_requests_total"));
/// assert!(!text.contains("secret") && !text.contains("halt_state"));
/// # Ok(()) }
/// ```
///
/// A pattern is a name in which `*` stands for any characters, also none, and `?` for one. Letters
/// match in either case. It is compared with the name as it is served (`asdlc_orders_total`), the
/// same without the namespace (`orders_total`), both without `_total` (`orders`), and the name of
/// the instrument (`orders`, with `_` for characters that Prometheus has not).
///
/// * A family that matches a denying pattern is not served.
/// * If there are allowing patterns, a family that matches none of them is not served either,
///   except the exporter's own `service_info`, `uptime_seconds` and self-metrics.
/// * Without patterns everything is served.
///
/// What is not served is not recorded either: its instruments do nothing, for other readers of the
/// same provider too. Metrics of a registry ([`with_registry`]) are left out when the text is
/// written.
///
/// [`with_registry`]: crate::ExporterBuilder::with_registry
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricPolicy {
    allow: Vec<String>,
    deny: Vec<String>,
}

impl MetricPolicy {
    /// A policy that serves everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern of families to serve, to the exclusion of those that no such pattern matches.
    #[must_use]
    pub fn allow(mut self, pattern: impl Into<String>) -> Self {
        self.allow.push(pattern.into());
        self
    }

    /// Adds a pattern of families not to serve, whatever else allows them.
    #[must_use]
    pub fn deny(mut self, pattern: impl Into<String>) -> Self {
        self.deny.push(pattern.into());
        self
    }
}

/// The rules of names of one exporter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    prefix: String,
    policy: MetricPolicy,
    cardinality_limit: Option<usize>,
}

impl Rules {
    pub(crate) fn new(prefix: String, policy: MetricPolicy) -> Self {
        Self { prefix, policy, cardinality_limit: None }
    }

    pub(crate) fn with_cardinality_limit(mut self, limit: Option<usize>) -> Self {
        self.cardinality_limit = limit;
        self
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a family may be served: by the name it was recorded under and the one it would have.
    pub(crate) fn serves(&self, recorded: &str, name: &str, kind: Kind) -> bool {
        let MetricPolicy { allow, deny } = &self.policy;
        if allow.is_empty() && deny.is_empty() {
            return true;
        }
        let mut instrument = String::new();
        push_name(&mut instrument, "", recorded);
        let bare = name.strip_prefix(&self.prefix).unwrap_or(name);
        let untotalled = |name| match kind {
            Kind::Counter => str::strip_suffix(name, "_total").unwrap_or(name),
            Kind::Gauge | Kind::Histogram | Kind::Summary => name,
        };
        let names = [name, bare, untotalled(name), untotalled(bare), &instrument];
        let any_of =
            |patterns: &[String]| patterns.iter().any(|p| names.iter().any(|name| glob(p, name)));
        let is_own = OWN.contains(&bare) || SELF_METRICS.iter().any(|p| bare.starts_with(p));
        !any_of(deny) && (allow.is_empty() || is_own || any_of(allow))
    }

    pub(crate) fn serves_uptime(&self) -> bool {
        self.serves("uptime_seconds", &format!("{}uptime_seconds", self.prefix), Kind::Gauge)
    }

    /// The view that makes instruments of families that may not be served do nothing, and limits
    /// the others.
    pub(crate) fn view(self) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
        move |instrument| {
            let kind = match instrument.kind() {
                InstrumentKind::Counter | InstrumentKind::ObservableCounter => Kind::Counter,
                InstrumentKind::Histogram => Kind::Histogram,
                InstrumentKind::UpDownCounter
                | InstrumentKind::ObservableUpDownCounter
                | InstrumentKind::Gauge
                | InstrumentKind::ObservableGauge => Kind::Gauge,
            };
            let mut name = String::new();
            crate::families::name::push_family_name(
                &mut name,
                &self.prefix,
                instrument.name(),
                instrument.unit(),
                kind,
            );
            if self.serves(instrument.name(), &name, kind) {
                let limit = self.cardinality_limit?;
                return Stream::builder().with_cardinality_limit(limit).build().ok();
            }
            Stream::builder().with_aggregation(Aggregation::Drop).build().ok()
        }
    }
}

/// Whether the whole text matches a pattern of `*`, `?` and characters.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text does not match: the last `*` takes one more byte.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(b) if *b == b'?' || b.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// What the exporter says about itself.
const OWN: [&str; 2] = ["service_info", "uptime_seconds"];
const SELF_METRICS: [&str; 2] = ["promhttp_metric_handler_", "exporter_"];

#[cfg(test)]
mod tests {
    use super::*;

    // A-07
    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("A_b", "a_B", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*b*", "abc", true),
            ("*b*", "ac", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdf", false),
            ("*ab", "aab", true),
            ("?", "a", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a**", "a", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    // A-07
    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "*a".repeat(1_000) + "b";
        assert!(!glob(&pattern, &"a".repeat(5_000)));
    }

    // A-07
    #[test]
    fn denial_sees_every_form_of_a_name() {
        let rules = Rules::new("asdlc_".into(), MetricPolicy::new().deny("halt_state"));
        for (recorded, name, kind) in [
            ("halt_state", "asdlc_halt_state", Kind::Gauge),
            ("halt.state", "asdlc_halt_state_total", Kind::Counter),
            ("halt_state_total", "asdlc_halt_state_total", Kind::Counter),
            ("halt.state", "asdlc_halt_state_seconds", Kind::Histogram),
            ("halt_state", "halt_state", Kind::Gauge),
        ] {
            assert!(!rules.serves(recorded, name, kind), "{recorded} as {name}");
        }
        assert!(rules.serves("halt_states", "asdlc_halt_states", Kind::Gauge));
        assert!(rules.serves("halt_state_total", "asdlc_halt_state_total", Kind::Gauge));
    }
}
