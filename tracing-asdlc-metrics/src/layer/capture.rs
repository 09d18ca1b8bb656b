//! Reads the fields of spans and events: the values of labels, and the numbers that events record.

use crate::layer::text_buffer::TextBuffer;
use crate::plan::plan::{Capture, Captures, FieldCaptures, MAX_BATCH_FIELDS};
use crate::record::label_values::{MISSING, ValueId, ValueIds};
use crate::record::per_instrument::PerInstrument;
use crate::rule::label::MAX_BYTES;
use std::fmt::{self, Write};
use std::str;
use tracing_core::field::{Field, Visit};

/// The captured values of one span or event.
///
/// Formatting a value calls foreign code, which may do anything: log, panic, open spans. No lock is held meanwhile, and the text is
/// cut off at the end of a buffer on the stack.
#[derive(Debug)]
pub(crate) struct CapturedValues<'a> {
    captures: &'a Captures,
    pub(crate) ids: ValueIds,
}

impl<'a> CapturedValues<'a> {
    pub(crate) fn new(captures: &'a Captures) -> Self {
        Self { captures, ids: ValueIds::default() }
    }

    /// The captures that have no value and may inherit one from an ancestor, with their slots.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (usize, &'a Capture)> + use<'a> {
        let ids = self.ids;
        self.captures.all.iter().enumerate().filter(move |(slot, capture)| {
            ids.get(*slot) == MISSING && capture.values.label().is_inherited()
        })
    }

    /// The slots that have a value, each with the value's id.
    pub(crate) fn present(&self) -> impl Iterator<Item = (usize, ValueId)> + use<> {
        let ids = self.ids;
        let slots = (0..self.captures.all.len()).map(move |slot| (slot, ids.get(slot)));
        slots.filter(|(_, id)| *id != MISSING)
    }

    pub(crate) fn set(&mut self, slot: usize, id: ValueId) {
        self.ids.set(slot, id);
    }

    fn is_captured(&self, field: &Field) -> bool {
        self.captures.by_field.get(field.index()).is_some_and(|field| field.first.is_some())
    }

    /// The usual case, a short value of one label with a short list, calls no other function, so that no register is saved.
    #[inline]
    fn put(&mut self, field: &Field, value: &str) {
        let Some(FieldCaptures { first: Some(values), slot, is_only }) =
            self.captures.by_field.get(field.index())
        else {
            return;
        };
        if *is_only {
            if let Some(id) = values.id_in_short_list(value) {
                return self.ids.set(usize::from(*slot), id);
            }
        }
        self.put_all(field.index(), value);
    }

    /// Sets the value of each slot of this field.
    #[inline(never)]
    fn put_all(&mut self, field: usize, value: &str) {
        for (slot, capture) in self.captures.all.iter().enumerate() {
            if capture.field == Some(field) {
                self.set(slot, capture.values.id(value));
            }
        }
    }
}

/// The default methods of `Visit` pass integers, floats and errors to `record_debug`.
impl Visit for CapturedValues<'_> {
    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.is_captured(field) {
            let mut text = TextBuffer::<BUFFER_BYTES>::new();
            // An error means that the value is too long, or that it cannot be formatted. In both cases the text so far is used.
            let _ = write!(text, "{value:?}");
            // A text that was cut off inside a character is not UTF-8.
            self.put(field, str::from_utf8(text.bytes()).unwrap_or(TOO_LONG));
        }
    }
}

/// The captured values of an event, and the numbers of the fields of one [`EventBatch`](crate::plan::plan::EventBatch).
///
/// An event with several batches is read once for each of them. It may therefore have any number of fields without an
/// allocation.
#[derive(Debug)]
pub(crate) struct CapturedEvent<'a> {
    pub(crate) values: CapturedValues<'a>,
    /// The indices of the batch's fields.
    fields: &'a [usize],
    /// The number of each of these fields; NaN if it has none.
    numbers: [f64; MAX_BATCH_FIELDS],
}

impl<'a> CapturedEvent<'a> {
    /// Reads the label values, and the first batch of numbers.
    pub(crate) fn new(captures: &'a Captures, fields: &'a [usize]) -> Self {
        let values = CapturedValues::new(captures);
        Self { values, fields, numbers: [f64::NAN; MAX_BATCH_FIELDS] }
    }

    /// Prepares for the next batch of numbers. The label values are kept.
    pub(crate) fn next_batch(&mut self, fields: &'a [usize]) {
        self.values.captures = Captures::none();
        self.fields = fields;
        self.numbers = [f64::NAN; MAX_BATCH_FIELDS];
    }

    /// The numbers to record. A number that is not finite is left out, and so is a negative number for a counter.
    #[inline]
    pub(crate) fn numbers(&self, indices: &PerInstrument<u8>) -> PerInstrument<f64> {
        let finite = |index: u8| self.numbers.get(usize::from(index)).filter(|n| n.is_finite());
        let numbers = indices.and_then(|index| finite(index).copied());
        PerInstrument { sum: numbers.sum.filter(|number| *number >= 0.0), ..numbers }
    }

    fn put_number(&mut self, field: &Field, number: f64) {
        if let Some(index) = self.fields.iter().position(|known| *known == field.index()) {
            if let Some(known) = self.numbers.get_mut(index) {
                *known = number;
            }
        }
    }
}

/// Every number becomes an `f64`, which is exact up to 2⁵³. `true` is 1. A text is not a number.
impl Visit for CapturedEvent<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put_number(field, value);
        self.values.record_f64(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_number(field, value as f64);
        self.values.record_i64(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_number(field, value as f64);
        self.values.record_u64(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put_number(field, value as f64);
        self.values.record_i128(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put_number(field, value as f64);
        self.values.record_u128(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_number(field, f64::from(u8::from(value)));
        self.values.record_bool(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.values.record_str(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.values.record_debug(field, value);
    }
}

/// One byte more than the longest value, so that a longer value is recognised as too long.
const BUFFER_BYTES: usize = MAX_BYTES + 1;
const TOO_LONG: &str = match str::from_utf8(&[b'.'; BUFFER_BYTES]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};
