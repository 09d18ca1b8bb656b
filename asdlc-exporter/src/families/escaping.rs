//! The ways in which names with any characters become names that a scraper can read.

/// How names are escaped. The names of the variants are those of `escaping=` in `Accept` and
/// `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Escaping {
    /// `allow-utf-8`: not at all.
    AllowUtf8,
    /// `underscores`: each character that is not allowed becomes `_`.
    Underscores,
    /// `dots`: `_` becomes `__`, `.` becomes `_dot_`, and each other character that is not allowed becomes
    /// `__`.
    Dots,
    /// `values`: a name with characters that are not allowed gets the prefix `U__`, and each of them becomes
    /// its code point in hexadecimal between underscores.
    Values,
}

impl Escaping {
    pub(crate) const COUNT: usize = 4;
}
