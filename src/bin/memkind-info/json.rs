//! The report for a program: one JSON document, sizes in bytes.

use std::io::{self, Write};

use memkind::backing::thp::Wanted;
use memkind::topology::NodeMask;
use serde_core::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::Formatter;

use crate::process::{Process, Usage};
use crate::report::{KindRow, NodeRow, Report, Variable};
use crate::source::Limit;

/// Goes up when a field changes its meaning or goes; new fields leave it.
const SCHEMA: u32 = 1;

/// How a value is written: an object with these fields, in this order.
macro_rules! object {
    ($type:ty, |$value:ident| $($field:literal: $content:expr),* $(,)?) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                let mut object = serializer.serialize_map(None)?;
                $(object.serialize_entry($field, &$content)?;)*
                object.end()
            }
        }
    };
}

object!(Report, |report|
    "schema": SCHEMA,
    "nodes": report.nodes,
    "kinds": report.kinds,
    "huge_pages_2m_bytes": report.huge_pages,
    "limits": report.limits,
    "variables": report.variables,
);

object!(Limit, |limit|
    "of": if limit.is_huge { "huge_pages_2m" } else { "memory" },
    "bytes": limit.bytes,
    "left_bytes": limit.left,
    "file": limit.file,
);

object!(Variable, |variable|
    "name": variable.name,
    "value": variable.value,
    "remark": variable.remark,
);

object!(NodeRow, |row|
    "node": row.number,
    "cpus": row.cpus,
    "memory_bytes": row.memory.total,
    "free_bytes": row.memory.free,
    "tier": row.tier,
    "allowed": row.allowed,
    "dax_kmem": row.dax_kmem,
    "bandwidth_mib_s": row.bandwidth.map(Seen),
    "latency_ns": row.latency.map(Seen),
);

/// A value, after the node whose CPUs see it.
struct Seen((u16, u64));
object!(Seen, |seen| "from_node": seen.0.0, "value": seen.0.1);

/// CPUs with the nodes that a kind takes memory from for them.
struct Place<'row>(&'row (Vec<usize>, NodeMask));
object!(Place<'_>, |place|
    "cpus": place.0.0,
    "nodes": place.0.1.iter().collect::<Vec<_>>(),
);

impl Serialize for KindRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("kind", &self.name)?;
        object.serialize_entry("policy", self.policy)?;
        object.serialize_entry("page_bytes", &self.page_bytes)?;
        object.serialize_entry("transparent_huge_pages", &(self.thp != Wanted::Never))?;
        object.serialize_entry("available", &self.places.is_ok())?;
        match &self.places {
            Err(reason) => {
                object.serialize_entry("code", &reason.error.code())?;
                object.serialize_entry("reason", &reason.text)?;
            }
            Ok(places) => {
                object.serialize_entry("capacity_bytes", &self.memory.total)?;
                object.serialize_entry("free_bytes", &self.memory.free)?;
                object.serialize_entry("capacity_limit", &self.limit)?;
                let places: Vec<_> = places.iter().map(Place).collect();
                object.serialize_entry("places", &places)?;
            }
        }
        object.end()
    }
}

/// A process and what it has of each kind.
struct OfProcess<'process>(u32, &'process Process);
object!(OfProcess<'_>, |process|
    "schema": SCHEMA,
    "pid": process.0,
    "kinds": process.1.iter().map(OfKind).collect::<Vec<_>>(),
);

struct OfKind<'process>((&'process String, &'process Usage));
object!(OfKind<'_>, |kind|
    "kind": kind.0.0,
    "resident_bytes": kind.0.1.resident,
    "huge_bytes": kind.0.1.huge,
    "swapped_bytes": kind.0.1.swapped,
    "mapped_bytes": kind.0.1.mapped,
    "nodes": kind.0.1.nodes.iter().map(OnNode).collect::<Vec<_>>(),
);

struct OnNode<'process>((&'process u16, &'process u64));
object!(OnNode<'_>, |node| "node": node.0.0, "bytes": node.0.1);

/// A line for each row, and blanks behind commas and colons: for people, too.
#[derive(Default)]
struct Rows {
    depth: usize,
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(match (first, self.depth) {
            (true, 1) => b"\n  ",
            (true, _) => b"",
            (false, 1) => b",\n  ",
            (false, _) => b", ",
        })
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn text(content: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Rows::default());
    // Nothing here can fail: the fields are names, and a vector takes what is written.
    content
        .serialize(&mut serializer)
        .expect("writes to memory");
    text.push(b'\n');
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// The whole report.
pub(crate) fn document(report: &Report) -> String {
    text(report)
}

/// What a process has of each kind.
pub(crate) fn process(pid: u32, process: &Process) -> String {
    text(&OfProcess(pid, process))
}

#[cfg(test)]
mod tests {
    use super::{Variable, process, text};
    use crate::process::{Process, Usage};
    use std::collections::BTreeMap;

    #[test]
    fn texts_are_quoted() {
        let variable = Variable {
            name: "A\"B\\".to_owned(),
            value: "\n\u{1}é".to_owned(),
            remark: "",
        };
        assert_eq!(
            text(&variable),
            "{\"name\": \"A\\\"B\\\\\", \"value\": \"\\n\\u0001é\", \"remark\": \"\"}\n"
        );
    }

    #[test]
    fn rows_have_lines_of_their_own() {
        let usage = Usage {
            resident: 1,
            nodes: BTreeMap::from([(0, 1), (2, 3)]),
            ..Usage::default()
        };
        let of = Process::from([("a".to_owned(), usage), ("b".to_owned(), Usage::default())]);
        assert_eq!(
            process(7, &of),
            "{\"schema\": 1, \"pid\": 7, \"kinds\": [\n  \
             {\"kind\": \"a\", \"resident_bytes\": 1, \"huge_bytes\": 0, \"swapped_bytes\": 0, \
             \"mapped_bytes\": 0, \"nodes\": [{\"node\": 0, \"bytes\": 1}, {\"node\": 2, \"bytes\": 3}]},\n  \
             {\"kind\": \"b\", \"resident_bytes\": 0, \"huge_bytes\": 0, \"swapped_bytes\": 0, \
             \"mapped_bytes\": 0, \"nodes\": []}]}\n"
        );
    }
}
