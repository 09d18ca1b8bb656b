//! `alerts.yml`.

use crate::recording::family;
use crate::settings::Settings;
use crate::slo;
use crate::yaml::Severity::{Critical, Warning};
use crate::yaml::{self, Alert, Group, Rule, Severity};

pub(crate) fn file(settings: &Settings) -> String {
    let comment = format!(
        "Alerts. `critical` needs attention now, `warning` on the next working day. Adjust the thresholds: each of them is in \
         one expression. The recorded series come from recording.yml.\n\
         Written by `{}`.",
        settings.command
    );
    yaml::file(
        &comment,
        &[
            Group {
                name: "asdlc-slo".into(),
                comment: slo::comment(settings.objective),
                rules: family(settings).alerts(settings.objective).into(),
            },
            group("asdlc-http-alerts", "", of_requests(settings)),
            group("asdlc-workers-alerts", "", of_workers(settings)),
            group("asdlc-redis-alerts", "", of_redis(settings)),
            group(
                "asdlc-scrape-alerts",
                "By `job`, because a target that cannot be scraped has no label `service`: that label comes from the scrape.",
                of_scrapes(settings),
            ),
        ],
    )
}

fn of_requests(settings: &Settings) -> Vec<Alert> {
    let overflowing = settings.namespaces.select("exporter_overflowing", "");
    let by_instance = "by (job, service, environment, instance)";
    let mut beyond = vec![format!(r#"count {by_instance} ({{otel_metric_overflow="true"}}) > 0"#)];
    if let Some(series) = &settings.requests.overflow {
        let series = settings.namespaces.select(&series.name, &series.matchers);
        beyond.push(format!("max {by_instance} ({series}) > 0"));
    }
    vec![
        alert(
            "HttpLatencyHigh",
            r#"service_endpoint:http_request_duration_seconds:p99{endpoint!~".*/wait"} > 1"#,
            ("10m", Warning),
            "{{ $labels.method }} {{ $labels.endpoint }} of {{ $labels.service }} is slow",
            "1 % of its requests take longer than {{ $value | humanizeDuration }}. Endpoints that wait for an event are not included.",
        ),
        alert(
            "HttpSaturated",
            "avg_over_time(service:http_requests_in_flight:sum[10m]) > 100",
            ("5m", Warning),
            "{{ $labels.service }} at {{ $labels.instance }} has {{ $value | humanize }} requests in flight",
            "Requests arrive faster than they complete. The service lacks CPU, or a dependency is slow.",
        ),
        Alert {
            comment: "Of a service with self-metrics: it says which metric.",
            ..alert(
                "SeriesLimitReached",
                format!("{overflowing} > 0"),
                ("", Warning),
                "{{ $labels.metric }} of {{ $labels.service }} at {{ $labels.instance }} has reached its series limit",
                "Label sets beyond the limit are counted together until a restart. A label has an unbounded number of values, or the limit is too low. The service's log says which limits there are.",
            )
        },
        Alert {
            comment: "Of a service without self-metrics.",
            ..alert(
                "CardinalityOverflow",
                format!(
                    "(\n  {}\n)\nunless on (job, service, environment, instance)\n{overflowing}",
                    beyond.join("\n  or\n  ")
                ),
                ("", Warning),
                "{{ $labels.service }} at {{ $labels.instance }} has reached its series limit",
                "New label sets are counted under the overflow value until a restart. A label has an unbounded number of values, or the limit is too low.",
            )
        },
    ]
}

fn of_workers(settings: &Settings) -> Vec<Alert> {
    let select = |name| settings.namespaces.select(name, "");
    let on_instance = "on (job, service, environment, instance)";
    vec![
        alert(
            "WorkerPoolExhausted",
            format!(
                "min_over_time({}[10m])\n>= {on_instance}\n{}",
                select("active_workers"),
                select("worker_pool_size")
            ),
            ("5m", Warning),
            "All workers of {{ $labels.service }} at {{ $labels.instance }} are busy",
            "No scrape in ten minutes found an idle worker, so events wait. Add workers, or find out what slows them down.",
        ),
        alert(
            "WorkersStalled",
            format!(
                "min_over_time({}[10m]) > 0\nunless {on_instance}\nsum by (job, service, environment, instance) (rate({}[10m])) > 0",
                select("active_tasks"),
                select("events_processed_total")
            ),
            ("5m", Critical),
            "The workers of {{ $labels.service }} at {{ $labels.instance }} finish no events",
            "Events are in progress, but none has finished for ten minutes.",
        ),
        alert(
            "EventsFailing",
            "service:events_failed:ratio_rate5m > 0.05",
            ("10m", Warning),
            "{{ $labels.service }} fails {{ $value | humanizePercentage }} of its events",
            "The log of the workers has the reason.",
        ),
    ]
}

fn of_redis(settings: &Settings) -> Vec<Alert> {
    vec![
        alert(
            "RedisDown",
            format!("{} == 0", settings.namespaces.select("redis_connection_up", "")),
            ("1m", Critical),
            "{{ $labels.service }} at {{ $labels.instance }} cannot reach Redis",
            "Redis did not respond to the PING of a scrape.",
        ),
        alert(
            "RedisSlow",
            "service_operation:redis_latency_seconds:p99 > 0.1",
            ("10m", Warning),
            "{{ $labels.operation }} in Redis is slow for {{ $labels.service }}",
            "1 % of these commands take longer than {{ $value | humanizeDuration }}.",
        ),
    ]
}

fn of_scrapes(settings: &Settings) -> Vec<Alert> {
    let jobs = format!(r#"job=~"{}""#, settings.jobs);
    let select = |name| settings.namespaces.select(name, "");
    vec![
        alert(
            "ScrapeFailing",
            format!("up{{{jobs}}} == 0"),
            ("2m", Critical),
            "{{ $labels.job }} at {{ $labels.instance }} cannot be scraped",
            "It is down, unreachable, or responds to the scrape with an error. The targets page of the scraper shows which.",
        ),
        alert(
            "TargetsGone",
            format!(
                "group by (job) (up{{{jobs}}} offset 1h)\nunless on (job)\ngroup by (job) (up{{{jobs}}})"
            ),
            ("5m", Critical),
            "{{ $labels.job }} has no targets any more",
            "An hour ago the job had a target. Now it has none, not even one that is down.",
        ),
        alert(
            "ScrapeSlow",
            format!("scrape_duration_seconds{{{jobs}}} > 2"),
            ("10m", Warning),
            "A scrape of {{ $labels.job }} at {{ $labels.instance }} takes {{ $value | humanizeDuration }}",
            "A scrape should take milliseconds. Its timeout is 10 s.",
        ),
        alert(
            "ServiceRestarts",
            format!(
                "resets({}[15m]) >= 3\nor\nincrease({}[15m]) >= 3",
                select("uptime_seconds"),
                select("service_starts_total")
            ),
            ("", Warning),
            "{{ $labels.service }} at {{ $labels.instance }} keeps restarting",
            "It was started {{ $value | humanize }} times in 15 minutes.",
        ),
    ]
}

/// An alert that fires once its expression has been true for some time. `""` is no time.
fn alert(
    name: &str,
    expression: impl Into<String>,
    (wait, severity): (&'static str, Severity),
    summary: &str,
    description: &str,
) -> Alert {
    Alert {
        comment: "",
        name: name.to_owned(),
        expression: expression.into(),
        wait,
        severity,
        summary: summary.to_owned(),
        description: description.to_owned(),
    }
}

fn group(name: &'static str, comment: &str, alerts: Vec<Alert>) -> Group {
    let rules = alerts.into_iter().map(Rule::Alert).collect();
    Group { name: name.into(), comment: comment.to_owned(), rules }
}
