//! The grammar of one line.

use super::{Kind, Sample};

/// A parsed line.
pub(super) enum Line {
    Help { family: String, text: String },
    Type { family: String, kind: Kind },
    Sample(Sample),
    Comment,
}

/// Parses the line with this number, without its line feed.
pub(super) fn read(number: usize, text: &str) -> Result<Line, String> {
    // A help text may contain a carriage return. Elsewhere it comes from a line end `\r\n`.
    if text.ends_with('\r') && !text.starts_with("# HELP ") {
        return Err("ends in a carriage return".into());
    }
    if text.is_empty() {
        return Err("is blank".into());
    }
    if let Some(rest) = text.strip_prefix("# HELP ") {
        let (family, text) = rest.split_once(' ').unwrap_or((rest, ""));
        return Ok(Line::Help { family: metric_name(family)?, text: unescape(text, false)? });
    }
    if let Some(rest) = text.strip_prefix("# TYPE ") {
        let (family, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
        return Ok(Line::Type { family: metric_name(family)?, kind: self::kind(kind)? });
    }
    if text.starts_with('#') {
        return Ok(Line::Comment);
    }
    sample(number, text).map(Line::Sample)
}

fn kind(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        "untyped" => Kind::Untyped,
        other => return Err(format!("unknown type {other:?}")),
    })
}

fn sample(line: usize, text: &str) -> Result<Sample, String> {
    let name_end = text.find(['{', ' ']).ok_or("a sample without a value")?;
    let (name, rest) = text.split_at(name_end);
    let name = metric_name(name)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let number = rest.strip_prefix(' ').ok_or("no space before the value")?;
    if number.split(' ').count() > 1 {
        return Err(format!("a timestamp or stray space after the value: {number:?}"));
    }
    Ok(Sample { line, name, labels, value: value(number)? })
}

type Labels = Vec<(String, String)>;

/// Parses `a="1",b="2"}` and returns the text after the brace.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((labels, rest));
    }
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a quoted value")?;
        let name = label_name(name)?;
        if labels.iter().any(|(other, _)| *other == name) {
            return Err(format!("label {name:?} twice"));
        }
        let end = closing_quote(after).ok_or("an unterminated label value")?;
        labels.push((name, unescape(&after[..end], true)?));
        rest = &after[end + 1..];
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        rest = rest.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, in_label: bool) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        plain.push(match characters.next() {
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('"') if in_label => '"',
            other => {
                return Err(format!(
                    "unknown escape \\{}",
                    other.map_or_else(String::new, String::from)
                ));
            }
        });
    }
    Ok(plain)
}

/// Parses a number as Prometheus does: Go's `ParseFloat` without the hexadecimal and underscore forms.
pub(super) fn value(text: &str) -> Result<f64, String> {
    let invalid = || format!("{text:?} is not a value");
    // Go has no signed NaN.
    if text.len() > 3 && text[1..].eq_ignore_ascii_case("nan") {
        return Err(invalid());
    }
    let value: f64 = text.parse().map_err(|_| invalid())?;
    if value.is_infinite() && text.contains(|character: char| character.is_ascii_digit()) {
        return Err(format!("{text:?} is out of range"));
    }
    Ok(value)
}

fn metric_name(name: &str) -> Result<String, String> {
    if is_name(name, |character| character == ':') {
        return Ok(name.to_owned());
    }
    Err(format!("{name:?} is not a metric name"))
}

fn label_name(name: &str) -> Result<String, String> {
    if !is_name(name, |_| false) {
        return Err(format!("{name:?} is not a label name"));
    }
    if name.starts_with("__") {
        return Err(format!("label {name:?} is reserved for Prometheus itself"));
    }
    Ok(name.to_owned())
}

fn is_name(name: &str, also: impl Fn(char) -> bool) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|character| {
            character.is_ascii_alphanumeric() || character == '_' || also(character)
        })
}
