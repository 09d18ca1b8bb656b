//! A panel with its queries.

use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Panel {
    r#type: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapsed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    panels: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datasource: Option<DataSource>,
    grid_pos: Position,
    id: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_config: Option<FieldConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
}

impl Panel {
    /// One number.
    pub(crate) fn stat(title: &str, unit: &'static str, query: String) -> Self {
        Self::now("stat", title, unit, (query, ""))
    }

    /// The last value of each series, one after the other.
    pub(crate) fn now(
        r#type: &'static str,
        title: &str,
        unit: &'static str,
        query: (String, &str),
    ) -> Self {
        let mut panel = Self::of(r#type, title, unit, vec![query], json!({}));
        for target in &mut panel.targets {
            (target.instant, target.range) = (Some(true), Some(false));
        }
        panel
    }

    /// Lines over time. The queries have legends.
    pub(crate) fn lines(title: &str, unit: &'static str, queries: Vec<(String, &str)>) -> Self {
        let calcs = ["mean", "max", "lastNotNull"];
        let options = json!({
            "legend": { "displayMode": "table", "placement": "bottom", "calcs": calcs },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        Self::of("timeseries", title, unit, queries, options).with_defaults(|defaults| {
            defaults.custom = Some(Lines { line_width: 1, fill_opacity: 10, show_points: "never" });
        })
    }

    /// A panel of another type, without options.
    pub(crate) fn of(
        r#type: &'static str,
        title: &str,
        unit: &'static str,
        queries: Vec<(String, &str)>,
        options: Value,
    ) -> Self {
        let target = |(id, (expr, legend)): (char, (String, &str))| Target {
            ref_id: id,
            datasource: DATA_SOURCE,
            expr,
            legend_format: legend.to_owned(),
            instant: None,
            range: None,
            format: None,
            exemplar: None,
        };
        Self {
            description: Some(String::new()),
            datasource: Some(DATA_SOURCE),
            targets: ('A'..).zip(queries).map(target).collect(),
            field_config: Some(FieldConfig {
                defaults: Defaults { unit, ..Defaults::default() },
                overrides: [],
            }),
            options: Some(options),
            ..Self::new(r#type, title)
        }
    }

    pub(crate) fn with_description(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }

    /// How the data source returns the result: `table` or `heatmap`.
    pub(crate) fn with_format(mut self, format: &'static str) -> Self {
        self.targets.iter_mut().for_each(|target| target.format = Some(format));
        self
    }

    /// Also draws the exemplars of the metrics of the first query, if the data source has any. The other queries are of the
    /// same metrics.
    pub(crate) fn with_exemplars(mut self) -> Self {
        self.targets.iter_mut().take(1).for_each(|target| target.exemplar = Some(true));
        self
    }

    /// Green, and another color from each of these values on.
    pub(crate) fn with_thresholds(self, steps: &[(&str, Value)]) -> Self {
        let green = json!({ "color": "green", "value": null });
        let steps = steps.iter().map(|(color, value)| json!({ "color": color, "value": value }));
        let steps: Vec<_> = [green].into_iter().chain(steps).collect();
        let thresholds = json!({ "mode": "absolute", "steps": steps });
        self.with_defaults(|defaults| defaults.thresholds = Some(thresholds))
    }

    /// Shows 0 and 1 as these texts in these colors.
    pub(crate) fn with_texts(self, [no, yes]: [(&str, &str); 2]) -> Self {
        let text =
            |index: u8, (text, color)| json!({ "text": text, "color": color, "index": index });
        let options = json!({ "0": text(0, no), "1": text(1, yes) });
        self.with_defaults(|defaults| {
            (defaults.min, defaults.max) = (Some(0), Some(1));
            defaults.mappings = Some(json!([{ "type": "value", "options": options }]));
        })
    }

    fn with_defaults(mut self, change: impl FnOnce(&mut Defaults)) -> Self {
        if let Some(config) = &mut self.field_config {
            change(&mut config.defaults);
        }
        self
    }

    /// A title between panels.
    pub(crate) fn row(title: &str) -> Self {
        Self { collapsed: Some(false), panels: Some([]), ..Self::new("row", title) }
    }

    pub(crate) fn place(&mut self, id: usize, position: Position) {
        self.id = id;
        self.grid_pos = position;
    }

    fn new(r#type: &'static str, title: &str) -> Self {
        Self {
            r#type,
            title: title.to_owned(),
            description: None,
            collapsed: None,
            panels: None,
            datasource: None,
            grid_pos: Position::default(),
            id: 0,
            targets: Vec::new(),
            field_config: None,
            options: None,
        }
    }
}

/// In columns and rows.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Position {
    pub(crate) h: u8,
    pub(crate) w: u8,
    pub(crate) x: u8,
    pub(crate) y: u8,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DataSource {
    r#type: &'static str,
    uid: &'static str,
}

/// The one that is selected in the dashboard.
pub(crate) const DATA_SOURCE: DataSource =
    DataSource { r#type: "prometheus", uid: "${datasource}" };

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    ref_id: char,
    datasource: DataSource,
    expr: String,
    legend_format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instant: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// Whether to draw the exemplars of the metrics of the expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    exemplar: Option<bool>,
}

#[derive(Debug, Serialize)]
struct FieldConfig {
    defaults: Defaults,
    overrides: [(); 0],
}

#[derive(Debug, Default, Serialize)]
struct Defaults {
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappings: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Lines>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lines {
    line_width: u8,
    fill_opacity: u8,
    show_points: &'static str,
}
