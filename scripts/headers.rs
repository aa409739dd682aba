//! The C headers, by cbindgen: one per file or folder of `src/ffi`, written to OUT_DIR. `make headers` copies
//! them to `include/` and `make check-headers` compares. A part of build.rs with the feature `headers`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use cbindgen::{Builder, Config};

/// A header: its name, its sources, and the text before and after its declarations.
struct Header {
    name: &'static str,
    /// Files of src/ffi, in the order of the header.
    sources: &'static [&'static str],
    includes: &'static [&'static str],
    after_includes: &'static str,
    trailer: &'static str,
}

const HEADERS: [Header; 4] = [
    Header {
        name: "memkind.h",
        sources: &[
            "memkind/types.rs",
            "memkind/kinds.rs",
            "memkind/errors.rs",
            "memkind/config.rs",
            "memkind/create.rs",
            "memkind/stats.rs",
            "memkind/heap.rs",
        ],
        includes: &["stdbool.h", "stddef.h", "sys/types.h"],
        after_includes: "
/* Define as `const` to pass pointers to constant memory to memkind_malloc_usable_size(). */
#ifndef MEMKIND_MALLOC_USABLE_SIZE_CONST
#define MEMKIND_MALLOC_USABLE_SIZE_CONST
#endif",
        trailer: MEMKIND_TRAILER,
    },
    Header {
        name: "hbwmalloc.h",
        sources: &["hbw.rs"],
        includes: &["stddef.h", "stdlib.h"],
        after_includes: "",
        trailer: "",
    },
    Header {
        name: "memkind_memtier.h",
        sources: &["memtier.rs"],
        includes: &["memkind.h", "stdbool.h", "stddef.h"],
        after_includes: "",
        trailer: MEMTIER_TRAILER,
    },
    Header {
        name: "memkind_ext.h",
        // The other files of ext are its modules, which cbindgen reads by itself.
        sources: &["ext/mod.rs"],
        includes: &["stdbool.h", "stddef.h", "memkind.h"],
        after_includes: "",
        trailer: "",
    },
];

/// Never was a function of the library, and programs have it compiled in.
const MEMTIER_TRAILER: &str = r#"/**
 * Frees a block of any kind; NULL is a no-op.
 *
 * \param ptr the block
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 */
static inline void memtier_free(void *ptr)
{
    memtier_kind_free(NULL, ptr);
}
"#;

/// The deprecated names have always come with the rest. The decorators are not declared:
/// they are the program's, and existing ones differ in their parameters.
const MEMKIND_TRAILER: &str = r#"#include "memkind_deprecated.h"
"#;

/// Writes all headers into cargo's OUT_DIR.
pub(crate) fn write() {
    println!("cargo:rerun-if-changed=scripts/headers.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    for header in HEADERS {
        let text = generate(&root, &header);
        fs::write(out.join(header.name), text).expect("OUT_DIR is writable");
    }
}

fn generate(root: &Path, header: &Header) -> Vec<u8> {
    let mut config = Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.after_includes = Some(header.after_includes.to_owned());
    config.trailer = Some(header.trailer.trim_end().to_owned()).filter(|text| !text.is_empty());
    let mut builder = Builder::new().with_config(config);
    for source in header.sources {
        builder = builder.with_src(root.join("src/ffi").join(source));
    }
    for include in header.includes {
        // Headers of this library are found beside this one.
        builder = if include.starts_with("memkind") {
            builder.with_include(*include)
        } else {
            builder.with_sys_include(*include)
        };
    }
    let mut text = Vec::new();
    builder.generate().expect("src/ffi parses").write(&mut text);
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    // Opaque types get no typedef: programs may use the bare names for themselves.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        let words: Vec<&str> = line.trim_end_matches(';').split(' ').collect();
        if let ["typedef", "struct", tag, name] = words[..] {
            if tag == name {
                *line = format!("struct {tag};");
            }
        }
    }
    // Programs are built as C90 and C++98 too: no comma behind the last enumerator, no `//`.
    for index in 1..lines.len() {
        if lines[index].starts_with('}') && lines[index - 1].ends_with(',') {
            lines[index - 1].pop();
        }
    }
    let text = lines.join("\n") + "\n";
    let text = text
        .replace("// __cplusplus", "/* __cplusplus */")
        .replace("// extern \"C\"", "/* extern \"C\" */")
        // Of another header, which cbindgen takes for a typedef.
        .replace("(memkind_config *", "(struct memkind_config *");
    // The caller's duties stand under `# Safety` in Rust, under a warning in C.
    text.replace("# Safety\n *\n * ", "\\warning\n * ")
        .replace("# Safety\n * ", "\\warning\n * ")
        .into_bytes()
}
