//! The report for a program: one JSON document, sizes in bytes.

use core::fmt::{Display, Write};
use memkind::backing::thp::Wanted;

use memkind::topology::NodeMask;

use crate::process::{Process, Usage};
use crate::report::{KindRow, NodeRow, Report, Variable};
use crate::source::Limit;

/// Goes up when a field changes its meaning or goes; new fields leave it.
const SCHEMA: u32 = 1;

/// What a process has of each kind.
pub(crate) fn process(pid: u32, process: &Process) -> String {
    let kind = |(kind, usage): (&String, &Usage)| {
        let node =
            |(node, bytes): (&u16, &u64)| format!("{{\"node\": {node}, \"bytes\": {bytes}}}");
        format!(
            "\n  {{\"kind\": {}, \"resident_bytes\": {}, \"huge_bytes\": {}, \"swapped_bytes\": {}, \
             \"mapped_bytes\": {}, \"nodes\": {}}}",
            string(kind),
            usage.resident,
            usage.huge,
            usage.swapped,
            usage.mapped,
            array(usage.nodes.iter().map(node))
        )
    };
    let kinds = array(process.iter().map(kind));
    format!("{{\"schema\": {SCHEMA}, \"pid\": {pid}, \"kinds\": {kinds}}}\n")
}

/// The whole report.
pub(crate) fn document(report: &Report) -> String {
    format!(
        "{{\"schema\": {SCHEMA}, \"nodes\": {}, \"kinds\": {}, \"huge_pages_2m_bytes\": {}, \
         \"limits\": {}, \"variables\": {}}}\n",
        array(report.nodes.iter().map(node)),
        array(report.kinds.iter().map(kind)),
        report.huge_pages,
        array(report.limits.iter().map(limit)),
        array(report.variables.iter().map(variable))
    )
}

fn limit(limit: &Limit) -> String {
    format!(
        "{{\"of\": \"{}\", \"bytes\": {}, \"left_bytes\": {}, \"file\": {}}}",
        if limit.is_huge {
            "huge_pages_2m"
        } else {
            "memory"
        },
        limit.bytes,
        limit.left,
        string(&limit.file)
    )
}

fn variable(variable: &Variable) -> String {
    format!(
        "{{\"name\": {}, \"value\": {}, \"remark\": {}}}",
        string(&variable.name),
        string(&variable.value),
        string(variable.remark)
    )
}

fn node(row: &NodeRow) -> String {
    let seen = |value: Option<(u16, u64)>| match value {
        Some((from, value)) => format!("{{\"from_node\": {from}, \"value\": {value}}}"),
        None => "null".to_owned(),
    };
    let tier = row.tier.map_or("null".to_owned(), |tier| tier.to_string());
    format!(
        "\n  {{\"node\": {}, \"cpus\": {}, \"memory_bytes\": {}, \"free_bytes\": {}, \
         \"tier\": {tier}, \"allowed\": {}, \"dax_kmem\": {}, \"bandwidth_mib_s\": {}, \
         \"latency_ns\": {}}}",
        row.number,
        array(row.cpus.iter()),
        row.memory.total,
        row.memory.free,
        row.allowed,
        row.dax_kmem,
        seen(row.bandwidth),
        seen(row.latency)
    )
}

fn kind(row: &KindRow) -> String {
    let head = format!(
        "\n  {{\"kind\": {}, \"policy\": \"{}\", \"page_bytes\": {}, \
         \"transparent_huge_pages\": {}, ",
        string(&row.name),
        row.policy,
        row.page_bytes,
        row.thp != Wanted::Never
    );
    let tail = match &row.places {
        Err(reason) => format!(
            "\"available\": false, \"code\": {}, \"reason\": {}}}",
            reason.error.code(),
            string(&reason.text)
        ),
        Ok(places) => {
            let place = |(cpus, nodes): &(Vec<usize>, NodeMask)| {
                let (cpus, nodes) = (array(cpus.iter()), array(nodes.iter()));
                format!("{{\"cpus\": {cpus}, \"nodes\": {nodes}}}")
            };
            format!(
                "\"available\": true, \"capacity_bytes\": {}, \"free_bytes\": {}, \
                 \"capacity_limit\": {}, \"places\": {}}}",
                row.memory.total,
                row.memory.free,
                row.limit.as_deref().map_or("null".to_owned(), string),
                array(places.iter().map(place))
            )
        }
    };
    head + &tail
}

fn array(items: impl Iterator<Item = impl Display>) -> String {
    let mut text = String::from("[");
    for (index, item) in items.enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{item}");
    }
    text.push(']');
    text
}

fn string(content: &str) -> String {
    let mut text = String::from("\"");
    for character in content.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}
