use super::{
    duration,
    pairs::{Pairs, quoted},
    time::Time,
};
use crate::victoria_metrics::api_error::Failure;
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
    /// The last point; without it, now.
    #[param(required = false)]
    #[schema(required = false)]
    end: Time,
    /// From point to point: a duration or seconds, 1 ms at least.
    step: Step,
}

impl RangeQuery {
    pub(in crate::victoria_metrics) const ALLOWED: &'static [&'static str] =
        &["query", "start", "end", "step"];

    pub(in crate::victoria_metrics) fn new(
        mut pairs: Pairs,
        now: Time,
        max_points: u32,
    ) -> Result<Self, Failure> {
        let query = Expression::new(pairs.require("query")?)?;
        let start = Time::parse("start", &pairs.require("start")?, now)?;
        let end = pairs.take("end").map_or(Ok(now), |end| Time::parse("end", &end, now))?;
        let step = Step::parse(&pairs.require("step")?)?;
        let range = end.since(start);
        let range = range.ok_or_else(|| Failure::bad_data("`end` is before `start`"))?;
        // Both ends are points.
        let points = range / step.0 + 1;
        if points > u64::from(max_points) {
            let smallest = duration::to_seconds(range / u64::from(max_points) + 1);
            return Err(Failure::bad_data(format!(
                "`step` gives {points} points a series, allowed are {max_points}: the smallest `step` for this range is {smallest}"
            )));
        }
        Ok(Self { query, start, end, step })
    }

    /// As the upstream is asked.
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
    /// When; without it, now.
    #[param(required = false)]
    #[schema(required = false)]
    time: Time,
}

impl InstantQuery {
    pub(in crate::victoria_metrics) const ALLOWED: &'static [&'static str] = &["query", "time"];

    pub(in crate::victoria_metrics) fn new(mut pairs: Pairs, now: Time) -> Result<Self, Failure> {
        let query = Expression::new(pairs.require("query")?)?;
        let time = pairs.take("time").map_or(Ok(now), |time| Time::parse("time", &time, now))?;
        Ok(Self { query, time })
    }

    /// As the upstream is asked.
    pub(in crate::victoria_metrics) fn to_form(&self, timeout: Duration) -> String {
        let Self { query, time } = self;
        Serializer::new(String::new())
            .append_pair("query", &query.0)
            .append_pair("time", &time.to_seconds())
            .append_pair("timeout", &to_seconds(timeout))
            .finish()
    }
}

/// That `VictoriaMetrics` finds series, behind the same prefix and credentials. Nothing has this
/// name, but every node of a cluster is asked for it, so that one which is missing or hangs shows.
/// Without a time, so that all who ask are the same query.
pub(in crate::victoria_metrics) fn probe(timeout: Duration) -> String {
    Serializer::new(String::new())
        .append_pair("query", "asdlc_query_proxy_health")
        .append_pair("timeout", &to_seconds(timeout))
        .finish()
}

/// For the values of the label `service`.
pub(in crate::victoria_metrics) fn services(
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

/// What is asked: its length is looked at, and whether there is anything.
#[derive(Debug)]
struct Expression(String);

impl Expression {
    fn new(text: String) -> Result<Self, Failure> {
        match text.len() {
            _ if is_blank(&text) => Err(Failure::bad_data("parameter `query` is empty")),
            ..=MAX_QUERY => Ok(Self(text)),
            length => Err(Failure::bad_data(format!(
                "parameter `query` has {length} bytes: allowed are {MAX_QUERY}"
            ))),
        }
    }
}

/// Whether there is nothing but white space and comments. Of a comment the end is a line feed, for
/// Prometheus also a carriage return.
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
            // Not blank.
            .pattern(Some("\\S"))
            .examples(["up"])
            .into()
    }
}

impl ToSchema for Expression {}

/// From one point to the next, in milliseconds; not 0.
#[derive(Clone, Copy, Debug)]
struct Step(u64);

impl Step {
    fn parse(text: &str) -> Result<Self, Failure> {
        let millis = duration::parse(text).or_else(|| duration::seconds(text));
        millis.filter(|millis| *millis > 0).map(Self).ok_or_else(|| {
            Failure::bad_data(format!(
                "{} of parameter `step` is not a step of 1ms and more: allowed are `15s`, `1h30m` and seconds",
                quoted(text)
            ))
        })
    }
}

impl PartialSchema for Step {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            // All that is accepted matches it.
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

/// What `VictoriaMetrics` takes.
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
        form.map_err(|failure| failure.message.into_owned())
    }

    // O-09
    #[test]
    fn a_query_is_written_anew_and_without_words_like_now() {
        assert_eq!(
            range("step=1m30s&query=sum(rate(x%5b5m%5d))+%26+y&start=now-1h").unwrap(),
            "query=sum%28rate%28x%5B5m%5D%29%29+%26+y&start=1714561200&end=1714564800&step=90&timeout=28.5"
        );
    }

    // O-09, X-07
    #[test]
    fn too_many_points_name_the_smallest_step_and_it_is_the_smallest() {
        for (start, end, step, smallest) in [
            ("0", "86400", "1s", "7.855"),
            ("0", "10999", "999ms", "1"),
            ("0", "11000", "1s", "1.001"),
            ("0", "100", "0.001", "0.01"),
        ] {
            let ask = |step: &str| range(&format!("query=up&start={start}&end={end}&step={step}"));
            let error = ask(step).unwrap_err();
            let named = error.rsplit(' ').next().unwrap();
            assert_eq!(named, smallest, "{error}");
            ask(named).unwrap();
            let smaller = duration::to_seconds(duration::seconds(named).unwrap() - 1);
            ask(&smaller).unwrap_err();
        }
        // Exactly as many as allowed.
        range("query=up&start=0&end=10999&step=1").unwrap();
    }

    // F-27a
    #[test]
    fn what_may_mean_something_is_asked() {
        for query in ["up", " up ", "# comment\nup", "# comment\rup", "\"#\"", "\u{0}", "\u{feff}"]
        {
            let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
            range(&format!("query={encoded}&start=0&step=1h&end=1")).unwrap();
        }
    }

    // O-09, X-07
    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        let long = format!("query={}&start=0&end=1&step=1", "x".repeat(MAX_QUERY + 1));
        for (text, expected) in [
            ("start=0&step=1", "parameter `query` is missing"),
            ("query=&start=0&step=1", "parameter `query` is empty"),
            // F-27a
            ("query=+&start=0&step=1", "parameter `query` is empty"),
            ("query=%09%0b%0c%0d%0a&start=0&step=1", "parameter `query` is empty"),
            ("query=%c2%a0%e2%80%83&start=0&step=1", "parameter `query` is empty"),
            ("query=%23&start=0&step=1", "parameter `query` is empty"),
            ("query=+%23+up%0a%0a%23x&start=0&step=1", "parameter `query` is empty"),
            ("query=up&step=1", "parameter `start` is missing"),
            ("query=up&start=0", "parameter `step` is missing"),
            ("query=up&start=2&end=1&step=1", "`end` is before `start`"),
            (&long, "parameter `query` has 16385 bytes: allowed are 16384"),
            (
                "query=up&start=0&step=0",
                "`0` of parameter `step` is not a step of 1ms and more: allowed are `15s`, `1h30m` and seconds",
            ),
            (
                "query=up&start=0&time=1&step=1",
                "parameter `time` is not allowed: allowed are `query`, `start`, `end` and `step`",
            ),
        ] {
            assert_eq!(range(text).unwrap_err(), expected);
        }
    }

    proptest! {
        // what reaches the upstream has these five parameters in this order, whatever came.
        #[test]
        fn whatever_is_sent_goes_on_as_the_same_five_parameters(
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
