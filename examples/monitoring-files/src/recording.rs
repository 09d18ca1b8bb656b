//! `recording.yml`.

use crate::promql::{indented, sum_by};
use crate::settings::Settings;
use crate::slo::Family;
use crate::yaml::{self, Group, Rule};

pub(crate) fn file(settings: &Settings) -> String {
    let Settings { requests, command, .. } = settings;
    let comment = format!(
        "Latency, traffic, errors and saturation of all services, recorded under names without namespace.\n\
         Written by `{command}`.\n\
         \n\
         The rules read {read}. Names are level:metric:operation, as https://prometheus.io/docs/practices/rules/ recommends.\n\
         \n\
         {}",
        requests.texts.requests,
        read = settings.namespaces.described(requests.example),
    );
    let errors = format!(
        "{}\nBefore the first error there is no error series: `or 0 *` then makes the ratio 0 instead of absent.",
        requests.texts.errors
    );
    yaml::file(
        &comment,
        &[
            group("asdlc-http", String::new(), of_requests(settings)),
            group("asdlc-http-errors", errors, family(settings).recording(&settings.namespaces)),
            group("asdlc-workers", String::new(), of_workers(settings)),
            group("asdlc-redis", String::new(), of_redis(settings)),
        ],
    )
}

/// The requests, which have to succeed.
pub(crate) fn family(settings: &Settings) -> Family<'static> {
    Family {
        name: "http_requests",
        alerts: "Http",
        events: "requests",
        hint: "service_endpoint_status:http_requests:rate5m shows which requests fail.",
        count: &settings.requests.count,
        errors: settings.requests.errors,
    }
}

fn of_requests(settings: &Settings) -> Vec<Rule> {
    let Settings { namespaces, requests, .. } = settings;
    let rate = |name: &str| format!("rate({}[5m])", namespaces.select(name, ""));
    let bucket = "service_endpoint_le:http_request_duration_seconds_bucket:rate5m";
    let mut rules = vec![
        record(
            "service_endpoint_status:http_requests:rate5m",
            requests.sum_by(
                "job, service, environment, endpoint, method, status",
                &rate(requests.count.name),
            ),
        ),
        record(
            "service:http_requests_in_flight:sum",
            format!(
                "sum by (job, service, environment, instance) ({})",
                namespaces.select(requests.in_flight, "")
            ),
        ),
        record(
            bucket,
            requests.sum_by(
                "job, service, environment, endpoint, method, le",
                &rate(&format!("{}_bucket", requests.duration)),
            ),
        ),
    ];
    let of_service = format!("sum by (job, service, environment, le) ({bucket})");
    for (level, buckets) in [("service_endpoint", bucket), ("service", &of_service)] {
        let name = format!("{level}:http_request_duration_seconds");
        rules.extend(quantiles(&name, buckets, &["0.50", "0.90", "0.95", "0.99"]));
    }
    rules
}

fn of_workers(settings: &Settings) -> Vec<Rule> {
    let events = settings.namespaces.select("events_processed_total", "");
    let by_status = "service_status:events_processed:rate5m";
    let sum = "sum by (job, service, environment)";
    vec![
        record(
            by_status,
            sum_by("job, service, environment, status", &format!("rate({events}[5m])")),
        ),
        record(
            "service:events_failed:ratio_rate5m",
            format!("{sum} ({by_status}{{status=\"failed\"}})\n/ {sum} ({by_status})"),
        ),
    ]
}

fn of_redis(settings: &Settings) -> Vec<Rule> {
    let buckets = settings.namespaces.select("redis_latency_seconds_bucket", "");
    let bucket = "service_operation_le:redis_latency_seconds_bucket:rate5m";
    let summed = record(
        bucket,
        sum_by("job, service, environment, operation, le", &format!("rate({buckets}[5m])")),
    );
    let quantiles = quantiles("service_operation:redis_latency_seconds", bucket, &["0.50", "0.99"]);
    [summed].into_iter().chain(quantiles).collect()
}

/// Quantiles of the rates of buckets. `0.99` is recorded as `NAME:p99`.
fn quantiles(name: &str, buckets: &str, quantiles: &[&str]) -> Vec<Rule> {
    let quantile = |quantile: &&str| {
        record(
            &format!("{name}:p{}", quantile.trim_start_matches("0.")),
            format!("histogram_quantile({quantile},\n{}\n)", indented(buckets, 2)),
        )
    };
    quantiles.iter().map(quantile).collect()
}

fn record(name: &str, expression: String) -> Rule {
    Rule::Record { name: name.to_owned(), expression }
}

fn group(name: &'static str, comment: String, rules: Vec<Rule>) -> Group {
    Group { name, comment, rules }
}
