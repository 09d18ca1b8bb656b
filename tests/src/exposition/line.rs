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
        let (family, rest) = rest.split_at(name_end(rest, ' ')?);
        let text = rest.strip_prefix(' ').unwrap_or(rest);
        return Ok(Line::Help { family: metric_name(family)?, text: unescape(text, false)? });
    }
    if let Some(rest) = text.strip_prefix("# TYPE ") {
        let (family, rest) = rest.split_at(name_end(rest, ' ')?);
        let kind = rest.strip_prefix(' ').ok_or("TYPE without a type")?;
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
    let (name, (labels, rest)) = if let Some(rest) = text.strip_prefix("{\"") {
        // A quoted name is inside the braces.
        let quoted = &text[1..];
        let end = closing_quote(rest).ok_or("an unterminated name")? + 2;
        let rest = &quoted[end..];
        let labels = match rest.strip_prefix(',') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest.strip_prefix('}').ok_or("no comma after the name")?),
        };
        (metric_name(&quoted[..end])?, labels)
    } else {
        let name_end = text.find(['{', ' ']).ok_or("a sample without a value")?;
        let (name, rest) = text.split_at(name_end);
        let name = unquoted(name, metric_name(name)?)?;
        let labels = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        (name, labels)
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
        let (name, after) = rest.split_at(name_end(rest, '=')?);
        let after = after.strip_prefix("=\"").ok_or("a label without a quoted value")?;
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

/// Where the name at the beginning ends: after its closing quote, or before `next`, or at the end.
fn name_end(text: &str, next: char) -> Result<usize, String> {
    match text.strip_prefix('"') {
        Some(quoted) => Ok(closing_quote(quoted).ok_or("an unterminated name")? + 2),
        None => Ok(text.find(next).unwrap_or(text.len())),
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
    let is_classic = |name: &str| is_name(name, |character| character == ':');
    in_utf8(name, is_classic).unwrap_or_else(|| Err(format!("{name:?} is not a metric name")))
}

fn label_name(name: &str) -> Result<String, String> {
    let found = in_utf8(name, |name| is_name(name, |_| false));
    let found = found.unwrap_or_else(|| Err(format!("{name:?} is not a label name")))?;
    if found.starts_with("__") {
        return Err(format!("label {found:?} is reserved for Prometheus itself"));
    }
    Ok(found)
}

/// A name with quotes if it needs them. `None` if it is no name.
fn in_utf8(name: &str, is_classic: impl Fn(&str) -> bool) -> Option<Result<String, String>> {
    let Some(quoted) = name.strip_prefix('"') else {
        return is_classic(name).then(|| Ok(name.to_owned()));
    };
    let found = unescape(quoted.strip_suffix('"')?, true);
    Some(match found {
        Ok(found) if found.is_empty() || is_classic(&found) => {
            Err(format!("{name} has needless quotes"))
        }
        // Prometheus cannot parse it.
        Ok(found) if found.contains('\0') => Err(format!("{name:?} contains the character 0")),
        found => found,
    })
}

/// Checks that a name outside braces has no quotes.
fn unquoted(text: &str, name: String) -> Result<String, String> {
    if text.starts_with('"') { Err(format!("{text} is outside the braces")) } else { Ok(name) }
}

fn is_name(name: &str, also: impl Fn(char) -> bool) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|character| {
            character.is_ascii_alphanumeric() || character == '_' || also(character)
        })
}
