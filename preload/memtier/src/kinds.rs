//! The kinds that tiers name.

use core::ffi::CStr;
use core::ptr;

use interpose::c::memkind::*;
use interpose::c::{ENOENT, ENOTDIR, Kind, errno_location, exists};
use interpose::kinds;

use crate::log;

/// The smallest file that memkind_create_pmem() makes.
const SMALLEST_FILE: u64 = 16 << 20;
/// The largest limit in bytes, above all file systems and address spaces; a higher one is none.
const LARGEST_FILE: u64 = 1 << 46;
const LONGEST_PATH: usize = 4096;

/// The static kind that a tier names.
pub(crate) fn static_kind(name: &[u8]) -> Option<Kind> {
    let name: &[u8] = match name {
        b"DRAM" => b"memkind_default",
        b"KMEM_DAX" => b"memkind_dax_kmem",
        b"HBW" => b"memkind_hbw",
        name => name,
    };
    kinds::by_name(name).map(|(_, kind)| kind)
}

/// Whether the kind has memory. Its first use happens here, not in a malloc of the program or of
/// hwloc.
pub(crate) fn usable(kind: Kind) -> bool {
    // SAFETY: the kind is live, and the block its own.
    unsafe {
        let block = memkind_malloc(kind, 16);
        memkind_free(kind, block);
        !block.is_null()
    }
}

/// The reason for having no kind on a file.
pub(crate) enum NoFile {
    /// The limit is too small.
    Limit,
    /// The directory does not exist.
    Directory,
    /// The directory exists, but no file can be made in it.
    NotWritable,
}

/// Makes a kind on a file.
pub(crate) fn file_kind(path: &[u8], limit: u64) -> Result<Kind, NoFile> {
    if limit != 0 && limit < SMALLEST_FILE {
        return Err(NoFile::Limit);
    }
    let mut buffer = [0_u8; LONGEST_PATH];
    let place = buffer
        .get_mut(..path.len())
        .filter(|place| place.len() < LONGEST_PATH)
        .ok_or(NoFile::Directory)?;
    place.copy_from_slice(path);
    let directory = CStr::from_bytes_until_nul(&buffer).map_err(|_| NoFile::Directory)?;
    let limit = if limit > LARGEST_FILE { 0 } else { limit };
    let limit = usize::try_from(limit).map_err(|_| NoFile::Limit)?;
    let mut kind = ptr::null_mut();
    // SAFETY: the directory is a string, and the kind is written before it is read.
    unsafe {
        if memkind_create_pmem(directory.as_ptr(), limit, &raw mut kind) != 0 {
            return Err(match *errno_location() {
                ENOTDIR => NoFile::Directory,
                // A directory may be there whose file system makes no files, as that of processes.
                ENOENT if !exists(directory) => NoFile::Directory,
                _ => NoFile::NotWritable,
            });
        }
        if memkind_check_dax_path(directory.as_ptr()) != 0 {
            log::info(&[path, b" don't point to DAX device"]);
        }
    }
    Ok(kind)
}
