//! Which settings the builder refuses.

use crate::error::BuildError;
use crate::labels::label_key::{check_endpoint_key, check_label_key};
use crate::labels::methods::MAX_ADDITIONAL_METHODS;
use crate::labels::user_label::{MAX_USER_LABELS, MAX_VALUES_PER_LABEL, UserLabel};
use crate::labels::values::OTHER;
use crate::record::settings::Settings;

pub(crate) fn check_settings(settings: &Settings) -> Result<(), BuildError> {
    check_count(
        "number of additional methods",
        settings.methods.additional.len(),
        0,
        MAX_ADDITIONAL_METHODS,
    )?;
    check_labels(&settings.user_labels)?;
    check_endpoint_label(&settings.endpoint_key, &settings.user_labels)?;
    settings.exclusions.paths.iter().try_for_each(|path| check_path(path))?;
    check_count("series limit", settings.max_series, 1, MAX_SERIES)
}

/// The boundaries of a histogram must be finite, 0 or more, and strictly increasing. There may be none.
pub(crate) fn check_boundaries(boundaries: &[f64]) -> Result<(), BuildError> {
    let mut previous = None;
    for (index, &boundary) in boundaries.iter().enumerate() {
        let invalid = |allowed: String| {
            let error = BuildError::invalid("boundary", &boundary, allowed);
            Err(error.at(format!("{DURATION}, index {index}")))
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

fn check_labels(labels: &[UserLabel]) -> Result<(), BuildError> {
    check_count("number of labels", labels.len(), 0, MAX_USER_LABELS)?;
    for (index, UserLabel { key, values, read: _ }) in labels.iter().enumerate() {
        let is_given_twice = labels[..index].iter().any(|other| other.key == *key);
        let unique = if is_given_twice { Err("must not be given twice") } else { Ok(()) };
        check_label_key(key)
            .and(unique)
            .map_err(|allowed| BuildError::invalid_text("label key", key, allowed))?;
        check_label_values(key, values)?;
    }
    Ok(())
}

fn check_endpoint_label(key: &str, labels: &[UserLabel]) -> Result<(), BuildError> {
    let is_given_twice = labels.iter().any(|label| label.key == key);
    let unique = if is_given_twice { Err("must not be given twice") } else { Ok(()) };
    check_endpoint_key(key)
        .and(unique)
        .map_err(|allowed| BuildError::invalid_text("endpoint label key", key, allowed))
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

/// As Prometheus shows it.
const DURATION: &str = "http_request_duration_seconds";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FixedEndpoint, HttpMetricsLayer};
    use http::Method;
    use opentelemetry::metrics::MeterProvider;

    #[test]
    fn a_boundary_that_opentelemetry_would_silently_refuse_is_an_error() {
        let message = |boundaries: &[f64]| check_boundaries(boundaries).unwrap_err().to_string();
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
        assert!(check_boundaries(&[]).is_ok());
        assert!(check_boundaries(&[0.0, 1.0]).is_ok());
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
                builder().with_endpoint_label("Route"),
                r#"invalid endpoint label key "Route": must be lower case"#.into(),
            ),
            (
                builder().with_endpoint_label("status"),
                format!(r#"invalid endpoint label key "status": {reserved}"#),
            ),
            (
                builder().with_endpoint_label(""),
                format!(r#"invalid endpoint label key "": {pattern}"#),
            ),
            (
                label("route").with_endpoint_label("route"),
                r#"invalid endpoint label key "route": must not be given twice"#.into(),
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
