//! What is served of the resource: the labels of `target_info`, and the attributes that are labels of
//! every series.

use crate::families::{
    labels::{
        attributes::Attribute,
        cache::LabelCache,
        constant::ConstantLabels,
        key::KeyStyle,
        text::{LabelText, SharedLabels},
    },
    limits::{MAX_CONSTANT_LEN, MAX_LABELS_LEN},
};
use opentelemetry::Key;
use opentelemetry_sdk::Resource;
use std::{fmt, mem};

/// Which attributes of the resource are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceSettings {
    /// The keys of the attributes that are labels of every series.
    pub(crate) labels: Vec<String>,
    pub(crate) has_target_info: bool,
}

/// The resource of a provider does not change, so it is read once, at the first scrape.
#[derive(Debug)]
pub(crate) struct ServedResource {
    settings: ResourceSettings,
    is_read: bool,
    target_info: Option<LabelText>,
}

/// Why not all requested attributes are labels of every series.
#[derive(Debug)]
pub(crate) enum ResourceWarning {
    /// A constant label has the key.
    TakenKey { attribute: String, label: String },
    /// Some are truncated or left out because they are too long.
    Truncated,
}

impl ServedResource {
    pub(crate) fn new(settings: ResourceSettings) -> Self {
        Self { settings, is_read: false, target_info: None }
    }

    /// Reads the resource if it was not read before. Adds attributes to the constant labels.
    pub(crate) fn read(
        &mut self,
        resource: &Resource,
        labels: &mut LabelCache,
    ) -> Vec<ResourceWarning> {
        if mem::replace(&mut self.is_read, true) {
            return Vec::new();
        }
        let (constant, max_value_len) = (labels.configured(), labels.max_value_len());
        let style = labels.key_style();
        if self.settings.has_target_info && !resource.is_empty() {
            self.target_info = Some(target_info(resource, constant, style, max_value_len));
        }
        let (shared, mut warnings) = self.settings.shared_labels(resource, constant, style);
        let max_len = MAX_CONSTANT_LEN.saturating_sub(constant.text().len());
        let text = shared.write(max_value_len, max_len);
        warnings.extend((text.truncated > 0).then_some(ResourceWarning::Truncated));
        labels.add_constant(text);
        warnings
    }

    /// The labels of `target_info` besides the constant labels. `None` if it is not served: it is
    /// turned off, or the resource has no attributes.
    pub(crate) fn target_info(&self) -> Option<&LabelText> {
        self.target_info.as_ref()
    }
}

impl ResourceSettings {
    /// The attributes that are labels of every series. A constant label with the same key is kept
    /// instead.
    fn shared_labels<'a>(
        &'a self,
        resource: &'a Resource,
        constant: &ConstantLabels,
        style: KeyStyle,
    ) -> (SharedLabels<'a>, Vec<ResourceWarning>) {
        let (mut labels, mut warnings) = (SharedLabels::default(), Vec::new());
        for (at, name) in self.labels.iter().enumerate() {
            if self.labels[..at].contains(name) {
                continue;
            }
            let Some(value) = resource.get_ref(&Key::new(name.clone())) else { continue };
            let label = style.label_key(name).into_owned();
            if constant.contains(&label) {
                warnings.push(ResourceWarning::TakenKey { attribute: name.clone(), label });
            } else {
                labels.add(label, name, value.into());
            }
        }
        (labels, warnings)
    }
}

/// All attributes. One with the key of a constant label gets the prefix `exported_`, unless both
/// labels have the same value: then the constant label is enough.
fn target_info(
    resource: &Resource,
    constant: &ConstantLabels,
    style: KeyStyle,
    max_value_len: usize,
) -> LabelText {
    let mut labels = SharedLabels::default();
    for (name, value) in resource {
        let attribute = Attribute::new(name, value);
        let mut key = style.label_key(attribute.key).into_owned();
        if constant.has(&key, &value.as_str()) {
            continue;
        }
        while constant.contains(&key) {
            key.insert_str(0, "exported_");
        }
        labels.add(key, attribute.key, attribute.value);
    }
    labels.write(max_value_len, MAX_LABELS_LEN)
}

impl fmt::Display for ResourceWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenKey { attribute, label } => write!(
                f,
                "the resource attribute `{attribute}` is not a label: `{label}` is a constant label"
            ),
            Self::Truncated => f.write_str(
                "labels of resource attributes are truncated or left out: they are too long or too many for scrapers",
            ),
        }
    }
}
