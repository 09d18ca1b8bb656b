use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::filter::{EnvFilter, ParseError};

/// Arguments of all example programs, to be flattened into the program's own arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct ServiceArgs {
    /// HOST:PORT to listen on. Port 0 is any free port
    #[arg(long, env, value_name = "LISTEN_ADDR", value_parser = host_port, required = false)]
    pub listen_addr: String,

    /// The `service` label of every metric
    #[arg(long, env, value_name = "NAME", required = false)]
    pub service_name: String,

    /// The `environment` label of every metric [default: none]
    #[arg(long, env, value_name = "NAME")]
    environment: Option<String>,

    /// The filter of the log on standard error
    #[arg(long, env, value_name = "RUST_LOG", default_value = "info,opentelemetry=warn", value_parser = log_filter)]
    pub rust_log: String,
}

impl ServiceArgs {
    /// The label `environment`, if it is set.
    #[must_use]
    pub fn environment(&self) -> Option<(&'static str, &str)> {
        // An empty value counts as not set.
        let name = self.environment.as_deref().filter(|name| !name.is_empty())?;
        Some(("environment", name))
    }
}

fn log_filter(directives: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(directives).map(|_| directives.to_owned())
}

/// Parses the program's arguments from the command line, and then from the environment. The defaults are the address `listen_addr`
/// and the name `service_name`. An invalid argument ends the program with one line and exit code 2. `--help` and `--version` print
/// and end the program.
#[must_use]
pub fn parse<A: CommandFactory + FromArgMatches>(
    service_name: &'static str,
    listen_addr: &'static str,
) -> A {
    let matches = A::command()
        .mut_arg("service_name", |arg| arg.default_value(service_name))
        .mut_arg("listen_addr", |arg| arg.default_value(listen_addr))
        .try_get_matches();
    matches.and_then(|matches| A::from_arg_matches(&matches)).unwrap_or_else(|error| {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
            kind => {
                // clap does not name the variable.
                let variable = (kind == ErrorKind::InvalidUtf8).then(not_utf_8::<A>).flatten();
                let named = variable.map(|name| format!("environment variable {name}: not UTF-8"));
                crate::print_error(&named.unwrap_or_else(|| first_line(&error)));
                std::process::exit(2);
            }
        }
    })
}

/// Checks that `text` is `HOST:PORT`: an address or a name, and a port. Port 0 is any free port.
///
/// # Errors
/// The error says what is allowed.
pub fn host_port(text: &str) -> Result<String, String> {
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        _ => Err("must be HOST:PORT, for example 127.0.0.1:8080".to_owned()),
    }
}

/// The first variable of these arguments that is not UTF-8.
fn not_utf_8<A: CommandFactory>() -> Option<String> {
    let command = A::command();
    let mut variables = command.get_arguments().filter_map(clap::Arg::get_env);
    let name = variables
        .find(|name| std::env::var_os(name).is_some_and(|value| value.to_str().is_none()))?;
    Some(name.to_string_lossy().into_owned())
}

/// clap adds hints on further lines.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:8080", "localhost:0", "[::1]:65535", "0.0.0.0:1"] {
            assert_eq!(host_port(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "127.0.0.1:",
            "localhost:http",
            "h:65536",
            "h:+80",
            "h:-1",
        ] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }
}
