use serde_json::{Value, json};

use super::grafana::{Dashboard, Panel};
use crate::convention::Convention;
use crate::promql::one_line;
use crate::settings::Settings;

/// The scrapes, as the scraper measures them.
pub(super) fn dashboard(settings: &Settings) -> Dashboard {
    let up = r#"up{job=~"$job"}"#;
    let samples = r#"scrape_samples_scraped{job=~"$job"}"#;
    let duration = r#"scrape_duration_seconds{job=~"$job"}"#;
    let target = "{{job}} {{instance}}";
    let dashboard = Dashboard::new(
        "scrape",
        "Scrape health",
        "Availability, scrape duration and number of samples of each target. The scraper measures these, so targets that are \
         down are included.",
        "up",
    );
    dashboard
        .row("Targets")
        .panel((6, 4), Panel::stat("Up", "none", format!("sum({up})")))
        .panel(
            (6, 4),
            Panel::stat("Down", "none", format!("count({up} == 0) or vector(0)"))
                .with_thresholds(&[("red", json!(1))]),
        )
        .panel((6, 4), Panel::stat("Samples per scrape", "short", format!("sum({samples})")))
        .panel((6, 4), Panel::stat("Slowest scrape", "s", format!("max({duration})")))
        .panel(
            (24, 7),
            Panel::of(
                "state-timeline",
                "Targets",
                "none",
                vec![(up.to_owned(), target)],
                Value::Object(serde_json::Map::new()),
            )
            .with_texts([("down", "red"), ("up", "green")])
            .with_description("1 means up."),
        )
        .row("Scrapes")
        .panel((8, 8), Panel::lines("Duration", "s", vec![(duration.to_owned(), target)]))
        .panel(
            (8, 8),
            Panel::lines("Samples", "short", vec![(samples.to_owned(), target)]).with_description(
                "Grows with endpoints and label values. A steady slope means a label with an unbounded number of values.",
            ),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Series of HTTP requests",
                "short",
                vec![(series_of_requests(settings), "{{job}} {{endpoint}}")],
            )
            .with_description("By endpoint. `_OVERFLOW` means that the series limit was reached."),
        )
}

/// The number of series of requests, in either convention: both write this dashboard.
fn series_of_requests(settings: &Settings) -> String {
    let of = |convention: Convention| {
        let requests = convention.requests();
        let series = settings.namespaces.select(&requests.count.stored(), r#"job=~"$job""#);
        one_line(&requests.renames.aggregate_by("count", "job, endpoint", &series))
    };
    let [prometheus, opentelemetry] = [Convention::Prometheus, Convention::OpenTelemetry].map(of);
    format!("{prometheus} or {opentelemetry}")
}
