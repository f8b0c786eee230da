//! The demo: a store on temporary data, with the vendors' emulators in the same process over real HTTP.

use super::seed::{self, DemoFeed, Seeded};
use super::{App, Setup, demo_http, own_request};
use crate::base::clock::Clock;
use crate::base::error::{Fault, Kind};
use crate::base::id::{ChannelId, Entropy};
use crate::domain::auth::service as auth;
use crate::domain::catalog::demo::parse_demo;
use crate::domain::catalog::model::full_title;
use crate::domain::channels::{queries, service as channels};
use crate::infra::queue::Backend;
use crate::integrations::google::GoogleEndpoints;
use crate::integrations::google::sandbox::{GoogleSandbox, SandboxConfig as GoogleConfig};
use crate::integrations::shopify::sandbox::{Article, SandboxConfig as ShopifyConfig, ShopifySandbox};
use crate::kernel::permit::Rights;
use crate::kernel::scope::Scope;
use crate::kernel::web::limits::Limits;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;

/// The demo's store.
const TENANT: &str = "demo";
const SHOP: &str = "haus-kaffee.myshopify.com";

/// How a demo is started.
pub struct DemoSetup {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Decides the figures of the opening stock.
    pub seed: u64,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Requests per minute.
    pub limits: Limits,
    /// What keeps the queue's index.
    pub backend: Backend,
    /// An emulator of Google that runs elsewhere on this machine. One is started when there is none.
    pub google_sandbox: Option<String>,
}

/// The emulators of a demo. They stop when this is dropped.
pub struct Sandboxes {
    /// Google, unless it runs elsewhere.
    pub google: Option<GoogleSandbox>,
    /// Its address.
    pub google_url: String,
    /// Shopify.
    pub shopify: ShopifySandbox,
}

/// What a demo tells whoever started it: the line of `--json`.
#[derive(serde::Serialize, Clone, Debug)]
pub struct Announcement {
    /// The store's address.
    pub url: String,
    /// The admin pages.
    pub admin_url: String,
    /// Signs the owner in, once.
    pub sign_in_url: String,
    /// The store's handle.
    pub tenant: String,
    /// A token with all rights.
    pub api_token: String,
    /// Who signs in by password.
    pub owner: AnnouncedOwner,
    /// The channels.
    pub channels: AnnouncedChannels,
    /// The emulators' addresses.
    pub sandboxes: AnnouncedSandboxes,
    /// The data folder.
    pub data: PathBuf,
}

/// The owner of a demo's store.
#[derive(serde::Serialize, Clone, Debug)]
pub struct AnnouncedOwner {
    /// E-mail address.
    pub email: &'static str,
    /// Password; none when the data folder is older than this start.
    pub password: Option<String>,
}

/// The channels of a demo.
#[derive(serde::Serialize, Clone, Debug)]
pub struct AnnouncedChannels {
    /// Shopify.
    pub shopify: AnnouncedChannel,
}

/// One channel of a demo.
#[derive(serde::Serialize, Clone, Debug)]
pub struct AnnouncedChannel {
    /// Id.
    pub id: String,
    /// Where deliveries go.
    pub webhook_url: String,
    /// What they are signed with.
    pub secret: String,
}

/// The emulators of a demo.
#[derive(serde::Serialize, Clone, Debug)]
pub struct AnnouncedSandboxes {
    /// Google.
    pub google: String,
    /// Its control address, unless it runs elsewhere.
    pub google_control: Option<String>,
    /// Shopify.
    pub shopify: String,
}

/// A demo that is ready to serve.
pub struct Demo {
    /// The instance.
    pub app: App,
    /// Its listener.
    pub listener: TcpListener,
    /// The emulators.
    pub sandboxes: Arc<OnceLock<Sandboxes>>,
    /// What to tell.
    pub announcement: Announcement,
}

fn cannot(what: &str) -> impl FnOnce(String) -> Fault + '_ {
    move |detail| Fault::new(Kind::Broken, "demo_cannot_start", format!("{what}: {detail}"))
}

/// Opens the data folder, fills it if it is empty, and starts the emulators.
pub async fn open(setup: DemoSetup) -> Result<Demo, Fault> {
    // Looked at before anything is bound or written: who may not have the folder must not leave a trace in it.
    drop(super::folder::lock(&setup.data, true)?);
    let listener = TcpListener::bind(setup.listen)
        .await
        .map_err(|error| cannot("the address is not free")(format!("{}: {error}", setup.listen)))?;
    let address = listener.local_addr().map_err(|error| cannot("no address")(error.to_string()))?;
    let google_config = GoogleConfig::new(Arc::clone(&setup.clock), Arc::clone(&setup.entropy));
    let (google, google_url) = if let Some(url) = &setup.google_sandbox {
        (None, url.clone())
    } else {
        let google = start_google(&setup, google_config.clone()).await?;
        let url = google.url.clone();
        (Some(google), url)
    };
    let endpoints = GoogleEndpoints::sandbox(&google_url).map_err(|error| cannot("Google")(error.to_string()))?;
    let sandboxes: Arc<OnceLock<Sandboxes>> = Arc::new(OnceLock::new());
    let for_routes = Arc::clone(&sandboxes);
    let app = App::open(
        Setup {
            data: setup.data.clone(),
            clock: Arc::clone(&setup.clock),
            entropy: Arc::clone(&setup.entropy),
            limits: setup.limits,
            backend: setup.backend,
            open_files: 256,
            may_create_key: true,
            google: endpoints.clone(),
            is_demo: true,
        },
        move |_shared| demo_http::routes(&for_routes),
    )
    .await?;
    let secret = data_encoding::HEXLOWER.encode(&app.shared().ids.random::<16>());
    let feed = DemoFeed {
        endpoint: endpoints.api_url(),
        account_id: google_config.account_id,
        data_source: google_config.data_source,
        credentials: GoogleSandbox::key_json_for(&google_url),
    };
    let (seeded, secret) = prepare(&app, setup.seed, secret, feed).await?;
    let base = format!("http://{address}");
    let webhook_url = format!("{base}/hooks/shopify/{}", seeded.channel);
    let shopify = start_shopify(&setup, &secret, &webhook_url).await?;
    let announcement = Announcement {
        admin_url: format!("{base}/admin/"),
        sign_in_url: format!("{base}/admin/sign-in?code={}", seeded.link),
        url: base,
        tenant: TENANT.to_owned(),
        api_token: seeded.token,
        owner: AnnouncedOwner { email: seed::OWNER_EMAIL, password: seeded.password },
        channels: AnnouncedChannels {
            shopify: AnnouncedChannel { id: seeded.channel.to_string(), webhook_url, secret },
        },
        sandboxes: AnnouncedSandboxes {
            google: google_url.clone(),
            google_control: google.as_ref().map(|google| google.control_url.clone()),
            shopify: shopify.url(),
        },
        data: setup.data,
    };
    drop(sandboxes.set(Sandboxes { google, google_url, shopify }));
    Ok(Demo { app, listener, sandboxes, announcement })
}

/// The emulator on the port that this data folder was connected to, so that a demo that is started again finds its Google.
async fn start_google(setup: &DemoSetup, config: GoogleConfig) -> Result<GoogleSandbox, Fault> {
    let noted = setup.data.join("google-emulator");
    let port = std::fs::read_to_string(&noted).ok().and_then(|text| text.trim().parse::<u16>().ok()).unwrap_or(0);
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    let google = GoogleSandbox::start(GoogleConfig { listen, ..config })
        .await
        .map_err(|error| cannot("the Google emulator")(error.to_string()))?;
    let port = google.url.rsplit(':').next().unwrap_or_default();
    std::fs::create_dir_all(&setup.data)
        .and_then(|()| std::fs::write(&noted, port))
        .map_err(|error| cannot("the data folder")(error.to_string()))?;
    Ok(google)
}

async fn start_shopify(setup: &DemoSetup, secret: &str, target: &str) -> Result<ShopifySandbox, Fault> {
    let catalog = parse_demo(seed::CATALOG).map_err(|error| cannot("the catalog")(error.to_string()))?;
    let articles = catalog.into_iter().flat_map(|product| {
        let title = product.attributes.title.clone();
        product.variants.into_iter().map(move |variant| Article {
            sku: variant.sku,
            title: variant.title.map_or_else(|| title.clone(), |own| full_title(&title, &own)),
            price: variant.price.minor,
        })
    });
    let config = ShopifyConfig {
        shop_domain: SHOP.to_owned(),
        client_secret: secret.to_owned(),
        catalog: articles.collect(),
        target: Some(target.to_owned()),
    };
    ShopifySandbox::start(config, Arc::clone(&setup.clock), &*setup.entropy)
        .await
        .map_err(|error| cannot("the Shopify emulator")(error.to_string()))
}

/// The demo's store: made and filled at the first start, given a new token and sign-in link at each later one.
async fn prepare(app: &App, seed: u64, secret: String, feed: DemoFeed) -> Result<(Seeded, String), Fault> {
    let shared = app.shared();
    let known = shared.tenants.all().into_iter().find(|tenant| tenant.handle == TENANT);
    let is_new = known.is_none();
    let tenant = match known {
        Some(tenant) => tenant,
        None => shared.tenants.create(&shared.ids, shared.clock.now(), TENANT, "Haus Kaffee & Küche").await?,
    };
    let scope = Scope::system(shared, &tenant, own_request(shared)).await?;
    if is_new {
        let seeded = seed::fill(&scope, seed, &secret, feed).await?;
        return Ok((seeded, secret));
    }
    let channels = queries::channels(&scope).await?;
    let none = || cannot("the data folder")("its first start was cut off; remove it and start again".to_owned());
    let (channel, _) = channels.into_iter().next().ok_or_else(none)?;
    let secrets = channels::live_secrets(&channel, &tenant.key, shared.clock.now())?;
    let secret = secrets.into_iter().next().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let channel: ChannelId = channel.id;
    let owner = auth::user_by_email(&scope, seed::OWNER_EMAIL).await?;
    let (_, token) = auth::create_token(&scope, "demo", Rights::all(), None).await?;
    let link = auth::create_link(&scope, owner).await?;
    Ok((Seeded { channel, token, link, password: None }, secret))
}
