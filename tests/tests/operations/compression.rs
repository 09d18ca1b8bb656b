//! The response of the programs to a scraper that accepts gzip, as Prometheus and `VictoriaMetrics` do.

use std::io::Read;

use asdlc_tests::exposition::Exposition;
use flate2::read::GzDecoder;
use http::{Request, header};

use crate::programs::{Backends, PROGRAMS};

// F-17a
#[test]
fn every_program_compresses_for_a_scraper_that_accepts_gzip() {
    let backends = Backends::start();
    for program in PROGRAMS {
        let running = program.start_without_redis(&backends);
        let request = Request::get(program.path).header(header::ACCEPT_ENCODING, "gzip");
        let response = running.example.connect().send(request.body("").expect("a path is a URI"));
        let name = program.package;
        let encoding =
            response.headers().get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
        assert_eq!(encoding, Some(b"gzip".as_slice()), "{name}");
        let mut text = Vec::new();
        GzDecoder::new(&response.body()[..]).read_to_end(&mut text).expect("it unpacks");
        Exposition::parse(&text).unwrap_or_else(|violations| panic!("{name}: {violations:#?}"));
        let (packed, plain) = (response.body().len(), text.len());
        assert!(packed * 3 < plain, "{name}: {packed} bytes of {plain}");

        // A client that does not accept gzip gets plain text.
        let plain = running.example.connect().get(program.path);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{name}");
    }
}
