//! Makes labels from attributes: sorted and valid keys, each key once, and escaped values.
//!
//! Label keys depend only on the keys of the attributes. A family has only few different lists of
//! attribute keys. The cache computes the label keys once for each list. For each point, it only
//! copies the values.

#[cfg(test)]
use crate::families::labels::attributes::{Labels, Row};
use crate::families::{
    labels::{
        attributes::Attribute,
        constant::ConstantLabels,
        dictionary::{Dictionary, LabelNumber},
        key::{KeyRules, KeyStyle},
        key_list::KeyList,
        layouts::{EscapedLayouts, Layout, LayoutId, Layouts},
        row_digest::RowDigest,
        scope_labels::ScopeLabels,
        scopes::{ScopeId, Scopes},
        text::LabelText,
    },
    limits::{MAX_LABELS, MAX_LABELS_LEN},
    names::{escaped_names::EscapedKeys, escaping::Escaping},
};
use foldhash::quality::RandomState;
use std::{
    cmp::Ordering,
    collections::HashMap,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    mem,
};

/// The lists of attribute keys seen so far. It is kept between scrapes.
#[derive(Debug)]
pub(crate) struct LabelCache {
    /// The labels of every series but those of `target_info`.
    constant: ConstantLabels,
    /// The constant labels without those of the resource.
    configured: ConstantLabels,
    scopes: Scopes,
    key_style: KeyStyle,
    max_value_len: usize,
    /// How many labels were truncated or left out since [`take_truncated`](Self::take_truncated).
    truncated: usize,
    key_lists: Vec<KeyList>,
    layouts: Layouts,
    dictionary: Dictionary,
    /// For each escaping that changes keys and was requested.
    escaped: [Option<Box<EscapedLayouts>>; Escaping::COUNT],
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    /// The two lists found last. Points often alternate between two orders of the same keys.
    recent: [usize; 2],
}

/// Which list of keys a point has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyListId(u32);

/// What the keys of a point become: its list of keys, and the layout of its labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundKeys {
    list: KeyListId,
    layout: LayoutId,
}

impl LabelCache {
    pub(crate) fn new(
        constant: ConstantLabels,
        scope_labels: ScopeLabels,
        key_style: KeyStyle,
        max_value_len: usize,
    ) -> Self {
        Self {
            constant: constant.clone(),
            configured: constant,
            scopes: Scopes::new(scope_labels, max_value_len),
            key_style,
            max_value_len,
            truncated: 0,
            key_lists: Vec::new(),
            layouts: Layouts::default(),
            dictionary: Dictionary::default(),
            escaped: Default::default(),
            by_hash: HashMap::new(),
            hasher: RandomState::default(),
            recent: [0; 2],
        }
    }

    /// The constant labels of `target_info`.
    pub(crate) fn configured(&self) -> &ConstantLabels {
        &self.configured
    }

    /// Adds constant labels, before the labels of the first point are made.
    pub(crate) fn add_constant(&mut self, labels: LabelText) {
        self.constant.append(labels);
    }

    pub(crate) fn key_style(&self) -> KeyStyle {
        self.key_style
    }

    pub(crate) fn max_value_len(&self) -> usize {
        self.max_value_len
    }

    pub(crate) fn scopes(&mut self) -> &mut Scopes {
        &mut self.scopes
    }

    /// The digest of no rows.
    pub(crate) fn digest(&self) -> RowDigest {
        RowDigest::new(&self.hasher)
    }

    /// The labels of encoded rows.
    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    pub(crate) fn dictionary_mut(&mut self) -> &mut Dictionary {
        &mut self.dictionary
    }

    /// Forgets the labels of encoded rows. No rows may be encoded.
    pub(crate) fn forget_dictionary(&mut self) {
        self.dictionary = Dictionary::default();
    }

    pub(in crate::families) fn layouts_and_dictionary(&mut self) -> (&[Layout], &mut Dictionary) {
        (self.layouts.all(), &mut self.dictionary)
    }

    /// Counts the labels of a scope that are truncated or left out.
    pub(crate) fn count_truncated(&mut self, scope: ScopeId) {
        self.truncated += self.scopes.truncated(scope);
    }

    /// How many labels were truncated or left out since the last call of [`take_truncated`](Self::take_truncated).
    pub(crate) fn truncated(&self) -> usize {
        self.truncated
    }

    pub(crate) fn set_truncated(&mut self, truncated: usize) {
        self.truncated = truncated;
    }

    /// How many labels were truncated or left out since the last call.
    pub(crate) fn take_truncated(&mut self) -> usize {
        mem::take(&mut self.truncated)
    }

    /// Clears the cache if it is too large, which happens if code generates new keys all the time. Returns
    /// whether it was. Then layouts get other numbers.
    pub(crate) fn trim(&mut self) -> bool {
        let lens = [self.key_lists.len(), self.layouts.len(), self.scopes.len()];
        let is_large = lens.into_iter().any(|len| len > MAX_ENTRIES);
        if is_large {
            self.scopes.clear();
            self.key_lists = Vec::new();
            self.layouts.clear();
            self.dictionary = Dictionary::default();
            self.escaped = Default::default();
            self.by_hash = HashMap::new();
            // Layouts get the same numbers again. With another seed, no earlier digest matches.
            self.hasher = RandomState::default();
        }
        is_large
    }

    /// Appends the labels of a point: `key="value",key="value`. Replaces `lengths` by the lengths of the
    /// values. Leaves out empty values. Returns the layout of the labels.
    #[inline]
    pub(crate) fn push_labels(
        &mut self,
        out: &mut String,
        lengths: &mut Vec<usize>,
        FoundKeys { list, layout }: FoundKeys,
        attributes: &[Attribute<'_>],
    ) -> LayoutId {
        let Self { max_value_len, truncated, key_lists, .. } = self;
        let keys = &key_lists[list.0 as usize];
        *truncated += keys.truncated;
        let start = out.len();
        let mut max_len = *max_value_len;
        let mut pushed = keys.push_labels(out, lengths, attributes, max_len);
        let is_long = out.len() - start > MAX_LABELS_LEN;
        if is_long && lengths.iter().sum::<usize>() > MAX_LABELS_LEN {
            out.truncate(start);
            max_len = max_len.min(MAX_LABELS_LEN / MAX_LABELS / 2);
            pushed = keys.push_labels(out, lengths, attributes, max_len);
        }
        *truncated += pushed.truncated;
        if pushed.empty == 0 { layout } else { self.without_empty(list, layout, pushed.empty) }
    }

    /// Whether [`push_labels`](Self::push_labels) would append this text and return this layout. The text has no
    /// escapes. `lengths` begins with the packed lengths of its values.
    #[inline]
    pub(crate) fn have_values(
        &mut self,
        FoundKeys { list, layout }: FoundKeys,
        of_text: LayoutId,
        attributes: &[Attribute<'_>],
        text: &[u8],
        lengths: &[u8],
    ) -> bool {
        let keys = &self.key_lists[list.0 as usize];
        let are_same = layout == of_text && keys.have_values(attributes, text, lengths);
        if are_same {
            self.truncated += keys.truncated;
        }
        are_same
    }

    /// Whether [`push_labels`](Self::push_labels) would append these labels and return this layout. `numbers` begins with those of
    /// the labels.
    pub(in crate::families) fn have_labels(
        &mut self,
        keys: FoundKeys,
        layout: LayoutId,
        attributes: &[Attribute<'_>],
        numbers: &[LabelNumber],
    ) -> bool {
        let are_same = self.are_labels(keys, layout, attributes, numbers);
        if are_same {
            self.truncated += self.key_lists[keys.list.0 as usize].truncated;
        }
        are_same
    }

    /// Does the same without counting truncated labels.
    pub(in crate::families) fn are_labels(
        &self,
        FoundKeys { list, layout }: FoundKeys,
        of_row: LayoutId,
        attributes: &[Attribute<'_>],
        numbers: &[LabelNumber],
    ) -> bool {
        let keys = &self.key_lists[list.0 as usize];
        layout == of_row && keys.have_labels(attributes, numbers, &self.dictionary)
    }

    /// The keys of points of this scope.
    pub(crate) fn in_scope(&mut self, list: KeyListId, scope: ScopeId) -> FoundKeys {
        let Self { key_lists, layouts, scopes, .. } = self;
        let KeyList { layout, last, by_scope, .. } = &mut key_lists[list.0 as usize];
        if last.0 != scope {
            let in_scope = || layouts.in_scope(*layout, scopes.text(scope));
            *last = (scope, *by_scope.entry(scope).or_insert_with(in_scope));
        }
        FoundKeys { list, layout: last.1 }
    }

    /// The layout without the labels with these bits, which are empty.
    fn without_empty(&mut self, list: KeyListId, layout: LayoutId, empty: u64) -> LayoutId {
        let Self { key_lists, layouts, .. } = self;
        let KeyList { without_empty, .. } = &mut key_lists[list.0 as usize];
        let without = || layouts.without(layout, empty);
        *without_empty.entry((layout, empty)).or_insert_with(without)
    }

    /// Whether attributes of this list have to be [labels of the scope](Scopes::find).
    pub(crate) fn has_scope_keys(&self, key_list: KeyListId) -> bool {
        self.scopes.are_served() && self.key_lists[key_list.0 as usize].has_scope_keys
    }

    /// Whether points with these keys count label sets beyond a series limit.
    pub(crate) fn is_overflow(&self, key_list: KeyListId) -> bool {
        self.key_lists[key_list.0 as usize].is_overflow
    }

    /// The labels of a series with these values, whose packed lengths are `lengths`.
    #[cfg(test)]
    pub(crate) fn labels<'t>(
        &'t self,
        layout: LayoutId,
        text: &'t str,
        lengths: &'t [u8],
    ) -> Labels<'t> {
        let layout = &self.layouts()[layout.index()];
        let row = Row::Text { text: text.as_bytes(), lengths };
        Labels { layout, canonical: layout, row, is_plain: false }
    }

    /// The layouts of series, by their ids.
    pub(in crate::families) fn layouts(&self) -> &[Layout] {
        self.layouts.all()
    }

    /// The layouts as they are written, if they were [prepared](Self::prepare).
    pub(in crate::families) fn written_layouts(&self, escaping: Escaping) -> &[Layout] {
        match &self.escaped[escaping as usize] {
            Some(escaped) => escaped.all(),
            None => self.layouts.all(),
        }
    }

    /// Prepares all layouts to be written with this escaping.
    pub(crate) fn prepare(&mut self, escaping: Escaping) {
        if self.changes_keys(escaping) {
            let Self { constant, layouts, escaped, .. } = self;
            escaped_layouts(escaped, escaping, constant).add(layouts);
        }
    }

    /// The constant labels as they are written: those of `target_info`, or those of every other series.
    pub(crate) fn written_constant(
        &mut self,
        escaping: Escaping,
        is_target_info: bool,
    ) -> ConstantLabels {
        let changes_keys = self.changes_keys(escaping);
        let Self { constant, configured, escaped, .. } = self;
        let labels = if is_target_info { configured } else { &*constant };
        if changes_keys {
            labels.escaped(escaped_layouts(escaped, escaping, constant).keys())
        } else {
            labels.clone()
        }
    }

    /// Whether keys can change with this escaping. If not, nothing has to be stored for it.
    fn changes_keys(&self, escaping: Escaping) -> bool {
        escaping.changes_names(self.key_style == KeyStyle::Utf8)
    }

    /// See [`Layouts::compare`].
    pub(crate) fn compare(&self, a: LayoutId, b: LayoutId) -> Ordering {
        self.layouts.compare(a, b)
    }

    /// The key list of a point with these attributes, which is added if it is new.
    pub(crate) fn find(&mut self, rules: KeyRules, attributes: &[Attribute<'_>]) -> KeyListId {
        let is_it =
            |id: &usize| self.key_lists.get(*id).is_some_and(|list| list.is(rules, attributes));
        if let Some(id) = self.recent.iter().copied().find(is_it) {
            return KeyListId(id as u32);
        }
        let mut hasher = self.hasher.build_hasher();
        attributes.iter().for_each(|attribute| attribute.key.hash(&mut hasher));
        let same_hash = self.by_hash.entry(hasher.finish()).or_default();
        let known = same_hash.iter().find(|&&id| self.key_lists[id].is(rules, attributes)).copied();
        let id = known.unwrap_or_else(|| {
            same_hash.push(self.key_lists.len());
            let mut add = |keys: &[String]| {
                self.layouts.add(self.scopes.text(ScopeId::NONE), keys.iter().map(String::as_str))
            };
            self.key_lists.push(KeyList::new(&self.constant, rules, attributes, &mut add));
            self.key_lists.len() - 1
        });
        self.recent = [id, self.recent[0]];
        KeyListId(id as u32)
    }
}

/// The layouts with this escaping. The keys of the constant labels take their names first.
fn escaped_layouts<'a>(
    escaped: &'a mut [Option<Box<EscapedLayouts>>; Escaping::COUNT],
    escaping: Escaping,
    constant: &ConstantLabels,
) -> &'a mut EscapedLayouts {
    escaped[escaping as usize].get_or_insert_with(|| {
        let mut keys = EscapedKeys::new(escaping);
        keys.add(constant.keys());
        Box::new(EscapedLayouts::new(keys))
    })
}

/// More different lists than any reasonable set of instruments has.
const MAX_ENTRIES: usize = 10_000;
