//! Finding the sections of a PEM file, whatever else is written around them.

/// One section: `-----BEGIN label-----` to `-----END label-----`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// What it says it is.
    pub(super) label: &'a str,
    /// All of it, with its first and last line.
    pub(super) text: &'a str,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The sections of a file, in order. One that does not end is left out.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        rest = rest.get(start..).unwrap_or_default();
        let after = rest.get(BEGIN.len()..).unwrap_or_default();
        let Some((label, _)) = after.split_once(DASHES) else {
            break;
        };
        let end = format!("-----END {label}-----");
        let Some(at) = rest.find(&end) else {
            // Another may begin before the end of the file.
            rest = after;
            continue;
        };
        let (text, behind) = rest.split_at(at.saturating_add(end.len()));
        found.push(Section { label, text });
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_among_other_text_and_unfinished_ones_are_not() {
        let text = "Bag Attributes\n-----BEGIN A-----\nx\n-----END A-----\nwords\n\
                    -----BEGIN B-----\n-----BEGIN C D-----\r\ny\r\n-----END C D-----";
        let found = sections(text);
        let labels: Vec<&str> = found.iter().map(|section| section.label).collect();
        assert_eq!(labels, ["A", "C D"]);
        assert_eq!(found[0].text, "-----BEGIN A-----\nx\n-----END A-----");
        assert!(sections("-----BEGIN ").is_empty());
    }
}
