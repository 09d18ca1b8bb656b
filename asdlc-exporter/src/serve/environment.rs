//! The address from the variables `OTEL_EXPORTER_PROMETHEUS_HOST` and `OTEL_EXPORTER_PROMETHEUS_PORT`.

use super::{
    address::{DEFAULT_PORT, ListenAddress},
    builder::{Server, ServerBuilder},
};
use crate::exporter::environment::{
    error::EnvironmentError, service_link::is_service_link, variables::Environment,
};

impl Server {
    /// Creates a builder like [`builder`](Self::builder), with the address from the environment variables
    /// that OpenTelemetry specifies.
    ///
    /// ```no_run
    /// use asdlc_exporter::{Exporter, serve::Server};
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder_from_env("agent")?.build()?;
    /// let server = Server::builder_from_env()?
    ///     .with_route("/metrics", exporter.scrape_service())
    ///     .start()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `OTEL_EXPORTER_PROMETHEUS_HOST` | an IP address, IPv6 with or without brackets, or a host name; see [`with_host`](ServerBuilder::with_host) | `localhost` |
    /// | `OTEL_EXPORTER_PROMETHEUS_PORT` | 0 to 65535; 0 is any free port | 9464 |
    ///
    /// An empty variable is the same as one that is not set. A port such as `tcp://10.0.0.1:9464` is
    /// ignored: Kubernetes sets it in every pod if there is a Service that is named
    /// `otel-exporter-prometheus`.
    ///
    /// # Errors
    ///
    /// When a variable has another value, or is not UTF-8. If a host name cannot be resolved,
    /// [`start`](ServerBuilder::start) fails.
    pub fn builder_from_env() -> Result<ServerBuilder, EnvironmentError> {
        let address = listen_address(Environment::of_process())?;
        Ok(Self::builder().with_listen_address(address))
    }
}

fn listen_address(environment: Environment<'_>) -> Result<ListenAddress, EnvironmentError> {
    let host = environment.text(HOST)?;
    let port = port(environment)?.unwrap_or(DEFAULT_PORT);
    let host = host.as_deref().unwrap_or("localhost");
    match ListenAddress::new(host, port) {
        ListenAddress::InvalidHost(_) => {
            let allowed = "be an IP address or a host name, without a port";
            Err(EnvironmentError::invalid(HOST, "host", host, allowed))
        }
        ListenAddress::Name { host, port, .. } => {
            Ok(ListenAddress::Name { host, port, variable: Some(HOST) })
        }
        ip @ ListenAddress::Ip(_) => Ok(ip),
    }
}

fn port(environment: Environment<'_>) -> Result<Option<u16>, EnvironmentError> {
    let Some(text) = environment.text(PORT)? else { return Ok(None) };
    if is_service_link(&text) {
        tracing::info!(
            "{PORT} is ignored: it is not a port, but the address of a Kubernetes Service"
        );
        return Ok(None);
    }
    let digits = Some(&text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok());
    let invalid = || EnvironmentError::invalid(PORT, "port", &text, "be 0 to 65535");
    port.map(Some).ok_or_else(invalid)
}

const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
const PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(host: &str, port: &str) -> Result<ListenAddress, String> {
        let lookup = |name: &str| match name {
            HOST => Some(OsString::from(host)),
            PORT => Some(OsString::from(port)),
            _ => None,
        };
        listen_address(Environment::new(&lookup)).map_err(|error| error.to_string())
    }

    // X-08, C-90, C-92
    #[test]
    fn the_address_has_the_defaults_of_the_specification() {
        let unset = listen_address(Environment::new(&|_| None)).expect("the defaults");
        assert_eq!(unset, ListenAddress::Ip(([127, 0, 0, 1], 9464).into()));
        for (host, port, expected) in [
            ("", "", "127.0.0.1:9464"),
            ("localhost", "0", "127.0.0.1:0"),
            ("0.0.0.0", "8080", "0.0.0.0:8080"),
            ("::1", "65535", "[::1]:65535"),
            ("[::1]", "09464", "[::1]:9464"),
            // Kubernetes sets this for a Service that is named `otel-exporter-prometheus`.
            ("", "tcp://10.0.0.1:8080", "127.0.0.1:9464"),
            ("", "udp://[fd00::1]:8080", "127.0.0.1:9464"),
        ] {
            let expected = expected.parse().expect(expected);
            assert_eq!(read(host, port), Ok(ListenAddress::Ip(expected)), "{host} {port}");
        }
        let name = |host: &str| ListenAddress::Name {
            host: host.to_owned(),
            port: 9464,
            variable: Some("OTEL_EXPORTER_PROMETHEUS_HOST"),
        };
        assert_eq!(read("shop.example", ""), Ok(name("shop.example")));
    }

    // X-08
    #[test]
    fn a_wrong_address_is_an_error_that_names_the_variable() {
        for port in ["65536", "-1", "+1", "0x1", "9464 ", "1.5", "http", "tcp://metrics:80", "１"]
        {
            let expected = format!(
                "environment variable OTEL_EXPORTER_PROMETHEUS_PORT: invalid port \"{}\": must be 0 to 65535",
                port.trim()
            );
            assert_eq!(read("", port), Err(expected));
        }
        for host in ["shop:9464", "http://shop", "127.1", "*"] {
            let expected = format!(
                "environment variable OTEL_EXPORTER_PROMETHEUS_HOST: invalid host \"{host}\": must be an IP address or a host name, without a port"
            );
            assert_eq!(read(host, ""), Err(expected));
        }
        let secret = read("http://app:hunter2@shop", "").expect_err("a URL");
        assert!(!secret.contains("hunter2"), "{secret}");
        let long = read("", &"9".repeat(100_000)).expect_err("a long port");
        assert!(long.len() < 1000, "{}", long.len());
    }
}
