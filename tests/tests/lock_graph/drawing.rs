//! The graph as a drawing: the ranks from above in their order, and an arc from each to every one that is taken while it is held.

use std::fmt::Write as _;

use super::graph::Graph;

/// Of a rank's line.
const HEIGHT: usize = 28;
const MARGIN: usize = 24;
/// Where names end and arcs begin.
const NAMES: usize = 140;
/// How far an arc reaches for each rank that it passes.
const REACH: usize = 20;
const COLOURS: [&str; 6] = ["#1f77b4", "#d65f0e", "#2c8c3c", "#94529f", "#785546", "#555555"];

/// An SVG file.
pub fn svg(graph: &Graph) -> String {
    let y = |place: usize| MARGIN + place * HEIGHT;
    let longest = graph.edges.iter().map(|(held, taken)| taken - held).max().unwrap_or(0);
    let (width, height) = (NAMES + longest * REACH + 2 * MARGIN, y(graph.ranks.len()));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes all");
    for (place, rank) in graph.ranks.iter().enumerate() {
        let alone = !graph.edges.iter().any(|(held, taken)| *held == place || *taken == place);
        let colour = if alone { "#999999" } else { "black" };
        line(format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{colour}\">{rank}</text>",
            NAMES - 12,
            y(place) + 4
        ));
        line(format_args!("<circle cx=\"{NAMES}\" cy=\"{}\" r=\"3\" fill=\"{colour}\"/>", y(place)));
    }
    for (held, taken) in &graph.edges {
        let (from, to, colour) = (y(*held) + 3, y(*taken) - 4, COLOURS[held % COLOURS.len()]);
        // A cubic curve comes three quarters as far as its control points.
        let control = NAMES + (taken - held) * REACH * 4 / 3;
        line(format_args!(
            "<path d=\"M{NAMES} {from}C{control} {from} {control} {to} {} {to}\" fill=\"none\" stroke=\"{colour}\"/>",
            NAMES + 8
        ));
        line(format_args!("<path d=\"M{} {to}l8 -4v8z\" fill=\"{colour}\"/>", NAMES + 1));
    }
    text.push_str("</svg>\n");
    text
}
