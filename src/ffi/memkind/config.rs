//! Settings from which kinds are made.

use core::ffi::c_char;

use super::types::{RawUsagePolicy, memkind_config};
use crate::heap::je;
use crate::log;

/// Makes settings for memkind_create_pmem_with_config() and memkind_create_with_config(): no directory,
/// size 0, policy DEFAULT.
///
/// Returns NULL when memory is short. MT-safe. STANDARD API.
/// See memkind(3), SETTINGS OF FILE-BACKED KINDS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_config_new() -> *mut memkind_config {
    let block = je::mallocx(size_of::<memkind_config>(), je::ZERO);
    if block.is_null() {
        log::set_errno(libc::ENOMEM);
    }
    block.cast()
}

/// Deletes settings; NULL is a no-op. Kinds made with them stay.
///
/// MT-safe. STANDARD API. See memkind(3), SETTINGS OF FILE-BACKED KINDS.
///
/// # Safety
/// `cfg` must come from memkind_config_new() and not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_delete(cfg: *mut memkind_config) {
    if !cfg.is_null() {
        // SAFETY: from memkind_config_new(), and not used again.
        unsafe { je::dallocx(cfg.cast(), 0) }
    }
}

/// Sets the directory of the file. The string is not copied and not checked yet.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), SETTINGS OF FILE-BACKED KINDS.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); `pmem_dir` must stay
/// valid as long as the settings are used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_path(
    cfg: *mut memkind_config,
    pmem_dir: *const c_char,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.pmem_dir = pmem_dir;
    }
}

/// Sets the limit of the kind in bytes; 0 for none, else for a file at least MEMKIND_PMEM_MIN_SIZE.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), SETTINGS OF FILE-BACKED KINDS.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_size(cfg: *mut memkind_config, pmem_size: usize) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.pmem_size = pmem_size;
    }
}

/// Sets when freed memory goes back to the file system. The value is not checked yet.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), SETTINGS OF FILE-BACKED KINDS.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_memory_usage_policy(
    cfg: *mut memkind_config,
    policy: RawUsagePolicy,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.policy = policy;
    }
}
