//! The texts of scope labels, and that of `target_info`, each stored once. A series has only the number of
//! its text.

use crate::families::{
    labels::{
        attributes::Attribute,
        key::KeyRules,
        scope_labels::ScopeLabels,
        text::{LabelText, SharedLabels},
    },
    limits::MAX_SCOPE_LEN,
};
use opentelemetry::InstrumentationScope;
use std::{collections::HashMap, sync::Arc};

/// All texts seen so far.
#[derive(Debug)]
pub(crate) struct Scopes {
    served: ScopeLabels,
    max_value_len: usize,
    all: Vec<ScopeText>,
    by_text: HashMap<Arc<str>, ScopeId>,
}

/// The number of a text. Different texts have different numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopeId(u32);

#[derive(Debug)]
struct ScopeText {
    /// `None` if it is empty.
    text: Option<Arc<str>>,
    truncated: usize,
}

impl Scopes {
    pub(crate) fn new(served: ScopeLabels, max_value_len: usize) -> Self {
        let mut this = Self { served, max_value_len, all: Vec::new(), by_text: HashMap::new() };
        this.clear();
        this
    }

    /// Forgets all texts but the empty one.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.by_text.clear();
        self.store(&LabelText::default());
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether series have scope labels.
    pub(crate) fn are_served(&self) -> bool {
        self.served != ScopeLabels::NONE
    }

    /// The text of the scope of a metric, and of those attributes of a point whose labels begin like
    /// scope labels.
    ///
    /// These attributes have to be in the text. If they were labels of the point, one label set could have
    /// two forms: `otel_scope_name` in the text, or as a label of the point. The series would be written
    /// twice.
    pub(crate) fn find(
        &mut self,
        scope: Option<&InstrumentationScope>,
        rules: KeyRules,
        attributes: &[Attribute<'_>],
    ) -> ScopeId {
        if !self.are_served() || (scope.is_none() && attributes.is_empty()) {
            return ScopeId::NONE;
        }
        let mut labels = SharedLabels::default();
        if let Some(scope) = scope {
            self.served.add(&mut labels, rules.style, scope);
        }
        for attribute in attributes {
            labels.add(rules.label_key(attribute.key).into_owned(), attribute.key, attribute.value);
        }
        self.store(&labels.write(self.max_value_len, MAX_SCOPE_LEN))
    }

    /// The number of the text, which is added if it is new.
    pub(crate) fn store(&mut self, labels: &LabelText) -> ScopeId {
        let LabelText { text, truncated, .. } = labels;
        if let Some(id) = self.by_text.get(text.as_str()) {
            return *id;
        }
        let id = ScopeId(self.all.len() as u32);
        let text: Arc<str> = Arc::from(text.as_str());
        self.by_text.insert(Arc::clone(&text), id);
        let text = Some(text).filter(|text| !text.is_empty());
        self.all.push(ScopeText { text, truncated: *truncated });
        id
    }

    /// `None` if there are no labels.
    pub(crate) fn text(&self, id: ScopeId) -> Option<&Arc<str>> {
        self.all[id.0 as usize].text.as_ref()
    }

    /// How many labels of the text are truncated or left out.
    pub(crate) fn truncated(&self, id: ScopeId) -> usize {
        self.all[id.0 as usize].truncated
    }
}

impl ScopeId {
    /// The empty text.
    pub(crate) const NONE: Self = Self(0);
}
