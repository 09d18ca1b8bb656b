//! The metrics of the process, compared with the kernel's, and the list of all families.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use asdlc_tests::exposition::Kind;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::Agent;

// N-01
#[test]
fn memory_equals_that_of_the_kernel() {
    let agent = Agent::start("");
    let mut both = (0.0, 0.0);
    let near = eventually(DEADLINE, || {
        let scraped = agent.scrape().value("process_memory_bytes", &[]).expect("one series");
        let status = fs::read_to_string(format!("/proc/{}/status", agent.example.id()));
        let status = status.expect("the process is running");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        both = (scraped, kibibytes.expect("a number of kB") * 1024.0);
        (both.0 / both.1 - 1.0).abs() < 0.1
    });
    assert!(near, "scraped, and according to the kernel: {both:?}");
}

// N-01
#[test]
fn cpu_usage_is_a_percentage_that_follows_the_work() {
    let agent = Agent::start("");
    let usage = || agent.scrape().value("process_cpu_usage", &[]).expect("it exists");
    // The agent is idle. The value covers the time since the previous scrape.
    usage();
    assert!(eventually(DEADLINE, || usage() < 5.0), "{} % of an idle agent", usage());
    let cpu = || cpu_time(agent.example.id());
    let (start, before) = (Instant::now(), cpu());
    let mut client = agent.client();
    let value = "x".repeat(200_000);
    // The next window starts when the previous one is old enough.
    let mut highest: f64 = 0.0;
    while start.elapsed() < Duration::from_secs(4) {
        for _ in 0..20 {
            client.put("key", &value);
        }
        highest = highest.max(usage());
    }
    let average = 100.0 * (cpu() - before) / start.elapsed().as_secs_f64();
    assert!(highest > 0.3 * average && average > 1.0, "{highest} %, and {average} % on average");
    assert!(highest < 100.0 * 16.0, "{highest} %");
}

/// CPU time in seconds, according to the kernel.
fn cpu_time(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process is running");
    let fields: Vec<_> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("ticks");
    // User and system, in hundredths of a second on every Linux.
    (ticks(11) + ticks(12)) / 100.0
}

// N-01 N-02 N-03
#[test]
fn every_family_has_its_type_and_help_and_no_namespace() {
    let agent = Agent::start("");
    let mut client = agent.client();
    client.put("a", "b");
    let scrape = agent.scrape_after(1);
    let found: BTreeMap<_, _> =
        scrape.families().iter().map(|family| (family.name.as_str(), family.kind)).collect();
    let expected = [
        ("agent_peers_connected", Kind::Gauge),
        ("message_processing_duration_seconds", Kind::Histogram),
        ("messages_received_total", Kind::Counter),
        ("process_cpu_usage", Kind::Gauge),
        ("process_memory_bytes", Kind::Gauge),
        ("service_info", Kind::Gauge),
        ("storage_operation_duration_seconds", Kind::Histogram),
        ("storage_operations_total", Kind::Counter),
        ("uptime_seconds", Kind::Gauge),
    ];
    assert_eq!(found, expected.map(|(name, kind)| (name, Some(kind))).into());
    for family in scrape.families() {
        assert!(family.help.as_deref().is_some_and(|help| !help.is_empty()), "{family:?}");
    }
}
