//! Networks that may connect.

use ipnet::IpNet;
use std::net::IpAddr;

/// An IP address, or one with the length of its prefix.
pub(super) fn parse(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.into()),
        Err(_) => text.parse().ok(),
    }
}

/// Whether a network has this peer. A socket for both protocols shows an IPv4 peer as
/// `::ffff:10.0.0.1`.
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
            " 10.0.0.0",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
