//! The protocol of a request: `url.scheme` and `network.protocol.version` of OpenTelemetry's conventions. Both are closed sets.

use http::Version;

/// The scheme of a URL. Any other scheme counts as `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum UrlScheme {
    Http,
    Https,
}

impl UrlScheme {
    pub(crate) const COUNT: usize = 2;

    #[inline]
    pub(crate) fn of(scheme: Option<&http::uri::Scheme>) -> Self {
        match scheme {
            Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Self::Https,
            _ => Self::Http,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ProtocolVersion {
    /// There was no response that tells the version, or no convention has it as a label.
    Unknown,
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
}

impl ProtocolVersion {
    #[inline]
    pub(crate) fn of(version: Version) -> Self {
        match version {
            Version::HTTP_11 => Self::Http11,
            Version::HTTP_2 => Self::Http2,
            Version::HTTP_10 => Self::Http10,
            Version::HTTP_3 => Self::Http3,
            Version::HTTP_09 => Self::Http09,
            _ => Self::Unknown,
        }
    }

    /// All versions, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] =
        [Self::Unknown, Self::Http09, Self::Http10, Self::Http11, Self::Http2, Self::Http3];

    pub(crate) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Http09 => Some("0.9"),
            Self::Http10 => Some("1.0"),
            Self::Http11 => Some("1.1"),
            Self::Http2 => Some("2"),
            Self::Http3 => Some("3"),
        }
    }
}
