//! Times such as `now-15m`, `1714564800` and RFC 3339.

use super::{duration, pairs::quoted};
use crate::victoria_metrics::api_error::ApiError;
use std::time::{SystemTime, UNIX_EPOCH};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::victoria_metrics) struct Time(u64);

impl Time {
    /// The time of `clock`, rounded down to a second: dashboards that query `now` in the same second can
    /// share a response.
    pub(in crate::victoria_metrics) fn now(clock: SystemTime) -> Self {
        Self(clock.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1000))
    }

    pub(super) fn parse(name: &str, text: &str, now: Self) -> Result<Self, ApiError> {
        let millis = match text.strip_prefix("now") {
            Some("") => Some(now.0),
            Some(back) => back
                .strip_prefix('-')
                .and_then(duration::parse)
                .and_then(|back| now.0.checked_sub(back)),
            None => duration::seconds(text).or_else(|| rfc3339(text)),
        };
        millis.filter(|millis| *millis <= END).map(Self).ok_or_else(|| {
            ApiError::bad_data(format!(
                "invalid parameter \"{name}\" {}: must be a time from 1970 to 9999 in RFC 3339 (with + as %2B), seconds since the epoch, now, or now-15m",
                quoted(text)
            ))
        })
    }

    pub(super) fn before(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// `None` if `start` is later.
    pub(super) fn since(self, start: Self) -> Option<u64> {
        self.0.checked_sub(start.0)
    }

    /// Seconds since the epoch, which every version of the upstream accepts.
    pub(super) fn to_seconds(self) -> String {
        duration::to_seconds(self.0)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(PATTERN))
            .examples(["now-15m", "1714564800", "2024-05-01T12:00:00Z"])
            .into()
    }
}

impl ToSchema for Time {}

fn rfc3339(text: &str) -> Option<u64> {
    // The parser also accepts other separators than `T`, a `z` in lower case, and any number of
    // decimals.
    let decimals = text.bytes().skip("2024-05-01T12:00:00.".len()).take_while(u8::is_ascii_digit);
    let is_plain =
        text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z') && decimals.count() <= 9;
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| is_plain)?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// The last second of the year 9999.
const END: u64 = 253_402_300_799_000;

/// A pattern for the schema. Every text that `Time::parse` accepts matches it.
const PATTERN: &str = "^(now(-([0-9]{1,12}(ms|[smhdwy]))+)?|[0-9]{1,12}(\\.[0-9]{1,9})?|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))$";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time(1_714_564_800_000);

    fn parse(text: &str) -> Option<String> {
        Time::parse("start", text, NOW).ok().map(Time::to_seconds)
    }

    // O-09
    #[test]
    fn times_become_seconds_of_the_epoch() {
        for (text, expected) in [
            ("now", Some("1714564800")),
            ("now-15m", Some("1714563900")),
            ("now-1h30m500ms", Some("1714559399.5")),
            ("1714564800", Some("1714564800")),
            ("1714564800.25", Some("1714564800.25")),
            ("2024-05-01T12:00:00Z", Some("1714564800")),
            ("2024-05-01T14:00:00+02:00", Some("1714564800")),
            ("2024-05-01T12:00:00.5-00:00", Some("1714564800.5")),
            ("1970-01-01T00:00:00Z", Some("0")),
            ("9999-12-31T23:59:59Z", Some("253402300799")),
            ("", None),
            ("now+15m", None),
            ("now-", None),
            ("now-15", None),
            ("now -15m", None),
            ("now-15m ", None),
            ("now-99y", None),
            ("Now", None),
            ("-1", None),
            ("1e9", None),
            ("Inf", None),
            ("253402300800", None),
            ("1969-12-31T23:59:59Z", None),
            ("2024-05-01T14:00:00 02:00", None),
            ("2024-05-01 12:00:00Z", None),
            ("2024-05-01t12:00:00Z", None),
            ("2024-05-01T12:00:00z", None),
            ("2024-05-01T12:00:00", None),
            ("2024-05-01T12:00:00.1234567890Z", None),
            ("2024-13-01T12:00:00Z", None),
            ("2024-02-30T12:00:00Z", None),
            ("2024-05-01", None),
            ("1714564800\r\nX: 1", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        // O-09, X-07: only digits are sent to the upstream.
        #[test]
        fn any_text_becomes_digits_or_an_error(
            text in "(now|)-?[0-9]{0,13}(ms|[smhdwy.]|)[0-9]{0,10}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]{8,20}(Z|z|[+-][0-9]{2}:[0-9]{2}|)|.*",
        ) {
            if let Some(seconds) = parse(&text) {
                prop_assert!(seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
                prop_assert_eq!(parse(&seconds), Some(seconds));
            }
        }

        #[test]
        fn rfc_3339_is_parsed_to_the_millisecond(millis in 0..END, minutes in -1439..1440_i64) {
            let offset = time::UtcOffset::from_whole_seconds((minutes * 60) as i32).unwrap();
            let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
            if let Some(local) = utc.checked_to_offset(offset).filter(|local| (1970..9999).contains(&local.year())) {
                let (date, hms, sign) = (local.date(), local.time().as_hms_milli(), if minutes < 0 { '-' } else { '+' });
                let text = format!(
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
                    date.year(), u8::from(date.month()), date.day(), hms.0, hms.1, hms.2, hms.3,
                    minutes.abs() / 60, minutes.abs() % 60,
                );
                prop_assert_eq!(parse(&text), Some(duration::to_seconds(millis)), "{}", text);
            }
        }
    }
}
