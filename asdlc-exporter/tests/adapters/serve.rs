//! The standalone server, over real connections.

use crate::{
    check::check,
    http1::{RawResponse, ask, get, reserved},
    logged,
};
use asdlc_exporter::{
    Exporter,
    serve::{Server, ServerBuilder},
};
use std::{convert::Infallible, error::Error, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A server of metrics on a free port of the loopback address.
pub(crate) fn server() -> Result<ServerBuilder> {
    let exporter = Exporter::builder("agent").build()?;
    Ok(Server::builder()
        .with_address(([127, 0, 0, 1], 0).into())
        .with_route("/metrics", exporter.scrape_service()))
}

/// Reads until the server closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> io::Result<String> {
    let mut text = String::new();
    // Much longer than it takes: the test asserts that the connection closes.
    match timeout(Duration::from_secs(60), stream.read_to_string(&mut text)).await? {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(text),
        Err(error) => Err(error),
    }
}

// N-01, O-01
#[tokio::test]
async fn a_server_serves_only_its_routes() -> Result {
    let started = server()?.start().await?;
    let address = started.address();
    assert!(address.ip().is_loopback());
    let response = get(address, "/metrics?a=b").await?;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(check(&response.body).iter().any(|sample| sample.name == "uptime_seconds"));
    for path in ["/", "/metrics/", "/Metrics", "/metric", "/metrics/x", "//metrics", "/%6detrics"] {
        let response = get(address, path).await?;
        assert_eq!((response.status, response.body.as_str()), (404, "not found\n"), "{path}");
    }
    assert_eq!(ask(address, "POST", "/metrics", "").await?.status, 405);
    let head = ask(address, "HEAD", "/metrics", "").await?;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    started.stop().await;
    Ok(())
}

// N-04
#[tokio::test]
async fn nothing_listens_before_start() -> Result {
    let (_reserved, address) = reserved()?;
    let server = server()?.with_address(address);
    assert!(TcpStream::connect(address).await.is_err(), "before the start");
    let started = server.start().await?;
    assert_eq!(get(address, "/metrics").await?.status, 200, "after the start");
    started.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "after the stop");
    Ok(())
}

// C-68, C-69
#[tokio::test]
async fn the_default_is_a_loopback_address() -> Result {
    let exporter = Exporter::builder("agent").build()?;
    let started = Server::builder().with_route("/metrics", exporter.scrape_service()).start().await;
    // Another program on this machine may use the port.
    let address = started.map_or_else(|error| error.to_string(), |up| up.address().to_string());
    assert!(address.contains("127.0.0.1:9464"), "{address}");
    Ok(())
}

#[tokio::test]
async fn a_public_address_without_authentication_is_a_warning() -> Result {
    logged();
    let public = SocketAddr::from(([0, 0, 0, 0], 0));
    let started = server()?.with_address(public).start().await?;
    let warning = format!(
        "WARN {} is not a loopback address and there is no authentication: everybody who can connect can read the metrics",
        started.address()
    );
    assert_eq!(logged(), [warning]);
    let _with_token = server()?.with_address(public).with_bearer_token("abc").start().await?;
    let _loopback = server()?.start().await?;
    assert_eq!(logged(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn only_authorized_requests_are_served() -> Result {
    let server = server()?.with_bearer_token("to.k-en_~+/=").with_basic_auth("prom", "pass:wörd");
    let debug = format!("{server:?}");
    assert!(!debug.contains("to.k-en") && !debug.contains("cHJvbTpwYXNzOnfDtnJk"), "{debug}");
    let started = server.start().await?;
    for (headers, status) in [
        ("", 401),
        ("authorization: Bearer to.k-en_~+/=\r\n", 200),
        ("authorization: bearer to.k-en_~+/=\r\n", 200),
        ("authorization: Basic cHJvbTpwYXNzOnfDtnJk\r\n", 200),
        ("authorization: Bearer to.k-en_~+/\r\n", 401),
        ("authorization: Bearer to.k-en_~+/==\r\n", 401),
        ("authorization: Bearer To.k-en_~+/=\r\n", 401),
        ("authorization: Bearer\r\n", 401),
        ("authorization: Bearer \r\n", 401),
        ("authorization: to.k-en_~+/=\r\n", 401),
        ("authorization: Basic to.k-en_~+/=\r\n", 401),
        ("authorization: Bearer cHJvbTpwYXNzOnfDtnJk\r\n", 401),
        ("authorization: Basic cHJvbTpwYXNzOndvcmQ=\r\n", 401),
        ("authorization: Bearer x\r\nauthorization: Bearer to.k-en_~+/=\r\n", 401),
        ("authorization: Bearer to.k-en_~+/=\r\nauthorization: Bearer to.k-en_~+/=\r\n", 401),
    ] {
        let response = ask(started.address(), "GET", "/metrics", headers).await?;
        assert_eq!(response.status, status, "{headers}");
        if status == 401 {
            assert_eq!(response.header("www-authenticate"), Some("Bearer"), "{headers}");
            assert!(response.head.contains("Basic realm=\"metrics\""), "{headers}");
            assert_eq!(response.body, "unauthorized\n");
        }
    }
    let elsewhere = get(started.address(), "/elsewhere").await?;
    assert_eq!(elsewhere.status, 401, "the status does not show which paths exist");
    Ok(())
}

#[tokio::test]
async fn a_client_outside_of_the_allowed_networks_is_disconnected() -> Result {
    let started = server()?.with_allowed_network("10.0.0.0/8").start().await?;
    let mut stream = TcpStream::connect(started.address()).await?;
    // Writing to a closed connection fails now or at the next call.
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(rest(&mut stream).await?, "", "closed before any response");

    let networks = server()?.with_allowed_network("10.0.0.0/8").with_allowed_network("127.0.0.0/8");
    let started = networks.start().await?;
    assert_eq!(get(started.address(), "/metrics").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_disconnected() -> Result {
    let started = server()?.with_read_timeout(Duration::from_millis(100)).start().await?;
    for beginning in ["", "GET /metrics HTTP/1.1\r\nhost: a\r\nx: "] {
        let mut stream = TcpStream::connect(started.address()).await?;
        stream.write_all(beginning.as_bytes()).await?;
        let start = Instant::now();
        rest(&mut stream).await?;
        assert!(start.elapsed() < Duration::from_secs(30), "{beginning:?}");
    }
    // A client that sends a line from time to time is disconnected too.
    let (mut read, mut write) = TcpStream::connect(started.address()).await?.into_split();
    let drip = tokio::spawn(async move {
        write.write_all(b"GET /metrics HTTP/1.1\r\n").await?;
        for _ in 0..6_000 {
            write.write_all(b"x: y\r\n").await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        io::Result::Ok(())
    });
    let mut text = String::new();
    let _ = timeout(Duration::from_secs(30), read.read_to_string(&mut text)).await?;
    assert!(!text.contains("200 OK"), "{text}");
    drip.abort();
    Ok(())
}

#[tokio::test]
async fn a_connection_serves_several_requests_and_ends_when_it_is_idle() -> Result {
    let started = server()?.with_idle_timeout(Duration::from_millis(300)).start().await?;
    let mut stream = TcpStream::connect(started.address()).await?;
    for _ in 0..3 {
        stream.write_all(b"HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(rest(&mut stream).await?, "", "closed without a response");
    Ok(())
}

#[tokio::test]
async fn heads_and_uris_are_limited() -> Result {
    let started = server()?.start().await?;
    let address = started.address();
    let fits = format!("/metrics?{}", "x".repeat(2_000));
    assert_eq!(get(address, &fits).await?.status, 200);
    let long = format!("/metrics?{}", "x".repeat(2_100));
    assert_eq!(get(address, &long).await?.status, 414);

    // The server responds while the client still sends, and refuses the rest.
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let _ = stream.write_all(head.as_bytes()).await;
    let response = rest(&mut stream).await?;
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 431 "), "{response}");

    let fits = format!("x: {}\r\n", "y".repeat(8 << 10));
    assert_eq!(ask(address, "GET", "/metrics", &fits).await?.status, 200);
    let many = "x: y\r\n".repeat(101);
    assert_eq!(ask(address, "GET", "/metrics", &many).await?.status, 431);
    Ok(())
}

/// A server whose `/slow` responds after a notification.
pub(crate) async fn slow(
    grace: Duration,
    connections: usize,
) -> Result<(Server, Arc<Notify>, Arc<Notify>)> {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, wait) = (Arc::clone(&begun), Arc::clone(&finish));
    let service = tower::service_fn(move |_| {
        let (started, wait) = (Arc::clone(&started), Arc::clone(&wait));
        async move {
            started.notify_one();
            wait.notified().await;
            Ok::<_, Infallible>(http::Response::new("slow, but complete".to_owned()))
        }
    });
    let server = server()?.with_route("/slow", service).with_grace_period(grace);
    let server = server.with_connection_limit(connections);
    Ok((server.start().await?, begun, finish))
}

#[tokio::test]
async fn stop_waits_for_responses_in_progress() -> Result {
    let (started, begun, finish) = slow(Duration::from_secs(60), 64).await?;
    let address = started.address();
    let mut idle = TcpStream::connect(address).await?;
    let request = tokio::spawn(get(address, "/slow"));
    begun.notified().await;
    let mut stop = tokio::spawn(started.stop());
    assert_eq!(rest(&mut idle).await?, "", "an idle connection is closed immediately");
    assert!(TcpStream::connect(address).await.is_err(), "no new connection");
    assert!(
        timeout(Duration::from_millis(50), &mut stop).await.is_err(),
        "it waits for the response"
    );
    finish.notify_one();
    let response = request.await??;
    assert_eq!((response.status, response.body.as_str()), (200, "slow, but complete"));
    timeout(Duration::from_secs(30), stop).await??;
    Ok(())
}

#[tokio::test]
async fn a_response_that_never_ends_does_not_prevent_stopping() -> Result {
    let (started, begun, _finish) = slow(Duration::from_millis(100), 64).await?;
    let request = tokio::spawn(get(started.address(), "/slow"));
    begun.notified().await;
    timeout(Duration::from_secs(30), started.stop()).await?;
    assert!(request.await?.is_err(), "the response is incomplete");
    Ok(())
}

#[tokio::test]
async fn dropping_the_server_stops_it() -> Result {
    // A service is dropped with its server.
    let (alive, mut gone) = mpsc::channel::<()>(1);
    let kept = tower::service_fn(move |_| {
        let _alive = &alive;
        async { Ok::<_, Infallible>(http::Response::new(String::new())) }
    });
    let started = server()?.with_route("/kept", kept).start().await?;
    let address = started.address();
    let mut idle = TcpStream::connect(address).await?;
    assert_eq!(get(address, "/metrics").await?.status, 200);
    drop(started);
    assert_eq!(rest(&mut idle).await?, "");
    assert_eq!(timeout(Duration::from_secs(30), gone.recv()).await?, None);
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
    Ok(())
}

// X-05
#[tokio::test]
async fn a_panic_of_a_service_affects_only_its_own_connection() -> Result {
    let service = tower::service_fn(|_| async {
        if true {
            panic!("broken")
        } else {
            Ok::<_, Infallible>(http::Response::new(String::new()))
        }
    });
    let started = server()?.with_route("/broken", service).start().await?;
    assert!(get(started.address(), "/broken").await.is_err());
    let RawResponse { status, .. } = get(started.address(), "/metrics").await?;
    assert_eq!(status, 200);
    Ok(())
}

#[tokio::test]
async fn an_invalid_setting_is_one_clear_error() -> Result {
    let path = "must start with / and have only visible ASCII characters except ? and #";
    let network = "must be an IP address, or ADDRESS/PREFIX_LENGTH";
    let token = "invalid bearer token: must be one or more ASCII letters, digits and -._~+/=";
    let user = "invalid user or password: must not be empty or have control characters, and the user must not have ':'";
    let no_route = "missing route: add one with `ServerBuilder::with_route`";
    let route = |path: &str| -> Result<ServerBuilder> {
        Ok(server()?.with_route(path, Exporter::builder("agent").build()?.scrape_service()))
    };
    for (server, expected) in [
        (Server::builder(), no_route.to_owned()),
        (route("")?, format!(r#"invalid path "": {path}"#)),
        (route("metrics")?, format!(r#"invalid path "metrics": {path}"#)),
        (route("/a b")?, format!(r#"invalid path "/a b": {path}"#)),
        (route("/a?b")?, format!(r#"invalid path "/a?***": {path}"#)),
        (route("/é")?, format!(r#"invalid path "/é": {path}"#)),
        (route("/metrics")?, r#"duplicate path "/metrics""#.to_owned()),
        (
            server()?.with_allowed_network("10.0.0.0/33"),
            format!(r#"invalid network "10.0.0.0/33": {network}"#),
        ),
        (
            server()?.with_allowed_network("localhost"),
            format!(r#"invalid network "localhost": {network}"#),
        ),
        (server()?.with_bearer_token(""), token.to_owned()),
        (server()?.with_bearer_token("hunter2\n"), token.to_owned()),
        (server()?.with_basic_auth("", "hunter2"), user.to_owned()),
        (server()?.with_basic_auth("me:you", "hunter2"), user.to_owned()),
        (server()?.with_basic_auth("me", ""), user.to_owned()),
        (
            server()?.with_connection_limit(0),
            "invalid connection limit 0: must be 1 to 65536".to_owned(),
        ),
        (
            server()?.with_connection_limit(usize::MAX),
            format!("invalid connection limit {}: must be 1 to 65536", usize::MAX),
        ),
        (
            server()?.with_read_timeout(Duration::ZERO),
            "invalid read timeout 0ns: must be 1ms to 1h".to_owned(),
        ),
        (
            server()?.with_read_timeout(Duration::MAX),
            format!("invalid read timeout {:?}: must be 1ms to 1h", Duration::MAX),
        ),
        (
            server()?.with_grace_period(Duration::MAX),
            format!("invalid grace period {:?}: must be 0s to 1h", Duration::MAX),
        ),
        (
            server()?.with_write_timeout(Duration::from_micros(999)),
            "invalid write timeout 999µs: must be 1ms to 1h".to_owned(),
        ),
        (
            server()?.with_idle_timeout(Duration::from_secs(86_401)),
            "invalid idle timeout 86401s: must be 1ms to 24h".to_owned(),
        ),
    ] {
        let error = server.start().await.expect_err(&expected);
        assert_eq!((error.to_string(), error.is_bind()), (expected, false));
    }

    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let address = taken.local_addr()?;
    let error = server()?.with_address(address).start().await.expect_err("taken");
    assert!(error.is_bind() && error.source().is_some());
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
    Ok(())
}
