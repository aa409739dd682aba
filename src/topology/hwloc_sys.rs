//! The declarations of libhwloc (2.3 and later) that this library uses, and opening it.
//!
//! Most programs never ask for bandwidth or latency. Loading libhwloc with libudev and libm is a
//! good part of the cost of a process start, so it is opened at first use.
//!
//! The structs have the fields of hwloc.h and hwloc/memattrs.h of hwloc 2; the test at the end
//! compares them with the installed headers.

use core::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};

use once_cell::race::OnceBox;

use crate::boxed::boxed;
use crate::log;

/// `HWLOC_TYPE_DEPTH_NUMANODE`: the level that holds the NUMA nodes.
pub(super) const DEPTH_NUMANODE: c_int = -3;
/// `HWLOC_MEMATTR_ID_BANDWIDTH`: MiB/s.
pub(super) const MEMATTR_BANDWIDTH: c_uint = 2;
/// `HWLOC_MEMATTR_ID_LATENCY`: nanoseconds.
pub(super) const MEMATTR_LATENCY: c_uint = 3;
/// `HWLOC_LOCATION_TYPE_CPUSET`.
pub(super) const LOCATION_CPUSET: c_int = 1;

/// A topology (`struct hwloc_topology`).
#[repr(C)]
pub(super) struct Topology {
    _opaque: [u8; 0],
}

/// A set of numbers (`struct hwloc_bitmap_s`).
#[repr(C)]
pub(super) struct Bitmap {
    _opaque: [u8; 0],
}

/// The head of `struct hwloc_obj`, up to its last field that is read here.
#[repr(C)]
#[allow(
    dead_code,
    reason = "fields in between keep the others in their places"
)]
pub(super) struct Object {
    pub(super) kind: c_int,
    pub(super) subtype: *mut c_char,
    pub(super) os_index: c_uint,
    pub(super) name: *mut c_char,
    pub(super) total_memory: u64,
    pub(super) attr: *mut c_void,
    pub(super) depth: c_int,
    pub(super) logical_index: c_uint,
    pub(super) next_cousin: *mut Object,
    pub(super) prev_cousin: *mut Object,
    pub(super) parent: *mut Object,
    pub(super) sibling_rank: c_uint,
    pub(super) next_sibling: *mut Object,
    pub(super) prev_sibling: *mut Object,
    pub(super) arity: c_uint,
    pub(super) children: *mut *mut Object,
    pub(super) first_child: *mut Object,
    pub(super) last_child: *mut Object,
    pub(super) symmetric_subtree: c_int,
    pub(super) memory_arity: c_uint,
    pub(super) memory_first_child: *mut Object,
    pub(super) io_arity: c_uint,
    pub(super) io_first_child: *mut Object,
    pub(super) misc_arity: c_uint,
    pub(super) misc_first_child: *mut Object,
    pub(super) cpuset: *const Bitmap,
}

/// `struct hwloc_location`: where a memory access starts. Its union holds one
/// pointer, here always that of a CPU set.
#[repr(C)]
pub(super) struct Location {
    /// Which member of the union is valid: [`LOCATION_CPUSET`].
    pub(super) kind: c_int,
    /// The CPUs.
    pub(super) cpuset: *const Bitmap,
}

/// HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED: objects outside the cpuset are shown too.
pub(super) const FLAG_INCLUDE_DISALLOWED: c_ulong = 1;
/// HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST: the component named is not used.
pub(super) const COMPONENT_UNUSED: c_ulong = 1;

/// File names of hwloc 2.
const NAMES: [&CStr; 2] = [c"libhwloc.so.15", c"libhwloc.so"];

/// Declares the table of functions that are looked up in libhwloc.
macro_rules! functions {
    ($($name:ident = $symbol:literal: $signature:ty;)*) => {
        /// The functions of a libhwloc that has been opened.
        pub(super) struct Functions {
            $(pub(super) $name: $signature,)*
        }

        impl Functions {
            /// Looks all functions up; `None` when one is missing.
            ///
            /// # Safety
            /// `library` is a handle of dlopen(3), of hwloc 2, and stays open.
            unsafe fn of(library: *mut c_void) -> Option<Self> {
                $(
                    // SAFETY: the handle is open, and the name a string.
                    let $name = unsafe { libc::dlsym(library, $symbol.as_ptr()) };
                    if $name.is_null() {
                        return None;
                    }
                )*
                // SAFETY: hwloc 2 has these functions with these signatures.
                unsafe {
                    Some(Self { $($name: core::mem::transmute::<*mut c_void, $signature>($name),)* })
                }
            }
        }
    };
}

functions! {
    topology_init = c"hwloc_topology_init":
        unsafe extern "C" fn(*mut *mut Topology) -> c_int;
    topology_set_flags = c"hwloc_topology_set_flags":
        unsafe extern "C" fn(*mut Topology, flags: c_ulong) -> c_int;
    topology_set_components = c"hwloc_topology_set_components":
        unsafe extern "C" fn(*mut Topology, flags: c_ulong, name: *const c_char) -> c_int;
    topology_load = c"hwloc_topology_load":
        unsafe extern "C" fn(*mut Topology) -> c_int;
    topology_get_allowed_cpuset = c"hwloc_topology_get_allowed_cpuset":
        unsafe extern "C" fn(*mut Topology) -> *const Bitmap;
    topology_destroy = c"hwloc_topology_destroy":
        unsafe extern "C" fn(*mut Topology);
    get_obj_by_depth = c"hwloc_get_obj_by_depth":
        unsafe extern "C" fn(*mut Topology, depth: c_int, index: c_uint) -> *mut Object;
    get_local_numanode_objs = c"hwloc_get_local_numanode_objs":
        unsafe extern "C" fn(
            *mut Topology, *const Location, n_objects: *mut c_uint, objects: *mut *mut Object, flags: c_ulong,
        ) -> c_int;
    memattr_get_value = c"hwloc_memattr_get_value":
        unsafe extern "C" fn(
            *mut Topology, attribute: c_uint, target: *mut Object, initiator: *const Location, flags: c_ulong,
            value: *mut u64,
        ) -> c_int;
    bitmap_intersects = c"hwloc_bitmap_intersects":
        unsafe extern "C" fn(*const Bitmap, *const Bitmap) -> c_int;
}

static OPEN: OnceBox<Functions> = OnceBox::new();

/// Opens libhwloc, which then stays open. A failure is not kept: the process
/// may have been short of descriptors or memory.
///
/// Not in a program with privileges of its own (`AT_SECURE`): libhwloc would load plugins from the
/// directory that `HWLOC_PLUGINS_PATH` names, and read the file that `HWLOC_XMLFILE` names.
///
/// The dynamic linker holds a lock of its own while it opens a library, and while constructors
/// run: no lock of this library may be held by the caller.
pub(super) fn open() {
    // SAFETY: getauxval takes any number.
    if opened().is_some() || unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return;
    }
    let errno = log::errno();
    // SAFETY: the names are strings; libhwloc's constructors change nothing of this library's.
    let library = NAMES.iter().find_map(|name| unsafe {
        // Plugins of libhwloc, such as its reader of XML, find its functions only if they are global.
        let library = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        (!library.is_null()).then_some(library)
    });
    log::set_errno(errno);
    // SAFETY: `library` is a handle of libhwloc, which is never closed.
    if let Some(functions) = library.and_then(|library| unsafe { Functions::of(library) }) {
        // When there is no memory for the table, the next call tries again.
        let _ = OPEN.get_or_try_init(|| boxed(functions));
    }
}

/// libhwloc, if it is open.
pub(super) fn opened() -> Option<&'static Functions> {
    OPEN.get()
}

#[cfg(test)]
mod tests {
    use super::{
        DEPTH_NUMANODE, LOCATION_CPUSET, Location, MEMATTR_BANDWIDTH, MEMATTR_LATENCY, Object,
    };
    use core::mem::{offset_of, size_of};
    use std::process::Command;

    /// Offsets and constants of the installed headers, in the order of the test below.
    const PROGRAM: &str = r"
        #include <hwloc.h>
        #include <stddef.h>
        #include <stdio.h>
        int main(void)
        {
            printf(
                `%zu %zu %zu %zu %zu %zu %zu %zu %zu %zu %d %d %d %d`,
                offsetof(struct hwloc_obj, type), offsetof(struct hwloc_obj, os_index),
                offsetof(struct hwloc_obj, total_memory), offsetof(struct hwloc_obj, depth),
                offsetof(struct hwloc_obj, symmetric_subtree),
                offsetof(struct hwloc_obj, misc_first_child), offsetof(struct hwloc_obj, cpuset),
                sizeof(struct hwloc_location), offsetof(struct hwloc_location, type),
                offsetof(struct hwloc_location, location), (int)HWLOC_TYPE_DEPTH_NUMANODE,
                (int)HWLOC_MEMATTR_ID_BANDWIDTH, (int)HWLOC_MEMATTR_ID_LATENCY,
                (int)HWLOC_LOCATION_TYPE_CPUSET);
            return 0;
        }";

    #[test]
    fn layouts_are_those_of_the_headers() {
        let dir = std::env::temp_dir().join(format!("memkind-hwloc-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary directory");
        let (source, program) = (dir.join("layout.c"), dir.join("layout"));
        std::fs::write(&source, PROGRAM.replace('`', "\"")).expect("source");
        let mut compiler = Command::new("cc");
        let compiled = compiler.arg("-o").arg(&program).arg(&source).output();
        let says = match compiled {
            Ok(output) if output.status.success() => Command::new(&program).output(),
            _ => {
                eprintln!("skipped: no C compiler or no hwloc.h");
                return;
            }
        };
        std::fs::remove_dir_all(&dir).expect("temporary directory");
        let ours = format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            offset_of!(Object, kind),
            offset_of!(Object, os_index),
            offset_of!(Object, total_memory),
            offset_of!(Object, depth),
            offset_of!(Object, symmetric_subtree),
            offset_of!(Object, misc_first_child),
            offset_of!(Object, cpuset),
            size_of::<Location>(),
            offset_of!(Location, kind),
            offset_of!(Location, cpuset),
            DEPTH_NUMANODE,
            MEMATTR_BANDWIDTH,
            MEMATTR_LATENCY,
            LOCATION_CPUSET,
        );
        assert_eq!(String::from_utf8_lossy(&says.expect("run").stdout), ours);
    }
}
