//! Settings that may be given once.

/// Stores a setting, and the name of the first method that was called twice.
///
/// The second value would silently replace the first, so the layer refuses a rule with such a method.
pub(crate) fn set_once<T>(
    setting: &mut Option<T>,
    value: T,
    method: &'static str,
    called_twice: &mut Option<&'static str>,
) {
    if setting.replace(value).is_some() {
        called_twice.get_or_insert(method);
    }
}
