//! Limits of names, keys, values and series.
//!
//! A scraper drops the whole target if one line is too long: vmagent reads large responses line by line
//! and rejects a line of more than 256 KiB. Backends drop single series: Mimir drops a series with
//! a label value of more than 2048 bytes, recent versions of `VictoriaMetrics` with more than 4096
//! bytes.

/// The default of [`with_max_label_value_len`](crate::ExporterBuilder::with_max_label_value_len).
pub(crate) const DEFAULT_VALUE_LEN: usize = 1024;
/// Leaves room for a hash and a part of the value.
pub(crate) const MIN_VALUE_LEN: usize = 64;
pub(crate) const MAX_VALUE_LEN: usize = 4096;

/// Bytes of a label key or a namespace.
pub(crate) const MAX_KEY_LEN: usize = 256;

/// Labels of a series, without the constant labels and those of its scope; labels of a scope, and
/// attributes of the resource. At most 64: a `u64` has a bit for each.
pub(crate) const MAX_LABELS: usize = 64;

/// Bytes of all escaped label values of a series. With 64 keys, the constant labels and those of the
/// scope, a line stays below 256 KiB.
pub(crate) const MAX_LABELS_LEN: usize = 128 * 1024;

/// Bytes of all escaped label values of a scope.
pub(crate) const MAX_SCOPE_LEN: usize = 24 * 1024;

/// Bytes of all constant labels.
pub(crate) const MAX_CONSTANT_LEN: usize = 32 * 1024;

/// Bytes of a family name. The SDK allows 255 for an instrument; namespace and unit are added.
pub(crate) const MAX_NAME_LEN: usize = 1024;

/// Bytes of a help text.
pub(crate) const MAX_HELP_LEN: usize = 1024;

/// Series of an instrument. The SDK allocates memory for them in advance: more would not fit into
/// memory.
pub(crate) const MAX_SERIES: usize = 10_000_000;
