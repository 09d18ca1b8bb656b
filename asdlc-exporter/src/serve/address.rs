//! Where the server listens: an address, or a host name that is resolved when the server starts.

use super::error::ServeErrorKind;
use crate::redact;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[derive(Debug, PartialEq)]
pub(super) enum ListenAddress {
    Ip(SocketAddr),
    Name {
        host: String,
        port: u16,
        /// The environment variable that has the name.
        variable: Option<&'static str>,
    },
    /// Redacted.
    InvalidHost(String),
}

impl ListenAddress {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip = match bracketed {
            Some(host) => host.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            // No lookup: a file or a name server may have another idea of it.
            None if host.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
            None => host.parse().ok(),
        };
        match ip {
            Some(ip) => Self::Ip((ip, port).into()),
            None if is_name(host) => Self::Name { host: host.to_owned(), port, variable: None },
            None => Self::InvalidHost(redact::text(host)),
        }
    }

    pub(super) async fn resolve(self) -> Result<SocketAddr, ServeErrorKind> {
        let (host, port, variable) = match self {
            Self::Ip(address) => return Ok(address),
            Self::InvalidHost(host) => return Err(ServeErrorKind::Host(host)),
            Self::Name { host, port, variable } => (host, port, variable),
        };
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map(Vec::from_iter);
        let unknown = |error| ServeErrorKind::UnknownHost { host: host.clone(), variable, error };
        let found = found.map_err(|error| unknown(Some(error)))?;
        choose(&found).ok_or_else(|| unknown(None))
    }
}

/// One address. If the next one were tried when the first one is in use, a client that connects to the
/// first one would get the metrics of another program.
fn choose(found: &[SocketAddr]) -> Option<SocketAddr> {
    found.iter().find(|address| address.is_ipv4()).or(found.first()).copied()
}

/// Whether a text can be a host name. A name whose last label is a number is none: libraries read `127.1`
/// and `010.0.0.1` as addresses that the reader does not expect.
fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

/// The port that the OpenTelemetry specification has for Prometheus exporters.
pub(super) const DEFAULT_PORT: u16 = 9464;

#[cfg(test)]
mod tests {
    use super::{ListenAddress, choose};
    use std::net::SocketAddr;

    //
    #[tokio::test]
    async fn a_name_is_resolved() {
        let name = ListenAddress::Name { host: "localhost".to_owned(), port: 7, variable: None };
        let found = name.resolve().await.expect("each machine has this name");
        assert!(found.ip().is_loopback() && found.port() == 7, "{found}");
    }

    //
    #[test]
    fn the_first_ipv4_address_is_chosen() {
        let all: Vec<SocketAddr> = ["[::1]:1", "10.0.0.1:1", "10.0.0.2:1", "[::2]:1"]
            .iter()
            .map(|address| address.parse().expect(address))
            .collect();
        assert_eq!(choose(&all), Some(all[1]));
        assert_eq!(choose(&all[3..]), Some(all[3]));
        assert_eq!(choose(&[]), None);
    }

    //
    #[test]
    fn a_host_is_an_address_or_a_name() {
        for (host, expected) in [
            ("localhost", "127.0.0.1:9464"),
            ("LocalHost", "127.0.0.1:9464"),
            ("127.0.0.1", "127.0.0.1:9464"),
            ("0.0.0.0", "0.0.0.0:9464"),
            ("::", "[::]:9464"),
            ("[::]", "[::]:9464"),
            ("::1", "[::1]:9464"),
            ("[::1]", "[::1]:9464"),
            ("fd00::1", "[fd00::1]:9464"),
            ("::ffff:10.0.0.1", "[::ffff:10.0.0.1]:9464"),
        ] {
            let expected: SocketAddr = expected.parse().expect(expected);
            assert_eq!(ListenAddress::new(host, 9464), ListenAddress::Ip(expected), "{host}");
        }
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        for host in ["shop", "shop.example.com.", "a-1.b_2", "1st", "4.shop", "0x1g", &longest] {
            let name = ListenAddress::Name { host: host.to_owned(), port: 1, variable: None };
            assert_eq!(ListenAddress::new(host, 1), name);
        }
    }

    //
    #[test]
    fn an_invalid_host_is_refused() {
        let (long_label, long_name) = ("a".repeat(64), ["abc"; 64].join("."));
        for host in [
            "",
            " ",
            " localhost",
            "shop ",
            "*",
            ".",
            "shop..example",
            ".shop",
            "shop:9464",
            "127.0.0.1:9464",
            "http://shop",
            "[127.0.0.1]",
            "[shop]",
            "[::1",
            "::1]",
            "[::1]:9464",
            "fe80::1%eth0",
            "shöp",
            // Some libraries read these as addresses.
            "127.1",
            "010.0.0.1",
            "1",
            "127.0.0.256",
            "0x7f000001",
            "127.0.0x1",
            &long_label,
            &long_name,
        ] {
            let parsed = ListenAddress::new(host, 9464);
            assert!(matches!(parsed, ListenAddress::InvalidHost(_)), "{host}: {parsed:?}");
        }
    }
}
