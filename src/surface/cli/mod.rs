//! The command line: what can be said on it. What it does lives in `app`.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// bodega: a store's whole back office in one binary.
#[derive(Parser, Debug)]
#[command(name = "bodega", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Verb,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// A working store in seconds: temporary data, a catalog, the vendors' emulators, the admin pages.
    Demo(Demo),
    /// First run: makes the key, a store and its owner in an empty data folder.
    Init(Init),
    /// The server.
    Serve(Serve),
    /// The journal of a stopped store.
    #[command(subcommand)]
    Audit(Audit),
    /// The stock of a stopped store.
    #[command(subcommand)]
    Inventory(Inventory),
    /// Prints the OpenAPI document.
    Openapi,
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Where to listen. Beyond this machine only with --expose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep the data here instead of in a temporary folder.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Print one line of JSON on standard output instead of words.
    #[arg(long)]
    pub json: bool,
    /// Begin of the catalog's stock and history; the same number gives the same numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Allow addresses that others on the network can reach.
    #[arg(long)]
    pub expose: bool,
    /// For tests: push to this emulator of Google on this machine, which outlives the demo, instead of starting one.
    #[arg(long, hide = true, value_name = "URL")]
    pub google_sandbox: Option<String>,
}

/// `init`
#[derive(Args, Debug)]
pub struct Init {
    /// The data folder; it must not hold a store.
    #[arg(long)]
    pub data: PathBuf,
    /// The store's short name: a-z, 0-9 and -, beginning with a letter.
    #[arg(long)]
    pub handle: String,
    /// The store's name.
    #[arg(long)]
    pub name: String,
    /// The owner's e-mail address.
    #[arg(long)]
    pub email: String,
    /// The owner's name.
    #[arg(long, default_value = "Owner")]
    pub owner: String,
    /// Print one line of JSON on standard output instead of words.
    #[arg(long)]
    pub json: bool,
}

/// `serve`
#[derive(Args, Debug)]
pub struct Serve {
    /// The settings, in TOML. Variables named BODEGA_… come on top.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// `audit`
#[derive(Subcommand, Debug)]
pub enum Audit {
    /// Walks the hash chain of every store and names the first broken row.
    Verify {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `inventory`
#[derive(Subcommand, Debug)]
pub enum Inventory {
    /// Compares the stock of every store with its movements and reservations, and names each difference. Nothing is corrected.
    Reconcile {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
