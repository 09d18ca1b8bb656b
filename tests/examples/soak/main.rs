//! Runs the orchestrator and two workers under load and faults for minutes. At the end it prints a table that compares what was
//! sent with what was counted. `tests/soak` starts this program.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its table")]

mod clients;
mod clock;
mod events;
mod faults;
mod hostile;
mod ledger;
mod report;
mod wrk;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use asdlc_tests::example::{Example, release_command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Prometheus, QueryApi, Redis, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};
use fastrand::Rng;
use http::Request;

use clock::Clock;
use events::{Processed, Stream};
use faults::{Faults, POOL, memory, worker};
use ledger::{Ledger, REQUESTS};
use report::{Report, mebibytes};
use wrk::Wrk;

fn main() -> ExitCode {
    let (minutes, seed) = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("tests/soak: {error}\nusage: tests/soak [--minutes N] [--seed N]");
            return ExitCode::from(2);
        }
    };
    println!("soaking for {minutes} minutes, --seed {seed}");
    let report = soak(Duration::from_secs(minutes * 60), &mut Rng::with_seed(seed));
    println!("{}", report.text());
    if report.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<(u64, u64), String> {
    let (mut minutes, mut seed) = (3, 1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a number"))?;
        let number = value.parse().map_err(|_| format!("{name} {value}: expected a number"))?;
        match name.as_str() {
            // After an hour Redis starts to delete the outcomes of tasks.
            "--minutes" if (1..=45).contains(&number) => minutes = number,
            "--minutes" => return Err(format!("--minutes {number}: expected 1 to 45")),
            "--seed" => seed = number,
            _ => return Err(format!("{name} is unknown")),
        }
    }
    Ok((minutes, seed))
}

fn soak(duration: Duration, rng: &mut Rng) -> Report {
    let redis = Redis::start_with(&["--appendfsync", "always"]);
    let victoria_metrics = VictoriaMetrics::empty();
    let orchestrator = orchestrator(&redis, &victoria_metrics);
    let (survivor, victim) = (worker(&redis, "127.0.0.1:0"), worker(&redis, "127.0.0.1:0"));
    let addresses = [orchestrator.address(), survivor.address(), victim.address()];
    let prometheus = Prometheus::scraping_all(&addresses);
    prometheus.targets(3);
    let happened = std::collections::BTreeMap::new();
    let mut faults = Faults { redis, victoria_metrics, victim, counted_by_victim: None, happened };
    let memories = || [&orchestrator, &survivor].map(|program| memory(&program.scrape()));
    let at_start = memories();
    let mut report = Report::default();

    let (clock, half) = (Clock::start(duration), Clock::start(duration / 2));
    let start_wrk = |program: &Example, target, connections, pause| {
        Wrk::start(program.address(), target, connections, Duration::from_millis(pause), duration)
    };
    let wrk_of_orchestrator = [
        start_wrk(&orchestrator, ("/health", ["GET", "/health"]), 32, 8),
        start_wrk(&orchestrator, ("/api/v1/tasks/1", ["GET", "/api/v1/tasks/{id}"]), 8, 40),
    ];
    let wrk_of_survivor = start_wrk(&survivor, ("/stats", ["GET", "/stats"]), 8, 20);
    let (mut sent, mut scrapes, mut warm) = (Ledger::default(), 0_u64, None);
    thread::scope(|scope| {
        type Client = fn(std::net::SocketAddr, &Clock, Rng) -> Ledger;
        let clients: [Client; 8] = [
            clients::submit,
            clients::submit,
            clients::submit,
            clients::request,
            clients::request,
            clients::disconnect,
            clients::disconnect,
            hostile::attack_until_end,
        ];
        let clients = clients.map(|client| {
            let (rng, address, clock) = (rng.fork(), orchestrator.address(), &clock);
            scope.spawn(move || clock.guard(|clock| client(address, clock, rng)))
        });
        let (faults, rng, clock, half) = (&mut faults, rng.fork(), &clock, &half);
        scope.spawn(move || clock.guard(|clock| faults.happen(clock, half, rng)));
        clock.guard(|clock| {
            while clock.is_running() {
                // The parser checks the whole format.
                scrapes += [&orchestrator, &survivor].map(scrape_in_a_second).len() as u64;
                warm = warm.or_else(|| (!half.is_running()).then(memories));
                clock.pass(Duration::from_secs(1));
            }
        });
        for client in clients {
            sent += client.join().expect("no client panics");
        }
    });
    let mut finish_wrk = |wrk: Wrk| {
        wrk.finish().unwrap_or_else(|error| {
            report.fail(&error);
            Ledger::default()
        })
    };
    for wrk in wrk_of_orchestrator {
        sent += finish_wrk(wrk);
    }
    let sent_to_survivor = finish_wrk(wrk_of_survivor);

    let stream = Stream::drained(&faults.redis);
    let programs = [&orchestrator, &survivor, &faults.victim];
    let in_flight = |scrape: &Exposition| scrape.sum("asdlc_http_requests_in_flight") + 0.0;
    // If this does not come true, the table shows it.
    let _ = eventually(DEADLINE, || {
        programs.iter().all(|program| in_flight(&program.scrape()) == 0.0)
            && orchestrator.scrape().sum(REQUESTS) >= sent.total() as f64
    });
    let workers_counted =
        || [&survivor, &faults.victim].map(|worker| Processed::of(&worker.scrape()));
    let counted_by_victim = faults.counted_by_victim.unwrap_or_default();
    let counted = || workers_counted().into_iter().fold(counted_by_victim, std::ops::Add::add);
    let _ = eventually(DEADLINE, || counted().total() + POOL >= stream.added);
    let at_end = memories();
    let [scrape, survivor_scrape, replaced_scrape] = programs.map(Example::scrape);

    report.section(&["requests to", "method", "endpoint", "sent", "counted", "agrees"]);
    for (name, sent, scrape) in
        [("orchestrator", &sent, &scrape), ("worker", &sent_to_survivor, &survivor_scrape)]
    {
        for row in sent.compare(scrape) {
            let [method, endpoint] = &row.route;
            let uncertain = if row.uncertain > 0 {
                format!(" to {}", row.sent + row.uncertain)
            } else {
                String::new()
            };
            let sent = format!("{}{uncertain}", row.sent);
            report
                .check(&[&name, method, &format!("`{endpoint}`"), &sent, &row.counted], row.agrees);
        }
    }
    let counted = counted();
    let accepted = sent.responses(clients::SUBMIT, 202);
    let submitted = accepted + sent.responses(clients::SUBMIT, 503);
    events(&mut report, &stream, counted, [accepted, submitted]);

    report.section(&[
        "program",
        "memory at start",
        "at half-time",
        "at end",
        "in flight at end",
        "agrees",
    ]);
    let warm = warm.unwrap_or(at_start);
    for (index, (name, scrape)) in
        [("orchestrator", &scrape), ("worker", &survivor_scrape)].into_iter().enumerate()
    {
        let [start, half, end] = [at_start, warm, at_end].map(|memory| memory[index]);
        let in_flight = in_flight(scrape);
        let agrees = in_flight == 0.0 && end < half + GROWTH;
        report.check(
            &[&name, &mebibytes(start), &mebibytes(half), &mebibytes(end), &in_flight],
            agrees,
        );
    }
    let left = in_flight(&replaced_scrape);
    let now = mebibytes(memory(&replaced_scrape));
    report.check(&[&"worker, replaced at half-time", &"", &"", &now, &left], left == 0.0);

    let names = ["orchestrator", "worker", "worker, killed once"];
    scraped(&mut report, &prometheus, &names, &addresses.map(|address| address.to_string()));
    let total = prometheus.query_until(
        &format!("sum({REQUESTS}{{instance=\"{}\"}})", orchestrator.address()),
        scrape.sum(REQUESTS),
    );
    report.section(&["", "", "agrees"]);
    report.check(
        &[&"requests counted, according to Prometheus", &total.unwrap_or(f64::NAN)],
        total == Some(scrape.sum(REQUESTS)),
    );
    let series = scrape.samples(REQUESTS).count();
    report.check(&[&format!("series of `{REQUESTS}`"), &series], series < 100);
    report.check(&[&"scrapes that the checker accepted", &scrapes], scrapes > 0);
    for (fault, times) in &faults.happened {
        report.row(&[fault, times, &""]);
    }
    report.check(&[&"workers killed", &1], faults.counted_by_victim.is_some());
    report
}

/// Scrapes with the same timeout as Prometheus here. With a longer timeout this scrape would wait longer for the check of a frozen
/// Redis, and a scrape of Prometheus that joins its collection would wait as long.
fn scrape_in_a_second(program: &Example) -> Exposition {
    let request = Request::get("/metrics").header("x-prometheus-scrape-timeout-seconds", "1");
    let response = program.connect().send(request.body("").expect("the request is valid"));
    assert_eq!(response.status(), 200, "{:?}", response.body());
    Exposition::parse(response.body()).expect("the exposition is valid")
}

fn orchestrator(redis: &Redis, victoria_metrics: &VictoriaMetrics) -> Example {
    let mut command = release_command("orchestrator");
    command.env("LISTEN_ADDR", "127.0.0.1:0").env("RUST_LOG", "error");
    command.env("REDIS_URL", redis.url()).env("VICTORIAMETRICS_URL", victoria_metrics.url());
    command.env("QUERY_TIMEOUT", "2");
    Example::spawn(command)
}

/// Compares the events. A killed worker loses the count of events that it had acknowledged and not yet counted: at most its pool.
fn events(
    report: &mut Report,
    stream: &Stream,
    counted: Processed,
    [accepted, submitted]: [u64; 2],
) {
    report.section(&["events", "", "agrees"]);
    let Stream { added, length, pending, outcomes, unfinished } = *stream;
    report.check(
        &[
            &"added to the stream (202 to 202 + 503)",
            &format!("{added} ({accepted} to {submitted})"),
        ],
        (accepted..=submitted).contains(&added),
    );
    report.check(&[&"outcomes in Redis", &outcomes.total()], outcomes.total() == added);
    report.check(&[&"left in the stream", &length], length == 0);
    report.check(&[&"pending", &pending], pending == 0);
    report.check(&[&"unfinished", &unfinished], unfinished == 0);
    let lost = outcomes.total().saturating_sub(counted.total());
    for (name, outcome, counted) in [
        ("processed: success", outcomes.success, counted.success),
        ("failed", outcomes.failed, counted.failed),
    ] {
        let agrees = counted <= outcome && lost <= POOL;
        report.check(&[&name, &format!("{counted} counted of {outcome}")], agrees);
    }
    report.check(&[&format!("lost with the killed worker (at most {POOL})"), &lost], lost <= POOL);
}

/// Compares the scrapes of Prometheus.
fn scraped(report: &mut Report, prometheus: &Prometheus, names: &[&str], instances: &[String]) {
    report.section(&[
        "scraped by Prometheus",
        "scrapes",
        "failed",
        "longest",
        "counter resets",
        "agrees",
    ]);
    for (index, (name, instance)) in names.iter().zip(instances).enumerate() {
        let ask = |query: &str| {
            let selector = format!("{{instance=\"{instance}\"}}[1h]");
            prometheus.query(&query.replace("@", &selector)).unwrap_or(f64::NAN)
        };
        let scrapes = ask("count_over_time(up@)");
        let failed = scrapes - ask("sum_over_time(up@)");
        let longest = ask("max_over_time(scrape_duration_seconds@)");
        let resets = ask("sum(resets(asdlc_redis_latency_seconds_count@))");
        // The worker that was killed may have failed scrapes and restarted counters.
        let agrees = index == 2 || (failed == 0.0 && resets == 0.0);
        report.check(&[name, &scrapes, &failed, &format!("{longest:.3} s"), &resets], agrees);
    }
}

/// How much memory may grow from half-time to the end. The allocator may keep some; more would be a leak.
const GROWTH: u64 = 8 << 20;
