//! The parts of `docs/metrics.md` that no scrape contains: when a family is recorded, and an example query.

use asdlc_tests::exposition::Kind;

/// One family.
pub(super) struct Meaning {
    /// The name without namespace.
    pub(super) family: &'static str,
    /// The moment when it is recorded or read.
    pub(super) recorded: &'static str,
    /// An example query. `NAME` stands for the family's name with its namespace.
    pub(super) query: &'static str,
    /// What a scrape says of it. `None`: each scrape has the family.
    pub(super) described: Option<Description>,
}

/// What a scrape says of a family that depends on the machine.
pub(super) struct Description {
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

const fn is(family: &'static str, recorded: &'static str, query: &'static str) -> Meaning {
    Meaning { family, recorded, query, described: None }
}

/// A family that not every machine has.
const fn may_be(
    family: &'static str,
    recorded: &'static str,
    query: &'static str,
    (kind, unit, help): (Kind, &'static str, &'static str),
) -> Meaning {
    Meaning { family, recorded, query, described: Some(Description { kind, unit, help }) }
}

/// A section of the document.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) families: &'static [Meaning],
}

/// All sections, in their order.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "HTTP requests: `tower-asdlc-metrics`",
        intro: "Each request that passes the layer is recorded once, whatever its outcome. `endpoint` is the route template. It is \
                `_UNMATCHED` without a route, and `_OVERFLOW` beyond the series limit. gRPC calls also have the label `grpc_status`.",
        families: &[
            is(
                "http_requests_total",
                "at the end of the response body, or when the request ends earlier",
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
                "+1 at the request head, −1 when `http_requests_total` counts the request",
                "sum by (service) (NAME)",
            ),
            is(
                "http_response_headers_duration_seconds",
                "at the response head; only `with_time_to_headers`",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "http_request_body_size_bytes",
                "when the request body ends or is dropped; only with the `request_body_layer`",
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
        title: "Requests to other services: the client layer of `tower-asdlc-metrics`",
        intro: "Each request that an `HttpClientMetricsLayer` passes on is recorded once, whatever its outcome. `host` is as in the URL, \
                or `_OTHER` beyond the limit of hosts. `status` is `_NONE` if no response came. `endpoint` exists only `with_endpoint`. \
                gRPC calls also have the label `grpc_status`.",
        families: &[
            is(
                "http_client_requests_total",
                "at the end of the response body, when it is dropped, or when the request ends earlier",
                "sum by (service, host, status) (rate(NAME[5m]))",
            ),
            is(
                "http_client_requests_failed_total",
                "with `http_client_requests_total`",
                "sum by (service, host, error_type) (rate(NAME[5m]))",
            ),
            is(
                "http_client_request_duration_seconds",
                "with `http_client_requests_total`",
                "histogram_quantile(0.99, sum by (service, host, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "http_client_requests_in_flight",
                "+1 when the request is sent, −1 when `http_client_requests_total` counts it",
                "sum by (service, host) (NAME)",
            ),
            is(
                "http_client_response_headers_duration_seconds",
                "at the response head; only `with_time_to_headers`",
                "histogram_quantile(0.99, sum by (service, host, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "http_client_request_body_size_bytes",
                "when the request body ends or is dropped; only with the `request_body_layer`",
                "rate(NAME_sum[5m]) / rate(NAME_count[5m])",
            ),
            is(
                "http_client_response_body_size_bytes",
                "with `http_client_requests_total`; only `with_body_sizes`",
                "sum by (service, host) (rate(NAME_sum[5m]))",
            ),
        ],
    },
    Section {
        title: "The service: `asdlc-exporter`",
        intro: "Every exporter has `uptime_seconds`. An exporter `with_version` has `service_info`. The other families are registered \
                with `asdlc_exporter::service_info`.",
        families: &[
            is("service_info", "when registered", "count by (service, version) (NAME)"),
            is("uptime_seconds", "at the scrape", "resets(NAME[1h])"),
            is(
                "service_starts_total",
                "at the start; continues across restarts with a state file",
                "increase(NAME[1d])",
            ),
            is("info", "when registered", "count by (version) (NAME)"),
            is("build_info", "when registered", "count by (commit) (NAME)"),
        ],
    },
    Section {
        title: "The process: `asdlc-exporter`, feature `process`",
        intro: "Read at each collection. `process::register` registers `process_memory_bytes` with the label `type`. \
                `ProcessMetrics` selects the others. A family is absent if the platform does not provide it.",
        families: &[
            is("process_memory_bytes", "at the scrape", "max_over_time(NAME{type=~\"rss|\"}[1h])"),
            is(
                "process_cpu_usage",
                "at the scrape, for the time since the previous scrape",
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
        title: "The container: `asdlc-exporter`, feature `process`",
        intro: "Registered by `ProcessMetrics::with_container`, on Linux only. The container is the cgroup of the process, of version 1 \
                or 2. If its ancestors have limits too, the values are those of the cgroup with the lowest limit.",
        families: &[
            may_be(
                "container_memory_limit_bytes",
                "at the scrape; absent without a limit",
                "NAME - on (job, instance) container_memory_working_set_bytes",
                (Kind::Gauge, "bytes", "Memory that the container may use."),
            ),
            may_be(
                "container_memory_usage_bytes",
                "at the scrape; absent in the root of the cgroups",
                "max_over_time(NAME[1h])",
                (Kind::Gauge, "bytes", "Memory that the container uses, with cached files."),
            ),
            may_be(
                "container_memory_working_set_bytes",
                "with `container_memory_usage_bytes`",
                "NAME / on (job, instance) container_memory_limit_bytes",
                (
                    Kind::Gauge,
                    "bytes",
                    "Memory that the container uses, without cached files that were not used recently.",
                ),
            ),
            may_be(
                "container_cpu_limit",
                "at the scrape; absent without a limit",
                "rate(process_cpu_seconds_total[5m]) / on (job, instance) NAME",
                (Kind::Gauge, "", "CPU time that the container may use, in CPUs."),
            ),
            may_be(
                "container_cpu_cfs_periods_total",
                "with `container_cpu_limit`",
                "rate(NAME[5m])",
                (Kind::Counter, "", "Periods in which the CPU limit of the container applied."),
            ),
            may_be(
                "container_cpu_cfs_throttled_periods_total",
                "with `container_cpu_limit`",
                "rate(NAME[5m]) / on (job, instance) rate(container_cpu_cfs_periods_total[5m])",
                (
                    Kind::Counter,
                    "",
                    "Periods in which the container had to wait because of its CPU limit.",
                ),
            ),
            may_be(
                "container_cpu_cfs_throttled_seconds_total",
                "with `container_cpu_limit`",
                "rate(NAME[5m])",
                (
                    Kind::Counter,
                    "seconds",
                    "Time that the CPUs of the container had to wait because of its CPU limit.",
                ),
            ),
        ],
    },
    Section {
        title: "Tokio runtimes: `asdlc-exporter`, feature `runtime`",
        intro: "Registered by `RuntimeMetrics`. `runtime` is the name that the program gives to the runtime. The series end when the \
                runtime is shut down.",
        families: &[
            is("runtime_workers", "at the scrape", "NAME"),
            is("runtime_parked_workers", "at the scrape", "max_over_time(NAME[5m]) == 0"),
            is("runtime_alive_tasks", "at the scrape", "deriv(NAME[1h])"),
            is("runtime_global_queue_depth", "at the scrape", "max_over_time(NAME[5m])"),
            is(
                "runtime_busy_seconds_total",
                "when a worker parks, and from time to time while it does not; read at the scrape",
                "rate(NAME[5m]) / runtime_workers",
            ),
            is("runtime_parks_total", "with `runtime_busy_seconds_total`", "rate(NAME[5m])"),
            is(
                "runtime_scheduling_delay_seconds",
                "at the scrape, which spawns a task and waits for it; while the task waits, how long it has waited so far",
                "NAME > 1",
            ),
        ],
    },
    Section {
        title: "Connection pools: `asdlc-exporter`, feature `pools`",
        intro: "Registered by `ConnectionPools`. A pool has only the families that it knows; the documentation of the module `pools` \
                has a table. All values of one scrape come from one snapshot of the pool's statistics.",
        families: &[
            is(
                "db_client_connections",
                "at the scrape",
                "sum by (service, db_client_connection_pool_name) (NAME)",
            ),
            is(
                "db_client_connection_max",
                "at the scrape",
                "sum by (job, instance, db_client_connection_pool_name) (db_client_connections{db_client_connection_state=\"used\"}) \
                 / sum by (job, instance, db_client_connection_pool_name) (NAME)",
            ),
            is("db_client_connection_pending_requests", "at the scrape", "max_over_time(NAME[5m])"),
            is("db_client_connection_timeouts_total", "at the scrape", "rate(NAME[5m])"),
            is("db_client_connection_waits_total", "at the scrape", "rate(NAME[5m])"),
            is("db_client_connection_waited_seconds_total", "at the scrape", "rate(NAME[5m])"),
        ],
    },
    Section {
        title: "Worker pools: `asdlc-exporter`, module `workers`",
        intro: "All values of one scrape come from one snapshot of the pool's statistics.",
        families: &[
            is("active_workers", "at the scrape", "min_over_time(NAME[10m])"),
            is("active_tasks", "at the scrape", "max_over_time(NAME[10m])"),
            is(
                "worker_pool_size",
                "at the scrape; absent if the pool does not report it",
                "sum by (service) (NAME)",
            ),
            is(
                "events_processed_total",
                "at the scrape; `success` and `failed` exist from the start",
                "sum by (service, status) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "Redis: `asdlc-exporter`, feature `redis`",
        intro: "A `RedisProbe` records `redis_connection_*`. Connections that `RedisMetrics` wraps record the others. `operation` is \
                the name of a known command, `PIPELINE`, `MULTI` or `_OTHER`.",
        families: &[
            is(
                "redis_connection_up",
                "at the scrape, which waits for the response to a `PING`",
                "min_over_time(NAME[5m])",
            ),
            is(
                "redis_connection_last_success_age_seconds",
                "at the scrape; absent before the first response",
                "max_over_time(NAME[5m])",
            ),
            is(
                "redis_connection_errors_total",
                "when a `PING` gets an error or no response; all types exist from the start",
                "sum by (service, error_type) (rate(NAME[5m]))",
            ),
            is(
                "redis_latency_seconds",
                "at the response to a command, its error or its cancellation",
                "histogram_quantile(0.99, sum by (service, operation, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "redis_errors_total",
                "with `redis_latency_seconds`, if the response is an error or missing",
                "sum by (service, operation, error_type) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "Queries to VictoriaMetrics: `asdlc-exporter`, feature `victoria-metrics`",
        intro: "Recorded by a `QueryProxy`. `route` is `query_range`, `query`, `services`, `health`, `openapi`, `docs`, or `_OTHER` for all \
                other paths.",
        families: &[
            is(
                "query_proxy_requests_total",
                "at the end of the response; `outcome` is `ok`, `cancelled` or an `errorType`",
                "sum by (route, outcome) (rate(NAME[5m]))",
            ),
            is(
                "query_proxy_requests_in_flight",
                "+1 when the request arrives, −1 at the end of its response",
                "max_over_time(NAME[5m])",
            ),
            is(
                "query_proxy_rejected_total",
                "when a request is rejected without a call to VictoriaMetrics",
                "sum by (reason) (rate(NAME[5m]))",
            ),
            is("query_proxy_response_bytes_total", "at the end of the response", "rate(NAME[5m])"),
            is(
                "query_proxy_shared_total",
                "when a request shares the response of another request's call",
                "sum by (route) (rate(NAME[5m]))",
            ),
            is(
                "query_proxy_upstream_duration_seconds",
                "when a call has ended or failed, but not when it is cancelled",
                "histogram_quantile(0.99, sum by (route, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "query_proxy_upstream_cancelled_total",
                "when a call is cancelled because no request waits for it",
                "sum by (route) (rate(NAME[5m]))",
            ),
        ],
    },
    Section {
        title: "The exporter itself: `asdlc-exporter`, `with_self_metrics`",
        intro: "The self-metrics of a scrape appear in the next scrape.",
        families: &[
            is(
                "promhttp_metric_handler_requests_total",
                "at the response to a scrape, or at its end if it is streamed; 200 and 503 exist from the start",
                "sum by (code) (rate(NAME[5m]))",
            ),
            is(
                "promhttp_metric_handler_requests_in_flight",
                "+1 when a scrape request arrives, −1 when it has ended",
                "max_over_time(NAME[5m])",
            ),
            is(
                "exporter_scrape_duration_seconds",
                "at the response, or at its end if it is streamed",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "exporter_response_bytes_total",
                "at the response, or at its end if it is streamed",
                "rate(NAME[5m])",
            ),
            is("exporter_series", "at a scrape without a filter", "delta(NAME[1h])"),
            is("exporter_dropped_metrics", "at the scrape", "NAME > 0"),
            is("exporter_truncated_labels", "at a scrape without a filter", "NAME > 0"),
            is(
                "exporter_overflowing",
                "at a scrape that finds a series beyond a limit; absent before",
                "NAME > 0",
            ),
            is("exporter_callback_panics_total", "at the panic", "increase(NAME[1h])"),
            is(
                "exporter_source_up",
                "when the source has finished or is late",
                "min_over_time(NAME[5m])",
            ),
        ],
    },
    Section {
        title: "Tasks of the orchestrator: a rule of `tracing-asdlc-metrics`",
        intro: "A program's rules define the names and labels of its span metrics. The orchestrator has \
                [this rule](../examples/orchestrator/src/main.rs).",
        families: &[
            is(
                "tasks_processed_total",
                "when the span `task` closes, at the end of the task",
                "rate(NAME[5m])",
            ),
            is(
                "task_duration_seconds",
                "with `tasks_processed_total`; does not include the wait for a free worker",
                "histogram_quantile(0.9, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
        ],
    },
    Section {
        title: "Events of the workers: a rule of `tracing-asdlc-metrics`",
        intro: "[The rule](../examples/workers/src/main.rs) measures the span around each attempt to process an event.",
        families: &[is(
            "event_processing_duration_seconds",
            "when an attempt has ended; a failed event had three attempts, and the pauses between them are not included",
            "histogram_quantile(0.99, sum by (kind, le) (rate(NAME_bucket[5m])))",
        )],
    },
    Section {
        title: "Messages and storage of the agent: rules of `tracing-asdlc-metrics`",
        intro: "[The rules](../examples/agent/src/main.rs) measure the spans around messages and storage operations.",
        families: &[
            is(
                "messages_received_total",
                "when a message has been received, before it is processed",
                "rate(NAME[5m])",
            ),
            is(
                "message_processing_duration_seconds",
                "when a message has been processed",
                "histogram_quantile(0.99, sum by (service, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "storage_operations_total",
                "when an operation on a backend has ended",
                "sum by (operation, backend) (rate(NAME[5m]))",
            ),
            is(
                "storage_operation_duration_seconds",
                "with `storage_operations_total`",
                "histogram_quantile(0.99, sum by (operation, backend, le) (rate(NAME_bucket[5m])))",
            ),
            is(
                "agent_peers_connected",
                "+1 when the agent has connected to a peer, −1 when the connection ends",
                "NAME",
            ),
        ],
    },
    Section {
        title: "State of the daemon: a `StateGauge`",
        intro: "The daemon sets it whenever its state changes.",
        families: &[is("daemon_state", "at the scrape", "count_values(\"state\", NAME)")],
    },
];
