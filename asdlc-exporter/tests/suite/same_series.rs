//! Compares an exposition with names in UTF-8 with the same one with escaped names.

use crate::check::{Sample, is_name, name};
use std::collections::HashMap;

/// What a server decodes. Written from the rules for the escaping scheme `values`, not from the code under
/// test.
fn decoded(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '_' {
            out.push(c);
        } else if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
        } else {
            let (code, after) = rest.split_once('_')?;
            out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
            rest = after;
        }
    }
    Some(out)
}

/// Remembers which escaped form each name has.
#[derive(Default)]
pub(crate) struct Forms {
    escaped: HashMap<String, String>,
    names: HashMap<String, String>,
}

impl Forms {
    /// Each name must have one form, and each form must be that of one name.
    pub(crate) fn add(&mut self, name: &str, form: &str) {
        let known = self.escaped.entry(name.to_owned()).or_insert_with(|| form.to_owned());
        assert_eq!(known, form, "{name:?} has two forms");
        let known = self.names.entry(form.to_owned()).or_insert_with(|| name.to_owned());
        assert_eq!(known, name, "{form:?} is the form of two names");
    }
}

/// Checks that the two expositions have the same series, in the same order.
pub(crate) fn assert_same_series(
    [utf8, escaped]: [(&str, &[Sample]); 2],
    escaping: &str,
    keys: &mut Forms,
) {
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        lines.map(|rest| name(rest, ":").1).collect()
    };
    let (all, forms) = (names(utf8.0), names(escaped.0));
    assert_eq!(all.len(), forms.len(), "{}\n{}", utf8.0, escaped.0);
    let mut families = Forms::default();
    for (name, form) in all.iter().zip(&forms) {
        families.add(name, form);
        if escaping == "values" {
            // In OpenMetrics, this is the name without its last suffix.
            let is_decoded = [form.clone(), format!("{form}_total"), format!("{form}_info")]
                .iter()
                .filter_map(|form| decoded(form))
                .any(|decoded| decoded.strip_prefix(name.as_str()).is_some());
            assert!(form == name || is_decoded, "{name:?} as {form:?}");
        }
    }
    assert_eq!(utf8.1.len(), escaped.1.len());
    for (a, b) in utf8.1.iter().zip(escaped.1) {
        assert!(a.value == b.value || a.value.is_nan() && b.value.is_nan(), "{a:?} as {b:?}");
        assert!(is_name(&b.name, ":"), "{b:?}");
        assert_eq!(a.labels.len(), b.labels.len(), "{a:?} as {b:?}");
        for ((key, value), (form, other)) in a.labels.iter().zip(&b.labels) {
            assert_eq!(value, other, "{a:?} as {b:?}");
            assert!(is_name(form, ""), "{form:?}");
            keys.add(key, form);
            if escaping == "values" {
                assert!(form == key || decoded(form).as_ref() == Some(key), "{key:?} as {form:?}");
            }
        }
    }
}
