use clap::Parser;
use clap::error::ErrorKind;

/// The program's arguments, from the command line and then the environment. What cannot be read ends the program with one
/// line and exit code 2; `--help` and `--version` are answered.
#[must_use]
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => {
            crate::complain(&first_line(&error));
            std::process::exit(2);
        }
    })
}

/// Accepts `HOST:PORT` as `LISTEN_ADDR` has it: an address or a name, and a port (0 = any free one).
///
/// # Errors
/// Says what is allowed.
pub fn host_port(text: &str) -> Result<String, String> {
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        _ => Err("expected HOST:PORT, for example 127.0.0.1:8080".to_owned()),
    }
}

/// clap follows what is wrong with hints on lines of their own.
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
