use super::grafana::{Dashboard, Panel};
use super::sum_by;
use crate::reader::Histogram;
use crate::settings::Settings;

/// Worker pools, and the tasks of the orchestrator.
pub(super) fn dashboard(settings: &Settings) -> Dashboard {
    let reader = settings.selected();
    let select = |name| reader.select(name, "");
    let events = reader.rate_of("events_processed_total", "");
    let failed = reader.rate_of("events_processed_total", r#"status="failed""#);
    let tasks = sum_by("service", &reader.rate_of("tasks_processed_total", ""));
    let durations = Histogram::named("task_duration_seconds");
    let process = "{{service}} {{instance}}";
    let at_scrapes = "At the moment of each scrape.";
    let dashboard = Dashboard::new(
        "workers",
        "Workers",
        "Tasks and events: in progress, processed, failed.",
        &settings.uptime(""),
    );
    dashboard
        .with_services(&settings.uptime(r#"job=~"$job""#))
        .row("Events of the worker pools")
        .panel(
            (6, 4),
            Panel::stat("Active workers", "none", format!("sum({})", select("active_workers"))),
        )
        .panel(
            (6, 4),
            Panel::stat("Events in progress", "none", format!("sum({})", select("active_tasks"))),
        )
        .panel(
            (6, 4),
            Panel::stat("Events", "ops", format!("sum({events})"))
                .with_description("Processed events per second, successful or failed."),
        )
        .panel(
            (6, 4),
            Panel::stat("Failed", "percentunit", format!("sum({failed}) / sum({events})"))
                .with_description("The share of events that failed."),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Active workers",
                "none",
                vec![
                    (select("active_workers"), process),
                    (select("worker_pool_size"), "{{service}} {{instance}}: all"),
                ],
            )
            .with_description(at_scrapes),
        )
        .panel(
            (8, 8),
            Panel::lines("Events in progress", "none", vec![(select("active_tasks"), process)])
                .with_description(at_scrapes),
        )
        .panel(
            (8, 8),
            Panel::lines(
                "Events by outcome",
                "ops",
                vec![(sum_by("service, status", &events), "{{service}} {{status}}")],
            ),
        )
        .row("Tasks of the orchestrator")
        .panel(
            (12, 8),
            Panel::lines("Tasks", "ops", vec![(tasks, "{{service}}")])
                .with_description("Finished tasks."),
        )
        .panel(
            (12, 8),
            Panel::lines(
                "Duration of tasks",
                "s",
                reader.quantiles(&[("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99")], durations),
            )
            .with_description("Does not include the wait for a free worker."),
        )
}
