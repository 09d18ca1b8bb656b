//! Settings from files and from the environment.

use crate::values;
use asdlc_exporter::config::{self, Config, MetricsConfig, OtelConfig};
use std::error::Error;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const YAML: &str = "
service: shop
environment: test
namespace: asdlc
labels:
  zone: b
  tier: '1'
metrics:
  enabled: false
  port: 9100
  path: /v1/metrics
otel:
  metrics_enabled: false
policy:
  allow: ['http_*', up]
  deny:
    - '*secret*'
boundaries:
  wait: [0.1, 1]
  size: [10]
";

const TOML: &str = r#"
service = "shop"
environment = "test"
namespace = "asdlc"
boundaries = { wait = [0.1, 1], size = [10] }
[labels]
zone = "b"
tier = "1"
[metrics]
enabled = false
port = 9100
path = "/v1/metrics"
[otel]
metrics_enabled = false
[policy]
allow = ["http_*", "up"]
deny = ["*secret*"]
"#;

const ENVIRONMENT: [(&str, &str); 11] = [
    ("SERVICE_NAME", "shop"),
    ("ENVIRONMENT", "test"),
    ("METRICS_NAMESPACE", "asdlc"),
    ("METRICS_LABELS", "zone=b, tier = 1,"),
    ("METRICS_ENABLED", "false"),
    ("METRICS_PORT", "9100"),
    ("METRICS_PATH", "/v1/metrics"),
    ("OTEL_METRICS_ENABLED", "false"),
    ("METRICS_ALLOW", "http_*, up"),
    ("METRICS_DENY", "*secret*"),
    ("METRICS_BOUNDARIES", "wait=0.1,1; size=10"),
];

// N-04, D-02, A-09
#[test]
fn yaml_toml_and_environment_agree() -> Result {
    let yaml = Config::from_yaml(YAML, "agent.yaml")?;
    assert_eq!(yaml, Config::from_toml(TOML, "daemon.toml")?);
    assert_eq!(yaml, Config::default().with_environment(ENVIRONMENT)?);
    assert_eq!(yaml.clone().with_environment(ENVIRONMENT)?, yaml);

    // None of the values is the default.
    let default = Config::default();
    assert_eq!(Config::from_yaml("", "empty.yaml")?, default);
    assert_eq!(Config::from_yaml("metrics:\nlabels:\n", "empty.yaml")?, default);
    assert_eq!(Config::from_toml("", "empty.toml")?, default);
    assert_eq!(
        default.clone().with_environment([("PATH", "/bin"), ("METRICS_PORT", "")])?,
        default
    );
    for (name, value) in ENVIRONMENT {
        assert_ne!(default.clone().with_environment([(name, value)])?, default, "{name}");
    }
    Ok(())
}

// N-04, D-02
#[test]
fn either_switch_disables_metrics() -> Result {
    assert!(Config::default().is_enabled());
    for (text, enabled) in [
        ("[metrics]\nenabled = false", false),
        ("[otel]\nmetrics_enabled = false", false),
        ("[metrics]\nenabled = false\n[otel]\nmetrics_enabled = true", false),
        ("[metrics]\nenabled = true\n[otel]\nmetrics_enabled = true", true),
        ("[metrics]\nport = 1", true),
    ] {
        assert_eq!(Config::from_toml(text, "daemon.toml")?.is_enabled(), enabled, "{text}");
    }
    Ok(())
}

// A-07, A-09
#[test]
fn an_exporter_has_the_configured_settings() -> Result {
    let config = Config::from_yaml(YAML, "agent.yaml")?;
    let exporter = config.exporter("unnamed").build()?;
    let meter = exporter.meter();
    for name in ["http_requests", "http_secrets", "halt_state", "up"] {
        meter.u64_counter(name).build().add(1, &[]);
    }
    let labels = || "environment=test,tier=1,zone=b".to_owned();
    assert_eq!(values(&exporter, "asdlc_http_requests_total"), [(labels(), 1.0)]);
    assert_eq!(values(&exporter, "asdlc_up_total"), [(labels(), 1.0)]);
    let text = exporter.render()?;
    assert!(
        text.contains(r#"{service="shop","#) && !text.contains("secret") && !text.contains("halt"),
        "{text}"
    );
    assert_eq!(config.boundaries_of("wait", &[5.0]), [0.1, 1.0]);
    assert_eq!(config.boundaries_of("other", &[5.0]), [5.0]);

    let unnamed = Config::default().exporter("unnamed").build()?.render()?;
    assert!(unnamed.contains(r#"uptime_seconds{service="unnamed"} "#), "{unnamed}");
    Ok(())
}

// N-04, D-02
#[test]
fn a_service_can_include_sections_in_its_own_structure() -> Result {
    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Own {
        peers: Vec<String>,
        metrics: MetricsConfig,
        elsewhere: MetricsConfig,
        otel: OtelConfig,
    }
    let directory = tempfile::tempdir()?;
    let read = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("the directory is writable");
        config::load::<Own>(path).map_err(|error| {
            error
                .to_string()
                .split_once(name)
                .map_or_else(String::new, |(_, message)| message.to_owned())
        })
    };
    for (name, text) in [
        ("a.yaml", "peers: [a, b]\nmetrics:\n  path: /m\notel:\n  metrics_enabled: false"),
        ("a.toml", "peers = ['a', 'b']\nmetrics.path = '/m'\notel.metrics_enabled = false"),
    ] {
        let Own { peers, metrics, elsewhere, otel } = read(name, text)?;
        assert_eq!(peers, ["a", "b"]);
        assert_eq!((metrics.enabled, metrics.port, &*metrics.path), (true, None, "/m"));
        assert_eq!((elsewhere.enabled, elsewhere.port, &*elsewhere.path), (true, None, "/metrics"));
        assert!(!otel.metrics_enabled);
    }
    assert_eq!(read("b.yaml", "elsewhere:\n  port: 9464")?.elsewhere.port, Some(9464));
    let message = read("c.yaml", "elsewhere:\n  port: 0").expect_err("an invalid port");
    assert_eq!(message, format!(":2: elsewhere.port: invalid port 0: {PORT}"));
    let message = read("c.toml", "[metrics]\nprot = 1").expect_err("an unknown key");
    assert_eq!(
        message,
        ":2: metrics.prot: unknown field `prot`, expected one of `enabled`, `port`, `path`"
    );
    Ok(())
}

const PORT: &str = "must be 1 to 65535";
const PATH: &str =
    "must start with / and have only visible ASCII characters except ?, #, {, } and *";
const NAME: &str = "must match [a-zA-Z_][a-zA-Z0-9_]*";
const RESERVED: &str = "must not be service, environment, le or quantile";
const ORDER: &str = "must be greater than the boundary before it,";

#[test]
fn an_invalid_file_is_one_clear_error() {
    for (yaml, toml, expected) in [
        (
            "metrics:\n  prot: 1",
            "[metrics]\nprot = 1",
            ":2: metrics.prot: unknown field `prot`, expected one of `enabled`, `port`, `path`".into(),
        ),
        (
            "metric:\n  port: 1",
            "metric.port = 1",
            ":1: metric: unknown field `metric`, expected one of `service`, `environment`, `namespace`, `labels`, `metrics`, `otel`, `policy`, `boundaries`".to_owned()
                + if cfg!(feature = "victoria-metrics") { ", `victoria_metrics`" } else { "" },
        ),
        ("metrics:\n  port: 0", "[metrics]\nport = 0", format!(":2: metrics.port: invalid port 0: {PORT}")),
        ("metrics:\n  port: -1", "[metrics]\nport = -1", format!(":2: metrics.port: invalid port -1: {PORT}")),
        ("metrics:\n  port: 65536", "[metrics]\nport = 65536", format!(":2: metrics.port: invalid port 65536: {PORT}")),
        (
            "metrics:\n  port: http",
            "[metrics]\nport = 'http'",
            ":2: metrics.port: invalid type: string, expected i64".into(),
        ),
        (
            "metrics:\n  enabled: 'on'",
            "[metrics]\nenabled = 'on'",
            ":2: metrics.enabled: invalid type: string, expected a boolean".into(),
        ),
        ("metrics:\n  path: metrics", "[metrics]\npath = 'metrics'", format!(":2: metrics.path: invalid path \"metrics\": {PATH}")),
        ("metrics:\n  path: '/{x}'", "[metrics]\npath = '/{x}'", format!(":2: metrics.path: invalid path \"/{{x}}\": {PATH}")),
        ("metrics:\n  path: '/a?b'", "[metrics]\npath = '/a?b'", format!(":2: metrics.path: invalid path \"/a?***\": {PATH}")),
        ("metrics:\n  path: ''", "[metrics]\npath = ''", format!(":2: metrics.path: invalid path \"\": {PATH}")),
        ("service: ''", "service = ''", ":1: service: invalid service name \"\": must not be empty".into()),
        ("namespace: 9a", "namespace = '9a'", format!(":1: namespace: invalid namespace \"9a\": {NAME}")),
        ("labels:\n  service: a", "[labels]\nservice = 'a'", format!(": labels: invalid label key \"service\": {RESERVED}")),
        ("labels:\n  environment: a", "[labels]\nenvironment = 'a'", format!(": labels: invalid label key \"environment\": {RESERVED}")),
        ("labels:\n  le: a", "[labels]\nle = 'a'", format!(": labels: invalid label key \"le\": {RESERVED}")),
        ("labels:\n  a:b: a", "[labels]\n'a:b' = 'a'", format!(": labels: invalid label key \"a:b\": {NAME}")),
        (
            "boundaries:\n  wait: [1, 1]",
            "[boundaries]\nwait = [1, 1]",
            format!(": boundaries: histogram \"wait\": invalid boundary 1: {ORDER} 1"),
        ),
        (
            "boundaries:\n  wait: [1, .nan]",
            "[boundaries]\nwait = [1, nan]",
            ": boundaries: histogram \"wait\": invalid boundary NaN: must be finite".into(),
        ),
        (
            "boundaries:\n  wait: []",
            "[boundaries]\nwait = []",
            ": boundaries: histogram \"wait\": invalid boundaries []: must have at least one".into(),
        ),
    ] {
        for (message, origin) in [
            (Config::from_yaml(yaml, "/etc/agent.yaml").expect_err(yaml).to_string(), "/etc/agent.yaml"),
            (Config::from_toml(toml, "/etc/agent.toml").expect_err(toml).to_string(), "/etc/agent.toml"),
        ] {
            // For an error in a map, the line depends on the format.
            let message = message.strip_prefix(origin).unwrap_or_else(|| panic!("{message}"));
            let message = if expected.starts_with(": ") {
                message.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit())
            } else {
                message
            };
            assert_eq!(message, expected.strip_prefix(':').filter(|e| e.starts_with(' ')).unwrap_or(&expected), "{origin}");
        }
    }
}

#[test]
fn a_duplicate_key_is_refused() {
    for yaml in [
        "metrics:\n  port: 1\n  port: 2",
        "labels:\n  zone: a\n  zone: b",
        "boundaries:\n  wait: [1]\n  wait: [2]",
        "service: a\nservice: b",
    ] {
        let error = Config::from_yaml(yaml, "a.yaml").expect_err(yaml).to_string();
        assert!(error.starts_with("a.yaml:") && error.contains("duplicate"), "{error}");
    }
    let error = Config::from_toml("[labels]\nzone = 'a'\nzone = 'b'", "a.toml").expect_err("twice");
    assert_eq!(error.to_string(), "a.toml:3: duplicate key");
    let error = Config::default()
        .with_environment([("METRICS_LABELS", "zone=a,zone=b")])
        .expect_err("twice");
    assert_eq!(error.to_string(), r#"environment variable METRICS_LABELS: duplicate entry "zone""#);
}

#[test]
fn an_invalid_variable_is_one_clear_error() {
    for (name, value, expected) in [
        ("METRICS_PORT", "0", format!("invalid port 0: {PORT}")),
        ("METRICS_PORT", "tcp://metrics:80", format!(r#"invalid port "tcp://metrics:80": {PORT}"#)),
        ("METRICS_PATH", "metrics", format!(r#"invalid path "metrics": {PATH}"#)),
        ("METRICS_ENABLED", "yes", r#"invalid boolean "yes": must be true or false"#.into()),
        ("OTEL_METRICS_ENABLED", "1", r#"invalid boolean "1": must be true or false"#.into()),
        ("METRICS_NAMESPACE", "a-b", format!(r#"invalid namespace "a-b": {NAME}"#)),
        (
            "METRICS_LABELS",
            "zone",
            r#"invalid entry "zone": must be NAME=VALUE, entries are separated by ','"#.into(),
        ),
        ("METRICS_LABELS", "quantile=a", format!(r#"invalid label key "quantile": {RESERVED}"#)),
        ("METRICS_BOUNDARIES", "wait=1,x", r#"invalid boundary "x": must be a number"#.into()),
        (
            "METRICS_BOUNDARIES",
            "wait=2,1",
            format!(r#"histogram "wait": invalid boundary 1: {ORDER} 2"#),
        ),
    ] {
        let error = Config::default().with_environment([(name, value)]).expect_err(value);
        assert_eq!(error.to_string(), format!("environment variable {name}: {expected}"));
    }
}

#[test]
fn the_file_name_selects_the_format() -> Result {
    let directory = tempfile::tempdir()?;
    for (name, text) in [("a.yaml", YAML), ("a.yml", YAML), ("a.toml", TOML)] {
        let path = directory.path().join(name);
        std::fs::write(&path, text)?;
        assert_eq!(Config::load(&path)?.metrics.port, Some(9100), "{name}");
    }
    let path = directory.path().join("a.json");
    let error = Config::load(&path).expect_err("JSON").to_string();
    assert_eq!(
        error,
        format!("{}: invalid file extension: must be .yaml, .yml or .toml", path.display())
    );
    let path = directory.path().join("none.yaml");
    let error = Config::load(&path).expect_err("not there");
    assert!(
        error.to_string().starts_with(&format!("{}: cannot read the file: ", path.display())),
        "{error}"
    );
    assert!(error.source().is_some());
    let path = directory.path().join("bad.yaml");
    std::fs::write(&path, "metrics: [")?;
    let error = Config::load(&path).expect_err("bad").to_string();
    assert!(error.starts_with(&format!("{}:", path.display())) && !error.contains('\n'), "{error}");
    Ok(())
}

#[cfg(feature = "victoria-metrics")]
mod victoria_metrics {
    use super::*;
    use std::time::Duration;

    const YAML: &str = "
victoria_metrics:
  url: http://ann:secret@vm:8428/select/0/prometheus
  timeout: 1m30s
  max_points: 100
  max_in_flight: 2
  max_response_bytes: 2048
  services_window: 1d
  cors_origins: [https://a.example, '*']
";

    const ENVIRONMENT: [(&str, &str); 7] = [
        ("VICTORIAMETRICS_URL", "http://ann:secret@vm:8428/select/0/prometheus"),
        ("VICTORIAMETRICS_TIMEOUT", "1m30s"),
        ("VICTORIAMETRICS_MAX_POINTS", "100"),
        ("VICTORIAMETRICS_MAX_IN_FLIGHT", "2"),
        ("VICTORIAMETRICS_MAX_RESPONSE_BYTES", "2048"),
        ("VICTORIAMETRICS_SERVICES_WINDOW", "1d"),
        ("VICTORIAMETRICS_CORS_ORIGINS", "https://a.example, *"),
    ];

    // O-12
    #[test]
    fn the_file_and_the_environment_agree_and_show_no_secret() -> Result {
        let config = Config::from_yaml(YAML, "a.yaml")?;
        assert_eq!(config, Config::default().with_environment(ENVIRONMENT)?);
        let section = &config.victoria_metrics;
        assert_eq!(section.timeout, Duration::from_secs(90));
        assert!(!format!("{config:?}").contains("secret"), "{config:?}");
        for (name, value) in ENVIRONMENT {
            assert_ne!(
                Config::default().with_environment([(name, value)])?,
                Config::default(),
                "{name}"
            );
        }
        assert_eq!(
            Config::default().with_environment([("VICTORIAMETRICS_URL", "")])?,
            Config::default()
        );
        let default = Config::default().victoria_metrics;
        assert_eq!(
            (default.url, default.timeout, default.max_points),
            (None, Duration::from_secs(30), 11_000)
        );

        let exporter = config.exporter("shop").build()?;
        section.query_proxy().build(&exporter.meter())?;
        let mut two = section.clone();
        two.bearer_token = Some("token".to_owned());
        let error = two.query_proxy().build(&exporter.meter()).unwrap_err().to_string();
        assert!(error.starts_with("multiple credentials"), "{error}");
        Ok(())
    }

    // O-12
    #[test]
    fn an_invalid_value_is_one_clear_error() {
        let url = "must be http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]";
        for (key, value, expected) in [
            ("url", "vm:8428", format!("invalid VictoriaMetrics URL: {url}")),
            (
                "url",
                "ftp://ann:secret@vm",
                format!("invalid VictoriaMetrics URL: {url}"),
            ),
            (
                "timeout",
                "30",
                r#"invalid duration "30": must be numbers with units, such as 30s, 1m30s or 500ms"#.to_owned(),
            ),
            (
                "timeout",
                "99ms",
                "invalid query proxy timeout 99ms: must be 100ms to 1h".to_owned(),
            ),
            (
                "max_points",
                "1",
                "invalid query proxy limit of 1 points per series: must be 2 to 30000".to_owned(),
            ),
            (
                "max_points",
                "5000000000",
                "invalid query proxy limit of 5000000000 points per series: must be 2 to 30000".to_owned(),
            ),
            (
                "max_in_flight",
                "0",
                "invalid query proxy limit of 0 queries in flight: must be 1 to 1024".to_owned(),
            ),
            (
                "max_response_bytes",
                "1",
                "invalid query proxy limit of 1 bytes per response: must be at least 1024".to_owned(),
            ),
            (
                "services_window",
                "1s",
                "invalid query proxy services window 1s: must be 1min to 1 year".to_owned(),
            ),
            (
                "cors_origins",
                "a.example",
                r#"invalid CORS origin "a.example": must be http[s]://HOST[:PORT] in lower case, or *"#
                    .to_owned(),
            ),
        ] {
            let name = format!("VICTORIAMETRICS_{}", key.to_uppercase());
            let error = Config::default().with_environment([(&name, value)]).unwrap_err();
            assert_eq!(error.to_string(), format!("environment variable {name}: {expected}"));
            let yaml = match (key, value.parse::<u64>()) {
                ("cors_origins", _) => format!("victoria_metrics:\n  {key}: ['{value}']"),
                (name, Ok(number)) if name.starts_with("max_") => {
                    format!("victoria_metrics:\n  {name}: {number}")
                }
                _ => format!("victoria_metrics:\n  {key}: '{value}'"),
            };
            let error = Config::from_yaml(&yaml, "a.yaml").unwrap_err().to_string();
            assert_eq!(error, format!("a.yaml:2: victoria_metrics.{key}: {expected}"));
        }
        let error =
            Config::from_toml("[victoria_metrics]\nuri = 'x'", "a.toml").unwrap_err().to_string();
        assert!(
            error.starts_with("a.toml:2: victoria_metrics.uri: unknown field `uri`"),
            "{error}"
        );
    }
}
