//! `docs/benchmarks.md`: what is between its markers is written anew, everything else stays.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::results::{Results, figure};
use super::{plots, tables, targets};

/// Where the page is in the project.
pub(crate) const PAGE: &str = "docs/benchmarks.md";
/// Where its plots are, beside it.
const PLOTS: &str = "benchmarks";
/// Less than this of a machine that does nothing else is the system itself.
const QUIET: f64 = 0.1;
const END: &str = "<!-- end -->";

/// Writes page and plots into a folder, from the page that the project has and from results.
pub(crate) fn write(results: &Results, root: &Path, folder: &Path) -> Result<()> {
    let page = root.join(PAGE);
    let mut text =
        fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let pictures = folder.join(PLOTS);
    fs::create_dir_all(&pictures)?;
    let drawn = plots::draw(results, &pictures)?;
    for (name, generated) in [
        ("about", about(results)),
        ("targets", targets::page(results)),
        (
            "one master",
            illustrated(&tables::one_master(results), &drawn, &["failover"]),
        ),
        (
            "many masters",
            illustrated(&tables::many_masters(results), &drawn, &["promotion"]),
        ),
        (
            "growth",
            illustrated(&tables::growth(results), &drawn, &["cpu", "memory"]),
        ),
        ("crowd", tables::crowd(results)),
        ("micro", tables::micro(results)),
    ] {
        text = replaced(&text, name, &generated)?;
    }
    let target = folder.join("benchmarks.md");
    fs::write(&target, text).with_context(|| format!("writing {}", target.display()))?;
    println!(
        "written: {}, plots in {}",
        target.display(),
        pictures.display()
    );
    Ok(())
}

/// A page with other text between the markers of this name.
fn replaced(page: &str, name: &str, generated: &str) -> Result<String> {
    let start = format!("<!-- generated: {name} -->");
    let Some((before, rest)) = page.split_once(&start) else {
        bail!("{PAGE} has no line {start}");
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("{PAGE}: nothing ends {start}");
    };
    Ok(format!(
        "{before}{start}\n\n{}\n\n{END}{after}",
        generated.trim()
    ))
}

/// A table with the plots of it that were drawn.
fn illustrated(table: &str, drawn: &[plots::Plot], names: &[&str]) -> String {
    let mut text = table.trim().to_owned();
    for plot in drawn.iter().filter(|plot| names.contains(&plot.name)) {
        text.push_str(&format!("\n\n![{}]({PLOTS}/{}.svg)", plot.title, plot.name));
    }
    text
}

/// Machine, versions, and when each part was measured under which load.
fn about(results: &Results) -> String {
    let parts: Vec<(&str, &Value)> = results.parts("").collect();
    let Some((_, latest)) = parts.iter().max_by_key(|(_, part)| part["began"].as_str()) else {
        return "Nothing is measured yet: `cargo xtask bench`.".to_owned();
    };
    let fact = |name: &str| word(&latest["machine"][name]);
    let files = results
        .of_many("", super::run::OURS)
        .into_iter()
        .find_map(|row| figure(row, "/open_files"));
    let rows = [
        ("CPU", format!("{} cores, {}", fact("cores"), fact("cpu"))),
        ("memory", fact("memory")),
        ("kernel", format!("Linux {}", fact("kernel"))),
        ("filesystem of the configuration", fact("filesystem")),
        ("open files a process", tables::number(files, 0, "")),
        (
            "Bartizan",
            format!(
                "commit {}, built with the profile dist, {}",
                fact("commit"),
                fact("rustc")
            ),
        ),
        ("redis-sentinel", fact("redis_sentinel")),
        (
            "fleet",
            "3 Sentinels, loopback, everything on the same cores".to_owned(),
        ),
    ];
    let rows = rows.map(|(name, value)| vec![format!("**{name}**"), value]);
    let table = tables::table(&["", ""], rows);
    format!("{}{table}\n{}", warnings(&parts), log(&parts))
}

/// What makes figures doubtful: other work on the machine, and parts that do not belong together.
fn warnings(parts: &[(&str, &Value)]) -> String {
    let mut text = String::new();
    let busy: Vec<String> = parts
        .iter()
        .filter(|(_, part)| figure(part, "/busy_before").is_none_or(|busy| busy > QUIET))
        .map(|(name, part)| format!("{name} ({})", percent(part)))
        .collect();
    if !busy.is_empty() {
        text.push_str(&format!(
            "**The machine was busy with other work**, in brackets how much of it, just before: \
             {}. The ratios carry further than the figures.\n\n",
            busy.join(", ")
        ));
    }
    let mut commits: Vec<String> = parts
        .iter()
        .map(|(_, part)| word(&part["machine"]["commit"]))
        .collect();
    commits.sort();
    commits.dedup();
    if commits.len() > 1 {
        let commits = commits.join(", ");
        text.push_str(&format!(
            "**Parts are of different commits**: {commits}.\n\n"
        ));
    }
    text
}

/// The share of all processors that others used.
fn percent(part: &Value) -> String {
    tables::number(
        figure(part, "/busy_before").map(|busy| busy * 100.0),
        0,
        " %",
    )
}

/// When each part was measured. The load average also tells of the part before.
fn log(parts: &[(&str, &Value)]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|(_, part)| part["began"].as_str());
    let rows = parts.iter().map(|(name, part)| {
        vec![
            (*name).to_owned(),
            word(&part["began"]),
            format!("{} s", word(&part["took_s"])),
            percent(part),
            word(&part["load_average"]),
            word(&part["machine"]["commit"]),
        ]
    });
    let head = [
        "part",
        "began",
        "took",
        "machine busy just before",
        "load average",
        "commit",
    ];
    let table = tables::table(&head, rows);
    format!("<details><summary>When each part was measured</summary>\n\n{table}\n</details>")
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_between_the_markers_stays() {
        let page = "Words.\n<!-- generated: a -->\nold\n<!-- end -->\nMore.\n<!-- generated: b -->\n<!-- end -->\n";
        let once = replaced(page, "a", "new").unwrap();
        assert_eq!(
            once,
            "Words.\n<!-- generated: a -->\n\nnew\n\n<!-- end -->\nMore.\n<!-- generated: b -->\n<!-- end -->\n"
        );
        assert_eq!(replaced(&once, "a", "new").unwrap(), once);
        assert!(replaced(page, "c", "new").is_err());
    }

    #[test]
    fn the_page_of_the_project_has_all_markers() {
        let root = crate::shell::root().unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(&Results::default(), &root, folder.path()).unwrap();
    }
}
