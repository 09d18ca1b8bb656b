//! The dashboards: their structure, and each query on the data of running programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use asdlc_tests::servers::{QueryApi, Vmagent};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::Value;

use super::files::{deploy, document, files, read};
use super::scraping::Stack;
use super::shops::Shops;

pub(crate) struct Dashboard {
    path: PathBuf,
    json: Value,
}

/// All checked-in dashboards.
pub(crate) fn dashboards() -> Vec<Dashboard> {
    dashboards_in(&deploy("grafana/dashboards"))
}

/// The dashboards in a directory.
pub(crate) fn dashboards_in(directory: &Path) -> Vec<Dashboard> {
    let load = |path: PathBuf| {
        let json = serde_json::from_str(&read(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Dashboard { path, json }
    };
    files(directory, "json").into_iter().map(load).collect()
}

impl Dashboard {
    /// All queries, each with the title of its panel, for the last ten seconds of all jobs and services.
    pub(crate) fn queries(&self) -> Vec<(String, String)> {
        self.queries_of(".*")
    }

    /// As `queries`, for the services that match a pattern.
    pub(crate) fn queries_of(&self, services: &str) -> Vec<(String, String)> {
        let targets = self.panels().flat_map(|panel| {
            let title = format!("{}: {}", self.path.display(), panel["title"]);
            let targets = panel["targets"].as_array().expect("a panel has queries").iter();
            targets.map(move |target| {
                let query = target["expr"].as_str().expect("a query");
                let query = query.replace("$__rate_interval", "10s");
                let query = query.replace("$job", ".*").replace("$service", services);
                assert!(!query.contains('$'), "{title}: {query}");
                (title.clone(), query)
            })
        });
        targets.collect()
    }

    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.json["panels"].as_array().expect("panels").iter();
        panels.filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().expect("variables")
    }
}

// S-03
#[test]
fn each_query_of_a_dashboard_has_data() {
    let stack = Stack::start();
    let shops = Shops::start();
    let _vmagent = Vmagent::start(&shops.config(), stack.victoria_metrics().address());
    let queries = dashboards().into_iter().flat_map(|dashboard| dashboard.queries());
    for (title, asked) in queries {
        let has_data = eventually(DEADLINE, || {
            for running in &stack.programs {
                running.drive();
            }
            shops.drive();
            stack.victoria_metrics().flush();
            let samples = stack.victoria_metrics().samples(&asked);
            samples.iter().any(|(_, value)| value.is_finite())
        });
        assert!(has_data, "{title}: no data for\n{asked}");
    }
}

// S-03
#[test]
fn the_variables_of_a_dashboard_have_values() {
    let stack = Stack::start();
    for dashboard in dashboards() {
        for variable in dashboard.variables().iter().filter(|variable| variable["type"] == "query")
        {
            let query = variable["definition"].as_str().expect("a query");
            assert_eq!(variable["query"]["query"], query);
            let inside = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
            let (selector, label) =
                inside.and_then(|it| it.rsplit_once(", ")).expect("label_values(series, label)");
            let selector = selector.replace("$job", ".*");
            stack.victoria_metrics().flush();
            let series = stack.victoria_metrics().series(&selector);
            assert!(series.iter().any(|labels| labels.contains_key(label)), "{selector}");
        }
    }
}

// S-03
#[test]
fn panels_use_the_selected_data_source_and_have_a_title_and_a_unit() {
    for dashboard in dashboards() {
        let Dashboard { path, json } = &dashboard;
        let path = path.display();
        let names: Vec<_> = dashboard.variables().iter().map(|it| it["name"].as_str()).collect();
        assert!(names.starts_with(&[Some("datasource"), Some("job")]), "{path}: {names:?}");
        let all = json["panels"].as_array().expect("panels");
        let ids: BTreeSet<_> = all.iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), all.len(), "{path}: two panels with one id");
        let mut taken = BTreeSet::new();
        for panel in all {
            let title = panel["title"].as_str().expect("a title");
            for cell in cells(&panel["gridPos"]) {
                assert!(taken.insert(cell), "{path}: {title} overlaps another panel");
            }
        }
        for panel in dashboard.panels() {
            let title = panel["title"].as_str().expect("a title");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{path}: {title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{path}: {title}");
            for target in panel["targets"].as_array().expect("queries") {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{path}: {title}");
            }
        }
    }
}

// S-03
#[test]
fn grafana_finds_the_dashboards_where_the_stack_mounts_them() {
    let compose = document(&deploy("compose.yaml"));
    let mounts = super::files::strings(&compose["services"]["grafana"]["volumes"]).join(" ");
    let provider = document(&deploy("grafana/provisioning/dashboards/asdlc.yml"));
    let folder = provider["providers"][0]["options"]["path"].as_str().expect("a path");
    assert!(mounts.contains(&format!("./grafana/dashboards:{folder}:ro")), "{mounts}");
    let home =
        compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
            .as_str()
            .expect("a path");
    let home =
        home.strip_prefix(folder).and_then(|it| it.strip_prefix('/')).expect("in the folder");
    assert!(deploy("grafana/dashboards").join(home).exists(), "{home}");
    let uids: BTreeSet<_> =
        dashboards().iter().map(|dashboard| dashboard.json["uid"].to_string()).collect();
    assert_eq!(uids.len(), dashboards().len(), "two dashboards with one uid");
}

fn cells(position: &Value) -> Vec<(u64, u64)> {
    let number = |key: &str| position[key].as_u64().expect("a position");
    let columns = number("x")..number("x") + number("w");
    assert!(columns.end <= 24, "{position}");
    let rows = number("y")..number("y") + number("h");
    columns.flat_map(|x| rows.clone().map(move |y| (x, y))).collect()
}
