//! The report as a picture: each node with its CPUs, memory, bandwidth and latency, and the kinds on it.

use core::fmt::Write;

use crate::report::{KindRow, NodeRow, Report};
use crate::text::bytes;
use crate::words::cpus_in_words;

/// Width of a node's box, in pixels.
const BOX: usize = 300;
/// The space between boxes, in pixels.
const GAP: usize = 30;
/// Height of a line of text, in pixels.
const LINE: usize = 20;
/// The most boxes side by side.
const COLUMNS: usize = 4;
/// Width of the longest name of a kind in small letters, in pixels.
const NAME: usize = 250;

/// The whole picture.
pub(crate) fn picture(report: &Report) -> String {
    let kinds: Vec<Vec<&str>> = report
        .nodes
        .iter()
        .map(|node| kinds_on(report, node))
        .collect();
    let most = kinds.iter().map(Vec::len).max().unwrap_or(0);
    let height = (most + 8) * LINE;
    let columns = report.nodes.len().clamp(1, COLUMNS);
    let rows = report.nodes.len().div_ceil(columns);
    let missing: Vec<&KindRow> = report
        .kinds
        .iter()
        .filter(|kind| kind.places.is_err())
        .collect();
    let width = (columns * (BOX + GAP) + GAP).max(2 * (BOX + GAP));
    let names = (width - 2 * GAP) / NAME;
    let below = GAP + rows * (height + GAP);
    let all = below
        + if missing.is_empty() {
            0
        } else {
            2 * LINE + LINE * missing.len().div_ceil(names)
        };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{all}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, node) in report.nodes.iter().enumerate() {
        let x = GAP + index % columns * (BOX + GAP);
        let y = GAP + index / columns * (height + GAP);
        draw_node(&mut svg, node, &kinds[index], (x, y, height));
    }
    if !missing.is_empty() {
        text(
            &mut svg,
            GAP,
            below + LINE / 2,
            "font-weight=\"bold\"",
            "Kinds without memory here",
        );
    }
    for (index, kind) in missing.iter().enumerate() {
        let x = GAP + index % names * NAME;
        let y = below + LINE / 2 + (1 + index / names) * LINE;
        text(&mut svg, x, y, "fill=\"#777\" font-size=\"11\"", &kind.name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The kinds that take memory from a node.
fn kinds_on<'a>(report: &'a Report, node: &NodeRow) -> Vec<&'a str> {
    let has = |kind: &&KindRow| match &kind.places {
        Ok(places) => places.iter().any(|(_, nodes)| nodes.contains(node.number)),
        Err(_) => false,
    };
    report
        .kinds
        .iter()
        .filter(has)
        .map(|kind| kind.name.as_str())
        .collect()
}

fn draw_node(
    svg: &mut String,
    node: &NodeRow,
    kinds: &[&str],
    (x, y, height): (usize, usize, usize),
) {
    let colour = match (node.cpus.is_empty(), node.dax_kmem) {
        (_, true) => "#f3e3c3",
        (true, _) => "#d8ecd8",
        (false, _) => "#d9e6f5",
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{height}\" rx=\"6\" fill=\"{colour}\" stroke=\"#444\"/>"
    );
    let seen = |value: Option<(u16, u64)>, unit: &str| match value {
        Some((_, value)) => format!("{value} {unit}"),
        None => "unknown".to_owned(),
    };
    let used = node.memory.total.saturating_sub(node.memory.free);
    let lines = [
        (
            "font-size=\"18\" font-weight=\"bold\"",
            format!("node {}", node.number),
        ),
        ("", cpus_in_words(&node.cpus)),
        (
            "",
            format!(
                "{}, {} free",
                bytes(node.memory.total),
                bytes(node.memory.free)
            ),
        ),
        ("", format!("bandwidth {}", seen(node.bandwidth, "MiB/s"))),
        ("", format!("latency {}", seen(node.latency, "ns"))),
    ];
    for (index, (style, line)) in lines.iter().enumerate() {
        text(svg, x + 12, y + 24 + index * LINE, style, line);
    }
    // How full the node is.
    let inner = BOX - 24;
    let full = (used as u128 * inner as u128 / u128::from(node.memory.total.max(1))) as usize;
    let bar = y + 24 + lines.len() * LINE - 8;
    let _ = writeln!(
        svg,
        "<rect x=\"{0}\" y=\"{bar}\" width=\"{inner}\" height=\"8\" fill=\"white\" stroke=\"#888\"/>\n\
         <rect x=\"{0}\" y=\"{bar}\" width=\"{full}\" height=\"8\" fill=\"#888\"/>",
        x + 12
    );
    for (index, kind) in kinds.iter().enumerate() {
        text(
            svg,
            x + 12,
            bar + 28 + index * LINE,
            "font-size=\"12\"",
            kind,
        );
    }
}

fn text(svg: &mut String, x: usize, y: usize, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{content}</text>");
}
