//! The layers of ARCHITECTURE.md. Parses every file below `src` and `preload`, follows each path
//! to the file that defines what it names, and fails on an arrow between layers that points up,
//! on a circle between files, and on jemalloc, C or hwloc names outside of the files they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The layers of the library, lowest first. A file may use its own layer and those before it.
const LAYERS: [&[&str]; 7] = [
    &[
        "error", "env", "log", "clock", "cancel", "boxed", "reserve", "signals", "sys",
    ],
    &["topology"],
    &["backing"],
    &["heap"],
    &["kind", "global"],
    &["tier", "ext"],
    &["ffi"],
];

/// The folders of the heap, lowest first. A file may use its own folder and those before it; what
/// lies beside the folders may use all of them.
const FOLDERS_OF_HEAP: [&str; 8] = [
    "base", "thread", "objects", "arena", "tbb", "cache", "pressure", "giveback",
];

/// A module as a path from the root of its crate: `["heap", "cache"]`.
type Module = Vec<String>;

/// What a file says: the modules that it declares, the names that it imports, the paths it uses.
#[derive(Default)]
struct Source {
    children: BTreeSet<String>,
    /// Imported names, with the path that each stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths of which everything is imported.
    globs: Vec<Vec<String>>,
    /// All paths that the code names, imports included.
    paths: Vec<Vec<String>>,
    /// Names of the items that the file defines.
    items: BTreeSet<String>,
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl Source {
    fn of(text: &str) -> Self {
        let file = syn::parse_file(text).expect("sources are Rust");
        let mut source = Self::default();
        source.visit_file(&file);
        source
    }

    fn import(&mut self, tree: &syn::UseTree, mut prefix: Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix);
            }
            syn::UseTree::Name(name) => {
                let last = prefix.last().cloned().unwrap_or_default();
                let name = name.ident.to_string();
                let local = if name == "self" { last } else { name.clone() };
                if name != "self" {
                    prefix.push(name);
                }
                self.paths.push(prefix.clone());
                self.imports.insert(local, prefix);
            }
            syn::UseTree::Rename(rename) => {
                prefix.push(rename.ident.to_string());
                self.paths.push(prefix.clone());
                self.imports.insert(rename.rename.to_string(), prefix);
            }
            syn::UseTree::Glob(_) => {
                self.paths.push(prefix.clone());
                self.globs.push(prefix);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix.clone());
                }
            }
        }
    }

    /// Paths in the arguments of a macro, which are not parsed: names joined by `::`. A single name
    /// is no arrow of its own: an import, or the `super` of `pub(super)`.
    fn paths_of_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.path_of_names(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                proc_macro2::TokenTree::Group(group) => {
                    self.path_of_names(std::mem::take(&mut path));
                    colons = 0;
                    self.paths_of_tokens(group.stream());
                }
                _ => {
                    self.path_of_names(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.path_of_names(path);
    }

    fn path_of_names(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item;
        let (attributes, name) = match item {
            Item::Mod(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            _ => return visit::visit_item(self, item),
        };
        if is_for_tests(attributes) {
            return;
        }
        if let Some(name) = name {
            self.items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_none() {
            self.children.insert(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        self.paths.push(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.paths_of_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    // `pub(in crate::x)` names a module and uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The files of a crate, by module.
struct Crate {
    sources: BTreeMap<Module, Source>,
}

impl Crate {
    /// The crate whose root module is the file `root` and whose other files lie in its folder.
    fn read(root: &Path) -> Self {
        let mut sources = BTreeMap::new();
        Self::add(
            root,
            Vec::new(),
            root.parent().expect("a folder"),
            &mut sources,
        );
        Self { sources }
    }

    fn add(file: &Path, module: Module, folder: &Path, sources: &mut BTreeMap<Module, Source>) {
        let text = fs::read_to_string(file).expect("sources are UTF-8");
        let source = Source::of(&text);
        let children = source.children.clone();
        sources.insert(module.clone(), source);
        for child in children {
            let plain = folder.join(format!("{child}.rs"));
            let file = if plain.exists() {
                plain
            } else {
                folder.join(&child).join("mod.rs")
            };
            if file.exists() {
                let module = module.iter().cloned().chain([child.clone()]).collect();
                Self::add(&file, module, &folder.join(child), sources);
            }
        }
    }

    /// The module in which what a path names is defined, seen from `from`; `None` for names of
    /// other crates and of the language.
    fn target(&self, from: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (mut module, mut rest) = (from.to_vec(), path);
        match rest.first().map(String::as_str)? {
            "crate" => (module, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module.pop()?;
                    rest = &rest[1..];
                }
            }
            name => {
                let source = self.sources.get(from)?;
                let known = source.children.contains(name) || source.items.contains(name);
                if !known {
                    let import = source.imports.get(name).filter(|import| *import != path)?;
                    let full: Vec<_> = import.iter().chain(&rest[1..]).cloned().collect();
                    return (depth < 8).then(|| self.target(from, &full, depth + 1))?;
                }
            }
        }
        self.inside(module, rest, depth)
    }

    /// The module that defines what `rest` names, seen from inside of `module`.
    fn inside(&self, mut module: Module, mut rest: &[String], depth: usize) -> Option<Module> {
        loop {
            let source = self.sources.get(&module)?;
            let Some(name) = rest.first() else {
                return Some(module);
            };
            let mut child = module.clone();
            child.push(name.clone());
            if self.sources.contains_key(&child) {
                (module, rest) = (child, &rest[1..]);
                continue;
            }
            if source.items.contains(name) || depth >= 8 {
                return Some(module);
            }
            if let Some(import) = source.imports.get(name) {
                let full: Vec<_> = import.iter().chain(&rest[1..]).cloned().collect();
                return self.target(&module, &full, depth + 1);
            }
            let everything = source.globs.iter().find_map(|glob| {
                let full: Vec<_> = glob.iter().chain(rest).cloned().collect();
                let found = self.target(&module, &full, depth + 1)?;
                self.sources[&found].items.contains(name).then_some(found)
            });
            return Some(everything.unwrap_or(module));
        }
    }

    /// For each module those that it uses.
    fn arrows(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let arrows = self.sources.iter().map(|(module, source)| {
            let mut used: BTreeSet<_> = (source.paths.iter())
                .filter_map(|path| self.target(module, path, 0))
                .collect();
            used.remove(module);
            (module.clone(), used)
        });
        arrows.collect()
    }

    /// The circles: groups of modules each of which uses, perhaps by others, each other one.
    fn circles(&self) -> Vec<Vec<String>> {
        let arrows = self.arrows();
        let reachable = |start: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(module) = open.pop() {
                open.extend(
                    arrows[module]
                        .iter()
                        .filter(|next| seen.insert((*next).clone())),
                );
            }
            seen
        };
        let all: BTreeMap<_, _> = arrows
            .keys()
            .map(|module| (module, reachable(module)))
            .collect();
        let circles: BTreeSet<Vec<String>> = (all.iter())
            .filter(|(module, reached)| reached.contains(**module))
            .map(|(module, reached)| {
                let back = reached.iter().filter(|other| all[*other].contains(*module));
                back.map(|other| other.join("::")).collect()
            })
            .collect();
        circles.into_iter().collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn library() -> Crate {
    Crate::read(&root().join("src/lib.rs"))
}

#[test]
fn no_layer_uses_one_above_it() {
    let rank = |module: &Module| {
        let first = module.first()?;
        let rank = LAYERS
            .iter()
            .position(|layer| layer.contains(&first.as_str()));
        Some(rank.unwrap_or_else(|| panic!("{first} is in no layer: add it")))
    };
    let rank_of = |name| {
        LAYERS
            .iter()
            .position(|layer| layer.contains(&name))
            .unwrap_or(0)
    };
    let arrows = library().arrows();
    assert!(arrows.len() > 60, "the sources have moved");
    for (module, used) in &arrows {
        for other in used {
            if let (Some(own), Some(rank)) = (rank(module), rank(other)) {
                // Side by side, and neither needs the other.
                let apart = rank == own && module.first() != other.first() && own == rank_of("ext");
                let (module, other) = (module.join("::"), other.join("::"));
                assert!(rank <= own && !apart, "{module} may not use {other}");
            }
        }
    }
}

#[test]
fn no_folder_of_the_heap_uses_one_above_it() {
    let rank = |module: &Module| {
        let (first, rest) = module.split_first()?;
        let folder = |name: &String| FOLDERS_OF_HEAP.iter().position(|folder| folder == name);
        let rank = rest.first().and_then(folder);
        (first == "heap").then(|| rank.unwrap_or(FOLDERS_OF_HEAP.len()))
    };
    let arrows = library().arrows();
    for folder in FOLDERS_OF_HEAP {
        let module = vec!["heap".to_owned(), folder.to_owned()];
        assert!(arrows.contains_key(&module), "there is no folder {folder}");
    }
    for (module, used) in &arrows {
        for other in used {
            if let (Some(own), Some(rank)) = (rank(module), rank(other)) {
                let (module, other) = (module.join("::"), other.join("::"));
                assert!(rank <= own, "{module} may not use {other}");
            }
        }
    }
}

/// Files that use each other can only be understood, and changed, together.
#[test]
fn no_files_use_each_other() {
    let root = root();
    let roots = [
        "src/lib.rs",
        "src/bin/memkind-info/main.rs",
        "preload/autohbw/src/lib.rs",
        "preload/interpose/src/lib.rs",
        "preload/memtier/src/lib.rs",
    ];
    let circles = roots.iter().flat_map(|file| {
        let circles = Crate::read(&root.join(file)).circles();
        circles.into_iter().map(move |circle| (file, circle))
    });
    let news: Vec<_> = circles
        .map(|(file, circle)| format!("{file}: {} use each other", circle.join(", ")))
        .collect();
    assert!(news.is_empty(), "{}", news.join("\n"));
}

#[test]
fn the_check_sees_arrows() {
    let module = |text: &str| -> Module {
        let names = text.split("::").filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let texts = [
        ("", "pub mod a; pub mod b;"),
        (
            "a",
            "pub mod c; pub use c::Deep; use crate::b::{\n self,\n Two as Other };",
        ),
        (
            "a::c",
            "pub struct Deep; fn f() -> u8 { log!(super::super::b::g(1)); 0 }",
        ),
        (
            "b",
            "pub struct Two; pub fn g(_: u8) {} // use crate::a;\n #[cfg(test)] mod t { use crate::a; }",
        ),
    ];
    let sources = texts
        .iter()
        .map(|(name, text)| (module(name), Source::of(text)))
        .collect();
    let mut krate = Crate { sources };
    let arrows = krate.arrows();
    let used = |name: &str| {
        arrows[&module(name)]
            .iter()
            .map(|used| used.join("::"))
            .collect::<Vec<_>>()
    };
    assert_eq!(used("a"), ["a::c", "b"]);
    assert_eq!(used("a::c"), ["b"]);
    assert!(used("b").is_empty());
    assert!(krate.circles().is_empty());
    krate.sources.insert(
        module("b"),
        Source::of("use crate::a::Deep; pub struct Two; pub fn g() {}"),
    );
    assert_eq!(krate.circles(), [["a::c", "b"]]);
}

#[test]
fn foreign_names_stay_where_they_belong() {
    fn check(directory: &Path, inside: &str) {
        for entry in fs::read_dir(directory).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            let inside = format!("{inside}/{name}");
            if path.is_dir() {
                check(&path, &inside);
                continue;
            }
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            // Unit tests may print and read their environment.
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            let owners = [
                ("tikv_jemalloc_sys", inside.starts_with("/heap/base/je/")),
                ("no_mangle", inside.starts_with("/ffi/")),
                ("fn hwloc_", name == "hwloc_sys.rs"),
                ("std::env::", inside.starts_with("/bin/")),
                ("println!", inside.starts_with("/bin/")),
            ];
            for (needle, allowed) in owners {
                assert!(allowed || !code.contains(needle), "{inside}: {needle}");
            }
        }
    }
    check(&root().join("src"), "");
}
