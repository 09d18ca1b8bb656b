//! Servers and probes with and without TLS.

use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::redis::RedisProbe;
use asdlc_tests::servers::Redis;
use redis::{Client, TlsCertificates};

use crate::scrape;

fn patient() -> Exporter {
    Exporter::builder("under-test")
        .with_source_timeout(Duration::from_secs(60))
        .build()
        .expect("the name is valid")
}

fn is_up(exporter: &Exporter) -> bool {
    scrape(exporter).value("redis_connection_up", &[]) == Some(1.0)
}

fn with_tls(redis: &Redis) -> RedisProbe {
    // Another test of this program may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(redis.certificate()) };
    let client = Client::build_with_tls(format!("rediss://{}", redis.address()), certificates);
    RedisProbe::new(client.expect("the certificate is valid"))
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_without_tls_is_0_when_the_server_accepts_only_tls() {
    let (exporter, mut redis) = (patient(), Redis::start_with_tls());
    RedisProbe::open(&redis.url()).expect("the URL is valid").register(&exporter);
    assert!(!is_up(&exporter));
    redis.restart_with(false, &[]);
    assert!(is_up(&exporter));
    redis.restart_with(true, &[]);
    assert!(!is_up(&exporter));
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_with_tls_is_1_when_the_server_uses_tls() {
    let (exporter, mut redis) = (patient(), Redis::start_with_tls());
    with_tls(&redis).register(&exporter);
    assert!(is_up(&exporter));
    redis.restart_with(false, &[]);
    assert!(!is_up(&exporter), "without TLS");
    redis.restart_with(true, &[]);
    assert!(is_up(&exporter));
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_0() {
    let (exporter, redis) = (patient(), Redis::start_with_tls());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("rediss://{}", redis.address());
    RedisProbe::open(&url).expect("TLS is built in").register(&exporter);
    assert!(!is_up(&exporter));
}
