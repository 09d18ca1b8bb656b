//! Durations such as `1h30m` and `90`, in milliseconds.

/// Parses a duration of `PromQL`: whole numbers with units, larger units first.
pub(in crate::victoria_metrics) fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut larger = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let (unit, name) = UNITS.iter().find(|(_, name)| after.starts_with(name))?;
        if !(1..=MAX_DIGITS).contains(&digits) || *unit >= larger {
            return None;
        }
        larger = *unit;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit)?)?;
        rest = &after[name.len()..];
    }
    (larger != u64::MAX).then_some(total)
}

/// Parses seconds with decimals. Digits beyond milliseconds are cut off.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
    let is_number = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole, MAX_DIGITS) || !fraction.is_none_or(|part| is_number(part, 9)) {
        return None;
    }
    let millis: String = fraction.unwrap_or("").chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(millis.parse().ok()?)
}

/// Writes seconds for the upstream, such as `90` and `0.25`.
pub(super) fn to_seconds(millis: u64) -> String {
    let (whole, fraction) = (millis / 1000, millis % 1000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{fraction:03}").trim_end_matches('0').to_owned()
}

const MAX_DIGITS: usize = 12;

/// `ms` is before `m`, because the first unit that matches is used.
const UNITS: [(u64, &str); 7] = [
    (1, "ms"),
    (1000, "s"),
    (60_000, "m"),
    (3_600_000, "h"),
    (86_400_000, "d"),
    (7 * 86_400_000, "w"),
    (365 * 86_400_000, "y"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_those_of_promql() {
        for (text, expected) in [
            ("15s", Some(15_000)),
            ("1h30m", Some(5_400_000)),
            ("1m500ms", Some(60_500)),
            ("1y2w3d", Some(31_536_000_000 + 2 * 604_800_000 + 3 * 86_400_000)),
            ("0s", Some(0)),
            ("", None),
            ("s", None),
            ("15", None),
            ("1.5h", None),
            ("-1s", None),
            ("30m1h", None),
            ("1s1s", None),
            ("1 s", None),
            ("1S", None),
            ("1234567890123s", None),
            ("999999999999y", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn seconds_are_decimal() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("1.0019", Some(1001)),
            ("1714564800.123456789", Some(1_714_564_800_123)),
            ("", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("-1", None),
            ("+1", None),
            ("NaN", None),
            ("1.0000000000", None),
            ("1234567890123", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn seconds_that_are_written_can_be_parsed(millis in 0..1_000_000_000_000_000_u64) {
            prop_assert_eq!(seconds(&to_seconds(millis)), Some(millis));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "[0-9]{0,14}(ms|[smhdwy.]|){0,3}[0-9]{0,14}(ms|[smhdwy]|)|.*") {
            let _ = (parse(&text), seconds(&text));
        }
    }
}
