//! The rule for the boundaries of a histogram.

/// Checks upper bounds of buckets.
///
/// # Errors
///
/// The message, when there is no boundary, one is not finite, or they do not strictly increase.
pub(crate) fn check_boundaries(boundaries: &[f64]) -> Result<(), String> {
    let is_finite = boundaries.iter().all(|boundary| boundary.is_finite());
    if boundaries.is_empty() || !is_finite || !boundaries.is_sorted_by(|a, b| a < b) {
        return Err(format!("invalid boundaries {boundaries:?}: {RULE}"));
    }
    Ok(())
}

const RULE: &str = "must be finite, strictly increasing and not empty";
