//! Which families are served, by name.

use crate::families::{
    labels::key::KeyStyle,
    model::FamilyKind,
    names::{
        escaping::{Escaping, NameKind},
        name::{TranslationStrategy, push_family_name, push_instrument_name},
    },
    series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
};

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
/// In a pattern, `*` matches any number of characters, and `?` matches one character. Case is
/// ignored. A pattern matches a family if it matches one of these names: the name that is served
/// (`asdlc_orders_total`), the name without the namespace (`orders_total`), each of these without
/// `_total` if the family is a counter (`asdlc_orders`, `orders`), and the name of the instrument
/// (`orders`, with `_` for invalid characters). A pattern also matches a UTF-8 name if it matches the name's
/// form with `underscores`: `http_*` matches `http.requests`.
///
/// * A family that matches a `deny` pattern is not served.
/// * If there are `allow` patterns, a family that matches none of them is not served either,
///   except the exporter's own `service_info`, `uptime_seconds`, `target_info` and self-metrics. All
///   names that start with `exporter_` or `promhttp_metric_handler_` count as self-metrics.
/// * Without patterns, everything is served.
///
/// With an [`Exporter`](crate::Exporter), a denied instrument records nothing, also for the other readers
/// of its provider. With a [`PrometheusReader`](crate::PrometheusReader), it is only not served. Denied
/// metrics of a registry (`ExporterBuilder::with_registry` and the like) are only not served too.
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

    /// Adds a pattern of families to serve. Families that match no `allow` pattern are not served.
    #[must_use]
    pub fn allow(mut self, pattern: impl Into<String>) -> Self {
        self.allow.push(pattern.into());
        self
    }

    /// Adds a pattern of families that are not served. It takes precedence over `allow`.
    #[must_use]
    pub fn deny(mut self, pattern: impl Into<String>) -> Self {
        self.deny.push(pattern.into());
        self
    }
}

/// The policy, and what makes the names of families.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamePolicy {
    prefix: String,
    policy: MetricPolicy,
    strategy: TranslationStrategy,
}

impl NamePolicy {
    pub(crate) fn new(prefix: String, policy: MetricPolicy) -> Self {
        Self { prefix, policy, strategy: TranslationStrategy::default() }
    }

    pub(crate) fn with_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Appends the family name of an instrument.
    pub(crate) fn push_name(&self, out: &mut String, name: &str, unit: &str, kind: FamilyKind) {
        push_family_name(out, self.strategy, &self.prefix, name, unit, kind);
    }

    /// The label keys that attribute keys become.
    pub(crate) fn key_style(&self) -> KeyStyle {
        self.strategy.key_style()
    }

    /// The unit in Prometheus' words.
    pub(crate) fn unit_words(&self, unit: &str, kind: FamilyKind) -> String {
        self.strategy.unit_words(unit, kind)
    }

    /// Whether a family is served. `recorded` is the name of its instrument, `name` its family name.
    pub(crate) fn serves(&self, recorded: &str, name: &str, kind: FamilyKind) -> bool {
        let MetricPolicy { allow, deny } = &self.policy;
        if allow.is_empty() && deny.is_empty() {
            return true;
        }
        let names = FamilyNames::new(&self.prefix, recorded, name, kind);
        let is_own = kind == FamilyKind::TargetInfo || names.are_own(&OWN);
        let is_allowed = allow.is_empty() || is_own || names.match_any(allow);
        is_allowed && !names.match_any(deny)
    }

    /// Whether series of the family can be [idle](IdleTimeout).
    pub(crate) fn can_be_idle(
        &self,
        timeout: &IdleTimeout,
        recorded: &str,
        name: &str,
        kind: FamilyKind,
    ) -> bool {
        let names = FamilyNames::new(&self.prefix, recorded, name, kind);
        timeout.applies_to(&names, kind) && !names.are_own(&OWN) && !names.are_own(&OWN_CONSTANTS)
    }

    /// Whether a histogram is to be a native one.
    pub(crate) fn is_native(&self, native: &NativeHistograms, recorded: &str, unit: &str) -> bool {
        let kind = FamilyKind::Histogram;
        let mut name = String::new();
        self.push_name(&mut name, recorded, unit, kind);
        FamilyNames::new(&self.prefix, recorded, &name, kind).match_any(native.patterns())
    }

    /// Whether the series of a counter with this family name begin at 0. The starts of the service are counted
    /// across restarts.
    pub(crate) fn counts_from_zero(&self, name: &str) -> bool {
        let bare = name.strip_prefix(&self.prefix).unwrap_or(name);
        !["service_starts", "service_starts_total"].contains(&bare)
    }

    pub(crate) fn serves_uptime(&self) -> bool {
        let mut name = String::new();
        self.push_name(&mut name, "uptime", "s", FamilyKind::Gauge);
        self.serves("uptime", &name, FamilyKind::Gauge)
    }
}

/// The forms of a family's name that a pattern can match.
pub(crate) struct FamilyNames<'a> {
    forms: [&'a str; 4],
    /// The same forms as scrapers get them that do not request names in UTF-8. `None` if they are the same.
    classic: Option<[String; 4]>,
    instrument: String,
}

impl<'a> FamilyNames<'a> {
    fn new(prefix: &str, recorded: &str, name: &'a str, kind: FamilyKind) -> Self {
        let mut instrument = String::new();
        push_instrument_name(&mut instrument, "", recorded);
        let bare = name.strip_prefix(prefix).unwrap_or(name);
        let without_total = |name: &'a str| match kind {
            FamilyKind::Counter => name.strip_suffix("_total").unwrap_or(name),
            FamilyKind::Gauge
            | FamilyKind::Unknown
            | FamilyKind::Histogram
            | FamilyKind::Summary
            | FamilyKind::TargetInfo => name,
        };
        let forms = [name, bare, without_total(name), without_total(bare)];
        let is_classic = NameKind::Family.is_classic(name);
        let escape = |form: &str| Escaping::Underscores.escape(form, NameKind::Family);
        Self { forms, classic: (!is_classic).then(|| forms.map(escape)), instrument }
    }

    pub(crate) fn match_any(&self, patterns: &[String]) -> bool {
        let Self { forms, classic, instrument } = self;
        let classic = || classic.iter().flatten().map(String::as_str);
        let all = || forms.iter().copied().chain(classic()).chain([instrument.as_str()]);
        patterns.iter().any(|pattern| all().any(|name| glob(pattern, name)))
    }

    /// Whether it is a self-metric or one of these families.
    fn are_own(&self, own: &[&str]) -> bool {
        let bare = self.forms[1];
        own.contains(&bare) || SELF_METRICS.iter().any(|prefix| bare.starts_with(prefix))
    }
}

/// Whether the whole text matches a pattern of `*`, `?` and characters.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to continue after a mismatch. The last `*` then matches one more byte.
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

/// The exporter's own families. Without suffixes, `uptime_seconds` is `uptime`.
const OWN: [&str; 3] = ["service_info", "uptime", "uptime_seconds"];
/// Those that never change.
const OWN_CONSTANTS: [&str; 3] = ["build_info", "service_starts", "service_starts_total"];
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
    fn a_hostile_pattern_does_not_take_exponential_time() {
        let pattern = "*a".repeat(1_000) + "b";
        assert!(!glob(&pattern, &"a".repeat(5_000)));
    }

    // X-05
    #[test]
    fn uptime_is_served_unless_its_name_in_the_strategy_is_denied() {
        let policy =
            || NamePolicy::new("asdlc_".into(), MetricPolicy::new().deny("uptime_seconds"));
        assert!(!policy().serves_uptime());
        let strategy = TranslationStrategy::UnderscoreEscapingWithoutSuffixes;
        assert!(policy().with_strategy(strategy).serves_uptime());
    }

    // A-07, X-14
    #[test]
    fn patterns_match_names_in_utf8_and_their_escaped_form() {
        let strategy = TranslationStrategy::NoUTF8EscapingWithSuffixes;
        for pattern in [
            "asdlc_halt.state_total",
            "halt.state_t*",
            "halt_state_total",
            "HALT_state",
            "*_halt_state",
        ] {
            let policy = NamePolicy::new("asdlc_".into(), MetricPolicy::new().deny(pattern));
            let policy = policy.with_strategy(strategy);
            let mut name = String::new();
            policy.push_name(&mut name, "halt.state", "", FamilyKind::Counter);
            assert!(!policy.serves("halt.state", &name, FamilyKind::Counter), "{pattern}");
            assert!(policy.serves("halt.states", "asdlc_halt.states_sum", FamilyKind::Counter));
        }
    }

    // A-07
    #[test]
    fn deny_patterns_match_every_form_of_a_name() {
        let policy = NamePolicy::new("asdlc_".into(), MetricPolicy::new().deny("halt_state"));
        for (recorded, name, kind) in [
            ("halt_state", "asdlc_halt_state", FamilyKind::Gauge),
            ("halt.state", "asdlc_halt_state_total", FamilyKind::Counter),
            ("halt_state_total", "asdlc_halt_state_total", FamilyKind::Counter),
            ("halt.state", "asdlc_halt_state_seconds", FamilyKind::Histogram),
            ("halt_state", "halt_state", FamilyKind::Gauge),
        ] {
            assert!(!policy.serves(recorded, name, kind), "{recorded} as {name}");
        }
        assert!(policy.serves("halt_states", "asdlc_halt_states", FamilyKind::Gauge));
        assert!(policy.serves("halt_state_total", "asdlc_halt_state_total", FamilyKind::Gauge));
    }
}
