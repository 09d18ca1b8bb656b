//! Label sets: sanitised keys in order, escaped values, never a key twice.
//!
//! What the keys of a point become depends on the keys alone, of which a family has few lists:
//! each list is worked out once, and a point costs no more than copying its values.

use crate::{
    exposition::escape::{Escaping, push_escaped},
    families::{
        constant_labels::ConstantLabels,
        name::label_key,
        packed,
        truncate::{MAX_KEY_LEN, MAX_LABELS, MAX_LABELS_LEN, truncate_key, truncate_value},
    },
};
use foldhash::quality::{FoldHasher, RandomState};
use opentelemetry::{KeyValue, Value};
use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt::Write as _,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    mem,
};

/// One label of a point, as it was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Label<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: LabelValue<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum LabelValue<'a> {
    Text(&'a str),
    Typed(&'a Value),
}

impl<'a> From<&'a KeyValue> for Label<'a> {
    fn from(attribute: &'a KeyValue) -> Self {
        let value = match &attribute.value {
            Value::String(text) => LabelValue::Text(text.as_str()),
            other => LabelValue::Typed(other),
        };
        Self { key: attribute.key.as_str(), value }
    }
}

/// The lists of keys seen so far. They outlive a scrape.
#[derive(Debug)]
pub(crate) struct Shapes {
    constant: ConstantLabels,
    max_value_len: usize,
    /// How many labels were truncated or left out.
    truncated: usize,
    shapes: Vec<Shape>,
    layouts: Layouts,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    /// Found last: points of two orders of the same keys often alternate.
    recent: [usize; 2],
}

/// A list of recorded keys, in the order of recording.
#[derive(Debug)]
struct Shape {
    keys: Vec<String>,
    reserved: Option<&'static str>,
    layout: usize,
    /// For each label: which of the recorded values it has.
    sources: Vec<Vec<usize>>,
    /// How many labels are left out or have a shorter key.
    truncated: usize,
    /// The layouts of points of which some labels are empty, by the bits of these labels.
    without: HashMap<u64, usize>,
}

/// Each list of label keys once.
#[derive(Debug, Default)]
struct Layouts {
    all: Vec<Layout>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

/// A list of label keys; several shapes may share one.
#[derive(Debug, PartialEq)]
struct Layout {
    /// `key="` in order of the keys, after the first with what ends the label before: `",key="`.
    openings: Vec<String>,
}

/// Tells whether labels are those of the last scrape; seeded, so that no recorded value can make
/// others look alike.
pub(crate) type DigestHasher = FoldHasher<'static>;

/// Which list of keys a point has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShapeId(usize);

/// Which labels a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayoutId(u32);

/// The labels of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'t> {
    openings: &'t [String],
    /// Escaped; each value ends with a line feed, which no escaped value contains.
    values: &'t str,
    /// Of the values, packed.
    lengths: &'t [u8],
}

impl Shapes {
    pub(crate) fn new(constant: ConstantLabels, max_value_len: usize) -> Self {
        Self {
            constant,
            max_value_len,
            truncated: 0,
            shapes: Vec::new(),
            layouts: Layouts::default(),
            by_hash: HashMap::new(),
            hasher: RandomState::default(),
            recent: [0; 2],
        }
    }

    pub(crate) fn constant(&self) -> &ConstantLabels {
        &self.constant
    }

    pub(crate) fn hasher(&self) -> DigestHasher {
        self.hasher.build_hasher()
    }

    /// How many labels were truncated or left out since the last call.
    pub(crate) fn take_truncated(&mut self) -> usize {
        mem::take(&mut self.truncated)
    }

    /// Forgets everything when code that invents keys has made it too much.
    pub(crate) fn trim(&mut self) {
        if self.shapes.len() > MAX_SHAPES || self.layouts.all.len() > MAX_SHAPES {
            self.shapes = Vec::new();
            self.layouts = Layouts::default();
            self.by_hash = HashMap::new();
            // The same number will be another layout: no digest of before may match.
            self.hasher = RandomState::default();
        }
    }

    /// Appends the values of a point of this shape, each with a line feed, and replaces `lengths` by
    /// theirs. Says which labels they are of: those whose values are not empty.
    pub(crate) fn push_values(
        &mut self,
        out: &mut String,
        lengths: &mut Vec<usize>,
        shape: ShapeId,
        labels: &[Label<'_>],
    ) -> LayoutId {
        let Self { max_value_len, truncated, shapes, .. } = self;
        let of = &shapes[shape.0];
        *truncated += of.truncated;
        let start = out.len();
        let mut max_len = *max_value_len;
        let mut pushed = of.push_values(out, lengths, labels, max_len);
        if out.len() - start > MAX_LABELS_LEN {
            out.truncate(start);
            max_len = max_len.min(MAX_LABELS_LEN / MAX_LABELS / 2);
            pushed = of.push_values(out, lengths, labels, max_len);
        }
        *truncated += pushed.truncated;
        let layout = if pushed.empty == 0 { of.layout } else { self.without(shape, pushed.empty) };
        LayoutId(layout as u32)
    }

    /// The layout of a point of this shape whose labels with these bits are empty.
    fn without(&mut self, shape: ShapeId, empty: u64) -> usize {
        let Self { shapes, layouts, .. } = self;
        let shape = &mut shapes[shape.0];
        *shape.without.entry(empty).or_insert_with(|| {
            let openings = layouts.all[shape.layout].openings.iter().enumerate();
            let keys = openings.filter(|(at, _)| empty >> at & 1 == 0);
            let layout = Layout::new(keys.map(|(_, opening)| opening.trim_start_matches("\",")));
            layouts.add(layout)
        })
    }

    /// The labels with these values, of these packed lengths.
    pub(crate) fn labels<'t>(
        &'t self,
        layout: LayoutId,
        values: &'t str,
        lengths: &'t [u8],
    ) -> Labels<'t> {
        Labels { openings: &self.layouts.all[layout.0 as usize].openings, values, lengths }
    }

    /// In which order series of different labels stand.
    pub(crate) fn compare(&self, a: LayoutId, b: LayoutId) -> Ordering {
        let openings = |layout: LayoutId| &self.layouts.all[layout.0 as usize].openings;
        if a == b { Ordering::Equal } else { openings(a).cmp(openings(b)) }
    }

    /// The shape of a point with these labels.
    ///
    /// An attribute with the key of a constant label is prefixed `exported_`, as Prometheus itself
    /// does when a scraped label meets a label of the target; so is the `reserved` key. Keys that
    /// become the same label are joined: their values in the order of the keys, separated by `;`.
    /// Labels beyond [`MAX_LABELS`] are left out.
    pub(crate) fn find(&mut self, reserved: Option<&'static str>, labels: &[Label<'_>]) -> ShapeId {
        let is_of =
            |id: &usize| self.shapes.get(*id).is_some_and(|shape| shape.is_of(reserved, labels));
        if let Some(id) = self.recent.iter().copied().find(is_of) {
            return ShapeId(id);
        }
        let mut hasher = self.hasher.build_hasher();
        labels.iter().for_each(|label| label.key.hash(&mut hasher));
        let known = self.by_hash.entry(hasher.finish()).or_default();
        let id = known.iter().find(|&&id| self.shapes[id].is_of(reserved, labels)).copied();
        let id = id.unwrap_or_else(|| {
            known.push(self.shapes.len());
            let shape = lay_out(&self.constant, reserved, labels, &mut self.layouts);
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        self.recent = [id, self.recent[0]];
        ShapeId(id)
    }
}

impl LayoutId {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// What became of the values of a point.
struct Pushed {
    truncated: usize,
    /// A bit for each label whose value is empty: it has no value and no length.
    empty: u64,
}

impl Shape {
    fn push_values(
        &self,
        out: &mut String,
        lengths: &mut Vec<usize>,
        labels: &[Label<'_>],
        max_len: usize,
    ) -> Pushed {
        let (mut truncated, mut empty) = (0, 0);
        lengths.clear();
        for (at, sources) in self.sources.iter().enumerate() {
            let start = out.len();
            match **sources {
                [source] => push_value(out, labels[source].value),
                ref sources => push_joined(out, sources, labels),
            }
            let mut length = out.len() - start;
            // Empty or, perhaps, too long: few are.
            if length.wrapping_sub(1) >= max_len {
                if length == 0 {
                    empty |= 1 << at;
                    continue;
                }
                truncated += usize::from(truncate_value(out, start, max_len));
                length = out.len() - start;
            }
            lengths.push(length);
            out.push('\n');
        }
        Pushed { truncated, empty }
    }

    fn is_of(&self, reserved: Option<&'static str>, labels: &[Label<'_>]) -> bool {
        self.reserved == reserved
            && self.keys.len() == labels.len()
            && self.keys.iter().zip(labels).all(|(key, label)| key == label.key)
    }
}

impl Labels<'_> {
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { openings: &[], values: "", lengths: &[] };

    pub(crate) fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    /// Appends `key="value",key="value"`.
    pub(crate) fn write(&self, out: &mut String) {
        let mut lengths = self.lengths;
        let mut start = 0;
        for opening in self.openings {
            out.push_str(opening);
            let end = start + packed::take(&mut lengths);
            out.push_str(&self.values[start..end]);
            start = end + 1;
        }
        if !self.openings.is_empty() {
            out.push('"');
        }
    }
}

impl Layout {
    /// Of keys in order, each with `="`.
    fn new<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let before = |at| if at == 0 { "" } else { "\"," };
        Self { openings: keys.enumerate().map(|(at, key)| before(at).to_owned() + key).collect() }
    }
}

impl Layouts {
    /// The number of this one. There may be as many as there are points: each is found by its hash.
    fn add(&mut self, layout: Layout) -> usize {
        let Self { all, by_hash, hasher } = self;
        let known = by_hash.entry(hasher.hash_one(&layout.openings)).or_default();
        known.iter().find(|&&id| all[id] == layout).copied().unwrap_or_else(|| {
            known.push(all.len());
            all.push(layout);
            all.len() - 1
        })
    }
}

fn lay_out(
    constant: &ConstantLabels,
    reserved: Option<&'static str>,
    labels: &[Label<'_>],
    layouts: &mut Layouts,
) -> Shape {
    let mut truncated = 0;
    let mut order: Vec<(String, usize)> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| {
            let mut key = label_key(label.key).into_owned();
            while constant.contains(&key) || reserved == Some(key.as_str()) {
                key.insert_str(0, "exported_");
            }
            if key.len() > MAX_KEY_LEN {
                truncated += 1;
                truncate_key(&mut key);
            }
            (key, at)
        })
        .collect();
    order.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| labels[*x].key.cmp(labels[*y].key)));
    let same_key = || order.chunk_by(|(a, _), (b, _)| a == b);
    truncated += same_key().count().saturating_sub(MAX_LABELS);
    let openings: Vec<_> =
        same_key().take(MAX_LABELS).map(|same| same[0].0.clone() + "=\"").collect();
    Shape {
        keys: labels.iter().map(|label| label.key.to_owned()).collect(),
        reserved,
        layout: layouts.add(Layout::new(openings.iter().map(String::as_str))),
        sources: same_key()
            .take(MAX_LABELS)
            .map(|same| same.iter().map(|(_, at)| *at).collect())
            .collect(),
        truncated,
        without: HashMap::new(),
    }
}

/// The values that are not empty, separated by `;`.
fn push_joined(out: &mut String, sources: &[usize], labels: &[Label<'_>]) {
    let start = out.len();
    for &source in sources {
        let before = out.len();
        if before > start {
            out.push(';');
        }
        let after = out.len();
        push_value(out, labels[source].value);
        if out.len() == after {
            out.truncate(before);
        }
    }
}

fn push_value(out: &mut String, value: LabelValue<'_>) {
    match value {
        LabelValue::Text(text) => push_escaped(out, text),
        LabelValue::Typed(Value::I64(integer)) => {
            out.push_str(itoa::Buffer::new().format(*integer));
        }
        LabelValue::Typed(Value::Bool(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        LabelValue::Typed(value) => {
            // Writing to a string cannot fail.
            let _ = write!(Escaping(out), "{value}");
        }
    }
}

/// More lists of keys than any sane set of instruments has.
const MAX_SHAPES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    // F-13, a neighbour: labels that are empty at random make about as many layouts as there are points.
    #[test]
    fn a_layout_is_found_by_its_hash_however_many_there_are() {
        let mut layouts = Layouts::default();
        for number in 0..2_000 {
            let keys = [format!("k{number}=\"")];
            let layout = || Layout::new(keys.iter().map(String::as_str));
            assert_eq!(layouts.add(layout()), number);
            assert_eq!(layouts.add(layout()), number);
        }
        assert!(layouts.by_hash.values().all(|same_hash| same_hash.len() <= 2));
    }
}
