//! The command line: `cargo xtask chaos` runs this.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the person at the terminal is what it is for"
)]

mod dice;
mod faults;
mod figures;
mod fleet;
mod hardships;
mod ledger;
mod live;
mod net;
mod news;
mod options;
mod runs;
mod scratch;
mod stage;
mod writer;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match options::dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        // A system that cannot show it is no failure of what would be shown.
        Err(error) if error.to_string() == fleet::NO_NAMESPACES => {
            println!("chaos: skipped: {error:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}
