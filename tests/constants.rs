//! The table of rules in ARCHITECTURE.md names each threshold of the heap and of its sources of
//! memory, with its value. A constant that is no threshold is in the list below.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit, Type};

/// Constants that decide nothing: how data is laid out, states, and numbers of other interfaces.
const NO_RULES: [&str; 34] = [
    // Units in which memory is counted, and the bits of addresses and entries.
    "backing/base::UNIT END",
    "class::PAGE LG_PAGE COUNT SMALL_COUNT NO_BLOCKS BIN_BITS SLAB_MAX FINE_MAX FINE COARSE",
    "fast::NOWHERE SLOT_BITS",
    "first::SIZE CLASSES RECORDS",
    "heap/base::HEAPS KINDS",
    "kept::SECOND",
    "cache/large::CLASSES",
    "mapped::LEAF_UNITS SPAN FIRST FREE ID_SHIFT BITS",
    "page_map::PAGE_BITS LEAF_BITS LEAF_PAGES N_LEAVES UNIT",
    "piece::PIECE_UNIT UNDECIDED SAME",
    "ranges::BLOCK N_RANGES HELD",
    "spare::ID SMALLEST CHUNK CLASSES",
    "table::POOLS",
    "tops::END",
    "turn::TURN_BITS",
    "units::BY_PAGE LEAF_UNITS SPAN",
    // States.
    "anonymous::NO_HOME",
    "mapping::READ_WRITE",
    "pages::EMPTY AHEAD TAKEN CLAIMED TOUCHED SPOILT",
    "snapshot::READ WRITE",
    "start::NOT_STARTED READY COMPLETE",
    "thp::UNREAD",
    // Of the kernel, of jemalloc, of TBB and of memkind.h.
    "arenas::FIRST_RECORDS",
    "blocks::XFS_SUPER_MAGIC",
    "heap/thread::REGISTER EXPEDITED",
    "policy::WEIGHTED_INTERLEAVE",
    "watchers::WATCHERS",
    "slabs::HUGE",
    "descriptor::SHORT LONG",
    "je::ZERO TCACHE_NONE ALIGNMENT RECORDS",
    "library::VERSION",
    "map::SIZE_SHIFT NO_FILE ON_FAULT",
    "names::LONGEST PR_SET_VMA PR_SET_VMA_ANON_NAME",
    "plan::POPULATE LOCK PIN NO_FORK SHARED NO_DUMP WIPE TRANSPARENT_HUGE ALL",
];

/// The names of items in the files of a folder, each with its module (`cache/large::most`): numbers,
/// with their value where that is plain, and functions.
#[derive(Default)]
struct Names {
    module: String,
    numbers: BTreeMap<String, Option<u64>>,
    functions: Vec<String>,
}

fn is_number(type_: &Type) -> bool {
    let Type::Path(path) = type_ else {
        return false;
    };
    let name = path.path.segments.last().map(|last| last.ident.to_string());
    let numbers = "u8 u16 u32 u64 usize i32 i64 isize c_int c_uint c_ulong";
    name.is_some_and(|name| numbers.split(' ').any(|number| number == name))
}

/// The value of an expression of plain numbers.
fn value(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Paren(inner) => value(&inner.expr),
        Expr::Binary(both) => {
            let (left, right) = (value(&both.left)?, value(&both.right)?);
            match both.op {
                BinOp::Shl(_) => Some(left << right),
                BinOp::Mul(_) => Some(left * right),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Names {
    fn note(&mut self, name: &syn::Ident, type_: &Type, expression: &Expr) {
        if is_number(type_) {
            let name = format!("{}::{name}", self.module);
            self.numbers.insert(name, value(expression));
        }
    }

    fn read(&mut self, folder: &Path, inside: &str) {
        for entry in fs::read_dir(folder).expect("sources are readable") {
            let path = entry.expect("sources are readable").path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let stem = stem.expect("names are UTF-8").to_owned();
            if path.is_dir() {
                self.read(&path, &format!("{inside}/{stem}"));
            } else if stem != "tests" {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                self.module = match stem.as_str() {
                    "mod" => inside.to_owned(),
                    _ => format!("{inside}/{stem}"),
                };
                self.visit_file(&syn::parse_file(&text).expect("sources compile"));
            }
        }
    }

    /// The full names that `name` is the end of.
    fn ending<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a String> {
        let all = self.numbers.keys().chain(&self.functions);
        all.filter(move |full| full.ends_with(&format!("/{name}")))
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.note(&item.ident, &item.ty, &item.expr);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.note(&item.ident, &item.ty, &item.expr);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let name = format!("{}::{}", self.module, signature.ident);
        self.functions.push(name);
    }
}

fn names() -> Names {
    let mut names = Names::default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["heap", "backing", "kind/checks"] {
        names.read(&root.join("src").join(folder), &format!("src/{folder}"));
    }
    names
}

/// The rows of the table: the names in the first cell, each with its module, and the second cell.
fn rows() -> Vec<(Vec<String>, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(file).expect("the document is UTF-8");
    let (_, section) = text.split_once("\n### Rules").expect("there is a section");
    let section = section.split("\n#").next().unwrap_or("");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let mut module = "";
        let names = cells[1].split('`').skip(1).step_by(2).map(|name| {
            let (before, last) = name.split_once("::").unwrap_or((module, name));
            module = before;
            format!("{module}::{last}")
        });
        (names.collect(), cells[2].to_owned())
    })
    .collect()
}

/// Whether a text has a number in one of the ways in which people write it.
fn says(text: &str, number: u64) -> bool {
    let units = [
        (1 << 10, " KiB"),
        (1 << 20, " MiB"),
        (1 << 30, " GiB"),
        (1 << 40, " TiB"),
        (1000, " us"),
        (1_000_000, " ms"),
        (1_000_000_000, " s"),
    ];
    let with_units = units.iter().filter(|(unit, _)| number % unit == 0);
    let forms = with_units.map(|(unit, name)| format!("{}{name}", number / unit));
    forms.chain([number.to_string()]).any(|form| {
        text.match_indices(&form).any(|(at, _)| {
            let around = [
                text[..at].chars().last(),
                text[at + form.len()..].chars().next(),
            ];
            !around
                .into_iter()
                .flatten()
                .any(|one| one.is_ascii_alphanumeric())
        })
    })
}

#[test]
fn the_table_has_every_threshold_with_its_value() {
    let names = names();
    assert!(names.numbers.len() > 100, "the sources have moved");
    let mut missing = names.numbers.clone();
    // Of the checks the table names what it likes.
    missing.retain(|name, _| !name.starts_with("src/kind"));
    let mut wrong = Vec::new();
    for (of_row, text) in rows() {
        for name in of_row {
            let found: Vec<_> = names.ending(&name).collect();
            let [full] = found[..] else {
                wrong.push(format!("{name} of the table is {found:?}"));
                continue;
            };
            missing.remove(full);
            if let Some(Some(number)) = names.numbers.get(full) {
                if !says(&text, *number) {
                    wrong.push(format!("{name} is {number}, and the table says {text}"));
                }
            }
        }
    }
    for list in NO_RULES {
        let (module, list) = list.split_once("::").expect("a module");
        for name in list.split(' ') {
            let name = format!("{module}::{name}");
            let found: Vec<_> = names.ending(&name).collect();
            match found[..] {
                [full] if missing.remove(full).is_some() => {}
                _ => wrong.push(format!("{name} is {found:?}, or in the table too")),
            }
        }
    }
    wrong.extend(
        missing
            .keys()
            .map(|name| format!("{name} is not in the table")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_are_read_as_they_are_written() {
    assert!(says("at most 1/16 of it", 16) && !says("at most 1/16 of it", 6));
    assert!(says("twice, up to 64 KiB", 64 << 10) && !says("64 KiB", 64 << 20));
    assert!(says("100 ms at most", 100_000_000) && says("8, then 1 in 256", 8));
}
