//! Settings that are given once.

/// Keeps the value, and the name of the first method that was called twice: the second value would replace the first without a
/// word, so the layer refuses the rule.
pub(crate) fn set_once<T>(
    setting: &mut Option<T>,
    value: T,
    method: &'static str,
    twice: &mut Option<&'static str>,
) {
    if setting.replace(value).is_some() {
        twice.get_or_insert(method);
    }
}
