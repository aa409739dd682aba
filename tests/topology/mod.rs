//! What the comparisons with installed C libraries share: compiling a program beside
//! this file, and finding the original memkind.
//!
//! MEMKIND_ORIGINAL names a directory into which Debian's packages libmemkind0 and
//! libmemkind-dev 1.14.0 were unpacked (`dpkg -x`), for machines where another libmemkind
//! is installed. Unset, the system's is tried; the programs tell when it is another one.

use std::path::Path;
use std::process::Command;

/// Compiles `tests/topology/<file>` with more arguments; false when that is not
/// possible here.
pub(crate) fn compile(file: &str, program: &Path, arguments: &[String]) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/topology")
        .join(file);
    let mut command = Command::new("cc");
    command.arg("-o").arg(program).arg(source).args(arguments);
    command.output().is_ok_and(|output| output.status.success())
}

/// The arguments that compile and link a program with the original memkind.
#[allow(dead_code, reason = "not every test needs the original")]
pub(crate) fn original() -> Vec<String> {
    match std::env::var("MEMKIND_ORIGINAL") {
        Err(_) => vec!["-l:libmemkind.so.0".to_owned()],
        Ok(dir) => {
            let libraries = format!("{dir}/usr/lib/x86_64-linux-gnu");
            vec![
                format!("-I{dir}/usr/include"),
                format!("{libraries}/libmemkind.so.0"),
                format!("-Wl,-rpath,{libraries}"),
            ]
        }
    }
}
