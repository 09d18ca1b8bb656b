use serde_json::json;

use super::grafana::{Dashboard, Panel};
use crate::convention::Series;
use crate::promql::{one_line, sum_by};
use crate::reader::{Histogram, Reader};
use crate::settings::Settings;

/// Requests: traffic, errors, latency, in flight.
pub(super) fn dashboard(settings: &Settings) -> Dashboard {
    let requests = settings.requests;
    let texts = &requests.texts;
    let reader = settings.selected();
    let rate = |series: &Series| one_line(&reader.rate(series));
    let all = rate(&requests.count);
    let errors: Vec<_> = requests.errors.iter().map(rate).collect();
    let errors = format!("(sum({}) or vector(0)) / sum({all})", errors.join(" or "));
    let by_endpoint = |vector: &str| settings.requests_by("service, endpoint", vector);
    let mean = format!(
        "{} / {}",
        by_endpoint(&reader.sum(requests.duration)),
        by_endpoint(&reader.count(requests.duration))
    );
    let p99_of_all = reader.quantile_by("0.99", "", requests.duration);
    let p99_of_each = reader.quantile_by("0.99", "service, method, endpoint", requests.duration);
    let in_flight = reader.select(requests.in_flight, "");
    // From the first burn rate on that the alerts know, the panel is red.
    let allowed = settings.objective.allowed();
    let thresholds =
        [("yellow", json!(allowed.times_tenths(10))), ("red", json!(allowed.times_tenths(144)))];

    let dashboard = Dashboard::new(
        texts.dashboard,
        texts.title,
        "Requests, errors, latency and requests in flight of all services with the Tower layer.",
        &settings.uptime(""),
    );
    dashboard
        .with_services(&settings.uptime(r#"job=~"$job""#))
        .row("Overview")
        .panel(
            (6, 4),
            Panel::stat("Requests", "reqps", format!("sum({all})"))
                .with_description("Completed requests per second."),
        )
        .panel(
            (6, 4),
            Panel::stat("Errors", "percentunit", errors)
                .with_description(
                    "The share of requests with a server error: 5xx, timeouts, panics, incomplete bodies, gRPC statuses.",
                )
                .with_thresholds(&thresholds),
        )
        .panel(
            (6, 4),
            Panel::stat("p99", "s", p99_of_all).with_description(
                "99 % of requests take less time, from the request head to the end of the response body.",
            ),
        )
        .panel(
            (6, 4),
            Panel::stat("In flight", "none", format!("sum({in_flight})"))
                .with_description(texts.in_flight),
        )
        .row("Traffic and errors")
        .panel(
            (8, 8),
            Panel::lines(
                "Requests by service",
                "reqps",
                vec![(settings.requests_by("service", &all), "{{service}}")],
            ),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Requests by status",
                "reqps",
                vec![(settings.requests_by("status", &all), "{{status}}")],
            ),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Failed requests by reason",
                "reqps",
                vec![(
                    settings.requests_by("service, error_type", &rate(&requests.failed)),
                    "{{service}} {{error_type}}",
                )],
            )
            .with_description(texts.failed),
        )
        .row("Latency")
        .panel(
            (8, 8),
            Panel::lines(
                "Latency of all requests",
                "s",
                reader.quantiles(
                    &[("0.5", "p50"), ("0.9", "p90"), ("0.95", "p95"), ("0.99", "p99")],
                    requests.duration,
                ),
            )
            .with_description(
                "From the request head to the end of the response body. Points are exemplars, if the data source stores \
                 them: a point opens the trace of its request.",
            )
            .with_exemplars(),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "p99 by endpoint",
                "s",
                vec![(p99_of_each, "{{service}} {{method}} {{endpoint}}")],
            ),
        )
        .panel((8, 8), distribution(&reader, requests.duration))
        .row("Endpoints")
        .panel(
            (8, 8),
            Panel::lines(
                "Requests in flight",
                "none",
                vec![(settings.requests_by("service, method", &in_flight), "{{service}} {{method}}")],
            ),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Requests by endpoint",
                "reqps",
                vec![(
                    settings.requests_by("service, method, endpoint", &all),
                    "{{service}} {{method}} {{endpoint}}",
                )],
            ),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Mean duration by endpoint",
                "s",
                vec![(mean, "{{service}} {{endpoint}}")],
            ),
        )
}

/// How many requests took how long. Where there are native histograms, Grafana shows only these.
fn distribution(reader: &Reader<'_>, durations: Histogram) -> Panel {
    let native = reader.native(durations);
    let classic = one_line(&sum_by("le", &reader.buckets(durations)));
    let query = format!("sum({native}) or {classic}");
    let options = json!({
        "calculate": false,
        "yAxis": { "unit": "s" },
        "color": { "mode": "scheme", "scheme": "Oranges", "steps": 64 },
        "cellGap": 1,
        "legend": { "show": true },
        "tooltip": { "mode": "single" },
    });
    Panel::of("heatmap", "Distribution of latency", "reqps", vec![(query, "{{le}}")], options)
        .with_format("heatmap")
        .with_description("Requests per second by duration.")
        .with_exemplars()
}
