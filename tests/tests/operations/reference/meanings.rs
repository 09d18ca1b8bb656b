//! What no scrape tells: when a family is recorded, and what one asks of it. In the order of `docs/metrics.md`.

/// One family.
pub(super) struct Meaning {
    /// Without namespace.
    pub(super) family: &'static str,
    /// The moment, or what exactly it is then.
    pub(super) recorded: &'static str,
    /// An example; `NAME` is the family's name with its namespace.
    pub(super) query: &'static str,
}

const fn is(family: &'static str, recorded: &'static str, query: &'static str) -> Meaning {
    Meaning { family, recorded, query }
}

/// A part of the reference.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) families: &'static [Meaning],
}

/// All parts.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "HTTP requests: `tower-asdlc-metrics`",
        intro: "Of each request that passes the layer, once, whatever its end. `endpoint` is the route template, `_UNMATCHED` without \
                a route, `_OVERFLOW` past the cap on series; gRPC calls have the label `grpc_status` too.",
        families: &[
            is(
                "http_requests_total",
                "at the end of the response's body, or when the request ends before that",
                "sum by (service, endpoint, status) (rate(NAME[5m]))",
            ),
            is(
                "http_requests_failed_total",
                "with `http_requests_total`",
                "sum by (service, error_type) (rate(NAME[5m]))",
            ),
            is(
                "http_request_duration_seconds",
                "with `http_requests_total`",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "http_requests_in_flight",
                "+1 at the request's head, −1 when `http_requests_total` counts it",
                "sum by (service) (NAME)",
            ),
            is(
                "http_response_headers_duration_seconds",
                "at the response's head; only `with_time_to_headers`",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "http_request_body_size_bytes",
                "when the request's body ends or is dropped; only with the `request_body_layer`",
                "rate(NAME_sum[5m]) / rate(NAME_count[5m])",
            ),
            is(
                "http_response_body_size_bytes",
                "with `http_requests_total`; only `with_body_sizes`",
                "sum by (service) (rate(NAME_sum[5m]))",
            ),
        ],
    },
    Section {
        title: "The service: `asdlc-exporter`",
        intro: "`service_info` of an exporter `with_version`, `uptime_seconds` of all; the rest when it is registered \
                (`asdlc_exporter::service_info`).",
        families: &[
            is("service_info", "when it is registered", "count by (service, version) (NAME)"),
            is("uptime_seconds", "at the scrape", "resets(NAME[1h])"),
            is(
                "service_starts_total",
                "at the start; goes on across restarts when it has a state file",
                "increase(NAME[1d])",
            ),
            is("info", "when it is registered", "count by (version) (NAME)"),
            is("build_info", "when it is registered", "count by (commit) (NAME)"),
        ],
    },
    Section {
        title: "The process: `asdlc-exporter`, feature `process`",
        intro: "Read when metrics are collected. `process::register` has `process_memory_bytes` with the label `type`; the rest is \
                chosen with `ProcessMetrics`. Absent where the platform cannot tell.",
        families: &[
            is("process_memory_bytes", "at the scrape", "max_over_time(NAME{type=~\"rss|\"}[1h])"),
            is(
                "process_cpu_usage",
                "at the scrape, of the time since the last",
                "avg_over_time(NAME[5m])",
            ),
            is("process_cpu_seconds_total", "at the scrape", "rate(NAME[5m])"),
            is("process_resident_memory_bytes", "at the scrape", "deriv(NAME[1h])"),
            is("process_virtual_memory_bytes", "at the scrape", "NAME"),
            is("process_open_fds", "at the scrape", "NAME / on (job, instance) process_max_fds"),
            is("process_max_fds", "at the scrape; absent when unlimited", "NAME"),
            is("process_start_time_seconds", "at the scrape; whole seconds", "time() - NAME"),
            is("process_threads", "at the scrape; only on Linux", "NAME"),
        ],
    },
    Section {
        title: "A pool of workers: `asdlc-exporter`, module `workers`",
        intro: "All of one scrape come from one look at the pool's statistics.",
        families: &[
            is("active_workers", "at the scrape", "min_over_time(NAME[10m])"),
            is("active_tasks", "at the scrape", "max_over_time(NAME[10m])"),
            is(
                "worker_pool_size",
                "at the scrape; absent when the pool does not tell",
                "sum by (service) (NAME)",
            ),
            is(
                "events_processed_total",
                "at the scrape; `success` and `failed` from the start",
                "sum by (service, status) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "Redis: `asdlc-exporter`, feature `redis`",
        intro: "`redis_connection_*` of a `RedisProbe`, the rest of connections that `RedisMetrics` wraps. `operation` is the name of a \
                known command, `PIPELINE`, `MULTI` or `_OTHER`.",
        families: &[
            is(
                "redis_connection_up",
                "at the scrape, which waits for the answer to a `PING`",
                "min_over_time(NAME[5m])",
            ),
            is(
                "redis_connection_last_success_age_seconds",
                "at the scrape; absent before the first answer",
                "max_over_time(NAME[5m])",
            ),
            is(
                "redis_connection_errors_total",
                "when a `PING` is answered with an error or not at all; all types from the start",
                "sum by (service, error_type) (rate(NAME[5m]))",
            ),
            is(
                "redis_latency_seconds",
                "at a command's answer, error or cancellation",
                "histogram_quantile(0.99, sum by (service, operation, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "redis_errors_total",
                "with `redis_latency_seconds`, when the answer is an error or there is none",
                "sum by (service, operation, error_type) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "Queries to VictoriaMetrics: `asdlc-exporter`, feature `victoria-metrics`",
        intro: "Of a `QueryProxy`. `route` is `query_range`, `query`, `services` or `health`, and `_OTHER` of what is none of them.",
        families: &[
            is(
                "query_proxy_requests_total",
                "at the end of the answer; `outcome` is `ok`, `cancelled` or an `errorType`",
                "sum by (route, outcome) (rate(NAME[5m]))",
            ),
            is(
                "query_proxy_requests_in_flight",
                "+1 at the request's arrival, −1 at the end of its answer",
                "max_over_time(NAME[5m])",
            ),
            is(
                "query_proxy_rejected_total",
                "when a request is refused and `VictoriaMetrics` is not asked",
                "sum by (reason) (rate(NAME[5m]))",
            ),
            is("query_proxy_response_bytes_total", "at the end of the answer", "rate(NAME[5m])"),
            is(
                "query_proxy_shared_total",
                "when a request is answered with what another one had asked for",
                "sum by (route) (rate(NAME[5m]))",
            ),
            is(
                "query_proxy_upstream_duration_seconds",
                "when a call has been answered or has failed, not when it is cancelled",
                "histogram_quantile(0.99, sum by (route, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "query_proxy_upstream_cancelled_total",
                "when a call is given up because nobody waits for it",
                "sum by (route) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "The exporter itself: `asdlc-exporter`, `with_self_metrics`",
        intro: "What a scrape is found to be shows in the next one.",
        families: &[
            is(
                "promhttp_metric_handler_requests_total",
                "at the answer to a scrape; 200 and 503 from the start",
                "sum by (code) (rate(NAME[5m]))",
            ),
            is(
                "promhttp_metric_handler_requests_in_flight",
                "+1 at a scrape's arrival, −1 when it is over",
                "max_over_time(NAME[5m])",
            ),
            is(
                "exporter_scrape_duration_seconds",
                "at the answer",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is("exporter_response_bytes_total", "at the answer", "rate(NAME[5m])"),
            is("exporter_series", "at a scrape of everything", "delta(NAME[1h])"),
            is("exporter_dropped_metrics", "at the scrape", "NAME > 0"),
            is("exporter_truncated_labels", "at a scrape of everything", "NAME > 0"),
            is("exporter_callback_panics_total", "at the panic", "increase(NAME[1h])"),
            is("exporter_source_up", "when it has ended or is late", "min_over_time(NAME[5m])"),
        ],
    },
    Section {
        title: "The tasks of the orchestrator: a rule of `tracing-asdlc-metrics`",
        intro: "Names and labels of what spans record are those of the program's rules; \
                [these](../examples/orchestrator/src/main.rs) are its.",
        families: &[
            is(
                "tasks_processed_total",
                "when the span `task` closes, which is at the end of the task",
                "rate(NAME[5m])",
            ),
            is(
                "task_duration_seconds",
                "with `tasks_processed_total`; a wait for a place at work is not in it",
                "histogram_quantile(0.9, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
        ],
    },
    Section {
        title: "The events of the workers: a rule of `tracing-asdlc-metrics`",
        intro: "[The rule](../examples/workers/src/main.rs) names the span around each attempt at an event.",
        families: &[is(
            "event_processing_duration_seconds",
            "when an attempt has ended; a failed event has had three, and the pauses between are not in it",
            "histogram_quantile(0.99, sum by (kind, le) (rate(NAME_bucket[5m])))",
        )],
    },
    Section {
        title: "Messages and storage of the agent: rules of `tracing-asdlc-metrics`",
        intro: "[The rules](../examples/agent/src/main.rs) name the spans around messages and operations of the storage.",
        families: &[
            is("messages_received_total", "when a message has been processed", "rate(NAME[5m])"),
            is(
                "message_processing_duration_seconds",
                "with `messages_received_total`",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "storage_operations_total",
                "when an operation of a backend has ended",
                "sum by (operation, backend) (rate(NAME[5m]))",
            ),
            is(
                "storage_operation_duration_seconds",
                "with `storage_operations_total`",
                "histogram_quantile(0.99, sum by (operation, backend, le) (rate(NAME_bucket[5m])))",
            ),
            is("agent_peers_connected", "at the scrape", "NAME"),
        ],
    },
    Section {
        title: "The state of the daemon: a `StateGauge`",
        intro: "Set where the daemon changes its state.",
        families: &[is(
            "daemon_state",
            "at the scrape: 1 monitoring, 2 paused, 3 waiting, 4 resuming",
            "count_values(\"state\", NAME)",
        )],
    },
];
