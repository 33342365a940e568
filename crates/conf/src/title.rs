//! The title of the process: `proc-title-template` (spec §1.3).

/// What the process is shown as where nobody asks for something else.
const USUAL: &str = "{title} {listen-addr} {server-mode}";

/// A text with places for what is known when the process starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TitleTemplate {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(TitlePlace),
}

/// What a place in a title stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitlePlace {
    /// `{title}`: the name that the process was started under.
    Name,
    /// `{listen-addr}`: the first address it listens on, with the port.
    ListenAddress,
    /// `{server-mode}`: that it is a Sentinel.
    Mode,
    /// `{port}`
    Port,
    /// `{tls-port}`
    TlsPort,
    /// `{unixsocket}`: empty without one.
    UnixSocket,
    /// `{config-file}`: with its whole path.
    ConfigFile,
}

impl TitlePlace {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "title" => Self::Name,
            "listen-addr" => Self::ListenAddress,
            "server-mode" => Self::Mode,
            "port" => Self::Port,
            "tls-port" => Self::TlsPort,
            "unixsocket" => Self::UnixSocket,
            "config-file" => Self::ConfigFile,
            _ => return None,
        })
    }
}

impl Default for TitleTemplate {
    fn default() -> Self {
        use TitlePlace::{ListenAddress, Mode, Name};
        let space = || Piece::Text(" ".to_owned());
        let place = Piece::Place;
        Self {
            text: USUAL.to_owned(),
            pieces: vec![
                place(Name),
                space(),
                place(ListenAddress),
                space(),
                place(Mode),
            ],
        }
    }
}

impl TitleTemplate {
    /// Reads a template: `{{` is a brace, and `}` alone stands for itself. `None` when a place is
    /// unknown or does not end, or when nothing but spaces is there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            if let Some(behind) = behind.strip_prefix('{') {
                pieces.push(Piece::Text("{".to_owned()));
                rest = behind;
                continue;
            }
            let (name, behind) = behind.split_once('}')?;
            pieces.push(Piece::Place(TitlePlace::named(name)?));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        (!text.trim_matches(' ').is_empty()).then(|| Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// The template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The title, with what `value` says in each place, and without spaces around it.
    #[must_use]
    pub fn fill(&self, value: impl Fn(TitlePlace) -> String) -> String {
        let filled: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Place(place) => value(*place),
            })
            .collect();
        filled.trim_matches(' ').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{TitlePlace, TitleTemplate, USUAL};

    fn filled(template: &str) -> Option<String> {
        let value = |place| match place {
            TitlePlace::Name => "bartizan".to_owned(),
            TitlePlace::Port => "26379".to_owned(),
            TitlePlace::UnixSocket => String::new(),
            _ => format!("{place:?}"),
        };
        Some(TitleTemplate::parse(template)?.fill(value))
    }

    #[test]
    fn places_of_a_title_are_filled_in_and_spaces_around_it_go() {
        let cases = [
            ("{title} {port}", "bartizan 26379"),
            ("  {title}   x  ", "bartizan   x"),
            ("{title} {unixsocket}", "bartizan"),
            ("x", "x"),
            ("a{{b}c", "a{b}c"),
            ("{{title}}", "{title}}"),
            ("a}}{title}}}{{{port}", "a}}bartizan}}{26379"),
            (
                "{listen-addr}{server-mode}{tls-port}{config-file}",
                "ListenAddressModeTlsPortConfigFile",
            ),
        ];
        for (template, title) in cases {
            assert_eq!(filled(template).as_deref(), Some(title), "{template}");
        }
    }

    #[test]
    fn a_title_with_an_unknown_place_or_without_any_text_is_none() {
        for template in [
            "",
            "   ",
            "{nope}",
            "{title",
            "a{",
            "{}",
            "{ title }",
            "{TITLE}",
            "a } b { c",
        ] {
            assert_eq!(filled(template), None, "{template}");
        }
    }

    #[test]
    fn the_usual_title_is_what_its_text_says() {
        assert_eq!(TitleTemplate::parse(USUAL), Some(TitleTemplate::default()));
    }
}
