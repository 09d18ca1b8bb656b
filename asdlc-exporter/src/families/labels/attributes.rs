//! The attributes of a data point, and the labels of a series, which are made from attributes.

use crate::families::labels::{
    dictionary::EncodedRow,
    escape::{EscapedText, push_escaped},
    layouts::Layout,
    packed_lengths,
    value_text::write_value,
};
use opentelemetry::{Key, KeyValue, Value};
use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher as _},
    ptr,
};

/// One attribute of a data point, as it was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: AttributeValue<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum AttributeValue<'a> {
    Text(&'a str),
    Typed(&'a Value),
}

impl<'a> Attribute<'a> {
    pub(crate) fn new(key: &'a Key, value: &'a Value) -> Self {
        Self { key: key.as_str(), value: value.into() }
    }
}

impl<'a> From<&'a KeyValue> for Attribute<'a> {
    fn from(attribute: &'a KeyValue) -> Self {
        Self::new(&attribute.key, &attribute.value)
    }
}

impl<'a> From<&'a Value> for AttributeValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.as_str()),
            other => Self::Typed(other),
        }
    }
}

/// The labels of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'t> {
    /// Scope and keys, as they are written.
    pub(in crate::families) layout: &'t Layout,
    /// Scope and keys, as they are in the text.
    pub(in crate::families) canonical: &'t Layout,
    /// All but the scope.
    pub(in crate::families) row: Row<'t>,
    /// Whether it is known that the text has no escape.
    pub(in crate::families) is_plain: bool,
}

/// The labels of a point.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) enum Row<'t> {
    Text {
        /// `key="value",key="value`, with escaped values.
        text: &'t [u8],
        /// The lengths of the values, packed.
        lengths: &'t [u8],
    },
    Encoded(EncodedRow<'t>),
}

impl<'t> Labels<'t> {
    #[cfg(test)]
    pub(crate) const NONE: Self = Self {
        layout: &EMPTY,
        canonical: &EMPTY,
        row: Row::Text { text: &[], lengths: &[] },
        is_plain: false,
    };

    pub(crate) fn is_empty(&self) -> bool {
        self.layout.openings.is_empty() && self.layout.scope.is_none()
    }

    /// The hash of keys and values, scope included. It is the same in every collection of a reader, and in every
    /// escaping.
    pub(crate) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write_u64(self.canonical.hash);
        match self.row {
            Row::Text { text, .. } => hasher.write(text),
            Row::Encoded(_) => hasher.write(self.decoded(&mut String::new()).0),
        }
        hasher.finish()
    }

    /// Appends `key="value",key="value"`.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Layout { scope, openings, .. } = self.layout;
        if let Some(scope) = scope {
            out.extend_from_slice(scope.as_bytes());
            if !openings.is_empty() {
                out.push(b',');
            }
        }
        match self.row {
            Row::Text { text, .. } if ptr::eq(self.layout, self.canonical) => {
                out.extend_from_slice(text);
            }
            Row::Encoded(row) if ptr::eq(self.layout, self.canonical) => {
                let labels = row.labels().take(openings.len());
                labels.for_each(|label| out.extend_from_slice(label.as_bytes()));
            }
            Row::Text { .. } | Row::Encoded(_) => {
                for (opening, value) in openings.iter().zip(self.values()) {
                    out.extend_from_slice(opening.as_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
        if !openings.is_empty() {
            out.push(b'"');
        }
    }

    /// The labels of the scope as text. `None` if there are none.
    pub(crate) fn scope(&self) -> Option<&'t str> {
        self.layout.scope.as_deref()
    }

    /// The keys of the other labels.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Cow<'t, str>> + use<'t> {
        self.layout.keys()
    }

    /// What is before the value of each of these labels in the text: of the first, from the start, and of
    /// the others, after the value before.
    pub(crate) fn openings(&self) -> &'t [String] {
        &self.canonical.openings
    }

    /// The text, in which the values are escaped, and the lengths of the values, packed. `None` if the row is encoded.
    #[inline]
    pub(crate) fn text(&self) -> Option<(&'t [u8], &'t [u8])> {
        match self.row {
            Row::Text { text, lengths } => Some((text, lengths)),
            Row::Encoded(_) => None,
        }
    }

    /// The same for an encoded row, written to this memory.
    pub(crate) fn decoded<'s>(&self, memory: &'s mut String) -> (&'s [u8], &'s [u8]) {
        memory.clear();
        let Row::Encoded(row) = self.row else { return (&[], &[]) };
        let len = row.decode(memory, &self.canonical.openings);
        memory.as_bytes().split_at(len)
    }

    /// Whether it is known that the text has no escape.
    #[inline]
    pub(crate) fn are_plain(&self) -> bool {
        self.is_plain
    }

    /// Where the keys are in memory. Of two series in a family, those with the same address have the same
    /// scope and keys.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(self.layout).addr()
    }

    /// The values, escaped.
    fn values(&self) -> impl Iterator<Item = &'t [u8]> {
        let Self { canonical, mut row, .. } = *self;
        let mut end = 0;
        canonical.openings.iter().map_while(move |opening| match &mut row {
            Row::Text { text, lengths } => {
                let start = end + opening.len();
                end = start + packed_lengths::take(lengths);
                text.get(start..end)
            }
            Row::Encoded(row) => row.take_first()?.as_bytes().get(opening.len()..),
        })
    }
}

/// A constant cannot refer to a layout that is not a static.
#[cfg(test)]
static EMPTY: Layout = Layout::EMPTY;

/// Whether the value is this text. For values of rare types, it is always `false`.
#[inline(always)]
pub(in crate::families) fn is_value(value: AttributeValue<'_>, text: &[u8]) -> bool {
    match value {
        AttributeValue::Text(value) => value.as_bytes() == text,
        AttributeValue::Typed(Value::I64(integer)) => {
            itoa::Buffer::new().format(*integer).as_bytes() == text
        }
        AttributeValue::Typed(Value::Bool(flag)) => {
            text == if *flag { "true".as_bytes() } else { b"false" }
        }
        AttributeValue::Typed(_) => false,
    }
}

/// Appends the value, escaped.
#[inline]
pub(crate) fn push_value(out: &mut String, value: AttributeValue<'_>) {
    match value {
        AttributeValue::Text(text) => push_escaped(out, text),
        AttributeValue::Typed(value) => push_typed(out, value),
    }
}

/// Not inlined, so that the code for text is.
#[inline(never)]
fn push_typed(out: &mut String, value: &Value) {
    match value {
        Value::I64(integer) => out.push_str(itoa::Buffer::new().format(*integer)),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        value => {
            // Writing to a string cannot fail.
            let _ = write_value(&mut EscapedText(out), value);
        }
    }
}
