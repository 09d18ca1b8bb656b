//! The address of the server, by host name and from the environment of a real process.

use asdlc_exporter::{Exporter, serve::Server};
use std::{env, error::Error, io::Read as _, io::Write as _, net::TcpStream, process::Command};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Set for the process that a test starts.
const INSIDE: &str = "ASDLC_TEST_ENVIRONMENT";

/// Starts a server from the environment, and reports its address and the status of a scrape.
async fn started() -> Result<String> {
    let exporter = Exporter::builder("agent").build()?;
    let builder = Server::builder_from_env()?;
    let server = builder.with_route("/metrics", exporter.scrape_service()).start().await?;
    let address = server.address();
    let status = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut client = TcpStream::connect(address)?;
        client.write_all(b"GET /metrics HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")?;
        let mut response = String::new();
        client.read_to_string(&mut response)?;
        Ok(response.lines().next().unwrap_or_default().to_owned())
    });
    let status = status.await??;
    server.stop().await;
    let port = if address.port() == 9464 { "the default port" } else { "another port" };
    Ok(format!("{} {port}: {status}", address.ip()))
}

fn run(host: &str, port: &str) -> Result<String> {
    let output = Command::new(env::current_exe()?)
        .args(["listen_address::the_environment_has_the_address", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env("OTEL_EXPORTER_PROMETHEUS_HOST", host)
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", port)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| line.strip_prefix("result: "));
    Ok(found.ok_or_else(|| format!("{output:?}"))?.to_owned())
}

//
#[tokio::test]
async fn the_environment_has_the_address() -> Result {
    if env::var_os(INSIDE).is_some() {
        let text = started().await.unwrap_or_else(|error| error.to_string());
        // On a new line, because the test harness has already written a part of this one.
        println!("\nresult: {text}");
        return Ok(());
    }
    for host in ["", "localhost", "127.0.0.1"] {
        assert_eq!(run(host, "0")?, "127.0.0.1 another port: HTTP/1.1 200 OK", "{host}");
    }
    for host in ["::1", "[::1]"] {
        assert_eq!(run(host, "0")?, "::1 another port: HTTP/1.1 200 OK", "{host}");
    }
    assert_eq!(run("0.0.0.0", "0")?, "0.0.0.0 another port: HTTP/1.1 200 OK");
    assert_eq!(
        run("localhost", "http")?,
        "environment variable OTEL_EXPORTER_PROMETHEUS_PORT: invalid port \"http\": must be 0 to 65535"
    );
    assert_eq!(
        run("localhost:80", "")?,
        "environment variable OTEL_EXPORTER_PROMETHEUS_HOST: invalid host \"localhost:80\": must be an IP address or a host name, without a port"
    );
    // RFC 6761: no name below `invalid` exists.
    let unknown = run("shop.invalid", "0")?;
    let start = "environment variable OTEL_EXPORTER_PROMETHEUS_HOST: cannot resolve host \"shop.invalid\": ";
    assert!(unknown.starts_with(start) && unknown.len() > start.len(), "{unknown}");
    Ok(())
}

// X-08, C-91
#[tokio::test]
async fn a_host_can_be_set_in_code() -> Result {
    let exporter = Exporter::builder("agent").build()?;
    let server = |host: &str| {
        let builder = Server::builder().with_host(host, 0);
        builder.with_route("/metrics", exporter.scrape_service()).start()
    };
    let started = server("LOCALHOST").await?;
    assert!(started.address().ip().is_loopback() && started.address().is_ipv4());
    started.stop().await;
    for (host, expected) in [
        (
            "http://a:hunter2@shop/",
            "invalid host \"http://***@shop/\": must be an IP address or a host name, without a port",
        ),
        ("", "invalid host \"\": must be an IP address or a host name, without a port"),
    ] {
        let error = server(host).await.expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_bind());
    }
    let error = server("shop.invalid").await.expect_err("no such name");
    assert!(error.to_string().starts_with("cannot resolve host \"shop.invalid\": "), "{error}");
    assert!(error.source().is_some());
    Ok(())
}
