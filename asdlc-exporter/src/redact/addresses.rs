//! Network addresses in messages for clients.

use crate::families::labels::truncate::floor_char_boundary;
use std::net::IpAddr;

/// Removes network addresses and control characters, for a client that must not see them. The result
/// has at most [`MAX_MESSAGE`] bytes.
pub(crate) fn without_addresses(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`(){},;=".contains(c)) {
        let end = word.char_indices().next_back().map_or(0, |(at, _)| at);
        let (word, separator) = match word.chars().next_back() {
            Some(c) if c.is_whitespace() || "\"'`(){},;=".contains(c) => (&word[..end], Some(c)),
            _ => (word, None),
        };
        out.push_str(if is_address(word) { "***" } else { word });
        out.extend(separator.map(|c| if c.is_control() { ' ' } else { c }));
        if out.len() > MAX_MESSAGE {
            out.truncate(floor_char_boundary(&out, MAX_MESSAGE));
            out.push('…');
            break;
        }
    }
    out.retain(|c| !c.is_control());
    out
}

/// Whether this is a URL, or an address such as `10.0.0.1`, `vmstorage-0:8401` or `[::1]:8401`. Some
/// selectors of queries look like an address, and are removed too.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '/']);
    if word.contains("://") || word.starts_with('[') && word.contains("::") {
        return true;
    }
    let (host, port) =
        word.rsplit_once(':').map_or((word, None), |(host, port)| (host, Some(port)));
    let host = host.rsplit_once("->").map_or(host, |(_, host)| host);
    let is_port =
        |port: &str| (2..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let named = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    word.parse::<IpAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || (named && port.is_some_and(is_port))
}

const MAX_MESSAGE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    // X-07
    #[test]
    fn addresses_are_removed_and_the_rest_stays() {
        for (said, expected) in [
            ("", ""),
            (
                r#"cannot parse "up{": missing closing brace at line 1:4"#,
                r#"cannot parse "up{": missing closing brace at line 1:4"#,
            ),
            (
                "cannot fetch from vmstorage-0:8401: dial tcp4 10.0.0.1:8401: refused",
                "cannot fetch from *** dial tcp4 *** refused",
            ),
            ("read tcp 10.0.0.2:41->10.0.0.1:8401 [::1]:80 ::1", "read tcp *** *** ***"),
            ("see http://vm.internal/select?x=1, please", "see ***=1, please"),
            ("sum(rate(x[5m:30s])) by (job)", "sum(rate(x[5m:30s])) by (job)"),
            ("a\r\nb\u{0}c", "a  bc"),
        ] {
            assert_eq!(without_addresses(said), expected);
        }
        let long = without_addresses(&"ä ".repeat(1000));
        assert!(
            long.len() <= MAX_MESSAGE + '…'.len_utf8() && long.ends_with('…'),
            "{}",
            long.len()
        );
    }
}
