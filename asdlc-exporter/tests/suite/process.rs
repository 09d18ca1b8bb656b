use crate::check::check;
use asdlc_exporter::{Exporter, process};

// O-05
#[test]
fn process_memory_is_read_at_each_scrape() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
    process::register(&exporter.meter());
    let memory = || -> Result<[f64; 2], asdlc_exporter::ScrapeError> {
        let samples = check(&exporter.render()?);
        Ok(["rss", "vms"].map(|kind| {
            let sample = samples
                .iter()
                .find(|s| s.name == "asdlc_process_memory_bytes" && s.label("type") == Some(kind));
            sample.expect(kind).value
        }))
    };
    let [rss, vms] = memory()?;
    assert!(1e6 < rss && rss < vms, "{rss} resident of {vms} mapped");
    let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
    let [grown, _] = memory()?;
    assert!(grown > rss + 32e6, "{grown} after {} more bytes, {rss} before", ballast.len());
    Ok(())
}
