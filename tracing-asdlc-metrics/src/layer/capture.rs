//! Reading fields: the values of labels as their numbers, and the numbers that events record.

use crate::record::label_values::{Ids, Values};
use crate::rule::label::MAX_BYTES;
use std::fmt::{self, Write};
use std::str;
use std::sync::Arc;
use tracing_core::field::{Field, Visit};

/// A label's value to be read from the spans or events of one callsite.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The field's index; `None` when the callsite does not declare it, and only an ancestor may give a value.
    pub(crate) field: Option<usize>,
    /// None after it has this field.
    pub(crate) is_last: bool,
    pub(crate) values: Arc<Values>,
}

/// Reads the captured fields.
///
/// It calls the formatting code of the fields' values, which may do anything: log, panic, open spans. No lock is held
/// meanwhile, and what is formatted is cut off in a buffer on the stack.
#[derive(Debug)]
pub(crate) struct Captures<'a> {
    captures: &'a [Capture],
    pub(crate) ids: Ids,
    /// Bit by place: which were there.
    pub(crate) seen: u16,
}

impl<'a> Captures<'a> {
    pub(crate) fn new(captures: &'a [Capture]) -> Self {
        Self { captures, ids: Ids::default(), seen: 0 }
    }

    /// Whether there is a capture without a value that an ancestor may give.
    pub(crate) fn wants_inheritance(&self) -> bool {
        self.missing().next().is_some()
    }

    /// The captures without a value that an ancestor may give.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (usize, &'a Capture)> + use<'a> {
        let seen = self.seen;
        self.captures.iter().enumerate().filter(move |(place, capture)| {
            seen & 1 << place == 0 && capture.values.label().is_inherited()
        })
    }

    pub(crate) fn set(&mut self, place: usize, id: u16) {
        self.ids.set(place, id);
        self.seen |= 1 << place;
    }

    fn is_captured(&self, field: &Field) -> bool {
        self.captures.iter().any(|capture| capture.field == Some(field.index()))
    }

    #[inline]
    fn put(&mut self, field: &Field, value: &str) {
        for (place, capture) in self.captures.iter().enumerate() {
            if capture.field == Some(field.index()) {
                self.set(place, capture.values.id(value));
                if capture.is_last {
                    break;
                }
            }
        }
    }
}

/// Integers, floats and errors come to `record_debug`, as they do by default.
impl Visit for Captures<'_> {
    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.is_captured(field) {
            let mut text = Text::<TEXT>::new();
            // An error means that it is too long, or that it cannot be formatted: then there is what was written.
            let _ = write!(text, "{value:?}");
            self.put(field, text.as_str());
        }
    }
}

/// The labels of an event, and the numbers of some of its fields: of as many as a batch of metrics reads. An event with more
/// is read once for each batch, so that an event may have any number of fields without an allocation.
#[derive(Debug)]
pub(crate) struct Measurements<'a> {
    pub(crate) captures: Captures<'a>,
    /// The indices of the fields that are read.
    fields: &'a [usize],
    /// By place among them; NaN where there is no number.
    numbers: [f64; BATCH],
}

impl<'a> Measurements<'a> {
    /// `fields` are up to [`BATCH`].
    pub(crate) fn new(captures: &'a [Capture], fields: &'a [usize]) -> Self {
        Self { captures: Captures::new(captures), fields, numbers: [f64::NAN; BATCH] }
    }

    /// To read the next batch of numbers. The labels are kept.
    pub(crate) fn next(&mut self, fields: &'a [usize]) {
        self.captures.captures = &[];
        self.fields = fields;
        self.numbers = [f64::NAN; BATCH];
    }

    /// The finite numbers at these places.
    #[inline]
    pub(crate) fn numbers(&self, places: &Numbers<u8>) -> Numbers<f64> {
        let finite = |place: u8| self.numbers.get(usize::from(place)).filter(|n| n.is_finite());
        places.and_then(|place| finite(place).copied())
    }

    fn number(&mut self, field: &Field, number: f64) {
        if let Some(place) = self.fields.iter().position(|known| *known == field.index()) {
            if let Some(known) = self.numbers.get_mut(place) {
                *known = number;
            }
        }
    }
}

/// Something for each metric of an event that has a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Numbers<T> {
    pub(crate) sum: Option<T>,
    pub(crate) up_down: Option<T>,
    pub(crate) histogram: Option<T>,
    pub(crate) gauge: Option<T>,
}

impl<T: Copy> Numbers<T> {
    #[inline]
    pub(crate) fn and_then<U>(&self, mut of: impl FnMut(T) -> Option<U>) -> Numbers<U> {
        let Self { sum, up_down, histogram, gauge } = *self;
        Numbers {
            sum: sum.and_then(&mut of),
            up_down: up_down.and_then(&mut of),
            histogram: histogram.and_then(&mut of),
            gauge: gauge.and_then(&mut of),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let Self { sum, up_down, histogram, gauge } = self;
        sum.is_none() && up_down.is_none() && histogram.is_none() && gauge.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        let Self { sum, up_down, histogram, gauge } = *self;
        [sum, up_down, histogram, gauge].into_iter().flatten()
    }
}

/// Every number becomes an `f64`, exact up to 2⁵³; `true` is 1. Text is no number.
impl Visit for Measurements<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value);
        self.captures.record_f64(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value as f64);
        self.captures.record_i64(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value as f64);
        self.captures.record_u64(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.number(field, value as f64);
        self.captures.record_i128(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(field, value as f64);
        self.captures.record_u128(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, f64::from(u8::from(value)));
        self.captures.record_bool(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.captures.record_str(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.captures.record_debug(field, value);
    }
}

/// The first bytes of a text. Of a value as many as it can have, and one more: that makes it too long.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Text<TEXT> {
    /// All of it is what `write_str` was given, but for the last character where it was cut.
    fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes()) {
            Ok(text) => text,
            Err(_) => TOO_LONG,
        }
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let fits = text.len().min(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        // What follows would be lost: no need to format it.
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

const TEXT: usize = MAX_BYTES + 1;
const TOO_LONG: &str = match str::from_utf8(&[b'.'; TEXT]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};
/// How many numbers are read at once. A metric of an event reads up to four of its fields.
pub(crate) const BATCH: usize = 8;
