//! Errors, logs and `Debug` texts of the adapters have no secret.

use crate::logged;
use asdlc_exporter::{
    Exporter,
    config::{self, Config, VictoriaMetricsConfig},
    health::{Dependency, HttpCheck, Readiness, TcpCheck},
    redis::RedisProbe,
    serve::Server,
    victoria_metrics::QueryProxy,
};
use http::Request;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{error::Error, fmt};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Each input below contains one of these.
const SECRETS: [&str; 4] = ["hunter2", "HUNTER2", "hunter%32", "83619275"];

/// The `Display` and `Debug` texts of an error and its sources.
fn texts_of(error: &(dyn Error + 'static)) -> String {
    let mut texts = format!("{error} {error:?} {error:#?}");
    let mut next = error.source();
    while let Some(error) = next {
        texts += &format!(" {error} {error:?}");
        next = error.source();
    }
    texts
}

#[track_caller]
fn assert_safe(text: &str, input: &str) {
    let leak = SECRETS.iter().find(|secret| text.contains(**secret));
    assert_eq!(leak, None, "{input}\n{text}");
}

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot log in at redis://:hunter2@db")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl Error for Inner {}

/// The log of a check that fails with this error.
async fn log_of<E>(error: fn() -> E) -> Result<String>
where
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    logged();
    let check = move || async move { Err(error()) };
    let readiness =
        Readiness::builder().with_dependency(Dependency::critical("db", check)).build()?;
    let response = readiness.service().oneshot(Request::new(())).await?;
    assert_eq!(response.status(), 503);
    Ok(logged().concat())
}

// F-26
#[tokio::test]
async fn a_check_error_is_logged_without_its_secrets() -> Result {
    let prefix = "WARN dependency \"db\" is not healthy: ";
    assert_eq!(log_of(|| "AUTH app:hunter2@db").await?, format!("{prefix}AUTH ***"));
    let line = log_of(|| "connection refused (os error 111)").await?;
    assert_eq!(line, format!("{prefix}connection refused (os error 111)"));
    let line = log_of(|| Outer(Inner)).await?;
    assert_eq!(line, format!("{prefix}cannot log in at redis://***@db: refused"));
    Ok(())
}

// F-26, a neighbour: passwords in parameters, percent-encoded, and after the name of a key.
#[tokio::test]
async fn a_check_error_is_logged_without_secrets_in_any_form() -> Result {
    for error in [
        || "cannot reach postgres://u:p@h/db?password=hunter2&sslmode=require",
        || "redis%3A%2F%2F%3Ahunter2%40h is down",
        || "host=db user=app password='my hunter2' port=5432",
        || "login as app:hunter2@db was refused",
        || r#"{"token":"hunter2"}"#,
        || "redis://:my hunter2@h",
        || "ERR unknown command 'X', with args beginning with: 'app' 'hunter2'",
    ] {
        let line = log_of(error).await?;
        assert!(line.starts_with("WARN dependency \"db\" is not healthy: "), "{line}");
        assert_safe(&line, error());
    }
    let line = log_of(|| "x".repeat(1 << 20)).await?;
    assert!(line.len() < 1_000, "a log line of {} bytes", line.len());
    Ok(())
}

/// A structure of a service with its own secrets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Own {
    password: Option<String>,
    license: Option<String>,
    #[serde(deserialize_with = "strong")]
    token: Option<String>,
    mode: Option<Mode>,
    peers: Vec<u16>,
    database: Database,
    other: serde::de::IgnoredAny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Database {
    url: Option<std::net::SocketAddr>,
    secrets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    On,
}

fn strong<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    let token = String::deserialize(from)?;
    Err(D::Error::custom(format!("{token} is too short: allowed are 20 characters and more")))
}

// F-26
#[test]
fn an_error_in_a_file_has_no_secret() -> Result {
    let directory = tempfile::tempdir()?;
    for (format, texts) in [("toml", &TOML[..]), ("yaml", &YAML[..])] {
        let path = directory.path().join(format!("a.{format}"));
        for text in texts {
            std::fs::write(&path, text)?;
            let error = config::load::<Own>(&path).expect_err(text);
            assert_safe(&texts_of(&error), text);
            assert!(error.to_string().contains(&format!("a.{format}")), "{error}");
        }
    }
    Ok(())
}

const TOML: [&str; 16] = [
    "password = 83619275",
    "license = 83619275",
    "password = ['hunter2']",
    "password = {hunter2 = 1}",
    "password = hunter2",
    "password = 'hunter2",
    "password = \"hunter2\\q\"",
    "password = 83619275x",
    "password = 'a' 'hunter2'",
    "password: hunter2",
    "token = 'hunter2'",
    "mode = 'hunter2'",
    "peers = ['redis://:hunter2@h']",
    "[database]\nurl = 'redis://:hunter2@h'",
    "database = 'redis://:hunter2@h'",
    "'redis://:hunter2@h' = 1",
];

const YAML: [&str; 18] = [
    // A neighbour: files with a value that cannot be read.
    "other: 340282366920938463463374607431768211455\ntoken: hunter2",
    "other: {1: a}\ntoken: hunter2",
    "other: !tag a\ntoken: hunter2",
    "peers: 83619275",
    "password: [hunter2]",
    "password: {hunter2: 1}",
    "password: *hunter2",
    "password: 'hunter2",
    "password: \"hunter2\\q\"",
    "password: @hunter2",
    "password: a: hunter2",
    "password:hunter2",
    "token: hunter2",
    "mode: hunter2",
    "peers: ['redis://:hunter2@h']",
    "database: {url: 'redis://:hunter2@h'}",
    "database:\n  secrets: [hunter2, {hunter2: 1}]",
    "'redis://:hunter2@h': 1",
];

// F-26
#[test]
fn an_error_has_the_reason_without_the_value() {
    for (text, expected) in [
        ("password = 83619275", "a.toml:1: password: invalid type: integer, expected a string"),
        ("token = 'hunter2'", "a.toml:1: token: allowed are 20 characters and more"),
        ("mode = 'hunter2'", "a.toml:1: mode: unknown variant, expected `on`"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.toml");
        std::fs::write(&path, text).expect("writable");
        let error = config::load::<Own>(&path).expect_err(text).to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

// F-26, a neighbour: our own sections, in all four formats.
#[test]
fn an_error_in_our_own_settings_has_no_secret_in_any_format() {
    for (key, value) in [
        ("password", "83619275"),
        ("bearer_token", "83619275"),
        ("user", "83619275"),
        ("url", "83619275"),
        ("url", r#""http://ann:hunter2""#),
        ("url", r#""http://vm?password=hunter2""#),
        ("url", r#""http://vm/#hunter2""#),
        ("url", r#""http://ann:hunter%32@""#),
        ("url", r#""ann:hunter2@vm""#),
        ("url", r#""http://ann:hun ter2@vm/HUNTER2""#),
        ("cors_origins", r#"["https://ann:hunter2@a.example"]"#),
        ("timeout", r#""redis://:hunter2@h""#),
    ] {
        let toml = format!("[victoria_metrics]\n{key} = {value}");
        let yaml = format!("victoria_metrics:\n  {key}: {value}");
        let json = format!(r#"{{"victoria_metrics":{{"{key}":{value}}}}}"#);
        let plain = value.trim_matches(['"', '[', ']']).trim_matches('"');
        let name = format!("VICTORIAMETRICS_{}", key.to_uppercase());
        assert_safe(&texts_of(&Config::from_toml(&toml, "a.toml").expect_err(&toml)), &toml);
        assert_safe(&texts_of(&Config::from_yaml(&yaml, "a.yaml").expect_err(&yaml)), &yaml);
        let error = serde_json::from_str::<Config>(&json).expect_err(&json);
        assert_safe(&texts_of(&error), &json);
        if let Err(error) = Config::default().with_environment([(&name, plain)]) {
            assert_safe(&texts_of(&error), plain);
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
    for (name, value) in [
        ("METRICS_PORT", "redis://:hunter2@h"),
        ("METRICS_PATH", "redis://:hunter2@h"),
        ("METRICS_NAMESPACE", "app:hunter2@h"),
        ("METRICS_LABELS", "postgres://u:hunter2@h/db?password=hunter2"),
        ("METRICS_ENABLED", "password: hunter2"),
        ("METRICS_BOUNDARIES", "a=redis%3A%2F%2F%3Ahunter2%40h"),
    ] {
        let error = Config::default().with_environment([(name, value)]).expect_err(value);
        assert_safe(&texts_of(&error), value);
        assert!(error.to_string().contains(name), "{error}");
    }
}

// F-26, a neighbour: settings that are built in code, their errors and their `Debug` texts.
#[tokio::test]
async fn settings_and_their_errors_show_no_secret() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    for url in [
        "http://ann:hunter2",
        "http://ann:hunter2@vm:x",
        "http://vm?password=hunter2",
        "http://vm/#hunter2",
        "ann:hunter2",
        "ann:hun@hunter2@vm/a",
    ] {
        let error = QueryProxy::builder(url).build(&exporter.meter()).expect_err(url);
        assert_safe(&texts_of(&error), url);
        assert_safe(&format!("{:?}", QueryProxy::builder(url)), url);
        assert_safe(&texts_of(&RedisProbe::open(url).expect_err(url)), url);
        assert_safe(&texts_of(&TcpCheck::new(url).expect_err(url)), url);
        if let Err(error) = HttpCheck::new(url) {
            assert_safe(&texts_of(&error), url);
        }
    }
    let check = HttpCheck::new("http://db:9200/health?token=hunter2")?;
    assert_safe(&format!("{check:?}"), "HttpCheck");
    let check = Dependency::critical("db", check);
    assert_safe(&format!("{check:?}"), "Dependency");

    let json = r#"{"url":"http://ann:hunter2@vm/a","user":"ann","password":"hunter2","bearer_token":"hunter2"}"#;
    let section: VictoriaMetricsConfig = serde_json::from_str(json)?;
    assert_safe(&format!("{section:?} {:?}", section.query_proxy()), json);
    assert_safe(&texts_of(&section.query_proxy().build(&exporter.meter()).expect_err("two")), json);

    for path in ["/metrics?token=hunter2", "redis://:hunter2@h"] {
        let server = Server::builder().with_route(path, exporter.scrape_service());
        assert_safe(&texts_of(&server.start().await.expect_err(path)), path);
    }
    let network = "app:hunter2@10.0.0.0/8";
    let server = Server::builder().with_route("/metrics", exporter.scrape_service());
    let server = server.with_allowed_network(network);
    assert_safe(&texts_of(&server.start().await.expect_err(network)), network);
    Ok(())
}
