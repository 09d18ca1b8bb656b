//! Which settings the builder refuses.

use crate::error::BuildError;
use crate::labels::conventions::Conventions;
use crate::labels::label_key::{check_attribute_key, check_label_key, check_own_key};
use crate::labels::methods::{self, MAX_ADDITIONAL_METHODS};
use crate::labels::names::{HttpLabel, HttpMetric};
use crate::labels::protocol::UrlScheme;
use crate::labels::response_label::MAX_RESPONSE_LABELS;
use crate::labels::side::Side;
use crate::labels::user_label::{MAX_USER_LABELS, MAX_VALUES_PER_LABEL};
use crate::labels::values::OTHER;
use crate::layer::builder::{KnownMethods, LayerBuilder};
use crate::record::hosts::{AllowedHost, HostSettings, split_port};
use crate::record::settings::Settings;
use http::{Method, Uri};

/// The hosts that the builder got, as text.
#[derive(Debug, Default)]
pub(crate) struct HostOptions {
    pub(crate) listed: Option<Vec<String>>,
    /// How many hosts a client keeps if there is no list.
    pub(crate) max_seen: Option<usize>,
    /// For requests that name no host.
    pub(crate) default: Option<String>,
}

impl HostOptions {
    /// Without a list: the first hosts that are seen.
    pub(crate) fn first_seen(&self) -> HostSettings {
        HostSettings { allowed: None, default: None, max_seen: DEFAULT_MAX_HOSTS }
    }
}

/// Checks all settings, and completes those that need the check: methods and hosts.
pub(crate) fn check<S>(builder: &mut LayerBuilder<S>) -> Result<(), BuildError> {
    check_boundaries(builder)?;
    complete_methods(builder)?;
    check_conventions(builder)?;
    check_names(builder)?;
    check_labels(builder)?;
    complete_hosts(builder)?;
    let Settings { exclusions, max_series, .. } = &builder.settings;
    exclusions.paths.iter().try_for_each(|path| check_path(path))?;
    check_count("series limit", *max_series, 1, MAX_SERIES)
}

/// Refuses settings of a convention that the layer does not record.
fn check_conventions<S>(builder: &LayerBuilder<S>) -> Result<(), BuildError> {
    let LayerBuilder { settings, metrics, hosts, .. } = builder;
    let conventions = metrics.conventions;
    let refuse = |allowed: &str, setting: &str| {
        let allowed = format!("must be {allowed}, because of {setting}");
        Err(BuildError::invalid("conventions", &format_args!("{conventions:?}"), allowed))
    };
    let mut set_metrics = settings.names.set_metrics().map(|(metric, _)| metric);
    if !conventions.has_prometheus() {
        let is_refused = |metric: HttpMetric| !metric.exists(settings.side, false);
        for (is_set, setting) in [
            (set_metrics.any(is_refused), "with_metric_name"),
            (settings.names.set_keys().next().is_some(), "with_label_key"),
            (settings.has_status_on_duration, "with_status_on_duration"),
        ] {
            if is_set {
                return refuse("Prometheus or Both", setting);
            }
        }
    }
    if !conventions.has_open_telemetry() {
        // The default port of a host depends on the scheme.
        let has_scheme_without_effect = settings.url_scheme.is_some() && hosts.listed.is_none();
        for (is_set, setting) in [
            (metrics.active_requests, "with_active_requests"),
            (has_scheme_without_effect, "with_url_scheme"),
        ] {
            if is_set {
                return refuse("OpenTelemetry or Both", setting);
            }
        }
    }
    Ok(())
}

fn check_names<S>(builder: &LayerBuilder<S>) -> Result<(), BuildError> {
    let names = &builder.settings.names;
    for (metric, name) in names.set_metrics() {
        let mut bytes = name.bytes();
        let has_valid_start = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
        let suffix = metric.suffix().filter(|suffix| name.ends_with(suffix));
        let is_given_twice =
            HttpMetric::ALL.into_iter().any(|other| other != metric && names.metric(other) == name);
        let allowed = if !has_valid_start || !bytes.all(is_valid) || name.len() > 255 {
            "must match [a-zA-Z][a-zA-Z0-9_.-/]{0,254}".to_owned()
        } else if let Some(suffix) = suffix {
            format!("must not end in {suffix}, which a Prometheus exporter appends")
        } else if !metric.exists(builder.settings.side, true) {
            "must be the name of a metric that the layer has".to_owned()
        } else if is_given_twice {
            "must not be the name of two metrics".to_owned()
        } else {
            continue;
        };
        return Err(BuildError::invalid_text("metric name", name, allowed));
    }
    Ok(())
}

fn check_labels<S>(builder: &LayerBuilder<S>) -> Result<(), BuildError> {
    let Settings { names, user_labels, response_labels, .. } = &builder.settings;
    check_count("number of labels", user_labels.len(), 0, MAX_USER_LABELS)?;
    check_count("number of response labels", response_labels.len(), 0, MAX_RESPONSE_LABELS)?;
    let mut keys = Vec::new();
    let mut check_key = |setting: &'static str, key: &str, checked: Result<(), &'static str>| {
        // A Prometheus exporter replaces the dots.
        let exposed = key.replace('.', "_");
        let unique = if keys.contains(&exposed) { Err("must not be given twice") } else { Ok(()) };
        keys.push(exposed);
        let error = |allowed| BuildError::invalid_text(setting, key, allowed);
        checked.and(unique).map_err(error)
    };
    for label in HttpLabel::ALL {
        let is_used = match label {
            HttpLabel::Host => builder.has_host_label(),
            HttpLabel::Endpoint => builder.settings.has_endpoints,
            _ => true,
        };
        let key = names.key(label);
        if is_used {
            check_key("label key", key, check_own_key(key, label.default_key()))?;
        } else if names.set_keys().any(|(set, _)| set == label) {
            let allowed = "must be the key of a label that the layer has";
            return Err(BuildError::invalid_text("label key", key, allowed));
        }
    }
    let check = match builder.metrics.conventions {
        Conventions::OpenTelemetry => check_attribute_key,
        _ => check_label_key,
    };
    for label in user_labels {
        check_key("label key", &label.key, check(&label.key))?;
        check_label_values(&label.key, &label.values)?;
    }
    for label in response_labels {
        check_key("response label key", &label.key, check(&label.key))?;
        check_label_values(&label.key, &label.values)?;
    }
    Ok(())
}

fn complete_methods<S>(builder: &mut LayerBuilder<S>) -> Result<(), BuildError> {
    let methods = &mut builder.settings.methods;
    let known = match &builder.known_methods {
        KnownMethods::Default => None,
        KnownMethods::Listed(listed) => Some(listed.clone()),
        KnownMethods::FromEnv(value) => Some(parse_methods(value.as_deref().unwrap_or_default())?),
    };
    let added = std::mem::take(&mut methods.additional);
    let is_replaced = known.is_some();
    if let Some(known) = known {
        methods.replace(known);
    }
    for method in added {
        if !methods.additional.contains(&method) {
            methods.unlisted.retain(|unlisted| *unlisted != method);
            methods.additional.push(method);
        }
    }
    let count = methods.additional.len();
    check_count("number of additional methods", count, 0, MAX_ADDITIONAL_METHODS)?;
    let query = methods::query().filter(|query| !methods.additional.contains(query));
    if builder.metrics.conventions.has_open_telemetry() && !is_replaced {
        methods.additional.extend(query);
    }
    Ok(())
}

fn parse_methods(value: &str) -> Result<Vec<Method>, BuildError> {
    let parse = |name: &str| {
        Method::from_bytes(name.as_bytes()).map_err(|_| {
            let allowed = "must be an HTTP method: letters, digits and some punctuation";
            BuildError::invalid_text("method", name, allowed).at(methods::KNOWN_METHODS_VARIABLE)
        })
    };
    value.split(',').map(str::trim).map(parse).collect()
}

fn complete_hosts<S>(builder: &mut LayerBuilder<S>) -> Result<(), BuildError> {
    let HostOptions { listed, max_seen, default } = &builder.hosts;
    if !builder.has_host_label() {
        return Ok(());
    }
    if let Some(listed) = listed {
        check_count("number of hosts", listed.len(), 1, MAX_HOSTS)?;
        if let Some(max_seen) = max_seen {
            let allowed = "must not be set together with a list of hosts";
            return Err(BuildError::invalid("limit of hosts", max_seen, allowed));
        }
    }
    let max_seen = max_seen.unwrap_or(DEFAULT_MAX_HOSTS);
    check_count("limit of hosts", max_seen, 1, MAX_HOSTS)?;
    let allowed =
        listed.as_ref().map(|listed| listed.iter().map(|host| parse_host(host)).collect());
    let default = default.as_deref().map(parse_default_host).transpose()?;
    builder.settings.hosts =
        Some(HostSettings { allowed: allowed.transpose()?, default, max_seen });
    Ok(())
}

fn parse_host(text: &str) -> Result<AllowedHost, BuildError> {
    let invalid = || {
        let allowed = "must be a host, or a host and a port: shop.example or shop.example:8080";
        BuildError::invalid_text("host", text, allowed)
    };
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    // Neither a scheme, nor a path, nor user information.
    if uri.authority().is_none_or(|authority| authority.as_str() != text || text.contains('@')) {
        return Err(invalid());
    }
    let (address, port) = split_port(text).ok_or_else(invalid)?;
    let address = address.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    Ok(AllowedHost { address, port })
}

fn parse_default_host(text: &str) -> Result<(UrlScheme, String), BuildError> {
    let invalid = || {
        let allowed =
            "must be a host with or without a scheme: grpc.internal:50051 or https://grpc.internal";
        BuildError::invalid_text("default host", text, allowed)
    };
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let authority = uri.authority().ok_or_else(invalid)?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(invalid());
    }
    Ok((UrlScheme::of(uri.scheme()), authority.as_str().to_owned()))
}

impl<S> LayerBuilder<S> {
    /// Whether requests have the host as a label.
    fn has_host_label(&self) -> bool {
        self.settings.side == Side::Client || self.hosts.listed.is_some()
    }
}

/// The boundaries of a histogram must be finite, 0 or more, and strictly increasing. There may be none.
fn check_boundaries<S>(builder: &LayerBuilder<S>) -> Result<(), BuildError> {
    let LayerBuilder { settings, metrics, .. } = builder;
    let boundaries = metrics.boundaries.as_deref().unwrap_or_default();
    // As Prometheus shows it.
    let duration = match (metrics.conventions.has_prometheus(), settings.side) {
        (true, _) => settings.names.metric(HttpMetric::RequestDuration),
        (false, Side::Server) => "http_server_request_duration",
        (false, Side::Client) => "http_client_request_duration",
    };
    let mut previous = None;
    for (index, &boundary) in boundaries.iter().enumerate() {
        let invalid = |allowed: String| {
            let error = BuildError::invalid("boundary", &boundary, allowed);
            Err(error.at(format!("{duration}_seconds, index {index}")))
        };
        if !boundary.is_finite() {
            return invalid("must be finite".into());
        }
        if boundary < 0.0 {
            return invalid("must be 0 or more".into());
        }
        if let Some(previous) = previous.filter(|previous| boundary <= *previous) {
            return invalid(format!("must be greater than the boundary before it, {previous}"));
        }
        previous = Some(boundary);
    }
    Ok(())
}

fn check_label_values(key: &str, values: &[String]) -> Result<(), BuildError> {
    check_count("number of values", values.len(), 1, MAX_VALUES_PER_LABEL)
        .map_err(|error| error.at(format!("label {key:?}")))?;
    for (index, value) in values.iter().enumerate() {
        let allowed = if value.is_empty() {
            "must not be empty, because Prometheus treats an empty label as a missing one"
        } else if value == OTHER {
            "must not be the value for all other values"
        } else if values[..index].contains(value) {
            "must not be given twice"
        } else {
            continue;
        };
        let error = BuildError::invalid_text("value", value, allowed);
        return Err(error.at(format!("label {key:?}, index {index}")));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), BuildError> {
    // `*` is the path of `OPTIONS *`, and the only one without a slash.
    if path == "*" || path.starts_with('/') && !path.contains(['?', '#']) {
        return Ok(());
    }
    let allowed = "must start with / and contain no ? or #, or be *";
    Err(BuildError::invalid_text("excluded path", path, allowed))
}

fn check_count(
    setting: &'static str,
    count: usize,
    min: usize,
    max: usize,
) -> Result<(), BuildError> {
    if (min..=max).contains(&count) {
        return Ok(());
    }
    Err(BuildError::invalid(setting, &count, format!("must be {min} to {max}")))
}

const MAX_SERIES: usize = 100_000;
/// Twice as many, for two schemes, fit into a byte. A look-up compares the host with each of them.
const MAX_HOSTS: usize = 100;
const DEFAULT_MAX_HOSTS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FixedEndpoint, HttpMetricsLayer};
    use http::Method;
    use opentelemetry::metrics::MeterProvider;

    #[test]
    fn a_boundary_that_opentelemetry_would_silently_refuse_is_an_error() {
        let meter = opentelemetry::metrics::noop::NoopMeterProvider::new().meter("test");
        let build = |boundaries: &[f64]| {
            let builder = HttpMetricsLayer::builder(FixedEndpoint("/x"));
            builder.with_boundaries(boundaries.iter().copied()).build(&meter)
        };
        let message = |boundaries: &[f64]| build(boundaries).unwrap_err().to_string();
        for (boundaries, expected) in [
            (
                &[0.1, 0.1][..],
                "index 1: invalid boundary 0.1: must be greater than the boundary before it, 0.1",
            ),
            (
                &[1.0, 0.5],
                "index 1: invalid boundary 0.5: must be greater than the boundary before it, 1",
            ),
            (&[f64::NAN], "index 0: invalid boundary NaN: must be finite"),
            (&[1.0, f64::INFINITY], "index 1: invalid boundary inf: must be finite"),
            (&[-1.0, 0.0, 1.0], "index 0: invalid boundary -1: must be 0 or more"),
        ] {
            let expected = format!("http_request_duration_seconds, {expected}");
            assert_eq!(message(boundaries), expected);
        }
        assert!(build(&[]).is_ok());
        assert!(build(&[0.0, 1.0]).is_ok());
    }

    #[test]
    fn each_invalid_setting_is_refused_with_what_is_allowed() {
        let meter = opentelemetry::metrics::noop::NoopMeterProvider::new().meter("test");
        let builder = || HttpMetricsLayer::builder(FixedEndpoint("/x"));
        let label = |key: &str| builder().with_label(key, ["a"], |_| None);
        let pattern = "must match [a-zA-Z_][a-zA-Z0-9_]*";
        let reserved = "must not be method, endpoint, status, error_type, grpc_status, service, environment, le or quantile";
        for (wrong, message) in [
            (label("Tenant"), r#"invalid label key "Tenant": must be lower case"#.to_owned()),
            (label("1st"), format!(r#"invalid label key "1st": {pattern}"#)),
            (label(""), format!(r#"invalid label key "": {pattern}"#)),
            (label("user-id"), format!(r#"invalid label key "user-id": {pattern}"#)),
            (label("__name__"), r#"invalid label key "__name__": must not start with __"#.into()),
            (label("status"), format!(r#"invalid label key "status": {reserved}"#)),
            (label("le"), format!(r#"invalid label key "le": {reserved}"#)),
            (
                label("a").with_label("a", ["b"], |_| None),
                r#"invalid label key "a": must not be given twice"#.into(),
            ),
            (
                label("a").with_label("b", ["v"; 101], |_| None),
                r#"label "b": invalid number of values 101: must be 1 to 100"#.into(),
            ),
            (
                label("a").with_label("b", [""; 0], |_| None),
                r#"label "b": invalid number of values 0: must be 1 to 100"#.into(),
            ),
            (
                label("a").with_label("b", ["v", ""], |_| None),
                r#"label "b", index 1: invalid value "": must not be empty, because Prometheus treats an empty label as a missing one"#.into(),
            ),
            (
                label("a").with_label("b", ["v", "w", "v"], |_| None),
                r#"label "b", index 2: invalid value "v": must not be given twice"#.into(),
            ),
            (
                label("a").with_label("b", ["_OTHER"], |_| None),
                r#"label "b", index 0: invalid value "_OTHER": must not be the value for all other values"#.into(),
            ),
            (
                builder().without_paths(["/x", "health"]),
                r#"invalid excluded path "health": must start with / and contain no ? or #, or be *"#.into(),
            ),
            (
                builder().without_paths(["/x?y=1"]),
                r#"invalid excluded path "/x?y=1": must start with / and contain no ? or #, or be *"#.into(),
            ),
            (
                ["b", "c", "d", "e"]
                    .iter()
                    .fold(label("a"), |builder, key| builder.with_label(*key, ["v"], |_| None)),
                "invalid number of labels 5: must be 0 to 4".into(),
            ),
            (
                builder().with_label_key(HttpLabel::Endpoint, "Route"),
                r#"invalid label key "Route": must be lower case"#.into(),
            ),
            (
                builder().with_label_key(HttpLabel::Endpoint, "status"),
                format!(r#"invalid label key "status": {reserved}"#),
            ),
            (
                builder().with_label_key(HttpLabel::Endpoint, ""),
                format!(r#"invalid label key "": {pattern}"#),
            ),
            (
                label("route").with_label_key(HttpLabel::Endpoint, "route"),
                r#"invalid label key "route": must not be given twice"#.into(),
            ),
            (builder().with_max_series(0), "invalid series limit 0: must be 1 to 100000".into()),
            (
                builder().with_max_series(100_001),
                "invalid series limit 100001: must be 1 to 100000".into(),
            ),
            (
                builder().with_methods(
                    (0..17).map(|i| Method::from_bytes(format!("M{i}").as_bytes()).unwrap()),
                ),
                "invalid number of additional methods 17: must be 0 to 16".into(),
            ),
        ] {
            let error = wrong.build(&meter).unwrap_err();
            assert_eq!(error.to_string(), message);
            // F-17b
            assert_eq!(format!("{error:?}"), format!("BuildError({message})"));
        }
    }
}
