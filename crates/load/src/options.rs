//! Words of the command line.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bartizan_load::client::Stop;
use bartizan_load::sentinels::Program;
use signal_hook::consts::{SIGINT, SIGTERM};

/// `--name value` pairs, taken one by one; what nobody takes is an error.
pub(crate) struct Words {
    left: Vec<(String, String)>,
}

impl Words {
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut left = Vec::new();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                bail!("{word:?} is no option; try --help");
            };
            let value = words
                .next()
                .with_context(|| format!("--{name} wants a value"))?;
            left.push((name.to_owned(), value.clone()));
        }
        Ok(Self { left })
    }

    /// The last value of an option.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.take_all(name).pop()
    }

    /// All values of an option.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (theirs, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition(|(n, _)| n == name);
        self.left = left;
        let theirs: Vec<(String, String)> = theirs;
        theirs.into_iter().map(|(_, value)| value).collect()
    }

    /// A value, or what it is without.
    pub(crate) fn number<T: std::str::FromStr>(&mut self, name: &str, usual: T) -> Result<T> {
        match self.take(name) {
            None => Ok(usual),
            Some(value) => match value.parse() {
                Ok(number) => Ok(number),
                Err(_) => bail!("--{name} {value}: not a number that makes sense"),
            },
        }
    }

    pub(crate) fn seconds(&mut self, name: &str, usual: u64) -> Result<Duration> {
        self.number(name, usual).map(Duration::from_secs)
    }

    /// The programs to measure: `--program LABEL=PATH`, in this order.
    pub(crate) fn programs(&mut self) -> Result<Vec<Program>> {
        let mut programs = Vec::new();
        for word in self.take_all("program") {
            let (label, path) = word.split_once('=').context("--program LABEL=PATH")?;
            programs.push(Program {
                label: label.to_owned(),
                path: path.to_owned(),
            });
        }
        if programs.is_empty() {
            bail!("which program? --program LABEL=PATH");
        }
        Ok(programs)
    }

    pub(crate) fn end(self) -> Result<()> {
        match self.left.first() {
            Some((name, _)) => bail!("there is no option --{name}; try --help"),
            None => Ok(()),
        }
    }
}

/// Set by the first Ctrl-C, so that everything is ended and removed; the second ends us at once.
pub(crate) fn on_interrupt() -> Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(stop)
}
