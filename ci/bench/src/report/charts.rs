//! The plots, as SVG.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::catalogue::OPERATIONS;
use crate::document::Document;
use crate::load::{Scale, Throughput};

const WIDTH: u32 = 860;
/// The most labels of an axis on which only whole numbers are.
const MOST_WHOLE_LABELS: f64 = 16.0;
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 95, 14),
    RGBColor(44, 140, 60),
    RGBColor(148, 82, 160),
    RGBColor(120, 85, 70),
    RGBColor(90, 90, 90),
];

/// A named curve.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A drawing's errors do not live long enough for `anyhow`.
fn drawn<T, E: std::fmt::Display>(result: std::result::Result<T, E>) -> Result<T> {
    result.map_err(|error| anyhow!("cannot draw: {error}"))
}

/// Instructions of each operation that has a goal or a peer, beside both: a drawing of its own.
///
/// # Errors
/// It cannot be drawn.
pub fn operations(document: &Document) -> Result<String> {
    let rows: Vec<_> = OPERATIONS
        .iter()
        .filter_map(|operation| Some((operation.key, document.icount.get(operation.key)?)))
        .filter(|(_, found)| found.instructions.is_some() && (found.target.is_some() || !found.peers.is_empty()))
        .collect();
    let (row_height, left) = (46, 210);
    let height = rows.len() as u32 * row_height + 30;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        drawn(area.fill(&WHITE))?;
        let label = TextStyle::from((FONT, 13).into_font()).pos(Pos::new(HPos::Right, VPos::Center));
        let figure = TextStyle::from((FONT, 11).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
        for (index, (key, row)) in rows.iter().enumerate() {
            let top = (index as u32 * row_height + 4) as i32;
            let middle = top + 20;
            drawn(area.draw(&Text::new((*key).to_string(), (left as i32 - 8, middle), label.clone())))?;
            let peer = row.peers.iter().min_by_key(|(_, value)| **value);
            let bars = [
                (row.instructions, COLOURS[0], "here".to_string()),
                (row.target, COLOURS[2], "goal".to_string()),
                (peer.map(|(_, value)| *value), COLOURS[5], peer.map_or_else(String::new, |(name, _)| name.clone())),
            ];
            // Each row has a scale of its own, or the cheap operations would be dots beside the dear ones.
            let most = bars.iter().filter_map(|(value, ..)| *value).max().unwrap_or(1).max(1);
            let length = |value: u64| (f64::from(WIDTH - left - 90) * value as f64 / most as f64).max(1.0) as i32;
            for (bar, (value, colour, name)) in bars.into_iter().enumerate() {
                let Some(value) = value else { continue };
                let y = top + bar as i32 * 13;
                let end = left as i32 + length(value);
                drawn(area.draw(&Rectangle::new([(left as i32, y), (end, y + 11)], colour.filled())))?;
                drawn(area.draw(&Text::new(format!("{value} {name}"), (end + 4, y + 6), figure.clone())))?;
            }
        }
        drawn(area.present())?;
    }
    Ok(svg)
}

/// Curves over a common axis. With `logarithmic` both axes double.
pub(super) fn curves(x: &str, y: &str, curves: &[Curve], logarithmic: bool) -> Result<String> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let most_x = points().map(|(x, _)| x).fold(1.0, f64::max);
    let most_y = points().map(|(_, y)| y).fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let least_y = points().map(|(_, y)| y).fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE) / 1.5;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 320)).into_drawing_area();
        let mut builder = ChartBuilder::on(&area);
        builder.margin(12).x_label_area_size(36).y_label_area_size(76);
        macro_rules! draw {
            ($chart:expr) => {{
                let mut chart = drawn($chart)?;
                let mut mesh = chart.configure_mesh();
                if points().all(|(x, _)| x.fract() == 0.0) && most_x <= MOST_WHOLE_LABELS {
                    // One for each number and no more, or there are some between them.
                    mesh.x_labels(most_x as usize + 1);
                }
                mesh.x_desc(x).y_desc(y).label_style((FONT, 12)).light_line_style(TRANSPARENT);
                drawn(mesh.y_label_formatter(&|value| short(*value)).x_label_formatter(&|value| short(*value)).draw())?;
                for (index, curve) in curves.iter().enumerate() {
                    let colour = COLOURS[index % COLOURS.len()];
                    let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)).point_size(3);
                    drawn(chart.draw_series(line))?
                        .label(&curve.name)
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
                }
                if curves.len() > 1 {
                    let mut legend = chart.configure_series_labels();
                    legend.position(SeriesLabelPosition::UpperLeft).label_font((FONT, 12));
                    drawn(legend.background_style(WHITE.mix(0.8)).draw())?;
                }
            }};
        }
        if logarithmic {
            let axes = ((1.0..most_x).log_scale().base(2.0), (least_y..most_y).log_scale().base(2.0));
            draw!(builder.build_cartesian_2d(axes.0, axes.1));
        } else {
            draw!(builder.build_cartesian_2d(0.0..most_x, 0.0..most_y));
        }
        drawn(area.present())?;
    }
    Ok(svg)
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value.fract().abs() < 1e-9 => format!("{value:.0}"),
        value => format!("{value:.2}"),
    }
}

/// Nanoseconds there and back for each pair of CPUs.
pub(super) fn heat_map(throughput: &Throughput) -> Result<String> {
    let (cell, left) = (72, 90);
    let side = throughput.cpus as u32 * cell;
    let values = || throughput.interrupts.iter().map(|interrupt| interrupt.back.median);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (left + side + 10, left / 2 + side + 10)).into_drawing_area();
        let style = TextStyle::from((FONT, 13).into_font()).pos(Pos::new(HPos::Center, VPos::Center));
        let at = |cpu: u64, offset: u32| (cpu as u32 * cell + offset) as i32;
        for cpu in 0..throughput.cpus {
            let row = (left as i32 / 2, at(cpu, left / 2) + cell as i32 / 2);
            drawn(area.draw(&Text::new(format!("from {cpu}"), row, style.clone())))?;
            let column = (at(cpu, left) + cell as i32 / 2, left as i32 / 4);
            drawn(area.draw(&Text::new(format!("to {cpu}"), column, style.clone())))?;
        }
        for interrupt in &throughput.interrupts {
            let share = (interrupt.back.median - least) / (most - least).max(1.0);
            let colour =
                RGBColor(255 - (share * 40.0) as u8, (235.0 - share * 150.0) as u8, (200.0 - share * 160.0) as u8);
            let corner = (at(interrupt.to, left), at(interrupt.from, left / 2));
            let other = (corner.0 + cell as i32 - 3, corner.1 + cell as i32 - 3);
            drawn(area.draw(&Rectangle::new([corner, other], colour.filled())))?;
            let middle = (corner.0 + cell as i32 / 2, corner.1 + cell as i32 / 2);
            let text = format!("{:.1} us", interrupt.back.median / 1000.0);
            drawn(area.draw(&Text::new(text, middle, style.clone())))?;
        }
        drawn(area.present())?;
    }
    Ok(svg)
}

/// Faults per second over CPUs.
pub(super) fn faults(throughput: &Throughput) -> Vec<Curve> {
    let mut found: Vec<Curve> = Vec::new();
    for faults in &throughput.faults {
        let point = (faults.cpus as f64, faults.per_second.median);
        match found.iter_mut().find(|curve| curve.name == faults.layout) {
            Some(curve) => curve.points.push(point),
            None => found.push(Curve { name: faults.layout.clone(), points: vec![point] }),
        }
    }
    found
}

/// Microseconds of shootdowns over CPUs.
pub(super) fn shootdowns(throughput: &Throughput) -> Vec<Curve> {
    let point = |shootdown: &crate::load::Shootdown| (shootdown.cpus as f64, shootdown.nanoseconds.median / 1000.0);
    vec![Curve { name: "unmap a page".into(), points: throughput.shootdowns.iter().map(point).collect() }]
}

/// Shares of the sleepers that ran so late at most, in per cent, one curve for each length of sleep.
pub(super) fn lateness(throughput: &Throughput) -> Vec<Curve> {
    let curve = |sleep: &crate::load::Lateness| {
        let count = sleep.samples.len().max(1) as f64;
        let point = |(index, late): (usize, &u64)| (*late as f64 / 1000.0, (index + 1) as f64 * 100.0 / count);
        Curve {
            name: format!("asleep for {} ms", sleep.asked as f64 / 1e6),
            points: sleep.samples.iter().enumerate().map(point).collect(),
        }
    };
    throughput.sleeps.iter().map(curve).collect()
}

/// What grows with the number of CPUs, one curve each.
pub(super) fn scale(scale: &Scale) -> [Curve; 4] {
    let curve = |name: &str, value: fn(&crate::load::Size) -> Option<f64>| Curve {
        name: name.into(),
        points: scale.machines.iter().filter_map(|size| Some((size.cpus as f64, value(size)?))).collect(),
    };
    [
        curve("bring-up", |size| (size.cpus > 1).then_some(size.bring_up_us as f64 / 1000.0)),
        curve("memory", |size| Some(size.bytes as f64 / 1024.0)),
        curve("broadcast", |size| Some(size.broadcast?.median / 1000.0)),
        curve("shootdown", |size| Some(size.shootdown?.median / 1000.0)),
    ]
}

/// Instructions of each operation in documents, oldest first.
pub(super) fn history(documents: &[&Document], keys: &[&str]) -> Vec<Curve> {
    let curve = |key: &&str| {
        let point = |(index, document): (usize, &&Document)| {
            Some((index as f64 + 1.0, document.icount.get(*key)?.instructions? as f64))
        };
        Curve { name: (*key).into(), points: documents.iter().enumerate().filter_map(point).collect() }
    };
    keys.iter().map(curve).filter(|curve| curve.points.len() > 1).collect()
}
