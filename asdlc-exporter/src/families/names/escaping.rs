//! Escapes the names of families and the keys of labels for scrapers that do not read UTF-8 names.
//!
//! The results are those of `EscapeName` in `github.com/prometheus/common/model`, which Prometheus' own
//! clients use, with one difference. There, a label key may have a `:`, as the name of a metric may.
//! But Prometheus 2 refuses a scrape with such a key. So here it is escaped.

use std::fmt::Write as _;

/// How names are written that not every scraper can read: the parameter `escaping` of `Accept` and
/// `Content-Type`. A *classic* name has only the characters that every scraper reads: letters, digits, `_` and,
/// in names of families, `:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Escaping {
    /// Names are written as they are.
    AllowUtf8,
    /// Each character that is not classic becomes `_`.
    Underscores,
    /// `.` becomes `_dot_`, and `_` and each character that is not classic become `__`. This also changes
    /// classic names that have a `_`.
    Dots,
    /// The name gets the prefix `U__`. `_` becomes `__`, and each character that is not classic becomes its
    /// code point in hexadecimal, between two `_`. Servers can decode these names.
    Values,
}

/// What a name belongs to. A family and a label have different classic characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameKind {
    /// The name of a family.
    Family,
    /// The key of a label.
    Label,
}

impl Escaping {
    /// How many schemes there are.
    pub(crate) const COUNT: usize = 4;

    /// All schemes.
    pub(crate) const ALL: [Self; 4] =
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// The value of `escaping=`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// The scheme with this value of `escaping=`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|escaping| escaping.as_str() == name)
    }

    /// Whether the scheme can change names. `are_utf8`: whether the names can be other than classic.
    pub(crate) fn changes_names(self, are_utf8: bool) -> bool {
        match self {
            Self::AllowUtf8 => false,
            Self::Underscores | Self::Values => are_utf8,
            Self::Dots => true,
        }
    }

    /// Whether the scheme does not change this name. A classic name changes only with `dots`.
    pub(crate) fn keeps(self, name: &str, kind: NameKind) -> bool {
        match self {
            Self::AllowUtf8 => true,
            Self::Underscores | Self::Values => kind.is_classic(name),
            Self::Dots => kind.is_classic(name) && !name.contains('_'),
        }
    }

    /// Appends the escaped name. It is a classic name, unless the scheme is [`AllowUtf8`] or the name is
    /// empty.
    ///
    /// [`AllowUtf8`]: Self::AllowUtf8
    pub(crate) fn push(self, out: &mut String, name: &str, kind: NameKind) {
        if self.keeps(name, kind) || name.is_empty() {
            out.push_str(name);
            return;
        }
        if self == Self::Values {
            push_values(out, name, |at, c| kind.is_classic_char(at, c));
            return;
        }
        let other = if self == Self::Dots { "__" } else { "_" };
        for (at, c) in name.chars().enumerate() {
            match c {
                '_' => out.push_str(other),
                '.' if self == Self::Dots => out.push_str("_dot_"),
                c if kind.is_classic_char(at, c) => out.push(c),
                _ => out.push_str(other),
            }
        }
    }

    /// The escaped name.
    pub(crate) fn escape(self, name: &str, kind: NameKind) -> String {
        let mut out = String::with_capacity(name.len());
        self.push(&mut out, name, kind);
        out
    }
}

impl NameKind {
    /// Whether every scraper reads the name without quotes and escapes.
    pub(crate) fn is_classic(self, name: &str) -> bool {
        !name.is_empty() && name.bytes().enumerate().all(|(at, b)| self.is_classic_byte(at, b))
    }

    pub(crate) fn is_classic_char(self, at: usize, c: char) -> bool {
        c.is_ascii() && self.is_classic_byte(at, c as u8)
    }

    fn is_classic_byte(self, at: usize, b: u8) -> bool {
        match b {
            b'_' => true,
            b':' => self == Self::Family,
            b => b.is_ascii_alphabetic() || (b.is_ascii_digit() && at > 0),
        }
    }
}

/// Appends `U__`, and each character for which `is_kept` is false as its code point. `_` becomes `__`.
pub(crate) fn push_values(out: &mut String, name: &str, is_kept: impl Fn(usize, char) -> bool) {
    out.push_str("U__");
    for (at, c) in name.chars().enumerate() {
        if !is_kept(at, c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "_{:x}_", u32::from(c));
        } else if c == '_' {
            out.push_str("__");
        } else {
            out.push(c);
        }
    }
}

/// Decodes a name that is escaped with [`Escaping::Values`], as servers do. Returns it unchanged if it
/// is not such a name.
#[cfg(test)]
pub(crate) fn unescape(name: &str) -> String {
    let decode = || {
        let mut rest = name.strip_prefix("U__")?;
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once('_') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('_') {
                out.push('_');
                rest = after;
            } else {
                let (digits, after) = after.split_once('_')?;
                let is_code = digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_code)?;
                out.push(char::from_u32(code)?);
                rest = after;
            }
        }
        Some(out + rest)
    };
    decode().unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{
        Escaping::{AllowUtf8, Dots, Underscores, Values},
        NameKind::{Family, Label},
        *,
    };
    use proptest::prelude::*;

    //
    #[test]
    fn names_are_escaped_as_prometheus_clients_escape_them() {
        for (name, underscores, dots, values) in ESCAPED {
            assert_eq!(Underscores.escape(name, Family), underscores, "{name:?}");
            assert_eq!(Dots.escape(name, Family), dots, "{name:?}");
            assert_eq!(Values.escape(name, Family), values, "{name:?}");
            assert_eq!(AllowUtf8.escape(name, Family), name);
            assert_eq!(unescape(values), name);
        }
    }

    //
    #[test]
    fn a_key_with_a_colon_is_escaped() {
        for (key, underscores, dots, values) in [
            ("a:b", "a_b", "a__b", "U__a_3a_b"),
            ("a_b", "a_b", "a__b", "a_b"),
            ("http.route", "http_route", "http_dot_route", "U__http_2e_route"),
            ("1st", "_st", "__st", "U___31_st"),
        ] {
            assert_eq!(Underscores.escape(key, Label), underscores, "{key:?}");
            assert_eq!(Dots.escape(key, Label), dots, "{key:?}");
            assert_eq!(Values.escape(key, Label), values, "{key:?}");
        }
        assert!(Family.is_classic("a:b") && !Label.is_classic("a:b"));
    }

    // the decoder of these tests is the one of Prometheus' servers.
    #[test]
    fn only_a_valid_value_encoding_is_decoded() {
        for (name, expected) in UNESCAPED {
            assert_eq!(unescape(name), expected);
        }
    }

    #[test]
    fn a_scheme_has_the_name_of_the_parameter() {
        for escaping in Escaping::ALL {
            assert_eq!(Escaping::named(escaping.as_str()), Some(escaping));
        }
        for unknown in ["", "spam", "Values", "allow-utf-8 "] {
            assert_eq!(Escaping::named(unknown), None, "{unknown:?}");
        }
    }

    proptest! {
        //
        #[test]
        fn every_escaped_name_is_classic_and_values_are_decoded(name in ".{1,20}") {
            for kind in [Family, Label] {
                for escaping in [Underscores, Dots, Values] {
                    let escaped = escaping.escape(&name, kind);
                    prop_assert!(kind.is_classic(&escaped), "{escaping:?}: {escaped}");
                    prop_assert_eq!(escaping.keeps(&name, kind), escaped == name);
                }
                // A classic name that looks like an encoded one is not encoded.
                if !kind.is_classic(&name) {
                    prop_assert_eq!(unescape(&Values.escape(&name, kind)), &*name);
                }
                let mut all = String::new();
                push_values(&mut all, &name, |_, _| false);
                prop_assert!(kind.is_classic(&all));
                prop_assert_eq!(unescape(&all), &*name);
            }
        }
    }

    /// Name, and the name with `underscores`, `dots` and `values`. From `TestEscapeName` in
    /// `model/metric_test.go` of `github.com/prometheus/common`, at commit
    /// `d2417e2cbb82c4c81e4d28d55f354058169a9f08` (21 August 2026; Apache License 2.0).
    const ESCAPED: [(&str, &str, &str, &str); 8] = [
        ("", "", "", ""),
        (
            "no:escaping_required",
            "no:escaping_required",
            "no:escaping__required",
            "no:escaping_required",
        ),
        (
            "mysystem.prod.west.cpu.load",
            "mysystem_prod_west_cpu_load",
            "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
            "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
        ),
        (
            "mysystem.prod.west.cpu.load_total",
            "mysystem_prod_west_cpu_load_total",
            "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
            "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
        ),
        ("http.status:sum", "http_status:sum", "http_dot_status:sum", "U__http_2e_status:sum"),
        ("label with 😱", "label_with__", "label__with____", "U__label_20_with_20__1f631_"),
        ("花火", "__", "____", "U___82b1__706b_"),
        ("label with \u{100}", "label_with__", "label__with____", "U__label_20_with_20__100_"),
    ];

    /// Names and what a server decodes. From `TestValueUnescapeErrors`, as above.
    const UNESCAPED: [(&str, &str); 10] = [
        ("", ""),
        ("U__no:unescapingrequired", "no:unescapingrequired"),
        ("U__capitals_2E_ok", "capitals.ok"),
        ("U__underscores__doubled__", "underscores_doubled_"),
        ("U__underscores_doubled_", "U__underscores_doubled_"),
        ("U__underscores__doubled_", "U__underscores__doubled_"),
        (
            "U__my__hack_2e_attempt_872348732fabdabbab_",
            "U__my__hack_2e_attempt_872348732fabdabbab_",
        ),
        ("U__my__hack_2e", "U__my__hack_2e"),
        ("U__bad__utf_2eg_", "U__bad__utf_2eg_"),
        ("U__bad__utf_D900_", "U__bad__utf_D900_"),
    ];
}
