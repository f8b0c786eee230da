//! The verbs of the command line, carried out.

use super::demo::{self, Announcement, DemoSetup};
use super::{App, Setup, own_request};
use crate::base::clock::{Clock, SystemClock, Timestamp};
use crate::base::error::{Fault, Kind};
use crate::base::id::Entropy;
use crate::domain::auth::service::{self as auth, NewUser};
use crate::domain::inventory::reconcile::service as stock;
use crate::infra::config::{self, Config, LimitSettings};
use crate::infra::db::{CONTROL, DbError, Role, TENANT, migrate_up, open_connection};
use crate::infra::queue::Backend;
use crate::infra::telemetry;
use crate::infra::vault::SystemEntropy;
use crate::integrations::google::GoogleEndpoints;
use crate::kernel::journal;
use crate::kernel::permit::Rights;
use crate::kernel::scope::Scope;
use crate::kernel::web::limits::Limits;
use crate::surface::cli::{Audit, Cli, Demo, Init, Inventory, Serve, Verb};
use rusqlite::Connection;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit codes (API conventions): fine, failed.
const FAILED: u8 = 1;
/// What `control.db` is called among the files of a folder.
const CONTROL_NAME: &str = "control";

/// Runs a command line.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Verb::Demo(arguments) => on_runtime(run_demo(arguments)),
        Verb::Init(arguments) => on_runtime(run_init(arguments)),
        Verb::Serve(arguments) => on_runtime(run_serve(arguments)),
        Verb::Audit(Audit::Verify { data, json }) => verify(&data, json),
        Verb::Inventory(Inventory::Reconcile { data, json }) => reconcile(&data, json),
        Verb::Openapi => on_runtime(print_openapi()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(fault) => {
            complain(&fault.detail);
            ExitCode::from(FAILED)
        }
    }
}

fn on_runtime(work: impl Future<Output = Result<bool, Fault>>) -> Result<bool, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("web")
        .build()
        .map_err(|error| Fault::broken(error.to_string()))?;
    runtime.block_on(work)
}

fn complain(text: &str) {
    // Nobody can be told when standard error is closed.
    drop(writeln!(std::io::stderr(), "bodega: {text}"));
}

fn say(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Fault::broken(error.to_string()))
}

/// Cancelled on SIGTERM and SIGINT.
#[expect(clippy::disallowed_methods, reason = "it waits for the end of the process and holds nothing")]
fn stop_on_signals(stop: CancellationToken) -> Result<(), Fault> {
    let listen = |kind| signal(kind).map_err(|error| Fault::broken(error.to_string()));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

fn parts() -> (Arc<dyn Clock>, Arc<dyn Entropy>) {
    (Arc::new(SystemClock::starting_at(Timestamp(0))), Arc::new(SystemEntropy))
}

/// An instance over `data` that does one thing and ends: it serves nothing, and its queue is kept in memory.
fn idle(data: PathBuf, (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>)) -> Result<Setup, Fault> {
    let google = GoogleEndpoints::live().map_err(|error| Fault::broken(error.to_string()))?;
    Ok(Setup {
        data,
        clock,
        entropy,
        limits: Limits::default(),
        backend: Backend::Memory,
        open_files: 4,
        may_create_key: true,
        google,
        is_demo: false,
    })
}

const fn limits(settings: LimitSettings) -> Limits {
    let LimitSettings { public, sign_in, api, channel, bad_signature } = settings;
    Limits { public, sign_in, api, channel, bad_signature }
}

/// A temporary folder that goes when this is dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// A name that nobody can guess, in the system's folder for such things. Nothing is made yet.
    fn named(purpose: &str, entropy: &dyn Entropy) -> Self {
        let mut name = [0; 8];
        entropy.fill(&mut name);
        let name = format!("bodega-{purpose}-{}", data_encoding::HEXLOWER.encode(&name));
        Self(config::temporary_folder().join(name))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            complain(&format!("the temporary folder {} could not be removed: {error}", self.0.display()));
        }
    }
}

async fn run_demo(arguments: Demo) -> Result<bool, Fault> {
    if !arguments.listen.ip().is_loopback() && !arguments.expose {
        let detail = format!("{} can be reached by others: add --expose if that is meant", arguments.listen);
        return Err(Fault::new(Kind::Refused, "not_loopback", detail));
    }
    let config = Config::load(None).map_err(|error| Fault::new(Kind::Refused, "settings", error.to_string()))?;
    let _logs = telemetry::start_logs(&config.log);
    drop(telemetry::registry());
    let (clock, entropy) = parts();
    let temporary;
    let data = if let Some(folder) = arguments.data {
        folder
    } else {
        temporary = TemporaryFolder::named("demo", &*entropy);
        temporary.0.clone()
    };
    let demo = demo::open(DemoSetup {
        data,
        listen: arguments.listen,
        seed: arguments.seed,
        clock,
        entropy,
        limits: limits(config.limits),
        backend: backend(&config.queue.backend)?,
        google_sandbox: arguments.google_sandbox,
    })
    .await?;
    stop_on_signals(demo.app.stop_token().clone())?;
    demo.app.start_work();
    if arguments.json {
        let line = serde_json::to_string(&demo.announcement).map_err(|error| Fault::broken(error.to_string()))?;
        say(&line)?;
    } else {
        say(&in_words(&demo.announcement))?;
    }
    Ok(demo.app.serve(demo.listener).await)
}

fn in_words(demo: &Announcement) -> String {
    let Announcement { url, sign_in_url, api_token, owner, channels, sandboxes, data, .. } = demo;
    let password = owner.password.as_deref().unwrap_or("(given at the first start)");
    format!(
        "\nbodega demo: {url}\n\n  Sign in      {sign_in_url}\n               (works once, for 15 minutes; after that \
         {}, password {password})\n  API token    {api_token}\n  Webhooks     {}\n               secret {}\n  \
         Emulators    Google {}, Shopify {}\n  Data         {}\n\nStop it with Ctrl-C.\n",
        owner.email,
        channels.shopify.webhook_url,
        channels.shopify.secret,
        sandboxes.google,
        sandboxes.shopify,
        data.display()
    )
}

fn backend(name: &str) -> Result<Backend, Fault> {
    Backend::named(name).ok_or_else(|| {
        let detail = format!("queue.backend is `{name}`: it must be sled, sqlite or memory");
        Fault::new(Kind::Refused, "settings", detail)
    })
}

/// Makes the box key, a store and its owner in an empty data folder, and says how to sign in.
async fn run_init(arguments: Init) -> Result<bool, Fault> {
    if arguments.data.join("control.db").exists() {
        let detail = format!("there is a store in {} already", arguments.data.display());
        return Err(Fault::new(Kind::Conflict, "store_exists", detail));
    }
    let app = App::open(idle(arguments.data.clone(), parts())?, |_shared| Vec::new()).await?;
    let shared = app.shared();
    let tenant = shared.tenants.create(&shared.ids, shared.clock.now(), &arguments.handle, &arguments.name).await?;
    let scope = Scope::system(shared, &tenant, own_request(shared)).await?;
    let owner = NewUser { email: arguments.email, name: arguments.owner, password: None, rights: Rights::all() };
    let owner = auth::create_user(&scope, owner).await?;
    let link = auth::create_link(&scope, owner).await?;
    let (_, token) = auth::create_token(&scope, "first", Rights::all(), None).await?;
    drop(scope);
    if arguments.json {
        let path = format!("/admin/sign-in?code={link}");
        let line = serde_json::json!({ "tenant": tenant.handle, "sign_in_path": path, "api_token": token });
        say(&line.to_string())?;
    } else {
        say(&format!(
            "The store `{}` stands in {}.\n\nNext: BODEGA_DATA={} bodega serve\nThen, within 15 minutes, sign in once at \
             http://127.0.0.1:8080/admin/sign-in?code={link}\nAPI token with all rights: {token}",
            tenant.handle,
            arguments.data.display(),
            arguments.data.display()
        ))?;
    }
    Ok(app.close().await)
}

async fn run_serve(arguments: Serve) -> Result<bool, Fault> {
    let config = Config::load(arguments.config.as_deref())
        .map_err(|error| Fault::new(Kind::Refused, "settings", error.to_string()))?;
    let _logs = telemetry::start_logs(&config.log);
    drop(telemetry::registry());
    if !config.data.join("box.key").exists() {
        let detail = format!(
            "there is no box.key in {}: it seals the store's secrets. Put the key of this data folder there, or make a store with `bodega init`",
            config.data.display()
        );
        return Err(Fault::new(Kind::Refused, "secret_missing", detail));
    }
    let (clock, entropy) = parts();
    let google = GoogleEndpoints::live().map_err(|error| Fault::broken(error.to_string()))?;
    let setup = Setup {
        data: config.data.clone(),
        clock,
        entropy,
        limits: limits(config.limits),
        backend: backend(&config.queue.backend)?,
        open_files: config.open_files,
        may_create_key: false,
        google,
        is_demo: false,
    };
    let app = App::open(setup, |_shared| Vec::new()).await?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Fault::new(Kind::Refused, "address", format!("cannot listen on {}: {error}", config.listen))
    })?;
    stop_on_signals(app.stop_token().clone())?;
    app.start_work();
    tracing::info!(listen = %config.listen, "serving");
    Ok(app.serve(listener).await)
}

/// Opens each file of a stopped folder in turn, at the schema of this release.
fn each_file(data: &Path, mut act: impl FnMut(&str, &Connection) -> Result<(), Fault>) -> Result<(), Fault> {
    if !data.join("control.db").exists() {
        let detail = format!("there is no store in {}: control.db is missing", data.display());
        return Err(Fault::new(Kind::Missing, "no_store", detail));
    }
    let _lock = super::folder::lock(data, data.join("demo").exists())?;
    for (name, path, schema) in files_of(data)? {
        let mut connection = open_connection(&path, Role::Writer)?;
        migrate_up(&mut connection, &path, schema)?;
        act(&name, &connection)?;
    }
    Ok(())
}

/// Walks the chains of a stopped data folder. False when one is broken.
fn verify(data: &Path, json: bool) -> Result<bool, Fault> {
    let mut all_good = true;
    each_file(data, |name, connection| {
        let report = crate::infra::db::read_on(connection, journal::verify)?;
        all_good &= report.broken.is_none();
        let broken = report.broken.as_ref().map(ToString::to_string);
        if json {
            let line =
                serde_json::json!({ "file": name, "rows": report.rows, "erased": report.erased, "broken": broken });
            say(&line.to_string())?;
        } else {
            let verdict = broken.map_or_else(|| "whole".to_owned(), |text| format!("BROKEN: {text}"));
            say(&format!("{name}: {} rows, {verdict}", report.rows))?;
        }
        Ok(())
    })?;
    Ok(all_good)
}

/// Compares the stock of each store of a stopped data folder with what made it. False when something differs.
fn reconcile(data: &Path, json: bool) -> Result<bool, Fault> {
    let mut all_good = true;
    each_file(data, |name, connection| {
        if name == CONTROL_NAME {
            return Ok(());
        }
        let (levels, differences) = crate::infra::db::read_on(connection, stock::look)?;
        all_good &= differences.is_empty();
        if json {
            let line = serde_json::json!({ "file": name, "levels": levels, "differences": differences });
            return say(&line.to_string());
        }
        let verdict = if differences.is_empty() { "equal".to_owned() } else { format!("{} DIFFER", differences.len()) };
        say(&format!("{name}: {levels} levels, {verdict}"))?;
        for row in differences {
            say(&format!("  {} at {}: {}", row.sku, row.warehouse_code, row.explanation))?;
        }
        Ok(())
    })?;
    Ok(all_good)
}

type StoreFile = (String, PathBuf, &'static [crate::infra::db::Migration]);

fn files_of(data: &Path) -> Result<Vec<StoreFile>, Fault> {
    let mut files = vec![(CONTROL_NAME.to_owned(), data.join("control.db"), CONTROL)];
    let listed = |path: &Path| -> Result<Vec<PathBuf>, Fault> {
        match std::fs::read_dir(path) {
            Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(DbError::from(error).into()),
        }
    };
    for shard in listed(&data.join("tenants"))? {
        for folder in listed(&shard)? {
            let path = folder.join("data.db");
            if path.exists() {
                let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                files.push((name, path, TENANT));
            }
        }
    }
    Ok(files)
}

/// The document comes from the same table that is served, over a data folder that goes away again.
async fn print_openapi() -> Result<bool, Fault> {
    let (clock, entropy) = parts();
    let folder = TemporaryFolder::named("openapi", &*entropy);
    let app = App::open(idle(folder.0.clone(), (clock, entropy))?, |_shared| Vec::new()).await?;
    let document = app.openapi();
    say(&serde_json::to_string_pretty(&document).map_err(|error| Fault::broken(error.to_string()))?)?;
    Ok(app.close().await)
}
