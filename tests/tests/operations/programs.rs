//! The example programs, and the requests that make each expose all its families.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use asdlc_tests::client::Connection;
use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Redis, VictoriaMetrics, free_address};
use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// An example program.
pub(crate) struct Program {
    /// Its package, which is also the name of the job that scrapes it.
    pub(crate) package: &'static str,
    /// The path of its metrics.
    pub(crate) path: &'static str,
    /// The prefix of its metrics, or `""`.
    pub(crate) namespace: &'static str,
    /// Sends requests that make each of its families appear.
    drive: fn(&Example),
}

/// One line for each program.
pub(crate) const PROGRAMS: &[Program] = &[
    is("orchestrator", "/metrics", "asdlc", drive_orchestrator),
    is("workers", "/metrics", "asdlc", drive_workers),
    is("api", "/v1/metrics", "", drive_api),
    is("agent", "/metrics", "", drive_agent),
    is("daemon", "/api/v1/metrics", "palingenesis", drive_daemon),
    is("grpc", "/metrics", "", drive_grpc),
];

const fn is(
    package: &'static str,
    path: &'static str,
    namespace: &'static str,
    drive: fn(&Example),
) -> Program {
    Program { package, path, namespace, drive }
}

/// The servers that the programs use.
pub(crate) struct Backends {
    pub(crate) redis: Redis,
    pub(crate) victoria_metrics: VictoriaMetrics,
}

impl Backends {
    /// Starts them without data.
    pub(crate) fn start() -> Self {
        Self { redis: Redis::start(), victoria_metrics: VictoriaMetrics::empty() }
    }
}

/// A running program.
pub(crate) struct Running {
    // Fields are dropped in this order: the process ends before its directory is removed.
    pub(crate) example: Example,
    _directory: TempDir,
    pub(crate) program: &'static Program,
}

impl Program {
    /// Starts it without Redis, so that it carries out its tasks itself, and drives it.
    pub(crate) fn start_without_redis(&'static self, backends: &Backends) -> Running {
        let running = self.start(&backends.victoria_metrics, None);
        running.drive();
        running
    }

    /// Starts it on a free port, with its backends, in an empty working directory.
    fn start(&'static self, queried: &VictoriaMetrics, redis: Option<&Redis>) -> Running {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut command = command(self.package);
        command.current_dir(&directory);
        command.env("LISTEN_ADDR", "127.0.0.1:0").env("VICTORIAMETRICS_URL", queried.url());
        // Nobody listens there, so a request for an artifact is a server error.
        command.env("ARTIFACT_STORE_URL", format!("http://{}", free_address()));
        command.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
        Running { example: Example::spawn(command), _directory: directory, program: self }
    }
}

impl Running {
    /// Sends requests that make each of its families appear, and its counters grow.
    pub(crate) fn drive(&self) {
        (self.program.drive)(&self.example);
    }

    pub(crate) fn scrape(&self) -> Exposition {
        self.example.scrape_at(self.program.path)
    }
}

/// Starts and drives all programs, in this order, and then an orchestrator without Redis, which carries out its tasks itself.
pub(crate) fn start_all(backends: &Backends) -> Vec<Running> {
    let Backends { redis, victoria_metrics } = backends;
    let start = |program: &'static Program| program.start(victoria_metrics, Some(redis));
    let mut all: Vec<_> = PROGRAMS.iter().map(start).collect();
    // Only now, because the workers process the tasks of the orchestrator.
    all.iter().for_each(Running::drive);
    all.push(PROGRAMS[0].start_without_redis(backends));
    all
}

/// A task that succeeds and one that fails, a client error, a server error, a query and one that is rejected. One of the
/// [`ORCHESTRATED`] requests is a server error.
fn drive_orchestrator(example: &Example) {
    let mut connection = example.connect();
    let tasks = "/api/v1/tasks";
    for kind in ["word_count", "fail"] {
        let work = format!(r#"{{"kind":"{kind}","input":"to be"}}"#);
        let task = connection.post_json(tasks, &work);
        let task: serde_json::Value =
            serde_json::from_slice(task.body()).expect("the API responds with JSON");
        get(&mut connection, &format!("{tasks}/{}/wait", task["id"]), 200);
        if kind == "fail" {
            get(&mut connection, &format!("{tasks}/{}/artifact", task["id"]), 503);
        }
    }
    get(&mut connection, &format!("{tasks}/18446744073709551615"), 404);
    get(&mut connection, "/api/metrics/query?query=up", 200);
    get(&mut connection, "/api/metrics/query", 400);
}

/// The number of requests that drive the orchestrator.
pub(crate) const ORCHESTRATED: f64 = 8.0;

/// A request that succeeds and one to an unknown path. Events come from the orchestrator. At the first read the consumer group
/// does not exist, which is an error of Redis.
fn drive_workers(example: &Example) {
    let mut connection = example.connect();
    get(&mut connection, "/stats", 200);
    get(&mut connection, "/nothing", 404);
}

/// An event that is stored and one that is rejected.
fn drive_api(example: &Example) {
    let mut connection = example.connect();
    let event = r#"{"source":"shop","type":"order.paid","data":{"order":7}}"#;
    assert_eq!(connection.post_json("/v1/events", event).status(), 201);
    assert_eq!(connection.post_json("/v1/events", "{").status(), 400);
}

/// Each kind of message, so that each operation reaches the storage.
fn drive_agent(example: &Example) {
    let address = |line: &str| line.split_once("peers and clients on ")?.1.trim().parse().ok();
    let address: SocketAddr = example.process().await_stderr(address).expect("the agent listens");
    let mut stream = TcpStream::connect(address).expect("the agent accepts a connection");
    for message in [
        r#"{"type":"put","key":"color","value":"green"}"#,
        r#"{"type":"get","key":"color"}"#,
        r#"{"type":"delete","key":"color"}"#,
    ] {
        let length = u32::try_from(message.len()).expect("it is short");
        stream.write_all(&length.to_be_bytes()).expect("the agent reads");
        stream.write_all(message.as_bytes()).expect("the agent reads");
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("the agent responds");
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut response).expect("the agent responds");
    }
}

/// A request that succeeds and one to an unknown path.
fn drive_daemon(example: &Example) {
    let mut connection = example.connect();
    get(&mut connection, "/api/v1/status", 200);
    get(&mut connection, "/api/v1/nothing", 404);
}

/// A call that succeeds and one about an unknown service.
fn drive_grpc(example: &Example) {
    let url = format!("http://{}", example.address());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let server = Endpoint::from_shared(url).expect("an address is a URL");
        let channel = server.connect().await.expect("the server accepts a connection");
        let mut health = HealthClient::new(channel);
        let mut check = async |service: &str| {
            let request = HealthCheckRequest { service: service.to_owned() };
            health.check(request).await.map_err(|status| status.code())
        };
        check("").await.expect("the server is healthy");
        assert_eq!(check("none").await.err(), Some(tonic::Code::NotFound));
    });
}

fn get(connection: &mut Connection, path: &str, status: u16) {
    let response = connection.get(path);
    assert_eq!(response.status(), status, "{path}: {:?}", response.body());
}
