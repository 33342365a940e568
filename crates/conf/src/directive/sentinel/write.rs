//! The arguments of `sentinel` lines that say what the state says (spec §2.3).

use bartizan_core::addr::Addr;
use bartizan_core::fencing::MinReplicas;
use bartizan_core::ids::RunId;
use bartizan_core::model::branches::Branch;
use bartizan_core::model::durable::MasterState;
use bartizan_core::provide::options::Periods;
use bartizan_core::time::Span;

use super::Lines;

pub(super) fn one(values: &[&dyn ToString]) -> Lines {
    vec![values.iter().map(|value| value.to_string()).collect()]
}

pub(super) fn unless(is_default: bool, values: &[&dyn ToString]) -> Lines {
    if is_default { Vec::new() } else { one(values) }
}

/// Whether a line may be left out: the value is the default in force (spec §2.3), and also the one
/// that the next start will have, since `SENTINEL DEBUG` does not outlive the process.
pub(super) fn is_default(value: Span, default: fn(&Periods) -> Span, in_force: &Periods) -> bool {
    value == default(in_force) && value == default(&Periods::default())
}

pub(super) fn maybe<T: AsRef<str>>(name: &str, value: Option<T>) -> Lines {
    value
        .map(|value| one(&[&name, &value.as_ref()]))
        .unwrap_or_default()
}

pub(super) fn forks(master: &MasterState, _: &Periods) -> Lines {
    let line = |branch: &Branch| {
        let (name, left) = (master.name.to_string(), branch.left);
        let mut words = vec![name, left.id.to_string(), left.offset.to_string()];
        words.extend(branch.id.map(|id| id.to_string()));
        words
    };
    master.branches.iter().map(line).collect()
}

pub(super) fn own_values(master: &MasterState, _: &Periods) -> Lines {
    let line = |(addr, values): &(Addr, MinReplicas)| {
        vec![
            master.name.to_string(),
            addr.host.to_string(),
            addr.port.to_string(),
            values.to_write.to_string(),
            values.max_lag.to_string(),
        ]
    };
    master.own_values.iter().map(line).collect()
}

pub(super) fn replicas(master: &MasterState, _: &Periods) -> Lines {
    let line = |addr: &Addr| {
        vec![
            master.name.to_string(),
            addr.host.to_string(),
            addr.port.to_string(),
        ]
    };
    master.replicas.iter().map(line).collect()
}

pub(super) fn sentinels(master: &MasterState, _: &Periods) -> Lines {
    let line = |(id, addr): &(RunId, Addr)| {
        let name = master.name.to_string();
        vec![
            name,
            addr.host.to_string(),
            addr.port.to_string(),
            id.to_string(),
        ]
    };
    master.sentinels.iter().map(line).collect()
}

pub(super) fn renames(master: &MasterState, _: &Periods) -> Lines {
    let line =
        |(old, new): (&str, &str)| vec![master.name.to_string(), old.to_owned(), new.to_owned()];
    master.options.renames.iter().map(line).collect()
}
