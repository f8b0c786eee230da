//! Google Merchant API v1: products and local stock, for "See what's in store". Implements the feeds' port over the one way out.
//!
//! Content API for Shopping is not spoken: it is switched off. There is no live sandbox of Google's; [`sandbox`] stands in for it.

mod clients;
pub mod errors;
pub mod sandbox;
#[cfg(test)]
mod tests;
pub mod token;
pub mod wire;

pub use clients::GoogleClients;

use crate::base::clock::{Clock, Timestamp};
use crate::domain::feeds::port::{
    FeedAccount, FeedPort, ProductInput, PushContext, PushError, PushFuture, PushedProduct, Quota, StockPush,
};
use crate::infra::egress::{Answer, Call, Egress, Endpoint, EndpointError, Trace};
use errors::{Operation, push_error, transport_error};
use hyper::Method;
use std::sync::Arc;
use std::time::Duration;
use token::{KeyFileError, ServiceAccount, TokenSource};

/// The key file that the sandbox accepts. It opens nothing else, and the live client refuses it.
pub const SANDBOX_KEY: &str = include_str!("../../../assets/demo/google_service_account.json");
/// How long after its first push a product may still be unknown to the inventory service.
const VISIBLE_WITHIN: Duration = Duration::from_hours(1);
const API: &str = "https://merchantapi.googleapis.com";
const OAUTH: &str = "https://oauth2.googleapis.com";
/// Pages of quotas that are read at most.
const QUOTA_PAGES: usize = 10;

/// Where Google is.
#[derive(Clone, Debug)]
pub struct GoogleEndpoints {
    api: Endpoint,
    oauth: Endpoint,
}

impl GoogleEndpoints {
    /// Google itself.
    pub fn live() -> Result<Self, EndpointError> {
        Ok(Self { api: Endpoint::vendor(API)?, oauth: Endpoint::vendor(OAUTH)? })
    }

    /// A sandbox on this machine: for the wiring of demo and training and for tests only (decision D25).
    pub fn sandbox(url: &str) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::sandbox(url)?;
        Ok(Self { api: endpoint.clone(), oauth: endpoint })
    }

    /// The address of the API, under which a store's connection is kept.
    pub fn api_url(&self) -> String {
        self.api.url()
    }
}

/// Why a client cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GoogleSetupError {
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Live credentials in a demo (decision D25).
    #[error("A sandbox takes the sandbox's own key only; live credentials are refused here")]
    LiveKeyInSandbox,
    /// The published key against the live service.
    #[error("The sandbox's key is published with the source and cannot be used with Google")]
    SandboxKeyLive,
}

/// A client for one service account. Shared by all jobs; cheap calls share connections and the token.
pub struct GoogleClient {
    egress: Egress,
    api: Endpoint,
    tokens: TokenSource,
    clock: Arc<dyn Clock>,
}

/// One request, but for who sends it.
struct Ask {
    class: &'static str,
    method: Method,
    path: String,
    body: String,
}

impl Ask {
    const fn post(class: &'static str, path: String, body: String) -> Self {
        Self { class, method: Method::POST, path, body }
    }
}

impl GoogleClient {
    /// A client that signs with the key file `key_json`. Sandbox keys and live hosts do not mix.
    pub fn new(
        egress: Egress,
        endpoints: GoogleEndpoints,
        key_json: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GoogleSetupError> {
        let account = ServiceAccount::parse(key_json)?;
        let is_demo_key = account.public_key() == ServiceAccount::parse(SANDBOX_KEY)?.public_key();
        match (endpoints.api.is_sandbox(), is_demo_key) {
            (true, false) => return Err(GoogleSetupError::LiveKeyInSandbox),
            (false, true) => return Err(GoogleSetupError::SandboxKeyLive),
            _ => {}
        }
        let tokens = TokenSource::new(egress.clone(), endpoints.oauth, "/token", account, Arc::clone(&clock));
        Ok(Self { egress, api: endpoints.api, tokens, clock })
    }

    /// One-time set-up: makes the key's project known to the Merchant account. Calls work some five minutes later.
    pub async fn register(
        &self,
        account: &FeedAccount,
        developer_email: &str,
        context: &PushContext,
    ) -> Result<(), PushError> {
        let path = format!("/accounts/v1/accounts/{}/developerRegistration:registerGcp", account.account_id);
        let body = serde_json::json!({"developerEmail": developer_email}).to_string();
        self.call(account, Ask::post("setup", path, body), Operation::Read, context).await.map(|_| ())
    }

    async fn product(
        &self,
        account: &FeedAccount,
        product: &ProductInput,
        version: i64,
        context: &PushContext,
    ) -> Result<PushedProduct, PushError> {
        let body = wire::product_input(account, product, version).map_err(PushError::Invalid)?;
        let path = format!(
            "/products/v1/accounts/{a}/productInputs:insert?dataSource=accounts/{a}/dataSources/{}",
            account.data_source,
            a = account.account_id
        );
        let answer = self.call(account, Ask::post("product", path, json(&body)?), Operation::Product, context).await?;
        let taken: wire::ProductInputAnswer = read(&answer)?;
        let derived = || {
            format!(
                "accounts/{}/products/{}",
                account.account_id,
                wire::encoded_product_id(account, &product.item.offer_id)
            )
        };
        let remote_name = Some(taken.base64_encoded_product).filter(|name| !name.is_empty()).unwrap_or_else(derived);
        Ok(PushedProduct { remote_name, version: taken.version_number.parse().unwrap_or(version) })
    }

    async fn stock(&self, account: &FeedAccount, stock: &StockPush, context: &PushContext) -> Result<(), PushError> {
        let body = wire::local_inventory(stock).map_err(PushError::Invalid)?;
        let path = format!(
            "/inventories/v1/accounts/{}/products/{}/localInventories:insert",
            account.account_id,
            wire::encoded_product_id(account, &stock.offer_id)
        );
        let sent = self.send(account, Ask::post("stock", path, json(&body)?), context).await?;
        match sent.status {
            200..=299 => Ok(()),
            404 => Err(self.not_found(stock, &sent)),
            _ => Err(push_error(&sent, Operation::Stock, self.clock.now())),
        }
    }

    /// The processed product follows its input by minutes, and a stock push in between is answered with 404.
    fn not_found(&self, stock: &StockPush, answer: &Answer) -> PushError {
        let now: Timestamp = self.clock.now();
        match stock.first_pushed_at.map(|first| first.plus(VISIBLE_WITHIN)) {
            Some(give_up_at) if now < give_up_at => {
                PushError::NotYetVisible { offer_id: stock.offer_id.clone(), give_up_at }
            }
            _ => push_error(answer, Operation::Stock, now),
        }
    }

    async fn quota_pages(&self, account: &FeedAccount, context: &PushContext) -> Result<Vec<Quota>, PushError> {
        let mut quotas = Vec::new();
        let mut token = String::new();
        for _ in 0..QUOTA_PAGES {
            let mut path = format!("/quota/v1/accounts/{}/quotas?pageSize=1000", account.account_id);
            if !token.is_empty() {
                path.push_str("&pageToken=");
                path.push_str(&query_escape(&token));
            }
            let answer = self
                .call(
                    account,
                    Ask { class: "read", method: Method::GET, path, body: String::new() },
                    Operation::Read,
                    context,
                )
                .await?;
            let page: wire::QuotasAnswer = read(&answer)?;
            quotas.extend(page.quota_groups.into_iter().map(|group| Quota {
                used: wire::int64(&group.quota_usage),
                per_day: wire::int64(&group.quota_limit),
                per_minute: wire::int64(&group.quota_minute_limit),
                methods: group.method_details.into_iter().map(|method| method.method).collect(),
                group: group.name,
            }));
            match page.next_page_token.filter(|next| !next.is_empty()) {
                Some(next) => token = next,
                None => break,
            }
        }
        Ok(quotas)
    }

    async fn call(
        &self,
        account: &FeedAccount,
        ask: Ask,
        operation: Operation,
        context: &PushContext,
    ) -> Result<Answer, PushError> {
        let answer = self.send(account, ask, context).await?;
        if answer.is_success() { Ok(answer) } else { Err(push_error(&answer, operation, self.clock.now())) }
    }

    /// Sends with a token, and once more with a fresh one when it is refused: a token can end before its time.
    async fn send(&self, account: &FeedAccount, ask: Ask, context: &PushContext) -> Result<Answer, PushError> {
        for (number, what) in
            [(&account.account_id, "a Merchant account number"), (&account.data_source, "the number of a data source")]
        {
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(PushError::Configuration(format!("`{number}` is not {what}")));
            }
        }
        let trace = Trace { request_id: context.request_id.clone(), traceparent: context.traceparent.clone() };
        let mut call = Call::new("google", ask.class, &self.api, ask.method, ask.path)
            .account(&*account.account_id)
            .trace(trace.clone());
        if !ask.body.is_empty() {
            call = call.body("application/json", ask.body);
        }
        let token = self.tokens.token(&trace).await?;
        let answer = self
            .egress
            .send(call.clone().bearer(&token).map_err(|error| transport_error(&error))?)
            .await
            .map_err(|error| transport_error(&error))?;
        if answer.status != 401 || errors::is_unregistered(&answer) {
            return Ok(answer);
        }
        self.tokens.forget(&token).await;
        let token = self.tokens.token(&trace).await?;
        self.egress
            .send(call.bearer(&token).map_err(|error| transport_error(&error))?)
            .await
            .map_err(|error| transport_error(&error))
    }
}

impl FeedPort for GoogleClient {
    fn push_product<'a>(
        &'a self,
        account: &'a FeedAccount,
        product: &'a ProductInput,
        version: i64,
        context: &'a PushContext,
    ) -> PushFuture<'a, PushedProduct> {
        Box::pin(self.product(account, product, version, context))
    }

    fn push_stock<'a>(
        &'a self,
        account: &'a FeedAccount,
        stock: &'a StockPush,
        context: &'a PushContext,
    ) -> PushFuture<'a, ()> {
        Box::pin(self.stock(account, stock, context))
    }

    fn quotas<'a>(&'a self, account: &'a FeedAccount, context: &'a PushContext) -> PushFuture<'a, Vec<Quota>> {
        Box::pin(self.quota_pages(account, context))
    }
}

fn json(body: &impl serde::Serialize) -> Result<String, PushError> {
    serde_json::to_string(body).map_err(|error| PushError::Invalid(error.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, PushError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| PushError::Server(format!("Google's answer cannot be read ({error})")))
}

fn query_escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 0x0f] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|hex| hex.to_ascii_uppercase()));
            }
        }
        out
    })
}
