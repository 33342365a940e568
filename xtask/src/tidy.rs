//! `cargo xtask tidy`: the rules of the house that a program can check.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const HELP: &str = "\
Checks, over all files of the workspace:
  - crates/core has no dependencies
  - clocks, sockets, files, processes and tokio are named by the binary only (and by tests,
    by xtask, and by the simulator's command line)
  - HashMap and HashSet are not used in core and sim: iteration order is behaviour
  - bytes of the Redis protocol are written in crates/wire only
  - files stay under 800 lines (over 400 is a warning)
  - no path of somebody's machine is in a file
  - every row of docs/differences.md names a test that exists";

/// A file longer than this is pointed at.
const SOFT_LINES: usize = 400;
/// A file longer than this fails.
const HARD_LINES: usize = 800;

/// Files that may be longer than [`HARD_LINES`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// What only the outermost crate may name.
const OUTER_WORDS: &[&str] = &[
    "tokio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::net::Tcp",
    "std::fs",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
];

/// Files below the binary that may name [`OUTER_WORDS`], each with its reason.
const OUTER_EXEMPT: &[(&str, &str)] = &[
    (
        "crates/sim/src/main.rs",
        "the command line: wall time, plans",
    ),
    (
        "crates/sim/src/run.rs",
        "a thread per core, each with its own world",
    ),
];

/// Looks at all files and says what is wrong with them.
type Check = fn(&[File]) -> Vec<String>;

struct File {
    /// Relative to the workspace's root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Source of one of our crates, not its tests.
    fn is_source_of(&self, crates: &[&str]) -> bool {
        self.is_rust()
            && crates
                .iter()
                .any(|name| self.path.starts_with(&format!("crates/{name}/src/")))
            && !self.path.ends_with("/tests.rs")
            && !self.path.contains("/tests/")
    }

    /// Lines of code before the tests at the end, without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    shell::no_options(args)?;
    let root = shell::root()?;
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    let checks: [Check; 6] = [
        core_has_no_dependencies,
        outer_words_stay_outside,
        no_hash_maps_where_order_matters,
        protocol_bytes_are_in_wire,
        files_are_short,
        differences_have_tests,
    ];
    let mut problems: Vec<String> = checks.iter().flat_map(|check| check(&files)).collect();
    problems.extend(no_machine_paths(&files, &root));
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        bail!("{} untidy places", problems.len())
    }
}

fn core_has_no_dependencies(files: &[File]) -> Vec<String> {
    let Some(manifest) = files
        .iter()
        .find(|file| file.path == "crates/core/Cargo.toml")
    else {
        return vec!["crates/core/Cargo.toml is missing".to_owned()];
    };
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" && !line.is_empty() && !line.starts_with('#') {
            found.push(format!(
                "{}: core depends on nothing, but: {line}",
                manifest.path
            ));
        }
    }
    found
}

fn outer_words_stay_outside(files: &[File]) -> Vec<String> {
    let exempt = |path: &str| {
        OUTER_EXEMPT
            .iter()
            .any(|(start, _)| path.starts_with(start))
    };
    files
        .iter()
        .filter(|file| file.is_source_of(&["core", "wire", "conf", "sim"]) && !exempt(&file.path))
        .flat_map(|file| words_in(file, OUTER_WORDS, "belongs in crates/bartizan"))
        .collect()
}

fn no_hash_maps_where_order_matters(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_source_of(&["core", "sim"]))
        .flat_map(|file| words_in(file, &["HashMap", "HashSet"], "has no order; use BTreeMap"))
        .collect()
}

fn words_in(file: &File, words: &[&str], why: &str) -> Vec<String> {
    let hits = file.code().flat_map(|(number, line)| {
        let word = words.iter().find(|word| line.contains(*word));
        word.map(|word| format!("{}:{number}: {word} {why}", file.path))
    });
    hits.collect()
}

fn protocol_bytes_are_in_wire(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_source_of(&["core", "conf", "sim", "bartizan"]))
        .flat_map(|file| {
            file.code()
                .filter(|(_, line)| has_protocol_literal(line))
                .map(|(number, _)| format!("{}:{number}: RESP belongs in crates/wire", file.path))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a string literal of this line starts like a RESP value and has a line end in it.
fn has_protocol_literal(line: &str) -> bool {
    line.split('"').skip(1).step_by(2).any(|literal| {
        literal.starts_with(['+', '-', ':', '$', '*', '%', '>']) && literal.contains(r"\r\n")
    })
}

fn files_are_short(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        let exempt = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        if lines > HARD_LINES && !exempt {
            found.push(format!(
                "{}: {lines} lines, at most {HARD_LINES}",
                file.path
            ));
        } else if lines > SOFT_LINES && !exempt {
            println!("tidy: {}: {lines} lines; is it still one idea?", file.path);
        }
    }
    found
}

fn no_machine_paths(files: &[File], root: &Path) -> Vec<String> {
    let mut needles = vec![
        concat!("/wo", "rk/").to_owned(),
        format!("{}/", root.display()),
    ];
    if let Some(home) = std::env::home_dir().filter(|home| home.components().count() > 1) {
        needles.push(format!("{}/", home.display()));
    }
    let mut found = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(needle) = needles.iter().find(|needle| line.contains(*needle)) {
                let number = index + 1;
                found.push(format!(
                    "{}:{number}: a path of one machine: {needle}",
                    file.path
                ));
            }
        }
    }
    found
}

fn differences_have_tests(files: &[File]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == "docs/differences.md") else {
        return Vec::new();
    };
    let functions: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| file.text.lines())
        .filter_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next())
        .collect();
    let mut found = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        let is_rule = line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
        let next = page.text.lines().nth(index + 1).unwrap_or("");
        let is_head = !next.is_empty() && next.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
        if !line.starts_with('|') || is_rule || is_head {
            continue;
        }
        let named = line.split('`').skip(1).step_by(2);
        let mut names = named.map(|name| name.rsplit("::").next().unwrap_or(name));
        if !names.any(|name| functions.contains(name)) {
            let number = index + 1;
            found.push(format!(
                "{}:{number}: this row names no test that exists",
                page.path
            ));
        }
    }
    found
}

/// Gathers every text file, without what is built, what is git's, and what others wrote.
fn collect(root: &Path, dir: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        // In a work tree of its own `.git` is a file.
        if matches!(name.as_str(), "target" | ".git" | "node_modules") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(File {
                path: relative.to_string_lossy().into_owned(),
                text,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File {
            path: path.to_owned(),
            text: text.to_owned(),
        }]
    }

    #[test]
    fn a_dependency_of_core_is_found() {
        let bad = "[dependencies]\n# none\nserde = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
        assert_eq!(
            core_has_no_dependencies(&file("crates/core/Cargo.toml", bad)).len(),
            1
        );
        let good = "[dependencies]\n\n[dev-dependencies]\nproptest = \"1\"\n";
        assert!(core_has_no_dependencies(&file("crates/core/Cargo.toml", good)).is_empty());
    }

    #[test]
    fn a_clock_in_core_is_found_but_not_in_its_comments_and_tests() {
        let bad = "fn f() {\n    std::time::Instant::now();\n}\n";
        assert_eq!(
            outer_words_stay_outside(&file("crates/core/src/a.rs", bad)).len(),
            1
        );
        let good = "// no Instant::now here\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert!(outer_words_stay_outside(&file("crates/core/src/a.rs", good)).is_empty());
        assert!(outer_words_stay_outside(&file("crates/bartizan/src/a.rs", bad)).is_empty());
    }

    #[test]
    fn protocol_bytes_outside_of_wire_are_found() {
        let bad = r#"let ok = b"+OK\r\n";"#;
        assert_eq!(
            protocol_bytes_are_in_wire(&file("crates/bartizan/src/a.rs", bad)).len(),
            1
        );
        assert!(protocol_bytes_are_in_wire(&file("crates/wire/src/a.rs", bad)).is_empty());
        let info = r##"let text = "# Sentinel\r\n";"##;
        assert!(protocol_bytes_are_in_wire(&file("crates/bartizan/src/a.rs", info)).is_empty());
    }

    #[test]
    fn a_difference_without_a_test_is_found() {
        let page = "| what | test |\n|---|---|\n| a | `x::it_is_so` |\n| b | none |\n";
        let mut files = file("docs/differences.md", page);
        files.extend(file(
            "crates/core/tests/x.rs",
            "#[test]\nfn it_is_so() {}\n",
        ));
        let found = differences_have_tests(&files);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("docs/differences.md:4"), "{found:?}");
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(
            files_are_short(&file("crates/core/src/a.rs", &"\n".repeat(801))).len(),
            1
        );
        assert!(files_are_short(&file("crates/core/src/a.rs", &"\n".repeat(800))).is_empty());
    }
}
