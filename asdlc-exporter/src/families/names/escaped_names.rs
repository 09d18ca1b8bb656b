//! Escaped names. Different names have different escaped names.
//!
//! Two names can have the same escaped form: with `underscores`, both `a.b` and `a_b` become `a_b`. Then the
//! exposition would have a series or a label key twice, and scrapers would refuse it or lose values. So the
//! first of the two names gets this form. The other one gets a form that servers can decode, for example
//! `U__a_2e_b`.

use crate::families::{
    labels::truncate::floor_char_boundary,
    limits::{MAX_KEY_LEN, MAX_NAME_LEN},
    names::escaping::{Escaping, NameKind, push_values},
};
use std::{
    collections::{HashMap, HashSet},
    iter,
};

/// The escaped forms of label keys. A key has the same form in all series of a reader, so two different
/// series never become the same series.
#[derive(Debug)]
pub(crate) struct EscapedKeys {
    escaping: Escaping,
    by_key: HashMap<String, String>,
    taken: HashSet<String>,
}

impl EscapedKeys {
    pub(crate) fn new(escaping: Escaping) -> Self {
        let mut this = Self { escaping, by_key: HashMap::new(), taken: HashSet::new() };
        // The format writes these two.
        this.add(["le", "quantile"].into_iter());
        this
    }

    /// Adds the keys that are not known yet. Keys that need no escaping are added first, so they do not change.
    pub(crate) fn add<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        let Self { escaping, by_key, taken } = self;
        let (kept, changed): (Vec<_>, Vec<_>) = keys
            .filter(|key| !by_key.contains_key(*key))
            .partition(|key| escaping.keeps(key, NameKind::Label));
        for key in kept.into_iter().chain(changed) {
            if !by_key.contains_key(key) {
                // With `underscores`, `._name__` would be `__name__`, which is the name of the metric.
                let is_free = |form: &str| !form.starts_with("__") && !taken.contains(form);
                let escaped = first_free(*escaping, NameKind::Label, key, is_free);
                taken.insert(escaped.clone());
                by_key.insert(key.to_owned(), escaped);
            }
        }
    }

    /// The escaped form of a key that was added.
    pub(crate) fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.by_key.get(key).map_or(key, String::as_str)
    }
}

/// The first escaped form of the name that is free: the requested form, then two forms that servers can
/// decode, then the requested form with a number.
///
/// The requested form may be longer than the limit of names. The other forms are not.
pub(crate) fn first_free(
    escaping: Escaping,
    kind: NameKind,
    name: &str,
    is_free: impl Fn(&str) -> bool,
) -> String {
    let max_len = match kind {
        NameKind::Family => MAX_NAME_LEN,
        NameKind::Label => MAX_KEY_LEN,
    };
    let escaped = escaping.escape(name, kind);
    // Servers decode both to the name.
    let encoded = [false, true].into_iter().map(|all| {
        let mut form = String::new();
        push_values(&mut form, name, |at, c| !all && kind.is_classic_char(at, c));
        form
    });
    // Only if somebody records names that look like encoded ones, or very long names.
    let begin = escaped.trim_start_matches('_');
    let begin = &begin[..floor_char_boundary(begin, max_len - MAX_NUMBER_LEN)];
    let numbered = (2_u64..).map(|number| format!("{NUMBERED}{begin}_{number}"));
    let others = encoded.filter(|form| form.len() <= max_len).chain(numbered);
    iter::once(escaped.clone()).chain(others).find(|form| is_free(form)).unwrap_or(escaped)
}

/// The beginning of a form with a number. It must be free: a label key must not begin with `__`.
const NUMBERED: &str = "escaped_";
/// The length of what a form with a number has besides the escaped name, with the greatest number.
const MAX_NUMBER_LEN: usize = NUMBERED.len() + 21;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::names::escaping::unescape;
    use proptest::prelude::*;

    fn escaped(escaping: Escaping, batches: &[&[&str]]) -> Vec<String> {
        let mut keys = EscapedKeys::new(escaping);
        batches.iter().for_each(|batch| keys.add(batch.iter().copied()));
        batches.iter().flat_map(|batch| batch.iter().map(|key| keys.get(key).to_owned())).collect()
    }

    //
    #[test]
    fn the_later_of_two_keys_is_encoded() {
        assert_eq!(escaped(Escaping::Underscores, &[&["a.b", "a-b"]]), ["a_b", "U__a_2d_b"]);
        assert_eq!(escaped(Escaping::Underscores, &[&["a.b"], &["a_b"]]), ["a_b", "U__a__b"]);
        // A key that needs no escape keeps its name, if it is not later.
        assert_eq!(escaped(Escaping::Underscores, &[&["a.b", "a_b"]]), ["U__a_2e_b", "a_b"]);
        assert_eq!(
            escaped(Escaping::Dots, &[&["a-b", "a_b", "a.b"]]),
            ["a__b", "U__a__b", "a_dot_b"]
        );
        let all = ["a.b", "a_b", "U__a_2e_b", "U___61__2e__62_"];
        assert_eq!(
            escaped(Escaping::Underscores, &[&all]),
            ["escaped_a_b_2", "a_b", "U__a_2e_b", "U___61__2e__62_"]
        );
    }

    //
    #[test]
    fn no_key_takes_a_name_that_the_format_writes() {
        assert_eq!(escaped(Escaping::Underscores, &[&["._name__"], &["le"]])[1], "le");
        for (escaping, key) in [
            (Escaping::Underscores, "._name._"),
            (Escaping::Dots, "_name_"),
            (Escaping::Values, "__x"),
        ] {
            let form = &escaped(escaping, &[&[key]])[0];
            assert!(!form.starts_with("__"), "{form}");
            assert_eq!(unescape(form), key);
        }
    }

    //
    #[test]
    fn a_form_that_was_not_requested_is_not_longer_than_a_key() {
        let [first, second] = [".", "-"].map(|c| "x".repeat(200) + &c.repeat(56));
        let forms = escaped(Escaping::Underscores, &[&[&first, &second]]);
        assert_eq!(forms[0], "x".repeat(200) + &"_".repeat(56));
        assert_eq!(forms[1], format!("escaped_{}_2", &forms[0][..227]));
        let forms = escaped(Escaping::Values, &[&[&first, &second]]);
        assert!(forms.iter().all(|form| form.len() > 400), "{forms:?}");
    }

    // found by the fuzz target.
    #[test]
    fn a_long_key_without_a_classic_character_has_a_form() {
        let [first, second] = [92, 93].map(|len| "+".repeat(len));
        let forms = escaped(Escaping::Underscores, &[&[&first, &second]]);
        assert_eq!(forms, ["escaped__2", "escaped__3"]);
    }

    proptest! {
        //
        #[test]
        fn different_keys_stay_different(
            names in proptest::collection::hash_set("[a.:_U]{1,4}|U__a(_2e_|__)[ab]|[+-]{90,100}", 1..20),
        ) {
            for escaping in Escaping::ALL {
                let mut keys = EscapedKeys::new(escaping);
                names.iter().for_each(|name| keys.add(iter::once(name.as_str())));
                let forms: HashSet<_> = names.iter().map(|name| keys.get(name)).collect();
                prop_assert_eq!(forms.len(), names.len());
                let are_free = forms.iter().all(|form| !form.starts_with("__"));
                prop_assert!(are_free, "{:?}", forms);
                if escaping != Escaping::AllowUtf8 {
                    prop_assert!(forms.iter().all(|form| NameKind::Label.is_classic(form)));
                }
            }
        }
    }
}
