//! What the environment and the command line can say, and what they cannot.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use asdlc_tests::example::{Example, command};
use asdlc_tests::process::{Finished, Process};

// O-07
#[test]
fn service_name_and_environment_are_on_every_series() {
    let orchestrator = Example::start_with(
        "orchestrator",
        &[("SERVICE_NAME", "night \"shift\""), ("ENVIRONMENT", "staging")],
    );
    orchestrator.connect().get("/health");
    let scrape = orchestrator.scrape();
    for sample in scrape.all_samples() {
        assert!(
            sample.has(&[("service", "night \"shift\""), ("environment", "staging")]),
            "{sample:?}"
        );
    }
    assert_eq!(scrape.sum("asdlc_http_requests_total"), 1.0);
}

#[test]
fn without_an_environment_there_is_no_such_label() {
    let scrape = Example::start("orchestrator").scrape();
    assert!(scrape.all_samples().iter().all(|sample| sample.label("environment").is_none()));
}

#[test]
fn help_names_every_variable_and_succeeds() {
    let finished = run(&["--help"], &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(finished.stderr, [""; 0]);
    let help = finished.stdout.join("\n");
    for variable in [
        "LISTEN_ADDR",
        "SERVICE_NAME",
        "ENVIRONMENT",
        "RUST_LOG",
        "REDIS_URL",
        "VICTORIAMETRICS_URL",
        "QUERY_TIMEOUT",
    ] {
        assert!(help.contains(variable), "{variable} is missing in\n{help}");
    }
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let line = refusal(&run(&[], &[("LISTEN_ADDR", OsStr::new(&address))]));
    assert!(line.contains(&address), "{line}");
}

#[test]
fn a_listen_address_that_cannot_be_read_is_one_clear_line() {
    let wrong: [&[u8]; 9] = [
        b"",
        b"8080",
        b":8080",
        b"127.0.0.1",
        b"127.0.0.1:",
        b"127.0.0.1:http",
        b"127.0.0.1:65536",
        b"127.0.0.1:-1",
        b"http://127.0.0.1:8080/",
    ];
    for address in wrong {
        let line = refusal(&run(&[], &[("LISTEN_ADDR", OsStr::from_bytes(address))]));
        let names_it = line.contains("LISTEN_ADDR") || line.contains("listen-addr");
        assert!(names_it && line.contains(&*String::from_utf8_lossy(address)), "{line}");
    }
    refusal(&run(&[], &[("LISTEN_ADDR", OsStr::from_bytes(b"127.0.0.1:\xff"))]));
}

// F-34
#[test]
fn a_variable_that_is_not_utf_8_is_one_line_that_names_it() {
    for name in ["SERVICE_NAME", "REDIS_URL", "VICTORIAMETRICS_URL", "QUERY_TIMEOUT"] {
        let value = OsStr::from_bytes(b"hunter2\xff");
        let address = ("LISTEN_ADDR", OsStr::new("127.0.0.1:0"));
        let line = refusal(&run(&[], &[address, (name, value)]));
        assert!(line.contains(name) && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn an_unknown_argument_is_one_clear_line() {
    for argument in ["--no-such-flag", "-x", "no-such-command"] {
        let line = refusal(&run(&[argument], &[("LISTEN_ADDR", OsStr::new("127.0.0.1:0"))]));
        assert!(line.contains(argument), "{line}");
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_one_clear_line() {
    refusal(&run(
        &[],
        &[
            ("LISTEN_ADDR", OsStr::new("127.0.0.1:0")),
            ("RUST_LOG", OsStr::new("orchestrator=loud")),
        ],
    ));
}

fn run(arguments: &[&str], environment: &[(&str, &OsStr)]) -> Finished {
    let mut command = command("orchestrator");
    command.args(arguments).envs(environment.iter().copied());
    Process::start(command).finish()
}

/// The only line of a program that would not start.
#[track_caller]
fn refusal(finished: &Finished) -> String {
    let Finished { status, stdout, stderr } = finished;
    // No code at all would be a signal.
    assert!(status.code().is_some_and(|code| code != 0), "{finished:?}");
    assert!(
        stdout.is_empty() && stderr.len() == 1 && !stderr[0].contains("panicked"),
        "{finished:?}"
    );
    stderr[0].clone()
}
