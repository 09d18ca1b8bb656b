//! A server with TLS and a probe without, the other way round, and both with it.

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
    // Another part of this program may have said so already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(redis.certificate()) };
    let client = Client::build_with_tls(format!("rediss://{}", redis.address()), certificates);
    RedisProbe::new(client.expect("the certificate is valid"))
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_without_tls_is_0_while_the_server_speaks_nothing_else() {
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
async fn a_probe_with_tls_is_1_when_the_server_speaks_it() {
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
async fn a_certificate_that_nobody_vouches_for_is_0() {
    let (exporter, redis) = (patient(), Redis::start_with_tls());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("rediss://{}", redis.address());
    RedisProbe::open(&url).expect("TLS is built in").register(&exporter);
    assert!(!is_up(&exporter));
}
