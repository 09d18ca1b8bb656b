//! A service level objective that the user gives as an argument: `NAME PERCENT ERRORS / EVENTS`.

use std::borrow::Cow;
use std::str::FromStr;

use crate::convention::{Kind, Series};
use crate::objective::Objective;
use crate::slo::{Errors, Family};

/// How many percent of some events have to succeed.
#[derive(Clone, Debug)]
pub(crate) struct ServiceLevel {
    /// The argument.
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) objective: Objective,
    errors: Counted,
    events: Series,
    alerts: String,
    summary: String,
    hint: String,
}

/// What is counted besides all events.
#[derive(Clone, Debug)]
enum Counted {
    Errors([Series; 1]),
    Successes(Series),
}

impl ServiceLevel {
    pub(crate) fn family(&self) -> Family<'_> {
        Family {
            name: &self.name,
            alerts: &self.alerts,
            summary: &self.summary,
            hint: &self.hint,
            count: &self.events,
            errors: match &self.errors {
                Counted::Errors(errors) => Errors::Counted(errors),
                Counted::Successes(successes) => Errors::AllBut(successes),
            },
        }
    }
}

impl FromStr for ServiceLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = || {
            let (name, rest) = text.trim().split_once(' ')?;
            let (percent, ratio) = rest.trim_start().split_once(' ')?;
            let (counted, events) = ratio.split_once(" / ")?;
            Some((name, percent, counted.trim(), events.trim()))
        };
        let (name, percent, counted, events) = words().ok_or(
            "must be NAME PERCENT ERRORS / EVENTS, or NAME PERCENT 1 - SUCCESSES / EVENTS",
        )?;
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_name {
            return Err(format!("the name {name:?} must match [a-z][a-z0-9_]*"));
        }
        if name == REQUESTS {
            return Err(format!("the name {REQUESTS} is that of --objective"));
        }
        let errors = match counted.strip_prefix("1 - ") {
            Some(successes) => Counted::Successes(series(successes.trim_start())?),
            None => Counted::Errors([series(counted)?]),
        };
        Ok(Self {
            text: text.to_owned(),
            name: name.to_owned(),
            objective: percent.parse().map_err(|error| format!("{percent:?} {error}"))?,
            errors,
            events: series(events)?,
            alerts: camel_case(name),
            summary: format!(
                "{{{{ $labels.service }}}} misses the objective of {name}: {{{{ $value | humanizePercentage }}}} are errors"
            ),
            hint: format!("service:{name}_errors:ratio_rate5m is the ratio of errors."),
        })
    }
}

/// The name of the objective for requests, which each set of rules has.
pub(crate) const REQUESTS: &str = "http_requests";

/// Reads a selector: a name without namespace, and matchers.
fn series(selector: &str) -> Result<Series, String> {
    let (name, matchers) = selector.split_once('{').unwrap_or((selector, "}"));
    let matchers = matchers.strip_suffix('}').map(str::trim);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match matchers {
        Some(matchers) if is_name && (matchers.is_empty() || are_matchers(matchers)) => {
            Ok(Series {
                name: Cow::Owned(name.to_owned()),
                matchers: Cow::Owned(matchers.to_owned()),
                kind: Kind::Counter,
            })
        }
        _ => Err(format!(
            r#"{selector:?} must be a counter without namespace, such as tasks_total or tasks_total{{kind="a"}}"#
        )),
    }
}

/// Whether this is `key="value"`, or several of these with commas, with any of the four operators.
fn are_matchers(text: &str) -> bool {
    let Some(after_key) =
        text.trim_start().strip_prefix(|first: char| first.is_ascii_alphabetic() || first == '_')
    else {
        return false;
    };
    let operator =
        after_key.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
    let quoted = ["=~", "!~", "!=", "="].into_iter().find_map(|it| operator.strip_prefix(it));
    let Some(value) = quoted.and_then(|quoted| quoted.trim_start().strip_prefix('"')) else {
        return false;
    };
    let mut is_escaped = false;
    let end = value.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let Some(rest) = end.map(|end| value[end + 1..].trim_start()) else {
        return false;
    };
    rest.is_empty() || rest.strip_prefix(',').is_some_and(are_matchers)
}

/// `slow_tasks` becomes `SlowTasks`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').filter(|it| !it.is_empty()).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-03
    #[test]
    fn selectors_are_read_with_their_matchers() {
        for (selector, name, matchers) in [
            ("tasks_total", "tasks_total", ""),
            ("tasks_total{}", "tasks_total", ""),
            (r#"t{a="b"}"#, "t", r#"a="b""#),
            (r#"t{ a =~ "b|c\"}", le!="1"}"#, "t", r#"a =~ "b|c\"}", le!="1""#),
        ] {
            let read = series(selector).unwrap();
            assert_eq!((&*read.name, &*read.matchers), (name, matchers));
        }
        for selector in [
            "",
            "1t",
            "a-b",
            "t{",
            "t}",
            "t{a}",
            "t{a=b}",
            r#"t{a="b" c="d"}"#,
            r#"t{a="b\"}"#,
            r#"t{a="b"}x"#,
        ] {
            assert!(series(selector).is_err(), "{selector}");
        }
    }

    // S-03
    #[test]
    fn alerts_have_the_name_of_the_objective() {
        assert_eq!(camel_case("slow_tasks"), "SlowTasks");
        assert_eq!(camel_case("a__b_"), "AB");
    }
}
