//! The tables of directives: what the file may say, one row each.

pub(crate) mod inert;
pub(crate) mod number;
pub(crate) mod sentinel;
pub(crate) mod server;

/// The key under which lines stand for one another in a rewrite (spec §2.2): the canonical name,
/// with the second word for `sentinel` lines. `None` when no table knows the name.
pub(crate) fn key(name: &str, second: Option<&str>) -> Option<String> {
    let name = name.to_ascii_lowercase();
    match (name.as_str(), second) {
        ("sentinel", None) | ("include", _) => Some(name),
        ("sentinel", Some(second)) => {
            sentinel::find(second).map(|row| format!("sentinel {}", row.name))
        }
        (name, _) => server::find(name)
            .map(|row| row.name.to_owned())
            .or_else(|| inert::find(name).map(|(canonical, _)| canonical.to_owned())),
    }
}
