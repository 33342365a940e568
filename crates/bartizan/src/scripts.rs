//! The user's scripts: started, awaited, killed (spec §12). The core decides which, when and how
//! often.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;

use bartizan_core::ids::JobId;
use bartizan_core::input::{Input, ScriptEnd};
use nix::unistd::{AccessFlags, access};
use tokio::process::Command;
use tokio::sync::{Notify, mpsc};

/// The scripts that run.
#[derive(Clone, Debug)]
pub(crate) struct Scripts {
    running: Rc<RefCell<BTreeMap<JobId, Rc<Notify>>>>,
    world: mpsc::Sender<Input>,
}

impl Scripts {
    /// None runs yet; what happens to them is told to `world`.
    pub(crate) fn new(world: mpsc::Sender<Input>) -> Self {
        Self {
            running: Rc::default(),
            world,
        }
    }

    /// Starts a script with our environment, directory and standard streams. Every other file
    /// descriptor of this process is close-on-exec.
    pub(crate) fn run(&self, job: JobId, argv: Vec<String>) {
        let kill = Rc::new(Notify::new());
        self.running.borrow_mut().insert(job, Rc::clone(&kill));
        let scripts = self.clone();
        tokio::task::spawn_local(async move {
            let how = scripts.attend(job, &argv, &kill).await;
            scripts.running.borrow_mut().remove(&job);
            let _ = scripts.world.send(Input::ScriptEnded { job, how }).await;
        });
    }

    /// Kills a script; its end is still told.
    pub(crate) fn kill(&self, job: JobId) {
        if let Some(kill) = self.running.borrow().get(&job) {
            kill.notify_one();
        }
    }

    async fn attend(&self, job: JobId, argv: &[String], kill: &Notify) -> ScriptEnd {
        let Some((path, words)) = argv.split_first() else {
            return ScriptEnd::NotStarted;
        };
        let mut command = Command::new(path);
        command.args(words).env_remove(crate::again::MARK);
        let Ok(mut child) = command.spawn() else {
            return ScriptEnd::NotStarted;
        };
        if let Some(pid) = child.id() {
            let _ = self.world.send(Input::ScriptStarted { job, pid }).await;
        }
        loop {
            tokio::select! {
                ended = child.wait() => return ended.map_or(ScriptEnd::NotStarted, how),
                () = kill.notified() => {
                    // It may have ended by itself in this very moment; the wait then tells.
                    let _ = child.start_kill();
                }
            }
        }
    }
}

/// Whether this process may execute what is at this path, as access(2) tells.
pub(crate) fn is_executable(path: &str) -> bool {
    access(path, AccessFlags::X_OK).is_ok()
}

fn how(status: ExitStatus) -> ScriptEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => ScriptEnd::Exited(code),
        (None, Some(signal)) => ScriptEnd::Signaled(signal),
        (None, None) => ScriptEnd::NotStarted,
    }
}
