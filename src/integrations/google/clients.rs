//! Makes clients from what a store has connected.

use super::{GoogleClient, GoogleEndpoints};
use crate::base::clock::Clock;
use crate::domain::feeds::port::{FeedPort, FeedPorts};
use crate::infra::egress::Egress;
use std::sync::Arc;

/// Makes clients for the one Google that this instance is wired to.
pub struct GoogleClients {
    egress: Egress,
    endpoints: GoogleEndpoints,
    clock: Arc<dyn Clock>,
}

impl GoogleClients {
    /// Clients of `endpoints`.
    pub const fn new(egress: Egress, endpoints: GoogleEndpoints, clock: Arc<dyn Clock>) -> Self {
        Self { egress, endpoints, clock }
    }
}

impl FeedPorts for GoogleClients {
    /// A stored endpoint that is not the wired one is refused: a restored demo must not reach Google, nor a store its emulator (D25).
    fn port(&self, endpoint: &str, credentials_json: &str) -> Result<Arc<dyn FeedPort>, String> {
        if endpoint != self.endpoints.api_url() {
            return Err(format!("the feed was connected at {endpoint}, which this instance does not talk to"));
        }
        let client =
            GoogleClient::new(self.egress.clone(), self.endpoints.clone(), credentials_json, Arc::clone(&self.clock));
        client.map(|client| -> Arc<dyn FeedPort> { Arc::new(client) }).map_err(|error| error.to_string())
    }
}
