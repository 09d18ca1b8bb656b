//! `wrk`, which sends more than all others.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use asdlc_tests::process::Process;
use tempfile::NamedTempFile;

use crate::ledger::{Ledger, Route};

/// A running `wrk`.
#[derive(Debug)]
pub(crate) struct Wrk {
    process: Process,
    // It is read when `wrk` starts, at a moment nobody tells.
    _script: NamedTempFile,
    route: Route,
    connections: u64,
}

impl Wrk {
    /// Sends GETs over so many connections, each `pause` after the last one's answer: the machine has others to serve.
    pub(crate) fn start(
        address: SocketAddr,
        (path, route): (&str, Route),
        connections: u64,
        pause: Duration,
        duration: Duration,
    ) -> Self {
        let script = NamedTempFile::new().expect("a temporary file can be made");
        let delay = format!("function delay() return {} end\n", pause.as_millis());
        std::fs::write(script.path(), delay).expect("it can be written");
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", "20s"]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", duration.as_secs())]);
        command.arg("--script").arg(script.path()).arg(format!("http://{address}{path}"));
        Self { process: Process::start(command), _script: script, route, connections }
    }

    /// Waits for its end. An error is one that the server must not have caused.
    pub(crate) fn finish(self) -> Result<Ledger, String> {
        let report = self.process.finish();
        let mut lines = report.stdout.iter().map(|line| line.trim());
        let errors = lines.clone().find(|line| line.starts_with("Socket errors:"));
        if let Some(errors) = errors {
            return Err(format!("wrk, {}: {errors}", self.route[1]));
        }
        let completed = lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
        let completed = completed.ok_or_else(|| format!("wrk says nothing: {report:?}"))?;
        let mut sent = Ledger::default();
        sent.by_wrk(self.route, completed, self.connections);
        Ok(sent)
    }
}
