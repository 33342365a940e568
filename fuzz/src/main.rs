//! libFuzzer's way in: the target is named by `BARTIZAN_FUZZ_TARGET`.
#![no_main]

mod config;
mod links;
mod resp;

use std::sync::OnceLock;

/// What is called with the bytes; it panics when something does not hold.
type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its seeds in `corpus`. `cargo xtask fuzz`
/// takes the names from there.
const TARGETS: &[(&str, Target)] = &[
    ("requests", resp::requests),
    ("replies", resp::replies),
    ("config", config::config),
    ("info", links::info),
    ("hello", links::hello),
    ("answers", links::answers),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("BARTIZAN_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        let (_, target) = found.unwrap_or_else(|| panic!("there is no target {name:?}"));
        CHOSEN.get_or_init(|| *target);
    },
    |data: &[u8]| {
        if let Some(target) = CHOSEN.get() {
            target(data);
        }
    }
);
