//! The settings of a renderer.

use crate::{
    exemplars::store::ExemplarStore,
    families::{
        labels::{
            constant::ConstantLabels, resource::ResourceSettings, row_memory::RowLimits,
            scope_labels::ScopeLabels,
        },
        limits::DEFAULT_VALUE_LEN,
        names::policy::NamePolicy,
        series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
    },
    unix_time::UnixTime,
};
use std::sync::Arc;

/// The settings of a [`Renderer`](super::Renderer).
#[derive(Debug)]
pub(crate) struct RenderSettings {
    pub(crate) policy: NamePolicy,
    pub(crate) constant: ConstantLabels,
    pub(crate) max_value_len: usize,
    pub(crate) scope_labels: ScopeLabels,
    pub(crate) resource: ResourceSettings,
    /// Whether a collection without metrics is valid. It is not if the exporter's own `uptime_seconds`
    /// must be there.
    pub(crate) may_be_empty: bool,
    /// When series are no longer served. `None` means never.
    pub(crate) idle: Option<IdleTimeout>,
    /// The histograms that are to be native.
    pub(crate) native: Option<NativeHistograms>,
    /// Whether `OpenMetrics` has the start time of each series, in lines `_created`.
    pub(crate) has_created_lines: bool,
    /// `None` if no exemplars are recorded.
    pub(crate) exemplars: Option<Arc<ExemplarStore>>,
    /// How many labels are kept between scrapes.
    pub(crate) row_limits: RowLimits,
    /// When the reader was built.
    pub(crate) built: UnixTime,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            policy: NamePolicy::default(),
            constant: ConstantLabels::default(),
            max_value_len: DEFAULT_VALUE_LEN,
            scope_labels: ScopeLabels::NONE,
            resource: ResourceSettings::default(),
            may_be_empty: false,
            idle: None,
            native: None,
            has_created_lines: false,
            exemplars: None,
            row_limits: RowLimits::default(),
            built: UnixTime::now(),
        }
    }
}
