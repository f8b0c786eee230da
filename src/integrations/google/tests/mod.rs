//! The client against the sandbox over real HTTP, and both against recorded shapes.

mod client;
mod contract;
mod tokens;

use super::sandbox::{Faults, GoogleSandbox, SandboxConfig};
use super::*;
use crate::base::clock::ManualClock;
use crate::base::id::Entropy;
use crate::base::money::{Currency, Money};
use crate::base::quantity::Quantity;
use crate::domain::feeds::model::{Availability, Condition, FeedItem, Sale};
use crate::domain::feeds::port::Pickup;
use crate::infra::egress::Answer;
use serde_json::Value;

const START: &str = "2026-11-21T09:00:00Z";

struct Fixed;
impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// A sandbox, a client of it, and the clock that both follow.
struct Rig {
    clock: Arc<ManualClock>,
    sandbox: GoogleSandbox,
    egress: Egress,
    client: GoogleClient,
    account: FeedAccount,
    context: PushContext,
}

async fn rig() -> Rig {
    let clock = Arc::new(ManualClock::at(Timestamp::parse(START).unwrap()));
    let sandbox =
        GoogleSandbox::start(SandboxConfig::new(Arc::<ManualClock>::clone(&clock), Arc::new(Fixed))).await.unwrap();
    let egress = Egress::new(Arc::<ManualClock>::clone(&clock)).unwrap();
    let client = client(&sandbox, &egress, &clock);
    let account = FeedAccount {
        account_id: sandbox.account_id().to_owned(),
        data_source: sandbox.data_source().to_owned(),
        content_language: "en".to_owned(),
        feed_label: "US".to_owned(),
    };
    let context = PushContext { request_id: "job_1".to_owned(), traceparent: None };
    Rig { clock, sandbox, egress, client, account, context }
}

fn client(sandbox: &GoogleSandbox, egress: &Egress, clock: &Arc<ManualClock>) -> GoogleClient {
    let endpoints = GoogleEndpoints::sandbox(&sandbox.url).unwrap();
    GoogleClient::new(egress.clone(), endpoints, &sandbox.key_json(), Arc::<ManualClock>::clone(clock)).unwrap()
}

impl Rig {
    async fn product(&self, version: i64) -> Result<PushedProduct, PushError> {
        self.client.push_product(&self.account, &tea(), version, &self.context).await
    }

    async fn stock(&self, quantity: i64) -> Result<(), PushError> {
        let push = StockPush { quantity: Quantity::new(quantity).unwrap(), ..shelf() };
        self.client.push_stock(&self.account, &push, &self.context).await
    }

    async fn faults(&self, faults: Faults) {
        self.sandbox.set_faults(faults).await;
    }

    /// A call with a token, past the client.
    async fn raw(&self, method: Method, path: &str, body: &str) -> Answer {
        let trace = Trace::default();
        let token = self.client.tokens.token(&trace).await.unwrap();
        self.plain(method, path, body, Some(&token)).await
    }

    async fn plain(&self, method: Method, path: &str, body: &str, token: Option<&str>) -> Answer {
        let mut call = Call::new("raw", "raw", &Endpoint::sandbox(&self.sandbox.url).unwrap(), method, path);
        if !body.is_empty() {
            call = call.body("application/json", body.to_owned());
        }
        if let Some(token) = token {
            call = call.bearer(token).unwrap();
        }
        self.egress.send(call).await.unwrap()
    }

    fn exchanges(&self) -> u64 {
        self.sandbox.snapshot()["counters"]["tokens"].as_u64().unwrap()
    }
}

fn eur(amount: &str) -> Money {
    Money::parse(amount, Currency::parse("EUR").unwrap()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the fields that it fills are optional")]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn tea() -> ProductInput {
    let at = |day: &str| Timestamp::parse(&format!("{day}T00:00:00Z")).unwrap();
    let item = FeedItem {
        offer_id: "TEA/100".to_owned(),
        title: "Sencha 100 g".to_owned(),
        description: "Green tea from Kagoshima, loose leaves.".to_owned(),
        link: "https://tea.example.com/p/sencha".to_owned(),
        image_link: text("https://tea.example.com/i/sencha.jpg"),
        more_images: vec!["https://tea.example.com/i/sencha-2.jpg".to_owned()],
        price: eur("12.90"),
        sale: Some(Sale { price: eur("9.99"), window: Some((at("2026-11-20"), at("2026-11-30"))) }),
        gtins: vec!["4012345678901".to_owned()],
        mpn: text("SEN-100"),
        brand: text("Tea House"),
        category: text("2073"),
        product_types: vec!["Tea > Green".to_owned()],
        group: text("sencha"),
        color: text("green"),
        size: text("100 g"),
        condition: Condition::New,
        weight_grams: Some(130),
    };
    ProductInput { item, availability: Availability::Limited }
}

fn shelf() -> StockPush {
    StockPush {
        offer_id: "TEA/100".to_owned(),
        store_code: "MAIN-1".to_owned(),
        quantity: Quantity::new(7).unwrap(),
        availability: Availability::InStock,
        price: Some(eur("12.90")),
        pickup: Some(Pickup::BuySameDay),
        shelf: text("Shelf 4"),
        first_pushed_at: Timestamp::parse(START).ok(),
    }
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/google/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}
