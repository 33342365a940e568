//! The plots of the page.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use serde_json::Value;

use super::results::{Results, figure};
use super::run::{OURS, THEIRS};

/// A plot that was drawn.
pub(crate) struct Plot {
    /// Of its file, without `.svg`.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Whether its horizontal axis is logarithmic.
    is_log: bool,
}

const SIZE: (u32, u32) = (860, 440);
const OUR_COLOR: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const THEIR_COLOR: RGBColor = RGBColor(0xc9, 0x51, 0x2e);
/// Of the shades of a program's lines, from the darkest.
const SHADES: [f64; 4] = [1.0, 0.7, 0.5, 0.35];

/// One line, or the dots of one program.
struct Line {
    label: String,
    color: RGBAColor,
    points: Vec<(f64, f64)>,
}

/// Draws all plots for which there is something; a plot of nothing would only look measured.
pub(crate) fn draw(results: &Results, folder: &Path) -> Result<Vec<Plot>> {
    let cpu = Plot {
        name: "cpu",
        title: "CPU of a Sentinel while nothing happens",
        is_log: false,
    };
    let memory = Plot {
        name: "memory",
        title: "Memory of a Sentinel",
        is_log: false,
    };
    let promotion = Plot {
        name: "promotion",
        title: "Share of the killed masters that are replaced",
        is_log: true,
    };
    let failover = Plot {
        name: "failover",
        title: "Until a write is acknowledged (lost: next try), each round",
        is_log: false,
    };
    let mut drawn = Vec::new();
    let masters = |path, scale| growth(results, path, scale);
    for (plot, lines, axes) in [
        (
            cpu,
            masters("/idle_cpu", 1.0),
            ["masters", "share of a core"],
        ),
        (
            memory,
            masters("/memory_kb", 1.0 / 1024.0),
            ["masters", "MB"],
        ),
        (
            promotion,
            promotions(results),
            ["seconds since the kill, logarithmic", "share promoted"],
        ),
    ] {
        if !lines.is_empty() {
            chart(
                &folder.join(format!("{}.svg", plot.name)),
                &plot,
                axes,
                &lines,
            )?;
            drawn.push(plot);
        }
    }
    let rounds = rounds(results);
    if !rounds.is_empty() {
        dots(&folder.join("failover.svg"), failover.title, &rounds)?;
        drawn.push(failover);
    }
    Ok(drawn)
}

const PROGRAMS: [(&str, &str, RGBColor); 2] = [
    (OURS, "Bartizan", OUR_COLOR),
    (THEIRS, "redis-sentinel", THEIR_COLOR),
];

/// A cost against M, one line a program; of several runs with the same M the first.
fn growth(results: &Results, path: &str, scale: f64) -> Vec<Line> {
    let lines = PROGRAMS.map(|(program, label, color)| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for row in results.of_many("scale-", program) {
            if let (Some(masters), Some(cost)) = (figure(row, "/masters"), figure(row, path))
                && points.last().is_none_or(|(before, _)| *before < masters)
            {
                points.push((masters, cost * scale));
            }
        }
        Line {
            label: label.to_owned(),
            color: color.into(),
            points,
        }
    });
    lines
        .into_iter()
        .filter(|line| !line.points.is_empty())
        .collect()
}

/// How many of the killed masters were replaced after which time, one line a run and program.
fn promotions(results: &Results) -> Vec<Line> {
    let mut lines = Vec::new();
    for (program, label, color) in PROGRAMS {
        let mut shades = SHADES.iter().cycle();
        for row in results.of_many("scale-", program) {
            let each = row["promoted_each_s"].as_array();
            let killed = figure(row, "/killed").filter(|killed| *killed > 0.0);
            let (Some(each), Some(killed)) = (each.filter(|each| !each.is_empty()), killed) else {
                continue;
            };
            let mut points = Vec::new();
            let mut done = 0.0;
            for at in each.iter().filter_map(Value::as_f64) {
                points.push((at, done / killed));
                done += 1.0;
                points.push((at, done / killed));
            }
            lines.push(Line {
                label: format!("{label}, {killed} of {}", row["masters"]),
                color: color.mix(*shades.next().unwrap_or(&1.0)),
                points,
            });
        }
    }
    lines
}

/// Lines over an axis that starts at zero or, where redis-sentinel needs many times as long, over
/// a logarithmic one.
fn chart(path: &Path, plot: &Plot, axes: [&str; 2], lines: &[Line]) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = |all: &mut dyn Iterator<Item = f64>| all.fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    let left = points().fold(f64::INFINITY, |least, (x, _)| least.min(*x));
    let right = most(&mut points().map(|(x, _)| *x));
    let top = most(&mut points().map(|(_, y)| *y));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    if plot.is_log {
        let x = (left.max(0.01) * 0.8..right).log_scale();
        lines_on(begin(&area, plot.title, x, 0.0..top)?, axes, lines)?;
    } else {
        lines_on(begin(&area, plot.title, 0.0..right, 0.0..top)?, axes, lines)?;
    }
    area.present().map_err(drawing)
}

fn lines_on<'a, 'b, X, Y>(
    mut chart: Chart<'a, 'b, X, Y>,
    [x, y]: [&str; 2],
    lines: &[Line],
) -> Result<()>
where
    'b: 'a,
    X: Ranged<ValueType = f64> + ValueFormatter<f64> + 'a,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64> + 'a,
{
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .light_line_style(TRANSPARENT)
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()
        .map_err(drawing)?;
    for line in lines {
        let style = line.color.stroke_width(2);
        let drawn = chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))
            .map_err(drawing)?;
        drawn
            .label(line.label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        if line.points.len() < 20 {
            let dots = line.points.iter();
            let dots = dots.map(|point| Circle::new(*point, 3, line.color.filled()));
            chart.draw_series(dots).map_err(drawing)?;
        }
    }
    legend(&mut chart)
}

/// One round's result, at the place of its mode.
struct Mode {
    name: String,
    /// Of both programs, in ms.
    each: [Vec<f64>; 2],
}

fn rounds(results: &Results) -> Vec<Mode> {
    let order = ["kill", "stop", "manual", "leader", "lost", "crash"];
    let modes = order.iter().map(|name| Mode {
        name: (*name).to_owned(),
        each: [OURS, THEIRS].map(|program| {
            let row = results.row(&format!("latency-{name}"), program);
            let each = row.and_then(|row| row["each_ms"].as_array());
            each.into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect()
        }),
    });
    modes
        .filter(|mode| mode.each.iter().any(|each| !each.is_empty()))
        .collect()
}

/// All rounds as dots, on a logarithmic axis: a manual failover takes milliseconds, and a
/// redis-sentinel without its leader tens of seconds.
fn dots(path: &Path, title: &str, modes: &[Mode]) -> Result<()> {
    let all = || modes.iter().flat_map(|mode| mode.each.iter().flatten());
    let low = all().copied().fold(f64::INFINITY, f64::min).max(1.0) / 1.5;
    let high = all().copied().fold(1.0, f64::max) * 1.5;
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    let right = f64::from(u32::try_from(modes.len())?) - 0.5;
    let mut chart = begin(&area, title, -0.5..right, (low..high).log_scale())?;
    let name = |at: &f64| {
        let found = modes
            .iter()
            .zip(0_u32..)
            .find(|(_, n)| (at - f64::from(*n)).abs() < 0.01);
        found.map_or(String::new(), |(mode, _)| mode.name.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(modes.len())
        .x_label_formatter(&name)
        .y_desc("ms, logarithmic")
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .y_label_formatter(&|value| short(*value))
        .draw()
        .map_err(drawing)?;
    for (index, (_, label, color)) in PROGRAMS.iter().enumerate() {
        let aside = if index == 0 { -0.12 } else { 0.12 };
        let points = modes.iter().zip(0_u32..).flat_map(|(mode, n)| {
            let each = mode.each.get(index).into_iter().flatten();
            each.map(move |ms| (f64::from(n) + aside, *ms))
        });
        let style = color.mix(0.6).filled();
        chart
            .draw_series(points.map(|point| Circle::new(point, 4, style)))
            .map_err(drawing)?
            .label(*label)
            .legend(move |(x, y)| Circle::new((x + 9, y), 4, style));
    }
    legend(&mut chart)?;
    area.present().map_err(drawing)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

/// A white ground, so that it can be read on a dark page too, a title, and axes.
fn begin<'a, 'b, X, Y>(
    area: &'a Area<'b>,
    title: &str,
    x: X,
    y: Y,
) -> Result<Chart<'a, 'b, X::CoordDescType, Y::CoordDescType>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
{
    area.fill(&WHITE).map_err(drawing)?;
    ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(x, y)
        .map_err(drawing)
}

fn legend<'a, 'b, X, Y>(chart: &mut Chart<'a, 'b, X, Y>) -> Result<()>
where
    'b: 'a,
    X: Ranged<ValueType = f64> + 'a,
    Y: Ranged<ValueType = f64> + 'a,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(0xbb, 0xbb, 0xbb))
        .label_font(("sans-serif", 13))
        .draw()
        .map_err(drawing)
}

/// As many digits as tell ticks of an axis apart.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The library's errors borrow what was drawn on.
fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing: {error}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(program: &str, masters: u64) -> Value {
        json!({
            "program": program, "masters": masters, "killed": 2, "idle_cpu": 0.1,
            "promoted_each_s": [5.1, 5.2],
        })
    }

    #[test]
    fn what_was_measured_is_drawn_and_named() {
        let both = |masters| json!({"results": [run(OURS, masters), run(THEIRS, masters)]});
        let results = Results::of([("scale-100-2", both(100)), ("scale-300-2", both(300))]);
        let folder = tempfile::tempdir().unwrap();
        let drawn = draw(&results, folder.path()).unwrap();
        let names: Vec<&str> = drawn.iter().map(|plot| plot.name).collect();
        assert_eq!(names, ["cpu", "promotion"]);
        let svg = std::fs::read_to_string(folder.path().join("promotion.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("redis-sentinel, 2 of 300"), "{svg}");
    }

    #[test]
    fn of_nothing_nothing_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        assert!(draw(&Results::default(), folder.path()).unwrap().is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
