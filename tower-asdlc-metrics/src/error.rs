use std::fmt;

/// A [builder](crate::HttpMetricsLayerBuilder) was given something that cannot be recorded.
#[derive(Debug)]
pub struct BuildError(Kind);

#[derive(Debug)]
enum Kind {
    Boundary { index: usize, value: f64, before: Option<f64> },
}

impl BuildError {
    pub(crate) fn check_boundaries(boundaries: &[f64]) -> Result<(), Self> {
        let mut before = None;
        for (index, &value) in boundaries.iter().enumerate() {
            if !value.is_finite() || before.is_some_and(|before| value <= before) {
                return Err(Self(Kind::Boundary { index, value, before }));
            }
            before = Some(value);
        }
        Ok(())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind::Boundary { index, value, before } = self.0;
        write!(f, "boundary {value} at index {index} of http_request_duration_seconds: ")?;
        match before {
            Some(before) if value.is_finite() => {
                write!(f, "must be above the one before it, {before}")
            }
            _ => write!(f, "must be a finite number of seconds (+Inf is added by itself)"),
        }
    }
}

impl std::error::Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(BuildError::check_boundaries(&[-1.0, 0.0, 1.0]).is_ok());
    }
}
