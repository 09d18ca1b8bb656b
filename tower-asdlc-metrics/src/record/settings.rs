use crate::labels::endpoint::AnyEndpoint;
use crate::labels::exclusions::Exclusions;
use crate::labels::methods::Methods;
use crate::labels::user_label::UserLabel;

/// What the builder configured, except for the instruments.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: AnyEndpoint,
    /// The key of the label with the endpoint.
    pub(crate) endpoint_key: String,
    pub(crate) methods: Methods,
    pub(crate) user_labels: Vec<UserLabel>,
    pub(crate) exclusions: Exclusions,
    /// Endpoints whose requests last until the client leaves.
    pub(crate) streaming_endpoints: Vec<String>,
    /// The series limit of each family.
    pub(crate) max_series: usize,
}
