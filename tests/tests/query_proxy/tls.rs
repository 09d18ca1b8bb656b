//! A real `VictoriaMetrics` that accepts only TLS.

use std::fs;
use std::process::Command;

use asdlc_exporter::Exporter;
use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_tests::process::Process;
use asdlc_tests::servers::{VictoriaMetrics, free_address};
use tempfile::TempDir;

use crate::proxy::{Proxy, QUERY, failure_of};

// O-12: the name in the certificate is checked too.
#[test]
fn only_a_trusted_certificate_is_accepted() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for name in ["127.0.0.1", "127.0.0.2"] {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]);
        openssl.args([
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        openssl.args(["-addext", &format!("subjectAltName=IP:{name}")]);
        openssl.args(["-keyout", &path("key.pem"), "-out", &path("certificate.pem")]);
        let made = Process::start(openssl).finish();
        assert!(made.status.success(), "{}", made.stderr.join("\n"));
        let options = [
            "-tls".to_owned(),
            format!("-tlsCertFile={}", path("certificate.pem")),
            format!("-tlsKeyFile={}", path("key.pem")),
        ];
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let server = VictoriaMetrics::start_with(free_address(), &options);
        let url = server.url().replace("http://", "https://");
        let certificate = fs::read(path("certificate.pem")).unwrap();

        let trusting =
            Proxy::with(QueryProxy::builder(url.as_str()).with_root_certificates(certificate));
        if name == "127.0.0.1" {
            assert_eq!(trusting.get(QUERY).status(), 200);
            assert_eq!(trusting.get("/health").status(), 200);
        } else {
            assert_eq!(failure_of(&trusting.get(QUERY)), (503, "unreachable".to_owned()));
        }
        // The system does not trust the certificate, and the server does not accept plain HTTP.
        let system = Proxy::with(QueryProxy::builder(url.as_str()));
        assert_eq!(failure_of(&system.get(QUERY)), (503, "unreachable".to_owned()));
        assert_ne!(
            Proxy::with(QueryProxy::builder(server.url().as_str())).get(QUERY).status(),
            200
        );
    }
}

#[test]
fn root_certificates_must_be_pem() {
    let exporter = Exporter::builder("proxy").build().unwrap();
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let builder = QueryProxy::builder("https://vm").with_root_certificates(pem);
        let error = builder.build(&exporter.meter()).unwrap_err().to_string();
        assert!(error.starts_with("invalid root certificates for VictoriaMetrics: "), "{error}");
    }
}
