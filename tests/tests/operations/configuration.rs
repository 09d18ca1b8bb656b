//! The scrape configurations and deployment files, checked by the programs that read them.

use std::path::Path;

use asdlc_tests::program::program;
use asdlc_tests::servers::check;
use serde_json::Value;

use super::files::{deploy, document, documents, read, repository, strings};
use super::programs::PROGRAMS;

// S-01
#[test]
fn promtool_accepts_the_prometheus_configuration_and_rules() {
    check("promtool", &["check", "config", "prometheus.yml"], &deploy("")).accepted();
}

// S-01
#[test]
fn vmagent_accepts_its_configurations() {
    // vmagent checks the Kubernetes file too, because Debian's promtool is built without Kubernetes discovery.
    for file in ["vmagent.yml", "kubernetes/scrape.yml"] {
        let flag = format!("-promscrape.config={file}");
        check("vmagent", &["-dryRun", &flag], &deploy("")).accepted();
    }
}

// S-01
#[test]
fn prometheus_and_vmagent_scrape_the_same_jobs_at_the_same_interval() {
    let prometheus = document(&deploy("prometheus.yml"));
    let vmagent = document(&deploy("vmagent.yml"));
    assert_eq!(prometheus["scrape_configs"], vmagent["scrape_configs"]);
    for config in [&prometheus, &vmagent, &document(&deploy("kubernetes/scrape.yml"))] {
        assert_eq!(config["global"]["scrape_interval"], "15s");
    }
}

// S-01
#[test]
fn each_job_is_named_after_its_program_and_scrapes_its_port_and_path() {
    for job in scrape_configs() {
        let name = job["job_name"].as_str().expect("a job has a name");
        assert_eq!(job["honor_labels"], true, "{name}");
        let target = strings(&job["static_configs"][0]["targets"])[0].to_owned();
        let (host, port) = target.rsplit_once(':').expect("a target has a port");
        assert_eq!(host, name);
        let known = PROGRAMS.iter().find(|program| program.package == name);
        let known = known.unwrap_or_else(|| panic!("there is no program {name}"));
        assert_eq!(job["metrics_path"].as_str().unwrap_or("/metrics"), known.path, "{name}");
        assert_eq!(default_port(known.package), port, "{name}");
    }
    for program in PROGRAMS {
        let has_job = scrape_configs().iter().any(|job| job["job_name"] == program.package);
        assert!(has_job, "there is no job for {}", program.package);
    }
}

// S-01
#[test]
fn kubernetes_accepts_the_workloads() {
    let files = ["orchestrator.yaml", "workers.yaml"];
    let arguments: Vec<_> = ["--strict"].into_iter().chain(files).collect();
    check("kubernetes-validate", &arguments, &deploy("kubernetes")).accepted();
    for file in files {
        let [service, deployment] = documents(&deploy("kubernetes").join(file))
            .try_into()
            .expect("a Service and a Deployment");
        let template = &deployment["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        let port = &container["ports"][0]["containerPort"];
        let annotations = &template["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], port.to_string(), "{file}");
        assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
        let variables = container["env"].as_array().expect("a list");
        let listen = variables.iter().find(|variable| variable["name"] == "LISTEN_ADDR");
        assert_eq!(listen.expect("it is set")["value"], format!("0.0.0.0:{port}"), "{file}");
    }
}

// S-01
#[test]
fn the_operators_accept_their_resources() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/operations/operators.schema.json")
        .display()
        .to_string();
    let directory = tempfile::TempDir::new().expect("a temporary directory can be made");
    for file in ["prometheus-operator.yaml", "victoria-metrics-operator.yaml"] {
        for resource in documents(&deploy("kubernetes").join(file)) {
            std::fs::write(directory.path().join("resource.json"), resource.to_string())
                .expect("the temporary directory is writable");
            check(
                "check-jsonschema",
                &["--schemafile", &schema, "resource.json"],
                directory.path(),
            )
            .accepted();
            // The workloads have the labels that the resource selects.
            let selected = &resource["spec"]["selector"]["matchLabels"];
            for workload in ["orchestrator.yaml", "workers.yaml"] {
                for document in documents(&deploy("kubernetes").join(workload)) {
                    let labels = &document["metadata"]["labels"];
                    let part = "app.kubernetes.io/part-of";
                    assert_eq!(labels[part], selected[part], "{file} does not select {workload}");
                }
            }
        }
    }
}

// S-01
#[test]
fn compose_accepts_the_stack() {
    check(
        "check-jsonschema",
        &["--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        &deploy(""),
    )
    .accepted();
}

// S-01
#[test]
fn the_image_and_the_workflow_are_accepted() {
    check("hadolint", &["Dockerfile"], &deploy("")).accepted();
    check(
        "check-jsonschema",
        &["--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"],
        &deploy("../.."),
    )
    .accepted();
}

// S-01
#[test]
fn compose_starts_each_program_on_its_scraped_port_and_publishes_only_on_loopback() {
    let compose = document(&deploy("compose.yaml"));
    let services = compose["services"].as_object().expect("services");
    for (name, service) in services {
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for needed in strings(&service["depends_on"]) {
            assert!(services.contains_key(needed), "{name} needs {needed}");
        }
        for volume in strings(&service["volumes"]) {
            let (source, _) = volume.split_once(':').expect("a source and a target");
            let exists = if source.starts_with('.') {
                deploy(source).exists()
            } else {
                compose["volumes"].get(source).is_some()
            };
            assert!(exists, "{name} mounts {source}, which does not exist");
        }
    }
    for job in scrape_configs() {
        let name = job["job_name"].as_str().expect("a job has a name");
        let service = services.get(name).unwrap_or_else(|| panic!("{name} is not in the stack"));
        assert_eq!(service["build"]["args"]["PACKAGE"], name);
        let (_, port) = strings(&job["static_configs"][0]["targets"])[0]
            .rsplit_once(':')
            .expect("a target has a port");
        assert_eq!(service["environment"]["LISTEN_ADDR"], format!("0.0.0.0:{port}"), "{name}");
    }
}

// S-01
#[test]
fn the_programs_of_the_stack_accept_their_arguments() {
    let compose = document(&deploy("compose.yaml"));
    // victoria-metrics checks its arguments only if it has a scrape configuration.
    let more = [("victoria-metrics", Some("-promscrape.config=vmagent.yml"))];
    for (program, more) in more.into_iter().chain([("vmagent", None), ("vmalert", None)]) {
        // The paths are those inside the containers.
        let arguments: Vec<_> = strings(&compose["services"][program]["command"])
            .into_iter()
            .map(|argument| argument.replace("=/etc/", "="))
            .chain(["-dryRun"].into_iter().chain(more).map(str::to_owned))
            .collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        check(program, &arguments, &deploy("")).accepted();
    }
}

// S-01
#[test]
fn the_image_has_the_right_compiler_its_arguments_and_no_root_user() {
    let dockerfile = read(&deploy("Dockerfile"));
    let instructions: Vec<_> = dockerfile.lines().filter_map(|line| line.split_once(' ')).collect();
    let all = |wanted: &str| -> Vec<&str> {
        let of = instructions.iter().filter(|(instruction, _)| *instruction == wanted);
        of.map(|(_, rest)| *rest).collect()
    };
    assert_eq!(all("ARG"), ["PACKAGE", "FEATURES="]);
    let user = *all("USER").last().expect("a user");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    let manifest = read(&repository("examples/orchestrator/Cargo.toml"));
    let needed = rust_version(&manifest);
    let image = all("FROM")[0];
    assert!(image.starts_with(&format!("rust:{needed}-")), "{image}, but Rust {needed} is needed");
}

pub(crate) fn scrape_configs() -> Vec<Value> {
    let config = document(&deploy("vmagent.yml"));
    config["scrape_configs"].as_array().expect("a list").clone()
}

fn rust_version(manifest: &str) -> &str {
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    line.and_then(|rest| rest.strip_suffix('"')).expect("the manifest has a rust-version")
}

/// The default port, from the program's help.
fn default_port(package: &'static str) -> String {
    let path = program(package).display().to_string();
    let help = check(&path, &["--help"], Path::new("/"));
    let (_, listen) = help.printed.split_once("[env: LISTEN_ADDR=").expect("it is in the help");
    let (_, default) = listen.split_once("[default: ").expect("it has a default");
    let address = default.split_once(']').expect("a bracket").0;
    address.rsplit_once(':').expect("a port").1.to_owned()
}
