//! Processes and a client, as the end-to-end tests have them. They are included by path: a test's
//! harness is no library.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the end-to-end tests use more of these files than we do"
)]

#[path = "../../bartizan/tests/harness/process.rs"]
pub mod process;
#[path = "../../bartizan/tests/harness/resp.rs"]
pub mod resp;
