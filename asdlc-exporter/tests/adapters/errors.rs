//! The `Debug` text of errors, which `unwrap` prints.

use asdlc_exporter::{
    Exporter, config::Config, health::TcpCheck, redis::RedisProbe, serve::Server,
    victoria_metrics::QueryProxy,
};
use std::error::Error;

/// The error of a result.
fn error<T, E: Error + 'static>(result: Result<T, E>) -> Box<dyn Error> {
    Box::new(result.err().expect("an error"))
}

// F-17b
#[tokio::test]
async fn the_debug_text_of_each_error_has_its_message() {
    let meter = Exporter::builder("shop").build().expect("an exporter").meter();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let metrics = || Exporter::builder("shop").build().expect("an exporter").scrape_service();
    let bind = Server::builder().with_address(address).with_route("/metrics", metrics());
    for error in [
        error(TcpCheck::new("localhost")),
        error(RedisProbe::open("http://user:secret@redis")),
        error(Config::default().with_environment([("METRICS_PORT", "http")])),
        error(Config::load("/nonexistent/agent.yaml")),
        error(Server::builder().start().await),
        error(bind.start().await),
        error(QueryProxy::builder("ftp://user:secret@host").build(&meter)),
    ] {
        let debug = format!("{error:?}");
        assert!(debug.contains(&error.to_string()), "{debug} of {error}");
        assert!(!debug.contains("secret"), "{debug}");
        if let Some(source) = error.source() {
            assert!(debug.contains(&source.to_string()), "{debug} of {error}: {source}");
        }
    }
}
