//! The queue of users' scripts: bounded, retried, killed when they hang (spec §12).

use std::collections::VecDeque;

use crate::ctx::Ctx;
use crate::ids::JobId;
use crate::input::ScriptEnd;
use crate::limits;
use crate::notify::event::EventKind;
use crate::output::Output;
use crate::time::{Mono, Span};

/// Scripts that wait or run, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripts {
    jobs: VecDeque<Job>,
    made: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: JobId,
    pub(crate) argv: Vec<String>,
    pub(crate) runs: u32,
    pub(crate) state: JobState,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum JobState {
    Waiting {
        until: Mono,
    },
    Running {
        since: Mono,
        pid: Option<u32>,
        killed: bool,
    },
}

impl Scripts {
    /// Puts a script in line; when the line is full the oldest that does not run yet is dropped.
    pub(crate) fn queue(&mut self, argv: Vec<String>, now: Mono) {
        if self.jobs.len() >= limits::SCRIPT_QUEUE
            && let Some(oldest) = self.jobs.iter().position(|job| !job.is_running())
        {
            self.jobs.remove(oldest);
        }
        self.made += 1;
        let state = JobState::Waiting { until: now };
        self.jobs.push_back(Job {
            id: JobId::new(self.made),
            argv,
            runs: 0,
            state,
        });
    }

    /// Everything in line.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_running()).count()
    }

    fn job(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }
}

impl Job {
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self.state, JobState::Running { .. })
    }

    fn path(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }
}

/// Starts what can start, kills what ran too long.
pub(crate) fn run_due(cx: &mut Ctx) {
    let (now, limit) = (cx.now, cx.periods.script_runtime);
    let mut free = limits::SCRIPTS_RUNNING.saturating_sub(cx.scripts.running());
    let mut late = Vec::new();
    for job in &mut cx.scripts.jobs {
        match &mut job.state {
            JobState::Waiting { until } if *until <= now && free > 0 => {
                free -= 1;
                job.runs += 1;
                job.state = JobState::Running {
                    since: now,
                    pid: None,
                    killed: false,
                };
                cx.out.push(Output::RunScript {
                    job: job.id,
                    argv: job.argv.clone(),
                });
            }
            JobState::Running { since, pid, killed } if !*killed && now.since(*since) > limit => {
                *killed = true;
                let pid = pid.unwrap_or_default();
                cx.out.push(Output::KillScript { job: job.id });
                late.push(format!("{} {pid}", job.path()));
            }
            JobState::Waiting { .. } | JobState::Running { .. } => {}
        }
    }
    for payload in late {
        cx.event(EventKind::ScriptTimeout, payload);
    }
}

/// When `run_due` has something to do.
pub(crate) fn due(cx: &Ctx) -> Option<Mono> {
    let full = cx.scripts.running() >= limits::SCRIPTS_RUNNING;
    cx.scripts
        .jobs
        .iter()
        .filter_map(|job| match job.state {
            JobState::Waiting { until } => (!full).then_some(until),
            JobState::Running {
                since,
                killed: false,
                ..
            } => Some(since + cx.periods.script_runtime + Span::TICK),
            JobState::Running { killed: true, .. } => None,
        })
        .min()
}

/// A script runs under this process id.
pub(crate) fn on_started(cx: &mut Ctx, id: JobId, started: u32) {
    if let Some(Job {
        state: JobState::Running { pid, .. },
        ..
    }) = cx.scripts.job(id)
    {
        *pid = Some(started);
        cx.event(EventKind::ScriptChild, started.to_string());
    }
}

/// A script ended: done, to be run again, or given up.
pub(crate) fn on_ended(cx: &mut Ctx, id: JobId, how: ScriptEnd) {
    let (now, delay) = (cx.now, cx.periods.script_retry);
    let Some(job) = cx.scripts.job(id) else {
        return;
    };
    let JobState::Running { pid, .. } = job.state else {
        return;
    };
    let (exit, signal) = match how {
        ScriptEnd::Exited(code) => (code, 0),
        ScriptEnd::Signaled(signal) => (0, signal),
        ScriptEnd::NotStarted => (2, 0),
    };
    let again = (exit == 1 || signal != 0) && job.runs < limits::SCRIPT_TRIES;
    let failed = (exit != 0 || signal != 0) && !again;
    let path = job.path();
    if again {
        let wait = delay * (1 << (job.runs - 1).min(20));
        job.state = JobState::Waiting { until: now + wait };
    } else {
        cx.scripts.jobs.retain(|job| job.id != id);
    }
    cx.event(
        EventKind::ScriptChildEnd,
        format!("{} {exit} {signal}", pid.unwrap_or_default()),
    );
    if failed {
        cx.event(EventKind::ScriptError, format!("{path} {signal} {exit}"));
    }
}
