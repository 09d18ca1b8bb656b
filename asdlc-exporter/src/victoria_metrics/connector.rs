//! TLS for the connections to `VictoriaMetrics`.

use super::error::{QueryProxyError, QueryProxyErrorKind};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::sync::Arc;

/// Trusts the given roots, or those of the system; a plain `http` URL needs none.
pub(super) fn connector(
    mut tcp: HttpConnector,
    url: &str,
    pem: Option<&[u8]>,
) -> Result<HttpsConnector<HttpConnector>, QueryProxyError> {
    tcp.enforce_http(false);
    let mut roots = RootCertStore::empty();
    if let Some(pem) = pem {
        let refused = |problem: String| QueryProxyErrorKind::RootCertificates(problem);
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(refused("there is none".to_owned()).into());
        }
    } else if url.starts_with("https") {
        // Of a system some are always odd; with none at all no certificate will be accepted.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    // The provider is named: a default one would be global.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| QueryProxyErrorKind::RootCertificates(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}
