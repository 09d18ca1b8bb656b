//! The parameters of each route, and the forms that the upstream gets.

use super::{
    duration,
    pairs::{Pairs, quoted},
    time::Time,
};
use crate::victoria_metrics::api_error::ApiError;
use form_urlencoded::Serializer;
use std::time::Duration;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A range query.
#[derive(Debug, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::victoria_metrics) struct RangeQuery {
    /// `PromQL` or `MetricsQL`, at most 16 KiB of UTF-8.
    query: Expression,
    /// The first point.
    start: Time,
    /// The last point. Default: now.
    #[param(required = false)]
    #[schema(required = false)]
    end: Time,
    /// The distance between points: a duration or seconds, at least 1 ms.
    step: Step,
}

impl RangeQuery {
    pub(in crate::victoria_metrics) const ALLOWED: &'static [&'static str] =
        &["query", "start", "end", "step"];

    pub(in crate::victoria_metrics) fn new(
        mut pairs: Pairs,
        now: Time,
        max_points: u32,
    ) -> Result<Self, ApiError> {
        let query = Expression::new(pairs.require("query")?)?;
        let start = Time::parse("start", &pairs.require("start")?, now)?;
        let end = pairs.take("end").map_or(Ok(now), |end| Time::parse("end", &end, now))?;
        let step = Step::parse(&pairs.require("step")?)?;
        let range = end.since(start);
        let range = range.ok_or_else(|| {
            ApiError::bad_data("invalid parameter \"end\": must not be before start")
        })?;
        // There is a point at both ends.
        let points = range / step.0 + 1;
        if points > u64::from(max_points) {
            let smallest = duration::to_seconds(range / u64::from(max_points) + 1);
            return Err(ApiError::bad_data(format!(
                "invalid parameter \"step\": {points} points per series, must be at most {max_points}; the smallest step for this range is {smallest}"
            )));
        }
        Ok(Self { query, start, end, step })
    }

    /// The form for the upstream.
    pub(in crate::victoria_metrics) fn to_form(&self, timeout: Duration) -> String {
        let Self { query, start, end, step } = self;
        Serializer::new(String::new())
            .append_pair("query", &query.0)
            .append_pair("start", &start.to_seconds())
            .append_pair("end", &end.to_seconds())
            .append_pair("step", &duration::to_seconds(step.0))
            .append_pair("timeout", &to_seconds(timeout))
            .finish()
    }
}

/// An instant query.
#[derive(Debug, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::victoria_metrics) struct InstantQuery {
    /// `PromQL` or `MetricsQL`, at most 16 KiB of UTF-8.
    query: Expression,
    /// The time of the values. Default: now.
    #[param(required = false)]
    #[schema(required = false)]
    time: Time,
}

impl InstantQuery {
    pub(in crate::victoria_metrics) const ALLOWED: &'static [&'static str] = &["query", "time"];

    pub(in crate::victoria_metrics) fn new(mut pairs: Pairs, now: Time) -> Result<Self, ApiError> {
        let query = Expression::new(pairs.require("query")?)?;
        let time = pairs.take("time").map_or(Ok(now), |time| Time::parse("time", &time, now))?;
        Ok(Self { query, time })
    }

    /// The form for the upstream.
    pub(in crate::victoria_metrics) fn to_form(&self, timeout: Duration) -> String {
        let Self { query, time } = self;
        Serializer::new(String::new())
            .append_pair("query", &query.0)
            .append_pair("time", &time.to_seconds())
            .append_pair("timeout", &to_seconds(timeout))
            .finish()
    }
}

/// The form of the health query: an instant query of a metric that does not exist. Every node of a
/// cluster has to search for it, so the response shows if a node is missing or hangs. The form has no
/// time, so that all health queries are identical and share one call.
pub(in crate::victoria_metrics) fn health_form(timeout: Duration) -> String {
    Serializer::new(String::new())
        .append_pair("query", "asdlc_query_proxy_health")
        .append_pair("timeout", &to_seconds(timeout))
        .finish()
}

/// The form for the values of the label `service`.
pub(in crate::victoria_metrics) fn services_form(
    now: Time,
    window: Duration,
    timeout: Duration,
) -> String {
    Serializer::new(String::new())
        .append_pair("start", &now.before(millis(window)).to_seconds())
        .append_pair("end", &now.to_seconds())
        .append_pair("timeout", &to_seconds(timeout))
        .finish()
}

/// The text of a query. It is not blank and at most [`MAX_QUERY`] bytes long. It is not parsed.
#[derive(Debug)]
struct Expression(String);

impl Expression {
    fn new(text: String) -> Result<Self, ApiError> {
        match text.len() {
            _ if is_blank(&text) => {
                Err(ApiError::bad_data("invalid parameter \"query\": must not be empty"))
            }
            ..=MAX_QUERY => Ok(Self(text)),
            length => Err(ApiError::bad_data(format!(
                "invalid parameter \"query\" of {length} bytes: must be at most {MAX_QUERY} bytes"
            ))),
        }
    }
}

/// Whether there is only white space and comments. A comment ends at a line feed, and in Prometheus
/// also at a carriage return.
fn is_blank(text: &str) -> bool {
    text.split(['\n', '\r'])
        .map(str::trim_start)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

impl PartialSchema for Expression {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_QUERY))
            // At least one character is not white space.
            .pattern(Some("\\S"))
            .examples(["up"])
            .into()
    }
}

impl ToSchema for Expression {}

/// The distance between two points in milliseconds, at least 1.
#[derive(Clone, Copy, Debug)]
struct Step(u64);

impl Step {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let millis = duration::parse(text).or_else(|| duration::seconds(text));
        millis.filter(|millis| *millis > 0).map(Self).ok_or_else(|| {
            ApiError::bad_data(format!(
                "invalid parameter \"step\" {}: must be at least 1ms, such as 15s, 1h30m or seconds",
                quoted(text)
            ))
        })
    }
}

impl PartialSchema for Step {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            // Every text that `parse` accepts matches this pattern.
            .pattern(Some("^([0-9]{1,12}(\\.[0-9]{1,9})?|([0-9]{1,12}(ms|[smhdwy]))+)$"))
            .examples(["15s", "0.5"])
            .into()
    }
}

impl ToSchema for Step {}

fn to_seconds(time: Duration) -> String {
    duration::to_seconds(millis(time))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The limit of `VictoriaMetrics`, in bytes.
const MAX_QUERY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn range(text: &str) -> Result<String, String> {
        let now = Time::now(UNIX_EPOCH + Duration::from_millis(1_714_564_800_900));
        let pairs = Pairs::parse(&[text.as_bytes()], RangeQuery::ALLOWED);
        let query = pairs.and_then(|pairs| RangeQuery::new(pairs, now, 11_000));
        let form = query.map(|query| query.to_form(Duration::from_millis(28_500)));
        form.map_err(|error| error.message.into_owned())
    }

    // O-09
    #[test]
    fn a_query_is_written_again_with_absolute_times() {
        assert_eq!(
            range("step=1m30s&query=sum(rate(x%5b5m%5d))+%26+y&start=now-1h").unwrap(),
            "query=sum%28rate%28x%5B5m%5D%29%29+%26+y&start=1714561200&end=1714564800&step=90&timeout=28.5"
        );
    }

    // O-09, X-07
    #[test]
    fn an_error_about_too_many_points_has_the_smallest_step() {
        for (start, end, step, smallest) in [
            ("0", "86400", "1s", "7.855"),
            ("0", "10999", "999ms", "1"),
            ("0", "11000", "1s", "1.001"),
            ("0", "100", "0.001", "0.01"),
        ] {
            let query =
                |step: &str| range(&format!("query=up&start={start}&end={end}&step={step}"));
            let error = query(step).unwrap_err();
            let named = error.rsplit(' ').next().unwrap();
            assert_eq!(named, smallest, "{error}");
            query(named).unwrap();
            let smaller = duration::to_seconds(duration::seconds(named).unwrap() - 1);
            query(&smaller).unwrap_err();
        }
        // Exactly as many as allowed.
        range("query=up&start=0&end=10999&step=1").unwrap();
    }

    // F-27a
    #[test]
    fn a_query_that_is_not_blank_is_accepted() {
        for query in ["up", " up ", "# comment\nup", "# comment\rup", "\"#\"", "\u{0}", "\u{feff}"]
        {
            let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
            range(&format!("query={encoded}&start=0&step=1h&end=1")).unwrap();
        }
    }

    // O-09, X-07
    #[test]
    fn invalid_parameters_are_refused_by_name() {
        let long = format!("query={}&start=0&end=1&step=1", "x".repeat(MAX_QUERY + 1));
        for (text, expected) in [
            ("start=0&step=1", "missing parameter \"query\""),
            ("query=&start=0&step=1", "invalid parameter \"query\": must not be empty"),
            // F-27a
            ("query=+&start=0&step=1", "invalid parameter \"query\": must not be empty"),
            (
                "query=%09%0b%0c%0d%0a&start=0&step=1",
                "invalid parameter \"query\": must not be empty",
            ),
            (
                "query=%c2%a0%e2%80%83&start=0&step=1",
                "invalid parameter \"query\": must not be empty",
            ),
            ("query=%23&start=0&step=1", "invalid parameter \"query\": must not be empty"),
            (
                "query=+%23+up%0a%0a%23x&start=0&step=1",
                "invalid parameter \"query\": must not be empty",
            ),
            ("query=up&step=1", "missing parameter \"start\""),
            ("query=up&start=0", "missing parameter \"step\""),
            (
                "query=up&start=2&end=1&step=1",
                "invalid parameter \"end\": must not be before start",
            ),
            (&long, "invalid parameter \"query\" of 16385 bytes: must be at most 16384 bytes"),
            (
                "query=up&start=0&step=0",
                "invalid parameter \"step\" \"0\": must be at least 1ms, such as 15s, 1h30m or seconds",
            ),
            (
                "query=up&start=0&time=1&step=1",
                "unknown parameter \"time\": must be one of query, start, end, step",
            ),
        ] {
            assert_eq!(range(text).unwrap_err(), expected);
        }
    }

    proptest! {
        // the upstream gets exactly these five parameters in this order.
        #[test]
        fn any_query_is_sent_with_the_same_five_parameters(
            query in any::<String>(),
            start in "(now-)?[0-9]{1,6}(m|s|)",
            step in "[0-9]{1,4}(s|m|.5|)",
            tail in "(&(query|start|nocache|extra_filters%5B%5D)=[a-z]{0,3})?",
        ) {
            let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
            let sent = format!("query={encoded}&start={start}&step={step}{tail}");
            if let Ok(form) = range(&sent) {
                prop_assert_eq!(&tail, "");
                let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
                let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!(names, ["query", "start", "end", "step", "timeout"]);
                prop_assert_eq!(&pairs[0].1, &query);
                prop_assert!(form.bytes().all(|byte| byte.is_ascii_graphic()));
                for (_, value) in &pairs[1..] {
                    prop_assert!(duration::seconds(value).is_some(), "{}", value);
                }
            }
        }
    }
}
