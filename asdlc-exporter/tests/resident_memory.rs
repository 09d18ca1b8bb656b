//! Scrapes do not leak memory. This test is a process of its own, because it reads its resident memory.
//!
//! The test is a short run. As many scrapes as in a day with ten scrapes a second take five minutes:
//!
//! ```sh
//! SCRAPES=864000 cargo test --release -p asdlc-exporter --all-features --test resident_memory -- --nocapture
//! ```

#![cfg(target_os = "linux")]

use asdlc_exporter::{Exporter, StateGauge, blocking, service_info};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use opentelemetry::KeyValue;
use std::{env, fs};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

// D-04
#[tokio::test]
async fn scrapes_do_not_leak_memory() -> Result {
    let scrapes = env::var("SCRAPES").map_or(Ok(20_000), |scrapes| scrapes.parse())?;
    // The large service has a 40th of the scrapes.
    let of_large = (scrapes / 40).max(300);
    for (what, series, scrapes) in
        [("of a small service", 4, scrapes), ("of 2 000 series", 1_000, of_large)]
    {
        let service = Service::new(series)?;
        let mut marks = Vec::new();
        for at in 0..scrapes {
            service.work(at);
            service.scrape(at).await?;
            if (at + 1) % (scrapes / 10).max(1) == 0 {
                marks.push(resident_kib()?);
            }
        }
        // Buffers reach their size in the first tenth. Later, the allocator sometimes takes or returns memory.
        let first = marks.first().ok_or("too few scrapes")?;
        let last = marks.iter().rev().take(3).min().ok_or("too few scrapes")?;
        eprintln!("{scrapes} scrapes {what}: resident memory in KiB at each tenth: {marks:?}");
        assert!(*last <= first + GROWTH_KIB, "{scrapes} scrapes {what}: {marks:?} KiB");
    }
    Ok(())
}

/// More than the variation of the allocator. In the short run it is 260 bytes a scrape, in the long run 6.
const GROWTH_KIB: u64 = 4096;

struct Service {
    exporter: Exporter,
    work: Box<dyn Fn(usize)>,
}

impl Service {
    fn new(series: usize) -> Result<Self> {
        let exporter = Exporter::builder("shop")
            .with_version("1.2.3")
            .with_namespace("asdlc")
            .with_self_metrics()
            .with_max_scrapes_in_flight(2)
            .build()?;
        let meter = exporter.meter();
        service_info::register_starts(&meter);
        #[cfg(feature = "process")]
        asdlc_exporter::process::ProcessMetrics::new()
            .with_cpu_usage()
            .with_canonical()
            .register(&meter);
        let state = StateGauge::new(&meter, "state", "0 or 1.", 0_u64);
        let level = meter.f64_gauge("level").build();
        exporter.add_source("level", blocking(move || level.record(0.5, &[])));
        let requests = meter.u64_counter("requests").build();
        let duration = meter.f64_histogram("duration").with_unit("s").build();
        let labels: Vec<_> =
            (0..series).map(|at| [KeyValue::new("endpoint", format!("/items/{at}"))]).collect();
        for labels in &labels {
            requests.add(1, labels);
            duration.record(0.25, labels);
        }
        let work = Box::new(move |at: usize| {
            state.set(at as u64 % 2);
            requests.add(1, &labels[at % labels.len()]);
            duration.record((at % 13) as f64, &labels[at % labels.len()]);
        });
        Ok(Self { exporter, work })
    }

    fn work(&self, at: usize) {
        (self.work)(at);
    }

    /// Scrapes in each format, compressed or not, and sometimes only one family.
    async fn scrape(&self, at: usize) -> Result {
        let accept = ["*/*", "application/openmetrics-text;version=1.0.0"][at % 2];
        let encoding = ["identity", "gzip", "zstd"][at % 3];
        let uri = if at % 50 == 0 { "/metrics?name[]=asdlc_requests_total" } else { "/metrics" };
        let request = Request::get(uri)
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, encoding)
            .body(())?;
        let response = self.exporter.scrape_service().oneshot(request).await?;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.into_body().collect().await?.to_bytes().is_empty());
        Ok(())
    }
}

fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
