//! A kind of memory: a row of data with a heap.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `spec`, `weights` | the row of a kind, and what follows from it |
//! | `table` | the rows of the static kinds |
//! | `head` | the part of a kind that compiled C programs read |
//! | `checks` | what a program does with blocks, looked at on demand |
//! | `block` | blocks of any kind |
//! | `places` | a heap for each group of CPUs with the same nodes |
//! | `wishes` | what a program has asked of a kind besides memory |
//! | `record` | `Kind`: a row, a head, the heaps |
//! | `first_use` | which nodes a static kind means; opening its heaps |
//! | `allocate` | allocating and resizing blocks of a kind |
//! | `registry` | all kinds, by number and by address |
//! | `dynamic` | kinds made at run time |
//! | `described`, `dma` | kinds by description; the process's kinds for I/O buffers |
//! | `manager`, `statistics`, `defrag` | which allocator, figures, moving blocks |

mod allocate;
mod block;
pub mod checks;
pub mod defrag;
pub mod described;
pub mod dma;
pub mod dynamic;
mod first_use;
mod head;
pub mod manager;
mod places;
mod record;
pub mod registry;
pub mod spec;
mod statistics;
pub mod table;
pub mod weights;
pub mod wishes;

pub use block::{free, heap_id, usable_size};
pub use head::Head;
pub use record::Kind;
pub use registry::{by_address as from_ptr, detect};
pub use statistics::{in_use, stat_of_all};

use crate::backing::{Backing, File, Slabs, file};
use crate::heap::{self, page_map};

/// Resizes the block at `ptr` to `size` bytes without moving it; whether that was possible.
///
/// # Safety
/// `ptr` is a live block of any kind.
pub unsafe fn resize_in_place(ptr: *mut u8, size: usize) -> bool {
    let Some(kind) = detect(ptr).filter(|_| page_map::has_blocks(ptr as usize)) else {
        return false;
    };
    // SAFETY: `ptr` is a live block, and the page map says that it is this kind's.
    unsafe {
        if checks::on() {
            checks::resize_in_place(kind, ptr, size)
        } else {
            kind.resize_in_place(ptr, size)
        }
    }
}

/// The files of all dynamic kinds.
fn files() -> impl Iterator<Item = &'static File> {
    registry::dynamic().filter_map(|kind| match kind.heap.backing() {
        Backing::File(file) => Some(&**file),
        _ => None,
    })
}

/// Before a fork: gets ready to wait for a child that copies files.
pub fn prepare_fork() {
    if files().any(File::is_in_use) {
        file::prepare_fork();
    }
}

/// After a fork, in the parent: waits until the child has copied the files.
pub fn parent_after_fork() {
    file::parent_after_fork();
}

/// In a child after fork: gives it file-backed memory of its own.
pub fn make_files_private() {
    files().for_each(File::after_fork_in_child);
}

/// In a child after fork: gives it file-backed memory of its own, before anything is written
/// there, and releases the locks of threads that the child does not have.
pub fn after_fork_in_child() {
    make_files_private();
    file::child_after_fork();
    heap::after_fork_in_child();
    for kind in registry::dynamic() {
        if kind.slabs().is_some_and(Slabs::after_fork_in_child) {
            kind.heap.abandon();
            checks::lose(&kind.head);
        }
    }
    dma::after_fork_in_child();
}
