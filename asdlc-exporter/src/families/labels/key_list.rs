//! What a list of attribute keys becomes: the keys of labels, and which attributes their values are from.

use crate::families::{
    labels::{
        attributes::{Attribute, is_value, push_value},
        constant::ConstantLabels,
        dictionary::{Dictionary, LabelNumber},
        key::{KeyRules, is_scope_key, label_key},
        layouts::{END, LayoutId, opening},
        packed_lengths,
        scopes::ScopeId,
        truncate::{truncate_key, truncate_value},
    },
    limits::MAX_LABELS,
};
use std::collections::HashMap;

/// A list of attribute keys, in the order of recording.
#[derive(Debug)]
pub(in crate::families) struct KeyList {
    keys: Vec<String>,
    rules: KeyRules,
    /// The layout of points without a scope.
    pub(in crate::families) layout: LayoutId,
    /// The scope that was found last, and its layout.
    pub(in crate::families) last: (ScopeId, LayoutId),
    /// The layouts of all scopes.
    pub(in crate::families) by_scope: HashMap<ScopeId, LayoutId>,
    /// Whether a label begins like the labels of scopes.
    pub(in crate::families) has_scope_keys: bool,
    labels: Vec<LabelSource>,
    /// For each label, what is needed to compare its value with a text.
    values: Vec<ValueSource>,
    /// How many labels are left out or have a truncated key.
    pub(in crate::families) truncated: usize,
    /// The layouts of points with empty labels, by the layout with them and by the bits of these labels.
    pub(in crate::families) without_empty: HashMap<(LayoutId, u64), LayoutId>,
    /// Whether points with these keys are those of an overflow series.
    pub(in crate::families) is_overflow: bool,
}

/// What a label is made from.
#[derive(Debug)]
struct LabelSource {
    /// See [`opening`].
    opening: String,
    /// The positions of the attributes whose values it has.
    positions: Vec<usize>,
}

/// Where the value of a label is, in the text of all labels and among the attributes.
#[derive(Debug)]
struct ValueSource {
    /// How many bytes are between the value and the value before.
    before: usize,
    /// The position of the attribute. No attribute has this position if the label has the values of several.
    attribute: usize,
}

/// What [`KeyList::push_labels`] did.
pub(in crate::families) struct Pushed {
    pub(in crate::families) truncated: usize,
    /// A bit for each label whose value is empty. It was not pushed.
    pub(in crate::families) empty: u64,
}

impl KeyList {
    /// Computes the labels of points with these attributes.
    ///
    /// An attribute with the key of a constant label gets the prefix `exported_`. Prometheus does the same if
    /// a scraped label has the name of a target label. The `reserved` key gets the prefix too. If
    /// several attributes become the same label, their values are joined by `;`, in the order of
    /// the attribute keys. Labels beyond [`MAX_LABELS`] are left out.
    pub(in crate::families) fn new(
        constant: &ConstantLabels,
        rules: KeyRules,
        attributes: &[Attribute<'_>],
        add_layout: &mut impl FnMut(&[String]) -> LayoutId,
    ) -> Self {
        let mut truncated = 0;
        let mut order: Vec<(String, usize)> = attributes
            .iter()
            .enumerate()
            .map(|(at, attribute)| {
                let mut key = rules.label_key(attribute.key).into_owned();
                // Truncated first: the key of a constant label may be truncated too.
                let mut is_truncated = truncate_key(&mut key);
                while constant.contains(&key) || rules.reserved == Some(key.as_str()) {
                    key.insert_str(0, "exported_");
                    is_truncated |= truncate_key(&mut key);
                }
                truncated += usize::from(is_truncated);
                (key, at)
            })
            .collect();
        order.sort_by(|(a, x), (b, y)| {
            a.cmp(b).then_with(|| attributes[*x].key.cmp(attributes[*y].key))
        });
        let same_key = || order.chunk_by(|(a, _), (b, _)| a == b);
        truncated += same_key().count().saturating_sub(MAX_LABELS);
        let keys: Vec<_> = same_key().take(MAX_LABELS).map(|same| same[0].0.clone()).collect();
        let layout = add_layout(&keys);
        let labels: Vec<_> = same_key()
            .take(MAX_LABELS)
            .map(|same| LabelSource {
                opening: opening(&same[0].0),
                positions: same.iter().map(|(_, at)| *at).collect(),
            })
            .collect();
        Self {
            keys: attributes.iter().map(|attribute| attribute.key.to_owned()).collect(),
            rules,
            layout,
            last: (ScopeId::NONE, layout),
            has_scope_keys: order.iter().any(|(key, _)| is_scope_key(key)),
            values: labels.iter().enumerate().map(|(at, label)| label.value(at == 0)).collect(),
            labels,
            truncated,
            by_scope: HashMap::new(),
            without_empty: HashMap::new(),
            is_overflow: attributes.iter().any(|attribute| label_key(attribute.key) == OVERFLOW),
        }
    }

    /// Appends the labels of a point with these attributes, and replaces `lengths` by the lengths of their values.
    pub(in crate::families) fn push_labels(
        &self,
        out: &mut String,
        lengths: &mut Vec<usize>,
        attributes: &[Attribute<'_>],
        max_len: usize,
    ) -> Pushed {
        let (mut truncated, mut empty) = (0, 0);
        lengths.clear();
        for (at, LabelSource { opening, positions }) in self.labels.iter().enumerate() {
            let before = out.len();
            out.push_str(if lengths.is_empty() { &opening[END.len()..] } else { opening });
            let start = out.len();
            match *positions.as_slice() {
                [position] => push_value(out, attributes[position].value),
                ref positions => push_joined(out, positions, attributes),
            }
            let mut length = out.len() - start;
            // One comparison for the two rare cases: the value is empty, or may be too long.
            if length.wrapping_sub(1) >= max_len {
                if length == 0 {
                    out.truncate(before);
                    empty |= 1 << at;
                    continue;
                }
                truncated += usize::from(truncate_value(out, start, max_len));
                length = out.len() - start;
            }
            lengths.push(length);
        }
        Pushed { truncated, empty }
    }

    /// Whether the labels of a point with these attributes are this text, which has as many labels and no escapes.
    ///
    /// Labels with more than one attribute, and values of rare types, are not compared: then it returns `false`.
    #[inline]
    pub(in crate::families) fn have_values(
        &self,
        attributes: &[Attribute<'_>],
        text: &[u8],
        mut lengths: &[u8],
    ) -> bool {
        // How far the text is compared.
        let mut end = 0;
        self.values.iter().all(|&ValueSource { before, attribute }| {
            let start = end + before;
            end = start + packed_lengths::take(&mut lengths);
            let (value, attribute) = (text.get(start..end), attributes.get(attribute));
            matches!((value, attribute), (Some(value), Some(attribute)) if is_value(attribute.value, value))
        })
    }

    /// Does the same for labels with these numbers.
    pub(in crate::families) fn have_labels(
        &self,
        attributes: &[Attribute<'_>],
        numbers: &[LabelNumber],
        dictionary: &Dictionary,
    ) -> bool {
        self.values.iter().zip(numbers).all(|(&ValueSource { before, attribute }, &number)| {
            let label = dictionary.label(number).as_bytes();
            let (value, attribute) = (label.get(before..), attributes.get(attribute));
            matches!((value, attribute), (Some(value), Some(attribute)) if is_value(attribute.value, value))
        })
    }

    /// Whether a point with these attributes has this list.
    pub(in crate::families) fn is(&self, rules: KeyRules, attributes: &[Attribute<'_>]) -> bool {
        self.rules == rules
            && self.keys.len() == attributes.len()
            && self.keys.iter().zip(attributes).all(|(key, attribute)| key == attribute.key)
    }
}

impl LabelSource {
    fn value(&self, is_first: bool) -> ValueSource {
        let before = self.opening.len() - if is_first { END.len() } else { 0 };
        let attribute = match *self.positions.as_slice() {
            [position] => position,
            _ => usize::MAX,
        };
        ValueSource { before, attribute }
    }
}

/// Appends the values that are not empty, separated by `;`.
#[inline(never)]
fn push_joined(out: &mut String, positions: &[usize], attributes: &[Attribute<'_>]) {
    let start = out.len();
    for &position in positions {
        let before = out.len();
        if before > start {
            out.push(';');
        }
        let after = out.len();
        push_value(out, attributes[position].value);
        if out.len() == after {
            out.truncate(before);
        }
    }
}

/// The label of series that count what is beyond a series limit. The SDK records it as
/// `otel.metric.overflow`, which it stays if label keys are in UTF-8.
pub(crate) const OVERFLOW: &str = "otel_metric_overflow";
