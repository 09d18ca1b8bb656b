//! A real vmalert.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::Process;

/// A vmalert that evaluates rules on a `VictoriaMetrics` every second. Dropping it kills it.
#[derive(Debug)]
pub struct Vmalert {
    _process: Process,
}

impl Vmalert {
    /// Starts it with the rule files that match this pattern. It writes recorded series to `victoria_metrics` and sends alerts to
    /// `alertmanager`.
    #[must_use]
    pub fn start(rules: &Path, victoria_metrics: SocketAddr, alertmanager: SocketAddr) -> Self {
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
        let url = |address: SocketAddr| format!("http://{address}");
        let mut command = Command::new("vmalert");
        command.args([
            flag("rule", &rules.display()),
            flag("datasource.url", &url(victoria_metrics)),
            flag("remoteWrite.url", &url(victoria_metrics)),
            flag("remoteWrite.flushInterval", &"200ms"),
            flag("notifier.url", &url(alertmanager)),
            flag("evaluationInterval", &"1s"),
            flag("httpListenAddr", &"127.0.0.1:0"),
        ]);
        let process = Process::start(command);
        process
            .await_stderr(|line| line.contains("starting http server").then_some(()))
            .unwrap_or_else(|error| panic!("vmalert does not start: {error}"));
        Self { _process: process }
    }
}
