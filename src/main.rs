//! The `bodega` binary: parses arguments and hands over.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    bodega::app::run::run(bodega::surface::cli::Cli::parse())
}
