//! Label sets: sanitised keys in order, escaped values, never a key twice.
//!
//! What the keys of a point become depends on the keys alone, of which a family has few lists:
//! each list is worked out once, and a point costs no more than copying its values.

use crate::{name::label_key, packed};
use foldhash::quality::{FoldHasher, RandomState};
use opentelemetry::{KeyValue, Value};
use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt::{self, Write as _},
    hash::{BuildHasher as _, Hash as _, Hasher as _},
};

/// The labels of every series.
#[derive(Debug, Default)]
pub(crate) struct ConstantLabels {
    keys: Vec<String>,
    text: String,
}

impl ConstantLabels {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        for (key, value) in pairs {
            if !this.text.is_empty() {
                this.text.push(',');
            }
            this.text.push_str(&key);
            this.text.push_str("=\"");
            push_escaped(&mut this.text, &value);
            this.text.push('"');
            this.keys.push(key);
        }
        this
    }

    /// `service="shop",environment="prod"`, as it stands in each line.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn contains(&self, key: &str) -> bool {
        self.keys.iter().any(|constant| constant == key)
    }
}

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
    shapes: Vec<Shape>,
    layouts: Vec<Layout>,
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
    pub(crate) fn new(constant: ConstantLabels) -> Self {
        Self {
            constant,
            shapes: Vec::new(),
            layouts: Vec::new(),
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

    /// Forgets everything when code that invents keys has made it too much.
    pub(crate) fn trim(&mut self) {
        if self.shapes.len() > MAX_SHAPES {
            self.shapes = Vec::new();
            self.layouts = Vec::new();
            self.by_hash = HashMap::new();
        }
    }

    /// Appends the values of a point of this shape, each with a line feed, and replaces `lengths` by
    /// theirs. Says which labels they are of.
    pub(crate) fn push_values(
        &self,
        out: &mut String,
        lengths: &mut Vec<usize>,
        shape: ShapeId,
        labels: &[Label<'_>],
    ) -> LayoutId {
        let shape = &self.shapes[shape.0];
        lengths.clear();
        for sources in &shape.sources {
            let start = out.len();
            for (at, &source) in sources.iter().enumerate() {
                if at > 0 {
                    out.push(';');
                }
                push_value(out, labels[source].value);
            }
            lengths.push(out.len() - start);
            out.push('\n');
        }
        LayoutId(shape.layout as u32)
    }

    /// The labels with these values, of these packed lengths.
    pub(crate) fn labels<'t>(
        &'t self,
        layout: LayoutId,
        values: &'t str,
        lengths: &'t [u8],
    ) -> Labels<'t> {
        Labels { openings: &self.layouts[layout.0 as usize].openings, values, lengths }
    }

    /// In which order series of different labels stand.
    pub(crate) fn compare(&self, a: LayoutId, b: LayoutId) -> Ordering {
        let openings = |layout: LayoutId| &self.layouts[layout.0 as usize].openings;
        if a == b { Ordering::Equal } else { openings(a).cmp(openings(b)) }
    }

    /// The shape of a point with these labels.
    ///
    /// An attribute with the key of a constant label is prefixed `exported_`, as Prometheus itself
    /// does when a scraped label meets a label of the target; so is the `reserved` key. Keys that
    /// become the same label are joined: their values in the order of the keys, separated by `;`.
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
            let (layout, sources) = lay_out(&self.constant, reserved, labels);
            let layout =
                self.layouts.iter().position(|known| *known == layout).unwrap_or_else(|| {
                    self.layouts.push(layout);
                    self.layouts.len() - 1
                });
            let keys = labels.iter().map(|label| label.key.to_owned()).collect();
            self.shapes.push(Shape { keys, reserved, layout, sources });
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

impl Shape {
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

fn lay_out(
    constant: &ConstantLabels,
    reserved: Option<&'static str>,
    labels: &[Label<'_>],
) -> (Layout, Vec<Vec<usize>>) {
    let mut order: Vec<(String, usize)> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| {
            let mut key = label_key(label.key).into_owned();
            while constant.contains(&key) || reserved == Some(key.as_str()) {
                key.insert_str(0, "exported_");
            }
            (key, at)
        })
        .collect();
    order.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| labels[*x].key.cmp(labels[*y].key)));
    let same_key = || order.chunk_by(|(a, _), (b, _)| a == b);
    let before = |at| if at == 0 { "" } else { "\"," };
    let openings = same_key()
        .enumerate()
        .map(|(at, same)| format!("{}{}=\"", before(at), same[0].0))
        .collect();
    let sources = same_key().map(|same| same.iter().map(|(_, at)| *at).collect()).collect();
    (Layout { openings }, sources)
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

/// Appends a label value with `\`, `"` and LF escaped.
fn push_escaped(out: &mut String, value: &str) {
    if !has_special(value.as_bytes()) {
        out.push_str(value);
        return;
    }
    let mut rest = value;
    while let Some(at) = rest.bytes().position(is_special) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

fn is_special(b: u8) -> bool {
    matches!(b, b'\\' | b'"' | b'\n')
}

/// Looks at eight bytes at a time.
fn has_special(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    if words.iter().any(|word| has_special_byte(u64::from_le_bytes(*word))) {
        return true;
    }
    // The last bytes of what is long enough are looked at a second time.
    if let Some(last) = value.last_chunk::<8>() {
        return has_special_byte(u64::from_le_bytes(*last));
    }
    match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
            has_special_byte(first << 32 | last)
        }
        _ => rest.iter().any(|b| is_special(*b)),
    }
}

fn has_special_byte(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // Taking one from each byte borrows from its high bit only where it is zero.
    let has = |b: u8| {
        let zero_where_equal = word ^ (ONES * u64::from(b));
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH
    };
    has(b'\\') | has(b'"') | has(b'\n') != 0
}

struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

/// More lists of keys than any sane set of instruments has.
const MAX_SHAPES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    // O-01
    #[test]
    fn each_special_character_is_escaped_wherever_it_stands() {
        for len in 0..40 {
            let plain = "é".repeat(len / 2) + &"x".repeat(len % 2);
            let mut out = String::new();
            push_escaped(&mut out, &plain);
            assert_eq!(out, plain);
            for (special, escaped) in [('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n")] {
                for at in (0..=plain.len()).filter(|at| plain.is_char_boundary(*at)) {
                    let (before, after) = plain.split_at(at);
                    let mut out = String::new();
                    push_escaped(&mut out, &format!("{before}{special}{after}"));
                    assert_eq!(out, format!("{before}{escaped}{after}"));
                }
            }
        }
    }
}
