//! A dashboard with its variables.

use serde::Serialize;
use serde_json::{Value, json};

use super::panel::{DATA_SOURCE, DataSource, Panel, Position};

/// Panels are placed from left to right, in lines of 24 columns.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dashboard {
    uid: String,
    title: String,
    description: String,
    tags: [&'static str; 1],
    schema_version: u8,
    editable: bool,
    graph_tooltip: u8,
    time: Value,
    refresh: &'static str,
    timezone: &'static str,
    annotations: Value,
    links: [Link; 1],
    templating: Templating,
    panels: Vec<Panel>,
    /// The column and row of the next panel.
    #[serde(skip)]
    next: (u8, u8),
}

impl Dashboard {
    /// An empty dashboard with a variable for the data source and one for the job.
    pub(crate) fn new(file: &str, title: &str, description: &str, jobs: &str) -> Self {
        let data_source = DataSourceVariable {
            name: "datasource",
            label: "Data source",
            r#type: "datasource",
            query: "prometheus",
            current: json!({}),
            options: [],
            refresh: 1,
        };
        let this = Self {
            uid: format!("asdlc-{file}"),
            title: title.to_owned(),
            description: description.to_owned(),
            tags: ["asdlc"],
            schema_version: 39,
            editable: true,
            graph_tooltip: 1,
            time: json!({ "from": "now-1h", "to": "now" }),
            refresh: "15s",
            timezone: "browser",
            annotations: json!({ "list": [] }),
            links: [Link::to_the_others()],
            templating: Templating { list: vec![Variable::DataSource(data_source)] },
            panels: Vec::new(),
            next: (0, 0),
        };
        this.variable("job", "Job", &format!("label_values({jobs}, job)"))
    }

    /// Adds a variable for the service.
    pub(crate) fn with_services(self, series: &str) -> Self {
        self.variable("service", "Service", &format!("label_values({series}, service)"))
    }

    fn variable(mut self, name: &'static str, label: &'static str, query: &str) -> Self {
        self.templating.list.push(Variable::Query(QueryVariable {
            name,
            label,
            r#type: "query",
            datasource: DATA_SOURCE,
            query: VariableQuery { query: query.to_owned(), ref_id: name },
            definition: query.to_owned(),
            refresh: 2,
            sort: 1,
            multi: true,
            include_all: true,
            all_value: ".*",
            current: json!({ "text": ["All"], "value": ["$__all"] }),
            options: [],
        }));
        self
    }

    /// Adds the title of the panels that follow.
    pub(crate) fn row(self, title: &str) -> Self {
        self.panel((24, 1), Panel::row(title))
    }

    /// Adds a panel of this width and height.
    pub(crate) fn panel(mut self, (w, h): (u8, u8), mut panel: Panel) -> Self {
        let (x, y) = self.next;
        panel.place(self.panels.len() + 1, Position { h, w, x, y });
        self.next = if x + w < 24 { (x + w, y) } else { (0, y + h) };
        self.panels.push(panel);
        self
    }
}

#[derive(Debug, Serialize)]
struct Templating {
    list: Vec<Variable>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Variable {
    DataSource(DataSourceVariable),
    Query(QueryVariable),
}

#[derive(Debug, Serialize)]
struct DataSourceVariable {
    name: &'static str,
    label: &'static str,
    r#type: &'static str,
    query: &'static str,
    current: Value,
    options: [(); 0],
    refresh: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryVariable {
    name: &'static str,
    label: &'static str,
    r#type: &'static str,
    datasource: DataSource,
    query: VariableQuery,
    definition: String,
    refresh: u8,
    sort: u8,
    multi: bool,
    include_all: bool,
    all_value: &'static str,
    current: Value,
    options: [(); 0],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VariableQuery {
    query: String,
    ref_id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    r#type: &'static str,
    tags: [&'static str; 1],
    title: &'static str,
    as_dropdown: bool,
    include_vars: bool,
    keep_time: bool,
    icon: &'static str,
    target_blank: bool,
    url: &'static str,
    tooltip: &'static str,
}

impl Link {
    /// To every dashboard with our tag.
    fn to_the_others() -> Self {
        Self {
            r#type: "dashboards",
            tags: ["asdlc"],
            title: "asdlc",
            as_dropdown: false,
            include_vars: true,
            keep_time: true,
            icon: "external link",
            target_blank: false,
            url: "",
            tooltip: "",
        }
    }
}
