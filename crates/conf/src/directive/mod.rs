//! The tables of directives: what the file may say, one row each.

pub(crate) mod inert;
pub(crate) mod number;
pub(crate) mod sentinel;
pub(crate) mod server;

/// What a line is about. In a rewrite, lines with the same key stand for one another (spec §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// `sentinel <name> …`.
    Sentinel(&'static str),
    /// Any other directive.
    Process(&'static str),
}

impl Key {
    /// The key of a line that begins with these words, in any case, with the canonical name in it.
    /// `None` when no table knows them.
    pub(crate) fn of(name: &str, second: Option<&str>) -> Option<Self> {
        if let (true, Some(second)) = (name.eq_ignore_ascii_case("sentinel"), second) {
            return sentinel::find(second).map(|row| Self::Sentinel(row.name));
        }
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "sentinel" => Some(Self::Process("sentinel")),
            "include" => Some(Self::Process("include")),
            name => server::find(name)
                .map(|row| row.name)
                .or_else(|| inert::find(name).map(|(canonical, _)| canonical))
                .map(Self::Process),
        }
    }

    /// How a line with this key begins.
    pub(crate) fn write(self, line: &mut String) {
        match self {
            Self::Sentinel(name) => {
                line.push_str("sentinel ");
                line.push_str(name);
            }
            Self::Process(name) => line.push_str(name),
        }
    }
}
