//! The report for a person: tables that fit one screen.

use core::fmt::Write;
use memkind::backing::thp::Wanted;

use memkind::topology::NodeMask;
use memkind::topology::sysfs::Memory;

use crate::process::Process;
use crate::report::{KindRow, NodeRow, Report};
use crate::words::{cpus_in_words, list};

/// The whole report.
pub(crate) fn screen(report: &Report) -> String {
    let mut text = String::new();
    let heading = [
        "node",
        "CPUs",
        "memory",
        "free",
        "tier",
        "bandwidth",
        "latency",
        "",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(report.nodes.iter().map(node));
    table(&mut text, &rows);
    text.push('\n');
    let heading = ["kind", "policy", "page", "capacity", "free", "nodes"];
    let mut rows = vec![heading.map(str::to_owned)];
    for (index, row) in report.kinds.iter().enumerate() {
        rows.push(kind(row, &report.kinds[..index]));
    }
    table(&mut text, &rows);
    let _ = writeln!(text, "\n2 MiB pages: {}", bytes(report.huge_pages));
    for limit in &report.limits {
        let of = if limit.is_huge {
            "2 MiB pages"
        } else {
            "memory"
        };
        let (most, left) = (bytes(limit.bytes), bytes(limit.left));
        let _ = writeln!(text, "limit of {of}: {most}, {left} left ({})", limit.file);
    }
    for variable in &report.variables {
        let _ = write!(text, "{}={}", variable.name, variable.value);
        match variable.remark {
            "" => text.push('\n'),
            remark => {
                let _ = writeln!(text, " ({remark})");
            }
        }
    }
    text
}

/// What a process has of each kind.
pub(crate) fn process(process: &Process) -> String {
    if process.is_empty() {
        return "no memory of a kind (or a kernel without names of mappings)\n".to_owned();
    }
    let heading = [
        "kind",
        "resident",
        "huge pages",
        "swapped",
        "mapped",
        "nodes",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    for (kind, usage) in process {
        let node = |(node, size): (&u16, &u64)| format!("{node}: {}", bytes(*size));
        let nodes: Vec<String> = usage.nodes.iter().map(node).collect();
        rows.push([
            // A directory may be named by another user: no commands to the terminal.
            kind.replace(char::is_control, "?"),
            bytes(usage.resident),
            bytes(usage.huge),
            bytes(usage.swapped),
            bytes(usage.mapped),
            nodes.join(", "),
        ]);
    }
    let mut text = String::new();
    table(&mut text, &rows);
    text
}

fn node(row: &NodeRow) -> [String; 8] {
    let seen = |value: Option<(u16, u64)>, unit: &str| match value {
        Some((from, value)) if from == row.number => format!("{value} {unit}"),
        Some((from, value)) => format!("{value} {unit} from node {from}"),
        None => "unknown".to_owned(),
    };
    let remark = match (row.allowed, row.dax_kmem) {
        _ if row.memory.total == 0 => "no memory",
        (false, _) => "not allowed (cpuset)",
        (true, true) => "DAX",
        (true, false) => "",
    };
    [
        row.number.to_string(),
        list(&row.cpus),
        bytes(row.memory.total),
        bytes(row.memory.free),
        row.tier.map_or("-".to_owned(), |tier| tier.to_string()),
        seen(row.bandwidth, "MiB/s"),
        seen(row.latency, "ns"),
        remark.to_owned(),
    ]
}

/// The cells of a kind. A reason that the row of an earlier kind has is replaced by its name.
fn kind(row: &KindRow, earlier: &[KindRow]) -> [String; 6] {
    let kib = row.page_bytes >> 10;
    let page = match (kib >> 10, row.thp) {
        (0, Wanted::System) => format!("{kib} KiB"),
        (0, Wanted::Always) => format!("{kib} KiB, THP"),
        (0, Wanted::Never) => format!("{kib} KiB, no THP"),
        (mib, _) => format!("{mib} MiB"),
    };
    let (total, free, nodes) = match &row.places {
        Err(reason) => {
            let same = |other: &&KindRow| match &other.places {
                Err(other) => other.text == reason.text,
                Ok(_) => false,
            };
            let code = reason.error.code();
            let text = match earlier.iter().find(same) {
                Some(other) => format!("as {} ({code})", other.name),
                None => format!("{} ({code})", reason.text),
            };
            ("-".to_owned(), "-".to_owned(), text)
        }
        Ok(places) => {
            let place = |(cpus, nodes): &(Vec<usize>, NodeMask)| match places.len() {
                1 => or_none(nodes),
                _ => format!("{} ({})", or_none(nodes), cpus_in_words(cpus)),
            };
            let nodes: Vec<String> = places.iter().map(place).collect();
            let Memory { total, free } = row.memory;
            (bytes(total), bytes(free), nodes.join(", "))
        }
    };
    let (name, policy) = (row.name.clone(), row.policy.to_owned());
    [name, policy, page, total, free, nodes]
}

fn or_none(nodes: &NodeMask) -> String {
    if nodes.is_empty() {
        "none".to_owned()
    } else {
        nodes.to_string()
    }
}

/// Bytes with the unit that leaves one to four digits before the point.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    // In tenths, rounded down.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        0 => "0".to_owned(),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

/// Appends `rows` to `text`, in columns as wide as their widest cell.
fn table<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "{cell:<width$}  ", width = width(column));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::process;
    use crate::process::{Process, Usage};

    #[test]
    fn names_do_not_command_the_terminal() {
        let name = "file in /tmp/\u{1b}[2J\u{7}é".to_owned();
        let text = process(&Process::from([(name, Usage::default())]));
        assert!(text.contains("file in /tmp/?[2J?é "), "{text}");
    }
}
