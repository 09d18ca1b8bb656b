use super::grafana::{Dashboard, Panel};
use super::sum_by;
use crate::reader::Histogram;
use crate::settings::Settings;

/// Processes, and the Redis that they use.
pub(super) fn dashboard(settings: &Settings) -> Dashboard {
    let reader = settings.selected();
    let select = |name, matchers| reader.select(name, matchers);
    let latency = Histogram::named("redis_latency_seconds");
    let dashboard = Dashboard::new(
        "process-redis",
        "Process and Redis",
        "Processes: version, uptime, memory. Redis: availability, latency, failed commands.",
        &settings.uptime(""),
    );
    let process = "{{service}} {{instance}}";
    let command = "{{service}} {{operation}}";
    dashboard
        .with_services(&settings.uptime(r#"job=~"$job""#))
        .row("Processes")
        .panel(
            (12, 8),
            Panel::now(
                "table",
                "Running versions",
                "none",
                (sum_by("job, service, instance, version", &select("service_info", "")), ""),
            )
            .with_format("table")
            .with_description("One row for each process."),
        )
        .panel(
            (12, 8),
            Panel::lines("Uptime", "s", vec![(select("uptime_seconds", ""), process)])
                .with_description("Falls to 0 at a restart."),
        )
        .panel(
            (12, 8),
            Panel::lines(
                "Resident memory",
                "bytes",
                vec![(select("process_memory_bytes", r#"type=~"rss|""#), process)],
            ),
        )
        .panel(
            (12, 8),
            Panel::lines(
                "Mapped memory",
                "bytes",
                vec![(select("process_memory_bytes", r#"type="vms""#), process)],
            )
            .with_description("Mapped address space."),
        )
        .row("Redis")
        .panel(
            (6, 8),
            Panel::now(
                "stat",
                "Redis",
                "bool_on_off",
                (
                    format!("min by (service) ({})", select("redis_connection_up", "")),
                    "{{service}}",
                ),
            )
            .with_description(
                "1 if Redis responded to the PING of the last scrape, for each process.",
            ),
        )
        .panel(
            (9, 8),
            Panel::lines(
                "Commands",
                "ops",
                vec![(sum_by("service, operation", &reader.count(latency)), command)],
            ),
        )
        .panel(
            (9, 8),
            Panel::lines(
                "Command latency (p99)",
                "s",
                vec![(reader.quantile_by("0.99", "service, operation", latency), command)],
            ),
        )
        .panel(
            (24, 8),
            Panel::lines(
                "Failed commands",
                "ops",
                vec![(
                    sum_by(
                        "service, operation, error_type",
                        &reader.rate_of("redis_errors_total", ""),
                    ),
                    "{{service}} {{operation}} {{error_type}}",
                )],
            ),
        )
}
