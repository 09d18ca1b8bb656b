//! Settings in the file, the environment and the command line, valid and invalid.

use std::net::{SocketAddr, TcpListener, TcpStream};

use asdlc_tests::client::Connection;
use asdlc_tests::example::{assert_help_lists, assert_taken_port_is_an_error, command, run};
use asdlc_tests::process::Process;
use asdlc_tests::servers::free_address;
use tempfile::TempDir;

use super::harness::{Agent, Client, configuration_file, peers_address};

// N-04
#[test]
fn metrics_are_only_at_the_configured_port_and_path() {
    let port = free_address().port();
    let agent = Agent::start(&format!("metrics:\n  port: {port}\n  path: /internal/metrics"));
    assert_eq!(agent.example.address(), SocketAddr::from(([127, 0, 0, 1], port)));
    let scrape = agent.example.scrape_at("/internal/metrics");
    assert_eq!(scrape.value("agent_peers_connected", &[]), Some(0.0));
    assert_eq!(agent.example.scrape_response().status(), 404);
}

// N-04
#[test]
fn metrics_are_at_listen_addr_unless_the_file_has_a_port() {
    let address = free_address();
    let environment = [("LISTEN_ADDR", &*address.to_string())];
    for configuration in ["", "metrics:\n  enabled: true"] {
        let agent = Agent::start_with(configuration, &environment);
        assert_eq!(agent.example.address(), address);
        assert_eq!(agent.example.scrape_response().status(), 200);
    }
}

// N-04
#[test]
fn with_metrics_disabled_there_is_no_listener_and_the_agent_works() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let address = free_address();
    let configuration = format!("metrics:\n  enabled: false\n  port: {}", address.port());
    let path = configuration_file(directory.path(), &configuration);
    let mut command = command("agent");
    command.env("LISTEN_ADDR", address.to_string()).arg("--config").arg(path);
    let agent = Process::start(command);
    let disabled = |line: &str| line.contains("Metrics endpoint disabled").then_some(());
    agent.await_stderr(disabled).expect("the log says so");
    let mut client = Client::connect(agent.await_stderr(peers_address).expect("the agent listens"));
    client.put("color", "green");
    assert_eq!(client.get("color").as_deref(), Some("green"));
    assert!(TcpStream::connect(address).is_err(), "something listens on {address}");
    assert_eq!(listeners(agent.id()), 1, "only the listener for peers");
    agent.terminate();
    let finished = agent.finish();
    assert_eq!((finished.status.code(), finished.stdout.len()), (Some(0), 0), "{finished:?}");
}

/// The number of listening sockets of the process, according to the kernel.
fn listeners(id: u32) -> usize {
    let tcp =
        std::fs::read_to_string(format!("/proc/{id}/net/tcp")).expect("the process is running");
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).expect("the process is running");
    let own: Vec<_> = files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter_map(|link| {
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned)
        })
        .collect();
    let listening = tcp.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(3) == Some(&"0A")
            && fields.get(9).is_some_and(|inode| own.iter().any(|own| own == inode))
    });
    listening.count()
}

// N-04
#[test]
fn an_invalid_file_is_an_error_of_one_line() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    for (text, expected) in [
        (
            "metrics:\n  prot: 1",
            ":2: metrics.prot: unknown field `prot`, expected one of `enabled`, `port`, `path`",
        ),
        ("metrics:\n  port: 0", ":2: metrics.port: invalid port 0: must be 1 to 65535"),
        (
            "metric:\n  port: 1",
            ":1: metric: unknown field `metric`, expected one of `listen`, `peers`, ",
        ),
        (
            "peers: [nowhere]",
            ":1: peers: invalid address \"nowhere\": must be HOST:PORT, for example 127.0.0.1:8080",
        ),
        ("heartbeat: 0", ":1: heartbeat: invalid seconds 0: must be 0.01 to 86400"),
    ] {
        let path = configuration_file(directory.path(), text).display().to_string();
        let finished = run("agent", &["--config", &path], &[("LISTEN_ADDR", "127.0.0.1:0")]);
        let line = finished.refusal();
        assert!(line.starts_with(&format!("error: {path}{expected}")), "{line}");
    }
}

#[test]
fn a_taken_port_is_an_error_of_one_line() {
    assert_taken_port_is_an_error("agent");

    // The port for peers.
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let directory = TempDir::new().expect("a temporary directory can be made");
    let path = configuration_file(directory.path(), &format!("listen: {address}"));
    let arguments = ["--config", path.to_str().expect("it is text")];
    let finished = run("agent", &arguments, &[("LISTEN_ADDR", "127.0.0.1:0")]);
    assert!(finished.refusal().contains(&address), "{finished:?}");
}

#[test]
fn the_error_of_a_second_start_names_the_file_in_use() {
    let agent = Agent::start("storage:\n  path: DIR/keys.redb");
    let path = agent.directory.path().join("agent.yaml").display().to_string();
    let environment = [("LISTEN_ADDR", "127.0.0.1:0")];
    let finished = run("agent", &["--config", &path], &environment);
    assert!(finished.refusal().contains("keys.redb"), "{finished:?}");
}

#[test]
fn help_lists_the_file_and_every_variable() {
    let words = [
        "--config",
        "127.0.0.1:8080",
        "LISTEN_ADDR",
        "REDIS_URL",
        "SERVICE_NAME",
        "ENVIRONMENT",
        "RUST_LOG",
    ];
    assert_help_lists("agent", &words);
}

// N-04
#[test]
fn only_metrics_are_served_over_http() {
    let agent = Agent::start_with("", &[("SERVICE_NAME", "night"), ("ENVIRONMENT", "staging")]);
    let mut connection = Connection::open(agent.example.address());
    for path in ["/", "/health", "/metrics/", "/keys"] {
        assert_eq!(connection.get(path).status(), 404, "{path}");
    }
    agent.scrape().assert_all_have(&[("service", "night"), ("environment", "staging")]);
}
