//! The example programs, and how each is made to show everything it has.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use asdlc_tests::client::Connection;
use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Redis, VictoriaMetrics};
use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// An example program.
pub(crate) struct Program {
    /// Its package, and the job that scrapes it.
    pub(crate) package: &'static str,
    /// Where its metrics are.
    pub(crate) path: &'static str,
    /// The prefix of its metrics, `""` for none.
    pub(crate) namespace: &'static str,
    /// Makes each of its families appear.
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

/// What the programs work with.
pub(crate) struct Backends {
    pub(crate) redis: Redis,
    pub(crate) victoria_metrics: VictoriaMetrics,
}

impl Backends {
    /// Starts them, empty.
    pub(crate) fn start() -> Self {
        Self { redis: Redis::start(), victoria_metrics: VictoriaMetrics::empty() }
    }
}

/// A program that runs.
pub(crate) struct Running {
    // Dropped in this order: the process goes before its directory.
    pub(crate) example: Example,
    _directory: TempDir,
    pub(crate) program: &'static Program,
}

impl Program {
    /// Starts it alone, so that it does itself what it would leave to others, and drives it.
    pub(crate) fn start_without_redis(&'static self, backends: &Backends) -> Running {
        let running = self.start(&backends.victoria_metrics, None);
        running.drive();
        running
    }

    /// Starts it with nothing configured but a free port, its backends, and a directory of its own to work in.
    fn start(&'static self, queried: &VictoriaMetrics, redis: Option<&Redis>) -> Running {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut command = command(self.package);
        command.current_dir(&directory);
        command.env("LISTEN_ADDR", "127.0.0.1:0").env("VICTORIAMETRICS_URL", queried.url());
        command.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
        Running { example: Example::spawn(command), _directory: directory, program: self }
    }
}

impl Running {
    /// Makes each of its families appear, and grow.
    pub(crate) fn drive(&self) {
        (self.program.drive)(&self.example);
    }

    pub(crate) fn scrape(&self) -> Exposition {
        self.example.scrape_at(self.program.path)
    }
}

/// All of them, in this order, and after them an orchestrator without Redis, which carries out its tasks itself. Each was driven.
pub(crate) fn start_all(backends: &Backends) -> Vec<Running> {
    let Backends { redis, victoria_metrics } = backends;
    let start = |program: &'static Program| program.start(victoria_metrics, Some(redis));
    let mut all: Vec<_> = PROGRAMS.iter().map(start).collect();
    // Only now, for the tasks of the one are the events of the other.
    all.iter().for_each(Running::drive);
    all.push(PROGRAMS[0].start_without_redis(backends));
    all
}

/// A task that succeeds and one that fails, requests that fail on either side, a query and one that is refused. Of
/// [`ORCHESTRATED`] requests one fails on the server's side.
fn drive_orchestrator(example: &Example) {
    let mut connection = example.connect();
    let tasks = "/api/v1/tasks";
    for kind in ["word_count", "fail"] {
        let work = format!(r#"{{"kind":"{kind}","input":"to be"}}"#);
        let task = connection.post_json(tasks, &work);
        let task: serde_json::Value =
            serde_json::from_slice(task.body()).expect("the API answers in JSON");
        get(&mut connection, &format!("{tasks}/{}/wait", task["id"]), 200);
        if kind == "fail" {
            get(&mut connection, &format!("{tasks}/{}/artifact", task["id"]), 503);
        }
    }
    get(&mut connection, &format!("{tasks}/18446744073709551615"), 404);
    get(&mut connection, "/api/metrics/query?query=up", 200);
    get(&mut connection, "/api/metrics/query", 400);
}

/// How many requests drive the orchestrator.
pub(crate) const ORCHESTRATED: f64 = 8.0;

/// A request and one for what there is not. Events come from the orchestrator; that there is no group of consumers yet is an
/// error that Redis tells the first time.
fn drive_workers(example: &Example) {
    let mut connection = example.connect();
    get(&mut connection, "/stats", 200);
    get(&mut connection, "/nothing", 404);
}

/// An event that is kept and one that is refused.
fn drive_api(example: &Example) {
    let mut connection = example.connect();
    let event = r#"{"source":"shop","type":"order.paid","data":{"order":7}}"#;
    assert_eq!(connection.post_json("/v1/events", event).status(), 201);
    assert_eq!(connection.post_json("/v1/events", "{").status(), 400);
}

/// Each message, so that each operation reaches the storage.
fn drive_agent(example: &Example) {
    let address = |line: &str| line.split_once("peers and clients on ")?.1.trim().parse().ok();
    let address: SocketAddr = example.process().await_stderr(address).expect("it listens");
    let mut stream = TcpStream::connect(address).expect("it accepts a connection");
    for message in [
        r#"{"type":"put","key":"color","value":"green"}"#,
        r#"{"type":"get","key":"color"}"#,
        r#"{"type":"delete","key":"color"}"#,
    ] {
        let length = u32::try_from(message.len()).expect("it is short");
        stream.write_all(&length.to_be_bytes()).expect("it reads");
        stream.write_all(message.as_bytes()).expect("it reads");
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("it answers");
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).expect("it answers");
    }
}

/// A state, and one that there is not.
fn drive_daemon(example: &Example) {
    let mut connection = example.connect();
    get(&mut connection, "/api/v1/status", 200);
    get(&mut connection, "/api/v1/nothing", 404);
}

/// A call that is answered, and one about a service that there is not.
fn drive_grpc(example: &Example) {
    let url = format!("http://{}", example.address());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let server = Endpoint::from_shared(url).expect("an address is a URL");
        let channel = server.connect().await.expect("it accepts a connection");
        let mut health = HealthClient::new(channel);
        let mut check = async |service: &str| {
            let request = HealthCheckRequest { service: service.to_owned() };
            health.check(request).await.map_err(|status| status.code())
        };
        check("").await.expect("it serves");
        assert_eq!(check("none").await.err(), Some(tonic::Code::NotFound));
    });
}

fn get(connection: &mut Connection, path: &str, status: u16) {
    let response = connection.get(path);
    assert_eq!(response.status(), status, "{path}: {:?}", response.body());
}
