use crate::labels::methods::{MAX_EXTRA_METHODS, OTHER, RESERVED};
use crate::labels::user_label::{Label, MAX_LABEL_VALUES, MAX_LABELS};
use crate::record::instruments::DURATION;
use http::Method;
use std::fmt;

/// A [builder](crate::HttpMetricsLayerBuilder) was given something that cannot be recorded.
pub struct BuildError(Kind);

#[derive(Debug)]
enum Kind {
    Boundary { index: usize, value: f64, before: Option<f64> },
    Methods { count: usize },
    Labels { count: usize },
    LabelKey { key: String, why: &'static str },
    LabelValues { key: String, count: usize },
    LabelValue { key: String, index: usize, why: &'static str },
    Path { path: String },
    MaxSeries { max_series: usize },
}

impl BuildError {
    pub(crate) fn check_boundaries(boundaries: &[f64]) -> Result<(), Self> {
        let mut before = None;
        for (index, &value) in boundaries.iter().enumerate() {
            if !value.is_finite() || value < 0.0 || before.is_some_and(|before| value <= before) {
                return Err(Self(Kind::Boundary { index, value, before }));
            }
            before = Some(value);
        }
        Ok(())
    }

    pub(crate) fn check_methods(methods: &[Method]) -> Result<(), Self> {
        let count = methods.len();
        if count > MAX_EXTRA_METHODS { Err(Self(Kind::Methods { count })) } else { Ok(()) }
    }

    pub(crate) fn check_labels(labels: &[Label]) -> Result<(), Self> {
        if labels.len() > MAX_LABELS {
            return Err(Self(Kind::Labels { count: labels.len() }));
        }
        for (index, Label { key, values, value: _ }) in labels.iter().enumerate() {
            let snake_case = key.starts_with(|first: char| first.is_ascii_lowercase())
                && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
            let why = if !snake_case {
                "must be lower snake case: a letter, then letters, digits and _"
            } else if RESERVED.contains(&key.as_str()) {
                "has a meaning already"
            } else if labels[..index].iter().any(|other| other.key == *key) {
                "is there twice"
            } else {
                Self::check_label_values(key, values)?;
                continue;
            };
            return Err(Self(Kind::LabelKey { key: key.clone(), why }));
        }
        Ok(())
    }

    fn check_label_values(key: &str, values: &[String]) -> Result<(), Self> {
        let (key, count) = (|| key.to_owned(), values.len());
        if !(1..=MAX_LABEL_VALUES).contains(&count) {
            return Err(Self(Kind::LabelValues { key: key(), count }));
        }
        for (index, value) in values.iter().enumerate() {
            let why = if value.is_empty() {
                "must not be empty: an empty label is no label"
            } else if value == OTHER {
                "stands for all other values"
            } else if values[..index].contains(value) {
                "is there twice"
            } else {
                continue;
            };
            return Err(Self(Kind::LabelValue { key: key(), index, why }));
        }
        Ok(())
    }

    pub(crate) fn check_paths(paths: &[String]) -> Result<(), Self> {
        // That of `OPTIONS *` is the only one without a slash.
        let is_path =
            |path: &str| path == "*" || path.starts_with('/') && !path.contains(['?', '#']);
        match paths.iter().find(|path| !is_path(path)) {
            Some(path) => Err(Self(Kind::Path { path: path.clone() })),
            None => Ok(()),
        }
    }

    pub(crate) fn check_max_series(max_series: usize) -> Result<(), Self> {
        let allowed = (1..=MOST_SERIES).contains(&max_series);
        if allowed { Ok(()) } else { Err(Self(Kind::MaxSeries { max_series })) }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Boundary { index, value, before } => {
                write!(f, "boundary {value} at index {index} of {DURATION}: ")?;
                match before {
                    Some(before) if value.is_finite() && *value >= 0.0 => {
                        write!(f, "must be above the one before it, {before}")
                    }
                    _ => write!(f, "must be a finite number of seconds, 0 or more (+Inf is added)"),
                }
            }
            Kind::Methods { count } => {
                write!(f, "{count} additional methods: at most {MAX_EXTRA_METHODS} are allowed")
            }
            Kind::Labels { count } => write!(f, "{count} labels: at most {MAX_LABELS} are allowed"),
            Kind::LabelKey { key, why } => {
                write!(f, "label {key:?}: {why}; reserved are {}", RESERVED.join(", "))
            }
            Kind::LabelValues { key, count } => {
                write!(f, "label {key:?}: {count} values, 1 to {MAX_LABEL_VALUES} are allowed")
            }
            Kind::LabelValue { key, index, why } => {
                write!(f, "label {key:?}: the value at index {index} {why}")
            }
            Kind::Path { path } => {
                write!(
                    f,
                    "excluded path {path:?}: must begin with / and contain no ? or #, or be *"
                )
            }
            Kind::MaxSeries { max_series } => {
                write!(f, "a maximum of {max_series} series: 1 to {MOST_SERIES} are allowed")
            }
        }
    }
}

/// The sentence, which `unwrap` prints.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({self})")
    }
}

impl std::error::Error for BuildError {}

const MOST_SERIES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fixed, HttpMetricsLayer};
    use opentelemetry::metrics::MeterProvider;

    #[test]
    fn a_boundary_that_opentelemetry_would_refuse_in_silence_is_an_error_that_says_where() {
        let message =
            |boundaries: &[f64]| BuildError::check_boundaries(boundaries).unwrap_err().to_string();
        assert_eq!(
            message(&[0.1, 0.1]),
            "boundary 0.1 at index 1 of http_request_duration_seconds: must be above the one before it, 0.1"
        );
        assert!(message(&[1.0, 0.5]).contains("index 1"));
        assert!(message(&[f64::NAN]).contains("finite"));
        assert!(message(&[1.0, f64::INFINITY]).contains("finite"));
        assert!(BuildError::check_boundaries(&[]).is_ok());
        assert!(message(&[-1.0, 0.0, 1.0]).contains("boundary -1 at index 0"));
        assert!(message(&[-1.0, 0.0, 1.0]).contains("0 or more"));
        assert!(BuildError::check_boundaries(&[0.0, 1.0]).is_ok());
    }

    #[test]
    fn each_mistake_is_told_with_what_is_allowed() {
        let meter = opentelemetry::metrics::noop::NoopMeterProvider::new().meter("test");
        let builder = || HttpMetricsLayer::builder(Fixed("/x"));
        let label = |key: &str| builder().with_label(key, ["a"], |_| None);
        for (wrong, message) in [
            (label("Tenant"), r#"label "Tenant": must be lower snake case"#),
            (label("1st"), r#"label "1st": must be lower snake case"#),
            (label(""), r#"label "": must be lower snake case"#),
            (label("status"), r#"label "status": has a meaning already"#),
            (label("le"), r#"label "le": has a meaning already"#),
            (label("a").with_label("a", ["b"], |_| None), r#"label "a": is there twice"#),
            (
                label("a").with_label("b", ["v"; 101], |_| None),
                r#"label "b": 101 values, 1 to 100"#,
            ),
            (label("a").with_label("b", [""; 0], |_| None), r#"label "b": 0 values, 1 to 100"#),
            (
                label("a").with_label("b", ["v", ""], |_| None),
                r#"label "b": the value at index 1 must not be empty"#,
            ),
            (
                label("a").with_label("b", ["v", "w", "v"], |_| None),
                r#"label "b": the value at index 2 is there twice"#,
            ),
            (
                label("a").with_label("b", ["_OTHER"], |_| None),
                r#"label "b": the value at index 0 stands for all other values"#,
            ),
            (
                builder().without_paths(["/x", "health"]),
                r#"excluded path "health": must begin with /"#,
            ),
            (builder().without_paths(["/x?y=1"]), r#"excluded path "/x?y=1": must begin with /"#),
            (
                ["b", "c", "d", "e"]
                    .iter()
                    .fold(label("a"), |builder, key| builder.with_label(*key, ["v"], |_| None)),
                "5 labels: at most 4",
            ),
            (builder().with_max_series(0), "a maximum of 0 series: 1 to 100000"),
            (builder().with_max_series(100_001), "a maximum of 100001 series: 1 to 100000"),
            (
                builder().with_methods(
                    (0..17).map(|i| Method::from_bytes(format!("M{i}").as_bytes()).unwrap()),
                ),
                "17 additional methods: at most 16",
            ),
        ] {
            let error = wrong.build(&meter).unwrap_err();
            // F-17b
            assert_eq!(format!("{error:?}"), format!("BuildError({error})"));
            let error = error.to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
