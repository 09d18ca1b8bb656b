//! Networks whose clients may connect.

use ipnet::IpNet;
use std::net::IpAddr;

/// Parses `ADDRESS`, or `ADDRESS/PREFIX_LENGTH`.
pub(super) fn parse(text: &str) -> Option<IpNet> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    // Not the parser of ipnet: it accepts `010.0.0.0/8`, which other programs read as octal.
    let address: IpAddr = address.parse().ok()?;
    match prefix {
        None => Some(address.into()),
        Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
            IpNet::new(address, prefix.parse().ok()?).ok()
        }
        Some(_) => None,
    }
}

/// Whether the network contains the address of this peer. On a dual-stack socket, the address of an
/// IPv4 peer is IPv4-mapped, such as `::ffff:10.0.0.1`.
pub(super) fn contains(network: &IpNet, peer: IpAddr) -> bool {
    network.contains(&peer.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{contains, parse};

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.1", "10.255.255.255", "::ffff:10.1.1.1"][..],
                &["11.0.0.0", "9.255.255.255", "::a00:1"][..],
            ),
            ("192.168.1.7", &["192.168.1.7"], &["192.168.1.6", "192.168.1.8"]),
            ("10.9.9.9/31", &["10.9.9.8", "10.9.9.9"], &["10.9.9.10"]),
            ("10.9.9.9/008", &["10.1.2.3"], &["11.0.0.0"]),
            // IPv4 peers are compared as IPv4 addresses.
            ("::ffff:10.0.0.0/104", &[], &["10.0.0.1", "::ffff:10.0.0.1"]),
            ("0.0.0.0/0", &["1.2.3.4", "255.255.255.255"], &["::1"]),
            ("fd00::/8", &["fd00::1", "fdff::"], &["fe00::", "10.0.0.1"]),
            ("::1", &["::1"], &["::2", "::"]),
            ("::/0", &["::1", "ffff::"], &["1.2.3.4"]),
        ] {
            let network = parse(network).expect(network);
            for (peers, expected) in [(inside, true), (outside, false)] {
                for peer in peers {
                    assert_eq!(
                        contains(&network, peer.parse().expect(peer)),
                        expected,
                        "{peer} in {network:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_invalid_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "/8",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
            " 10.0.0.0",
            "10.0.0.0 /8",
            // Octal for some programs.
            "010.0.0.0",
            "010.0.0.0/8",
            "10.0.0.01/32",
            "::ffff:010.0.0.0/104",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
