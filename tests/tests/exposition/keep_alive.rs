//! A scraper that keeps its connection open between scrapes, and the standalone server with default settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::serve::Server;
use asdlc_tests::servers::{Vmagent, free_address};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::ServiceBuilder;

/// The interval is longer than the ten seconds that a request head may take.
const CONFIG: &str = "
global: {scrape_interval: 11s, scrape_timeout: 5s}
scrape_configs: [{job_name: kept, static_configs: [{targets: ['ADDRESS']}]}]
";

// F-14
#[tokio::test(flavor = "multi_thread")]
async fn vmagent_scrapes_twice_over_one_connection() {
    let exporter = Exporter::builder("kept").build().expect("the name is valid");
    let (scraped, mut scrapes) = mpsc::unbounded_channel();
    let service = ServiceBuilder::new()
        .map_request(move |request| {
            let _ = scraped.send(());
            request
        })
        .service(exporter.scrape_service());
    let server =
        Server::builder().with_address(([127, 0, 0, 1], 0).into()).with_route("/metrics", service);
    let listening = server.start().await.expect("the server starts");

    // A forwarder between the scraper and the server counts the connections.
    let between = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = between.local_addr().expect("a listener has an address");
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    let server = listening.address();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = between.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });

    let config = CONFIG.replace("ADDRESS", &address.to_string());
    let _vmagent = tokio::task::spawn_blocking(move || Vmagent::start(&config, free_address()))
        .await
        .expect("vmagent starts");
    for scrape in 1..=2 {
        let arrived = timeout(Duration::from_secs(60), scrapes.recv()).await;
        assert_eq!(arrived, Ok(Some(())), "scrape {scrape}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1, "connections for two scrapes");
    listening.stop().await;
}
