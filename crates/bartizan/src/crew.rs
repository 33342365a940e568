//! Threads that the process cannot do without.

use std::io;
use std::process::abort;
use std::thread;

/// Starts one. Should it panic, the process ends at once, and whoever supervises it starts it
/// again: a Sentinel whose writes end nowhere would stay, and promise nothing for ever.
///
/// # Errors
/// When the system has none to give.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work = move || {
        let _alarm = Alarm;
        work();
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
}

struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            // The reason was told already, on standard error.
            abort();
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a process that ends needs one more to see it"
)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_in_one_ends_the_process() {
        const ROLE: &str = "BARTIZAN_TEST_PANICS";
        if std::env::var_os(ROLE).is_some() {
            start("short-lived", || panic!("on purpose")).unwrap();
            thread::sleep(Duration::from_secs(60));
            return;
        }
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crew::tests::a_panic_in_one_ends_the_process"])
            .env(ROLE, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        const ABORTED: i32 = 6;
        assert_eq!(status.signal(), Some(ABORTED));
    }
}
