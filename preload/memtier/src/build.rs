//! From settings to kinds and to a memory.

use core::ffi::{CStr, c_uint, c_void};
use core::fmt::Write;
use core::ptr;

use interpose::c::memkind::*;
use interpose::c::{Builder, ENOENT, ENOTDIR, Kind, Memory, errno_location};
use interpose::kinds;
use interpose::text::Line;

use crate::log::{self, Fault};
use crate::settings::{self, Policy, Settings, Threshold};

/// The smallest file that memkind_create_pmem() makes.
const SMALLEST_FILE: u64 = 16 << 20;
/// No file system and no address space has more; a limit above it is none.
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

/// Whether the kind gives memory. It is ready afterwards, so that no malloc of the
/// program, or of hwloc, meets its first use.
pub(crate) fn usable(kind: Kind) -> bool {
    // SAFETY: the kind is live, and the block its own.
    unsafe {
        let block = memkind_malloc(kind, 16);
        memkind_free(kind, block);
        !block.is_null()
    }
}

/// Why there is no kind in a file.
pub(crate) enum NoFile {
    /// The limit is too small.
    Limit,
    /// There is no such directory.
    Directory,
    /// There is one, and no file can be made in it.
    NotWritable,
}

/// A kind in a file.
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
                ENOENT | ENOTDIR => NoFile::Directory,
                _ => NoFile::NotWritable,
            });
        }
        if memkind_check_dax_path(directory.as_ptr()) != 0 {
            log::info(&[path, b" don't point to DAX device"]);
        }
    }
    Ok(kind)
}

/// A builder that is deleted in the end.
struct Building(Builder);

impl Drop for Building {
    fn drop(&mut self) {
        // SAFETY: made by memtier_builder_new, and not used after this.
        unsafe { memtier_builder_delete(self.0) }
    }
}

impl Building {
    fn new(policy: Policy) -> Option<Self> {
        let policy: c_uint = match policy {
            Policy::StaticRatio => 0,
            Policy::DynamicThreshold => 1,
        };
        // SAFETY: no precondition.
        let builder = unsafe { memtier_builder_new(policy) };
        (!builder.is_null()).then_some(Self(builder))
    }

    fn set_thresholds(&self, index: usize, threshold: &Threshold) -> bool {
        [
            ("val", threshold.val),
            ("min", threshold.min),
            ("max", threshold.max),
        ]
        .into_iter()
        .all(|(name, value)| value.is_none_or(|value| self.set(index, name, value)))
    }

    fn set(&self, index: usize, name: &str, value: u64) -> bool {
        let mut line = Line::new();
        let _ = write!(
            line,
            "policy.dynamic_threshold.thresholds[{index}].{name}\0"
        );
        let (Ok(name), Ok(value)) = (
            CStr::from_bytes_with_nul(line.bytes()),
            usize::try_from(value),
        ) else {
            return false;
        };
        let value: *const c_void = (&raw const value).cast();
        // SAFETY: the builder is live, the name a string, the value a size_t.
        unsafe { memtier_ctl_set(self.0, name.as_ptr(), value) == 0 }
    }
}

/// What malloc and free go to.
pub(crate) enum Way {
    /// One tier, so there is nothing to choose and nothing to count.
    Kind(Kind),
    /// One of several tiers.
    Tiers,
}

/// The tiers that are asked for.
///
/// # Errors
/// What is wrong with the settings.
pub(crate) fn memory(settings: Settings) -> Result<(Memory, Way), Fault<'static>> {
    let memory = build(&settings).map_err(settings::reject)?;
    let way = match &settings.tiers[..settings.n_tiers] {
        [tier] => Way::Kind(tier.kind),
        _ => Way::Tiers,
    };
    Ok((memory, way))
}

fn build(settings: &Settings) -> Result<Memory, Fault<'static>> {
    let builder = Building::new(settings.policy).ok_or_else(|| settings::no_memory(settings))?;
    for tier in &settings.tiers[..settings.n_tiers] {
        // SAFETY: the builder is live, and a bogus kind is refused.
        if unsafe { memtier_builder_add_tier(builder.0, tier.kind, tier.ratio) } != 0 {
            return Err(settings::no_tier(tier));
        }
    }
    settings::read_thresholds(settings, |index, threshold| {
        builder.set_thresholds(index, threshold)
    })?;
    // SAFETY: the builder is live.
    let memory = unsafe { memtier_builder_construct_memtier_memory(builder.0) };
    if memory.is_null() {
        return Err(settings::no_memory(settings));
    }
    Ok(memory)
}
