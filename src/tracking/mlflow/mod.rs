//! A real MLflow server beside the record of runs: what ended here is sent there, and models are asked for there.
//!
//! The local record stays the truth. A run is sent after it ended, so a server can neither hold it up beyond a bounded time nor break it. What
//! is sent follows from the record and the run's parcel ([`super::outbox`]), and every call either may be made twice or is made only
//! after a look whether it was made before. So sending goes on after any failure, with nothing twice and nothing missing.

mod api;
mod artifacts;
mod batch;
mod files;
mod http;
mod resolve;
mod send;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use http::{Credentials, address};
pub use resolve::{Reach, Server};
pub use send::{NotSent, Sent};

/// Where a recipe's runs and models go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The server's address, without a slash at its end.
    pub tracking_uri: String,
    /// The registry's, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_uri: Option<String>,
    /// The experiment's name.
    pub experiment: String,
    /// Where a new experiment keeps its files; the server's own place where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_location: Option<String>,
    /// `test_<metric>`, by which the experiment's runs are compared, and which way is better.
    pub primary_metric: String,
    pub greater_is_better: bool,
    /// Of the recipe, for its registered model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Target {
    /// Where models are registered.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.registry_uri.as_deref().unwrap_or(&self.tracking_uri)
    }
}

/// How a recipe uses its server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub target: Target,
    /// Is a run that could not be sent a failure?
    pub is_required: bool,
    /// What sending may take at the end of a run.
    pub timeout: Duration,
    pub credentials: Credentials,
}
