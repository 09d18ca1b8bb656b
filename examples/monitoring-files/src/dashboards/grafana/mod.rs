//! The JSON of a dashboard, as Grafana imports it.

mod dashboard;
mod panel;

pub(super) use dashboard::Dashboard;
pub(super) use panel::Panel;
