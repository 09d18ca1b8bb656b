//! Opens TCP and TLS connections to `VictoriaMetrics`.

#[cfg(feature = "victoria-metrics-tls")]
use super::error::{QueryProxyError, QueryProxyErrorKind};
#[cfg(feature = "victoria-metrics-tls")]
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
#[cfg(feature = "victoria-metrics-tls")]
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
#[cfg(feature = "victoria-metrics-tls")]
use std::sync::Arc;

#[cfg(not(feature = "victoria-metrics-tls"))]
pub(super) type Connector = HttpConnector;
#[cfg(feature = "victoria-metrics-tls")]
pub(super) type Connector = HttpsConnector<HttpConnector>;

#[cfg(not(feature = "victoria-metrics-tls"))]
pub(super) fn connector() -> Connector {
    tcp_connector()
}

/// For `https`, the connector trusts the given root certificates (PEM), or those of the system. For
/// `http`, the certificates of the system are not loaded.
#[cfg(feature = "victoria-metrics-tls")]
pub(super) fn connector(url: &str, pem: Option<&[u8]>) -> Result<Connector, QueryProxyError> {
    let invalid = |problem: String| QueryProxyErrorKind::RootCertificates(problem);
    let mut roots = RootCertStore::empty();
    if let Some(pem) = pem {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(invalid("no certificate".to_owned()).into());
        }
    } else if url.starts_with("https") {
        // Certificates that cannot be parsed are ignored: many systems have some. If no certificate is
        // left, no server is trusted.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    // An explicit crypto provider, because the default provider is global to the process.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = tcp_connector();
    tcp.enforce_http(false);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}

fn tcp_connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp
}
