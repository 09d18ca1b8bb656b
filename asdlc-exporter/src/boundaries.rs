//! The rule for the boundaries of a histogram.

/// Checks the boundaries (upper bounds of buckets).
///
/// # Errors
///
/// When there is no boundary, a boundary is not finite, or the boundaries do not strictly increase.
/// The error is the message for the user.
pub(crate) fn check_boundaries(boundaries: &[f64]) -> Result<(), String> {
    if boundaries.is_empty() {
        return Err("invalid boundaries []: must have at least one".to_owned());
    }
    if let Some(boundary) = boundaries.iter().find(|boundary| !boundary.is_finite()) {
        return Err(format!("invalid boundary {boundary}: must be finite"));
    }
    boundaries.windows(2).try_for_each(|pair| match *pair {
        [previous, boundary] if boundary <= previous => Err(format!(
            "invalid boundary {boundary}: must be greater than the boundary before it, {previous}"
        )),
        _ => Ok(()),
    })
}
