//! `slo-NAME.yml`: the rules and alerts of one `--slo`.

use crate::service_level::ServiceLevel;
use crate::settings::Settings;
use crate::slo;
use crate::yaml::{self, Group};

pub(crate) fn file(settings: &Settings, level: &ServiceLevel) -> String {
    let ServiceLevel { name, objective, .. } = level;
    let family = level.family();
    let comment = format!(
        "The objective of {name}: events per second and the ratio of errors over seven windows, and the alerts.\n\
         Written by `{}`.",
        settings.command
    );
    let group = |end: &str, comment, rules| Group {
        name: format!("asdlc-slo-{name}{end}").into(),
        comment,
        rules,
    };
    let recording = group("", String::new(), family.recording(settings));
    let alerts = group("-alerts", slo::comment(*objective), family.alerts(*objective).into());
    yaml::file(&comment, &[recording, alerts])
}
