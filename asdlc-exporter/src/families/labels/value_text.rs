//! Writes an attribute value that is not a string as text, by the `OpenTelemetry` specification
//! ("`AnyValue` representation for non-OTLP protocols"): an array is a JSON array, and a number is a JSON
//! number, `NaN`, `Infinity` or `-Infinity`.

use opentelemetry::{Array, StringValue, Value};
use std::fmt::{self, Write};

/// Appends the value to `out`, which may escape it.
pub(crate) fn write_value(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::F64(number) => write_float(out, *number),
        Value::Array(Array::F64(numbers)) => write_array(out, numbers, |out, number| {
            // JSON has no such numbers.
            let quote = if number.is_finite() { "" } else { "\"" };
            out.write_str(quote)?;
            write_float(out, *number)?;
            out.write_str(quote)
        }),
        Value::Array(Array::String(texts)) => write_array(out, texts, write_string),
        // The API writes integers and `bool`s as JSON.
        other => write!(out, "{other}"),
    }
}

fn write_array<W: Write, T>(
    out: &mut W,
    elements: &[T],
    write: impl Fn(&mut W, &T) -> fmt::Result,
) -> fmt::Result {
    out.write_char('[')?;
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.write_char(',')?;
        }
        write(out, element)?;
    }
    out.write_char(']')
}

fn write_float(out: &mut impl Write, number: f64) -> fmt::Result {
    if number.is_infinite() {
        out.write_str(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        write!(out, "{number}")
    }
}

/// A JSON string.
fn write_string<W: Write>(out: &mut W, text: &StringValue) -> fmt::Result {
    out.write_char('"')?;
    for c in text.as_str().chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    // X-09
    #[test]
    fn values_are_text_as_the_specification_says() {
        let texts = |texts: &[&'static str]| {
            Value::Array(Array::String(texts.iter().copied().map(StringValue::from).collect()))
        };
        for (value, expected) in [
            (Value::from(true), "true"),
            (Value::from(-123), "-123"),
            (Value::from(1.5e-3), "0.0015"),
            (Value::from(f64::NAN), "NaN"),
            (Value::from(f64::INFINITY), "Infinity"),
            (Value::from(f64::NEG_INFINITY), "-Infinity"),
            (Value::Array(Array::Bool(vec![true, false])), "[true,false]"),
            (Value::Array(Array::I64(vec![])), "[]"),
            (Value::Array(Array::I64(vec![1, -2])), "[1,-2]"),
            (Value::Array(Array::F64(vec![0.5, 1.0, f64::NAN])), "[0.5,1,\"NaN\"]"),
            (Value::Array(Array::F64(vec![f64::NEG_INFINITY])), "[\"-Infinity\"]"),
            (texts(&["red", "blue"]), "[\"red\",\"blue\"]"),
            (texts(&["a\"b\\c\n\r\t\u{1}é"]), "[\"a\\\"b\\\\c\\n\\r\\t\\u0001é\"]"),
        ] {
            let mut out = String::new();
            write_value(&mut out, &value).expect("a string takes it");
            assert_eq!(out, expected);
        }
    }
}
