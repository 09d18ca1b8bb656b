//! `recording.yml`.

use crate::convention::Kind;
use crate::promql::sum_by;
use crate::reader::{Histogram, Server};
use crate::service_level::REQUESTS;
use crate::settings::Settings;
use crate::slo::{Errors, Family};
use crate::yaml::{self, Group, Rule};

pub(crate) fn file(settings: &Settings) -> String {
    let Settings { requests, command, .. } = settings;
    let comment = format!(
        "Latency, traffic, errors and saturation of all services, recorded under names without namespace.\n\
         Written by `{command}`.\n\
         \n\
         The rules read {read}. Names are level:metric:operation, as https://prometheus.io/docs/practices/rules/ recommends.\n\
         \n\
         {}\n\
         \n\
         Where the server stores native histograms, the quantiles read these. If some processes of a service have native histograms \
         and others do not, the larger of both quantiles is recorded.{counts}",
        requests.texts.requests,
        read = settings.namespaces.described(requests.example),
        counts = match (requests.count.kind, settings.server) {
            (Kind::Counter, _) => "",
            (Kind::Histogram, Server::Any) => {
                " Requests are counted by classic series. If Prometheus stores only native histograms, write this file with \
                 `--server prometheus`."
            }
            (Kind::Histogram, Server::Prometheus) => {
                " Requests are counted by classic series, and by native histograms where no classic series are scraped."
            }
        },
    );
    let errors = format!(
        "{}\nBefore the first error there is no error series: `or 0 *` then makes the ratio 0 instead of absent.",
        requests.texts.errors
    );
    yaml::file(
        &comment,
        &[
            group("asdlc-http", String::new(), of_requests(settings)),
            group("asdlc-http-errors", errors, family(settings).recording(settings)),
            group("asdlc-workers", String::new(), of_workers(settings)),
            group("asdlc-redis", String::new(), of_redis(settings)),
        ],
    )
}

/// The requests, which have to succeed.
pub(crate) fn family(settings: &Settings) -> Family<'static> {
    Family {
        name: REQUESTS,
        alerts: "Http",
        summary: "{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
        hint: "service_endpoint_status:http_requests:rate5m shows which requests fail.",
        count: &settings.requests.count,
        errors: Errors::Counted(settings.requests.errors),
    }
}

fn of_requests(settings: &Settings) -> Vec<Rule> {
    let Settings { namespaces, requests, .. } = settings;
    let reader = settings.over("5m");
    let bucket = "service_endpoint_le:http_request_duration_seconds_bucket:rate5m";
    let by_endpoint = "job, service, environment, endpoint, method";
    let mut rules = vec![
        record(
            "service_endpoint_status:http_requests:rate5m",
            requests
                .renames
                .sum_by(&format!("{by_endpoint}, status"), &reader.rate(&requests.count)),
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
            requests
                .renames
                .sum_by(&format!("{by_endpoint}, le"), &reader.buckets(requests.duration)),
        ),
    ];
    let by_service = "job, service, environment";
    let of_service = format!("sum by ({by_service}, le) ({bucket})");
    for (level, labels, buckets) in
        [("service_endpoint", by_endpoint, bucket), ("service", by_service, &of_service)]
    {
        rules.extend(["0.50", "0.90", "0.95", "0.99"].map(|quantile| {
            record(
                &named("http_request_duration_seconds", level, quantile),
                reader.quantile_of(quantile, labels, requests.duration, buckets),
            )
        }));
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
    let reader = settings.over("5m");
    let latency = Histogram::named("redis_latency_seconds");
    let bucket = "service_operation_le:redis_latency_seconds_bucket:rate5m";
    let labels = "job, service, environment, operation";
    let summed = record(bucket, sum_by(&format!("{labels}, le"), &reader.buckets(latency)));
    let quantiles = ["0.50", "0.99"].map(|quantile| {
        record(
            &named(latency.name, "service_operation", quantile),
            reader.quantile_of(quantile, labels, latency, bucket),
        )
    });
    [summed].into_iter().chain(quantiles).collect()
}

/// `0.99` is recorded as `LEVEL:NAME:p99`.
fn named(name: &str, level: &str, quantile: &str) -> String {
    format!("{level}:{name}:p{}", quantile.trim_start_matches("0."))
}

fn record(name: &str, expression: String) -> Rule {
    Rule::Record { name: name.to_owned(), expression }
}

fn group(name: &'static str, comment: String, rules: Vec<Rule>) -> Group {
    Group { name: name.into(), comment, rules }
}
