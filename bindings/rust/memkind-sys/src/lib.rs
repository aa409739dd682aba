//! The C functions of libmemkind, as `memkind.h`, `memkind_memtier.h` and `memkind_ext.h` declare them. What each does,
//! and what it asks of its caller, stands in those headers and in memkind(3).
#![no_std]
#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    missing_docs,
    reason = "the C names; the headers document them"
)]

use core::ffi::{c_char, c_int, c_uint, c_void};

/// A kind of memory (`struct memkind`).
#[repr(C)]
pub struct memkind {
    _opaque: [u8; 0],
}
pub type memkind_t = *mut memkind;

/// Settings of a kind that is to be made (`struct memkind_config`).
#[repr(C)]
pub struct memkind_config {
    _opaque: [u8; 0],
}

/// Several kinds behind one malloc.
#[repr(C)]
pub struct memtier_memory {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct memtier_builder {
    _opaque: [u8; 0],
}

/// Blocks that are freed together (`struct memkind_region`).
#[repr(C)]
pub struct memkind_region {
    _opaque: [u8; 0],
}

/// Objects of one size (`struct memkind_pool`).
#[repr(C)]
pub struct memkind_pool {
    _opaque: [u8; 0],
}

pub const MEMKIND_SUCCESS: c_int = 0;
pub const MEMKIND_ERROR_MESSAGE_SIZE: usize = 128;
pub const MEMKIND_PMEM_MIN_SIZE: usize = 16 << 20;

pub const MEMKIND_STAT_TYPE_RESIDENT: c_uint = 0;
pub const MEMKIND_STAT_TYPE_ACTIVE: c_uint = 1;
pub const MEMKIND_STAT_TYPE_ALLOCATED: c_uint = 2;

pub const MEMKIND_MEM_USAGE_POLICY_DEFAULT: c_uint = 0;
pub const MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE: c_uint = 1;

pub const MEMKIND_NODES_BIND: c_uint = 0;
pub const MEMKIND_NODES_PREFERRED: c_uint = 1;
pub const MEMKIND_NODES_INTERLEAVE: c_uint = 2;

pub const MEMKIND_OPTION_POPULATE: c_uint = 1;
pub const MEMKIND_OPTION_LOCK: c_uint = 2;
pub const MEMKIND_OPTION_PIN: c_uint = 4;
pub const MEMKIND_OPTION_NO_FORK: c_uint = 8;
pub const MEMKIND_OPTION_SHARED: c_uint = 16;
pub const MEMKIND_OPTION_NO_DUMP: c_uint = 32;
pub const MEMKIND_OPTION_WIPE: c_uint = 64;
pub const MEMKIND_OPTION_TRANSPARENT_HUGE: c_uint = 128;

pub const MEMTIER_POLICY_STATIC_RATIO: c_uint = 0;
pub const MEMTIER_POLICY_DYNAMIC_THRESHOLD: c_uint = 1;

unsafe extern "C" {
    pub static MEMKIND_DEFAULT: memkind_t;
    pub static MEMKIND_REGULAR: memkind_t;
    pub static MEMKIND_HUGETLB: memkind_t;
    pub static MEMKIND_INTERLEAVE: memkind_t;
    pub static MEMKIND_HBW: memkind_t;
    pub static MEMKIND_HBW_ALL: memkind_t;
    pub static MEMKIND_HBW_PREFERRED: memkind_t;
    pub static MEMKIND_HBW_HUGETLB: memkind_t;
    pub static MEMKIND_HBW_ALL_HUGETLB: memkind_t;
    pub static MEMKIND_HBW_PREFERRED_HUGETLB: memkind_t;
    pub static MEMKIND_HBW_INTERLEAVE: memkind_t;
    pub static MEMKIND_DAX_KMEM: memkind_t;
    pub static MEMKIND_DAX_KMEM_ALL: memkind_t;
    pub static MEMKIND_DAX_KMEM_PREFERRED: memkind_t;
    pub static MEMKIND_DAX_KMEM_INTERLEAVE: memkind_t;
    pub static MEMKIND_HIGHEST_CAPACITY: memkind_t;
    pub static MEMKIND_HIGHEST_CAPACITY_PREFERRED: memkind_t;
    pub static MEMKIND_HIGHEST_CAPACITY_LOCAL: memkind_t;
    pub static MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED: memkind_t;
    pub static MEMKIND_LOWEST_LATENCY_LOCAL: memkind_t;
    pub static MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED: memkind_t;
    pub static MEMKIND_HIGHEST_BANDWIDTH_LOCAL: memkind_t;
    pub static MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED: memkind_t;

    pub fn memkind_get_version() -> c_int;
    pub fn memkind_error_message(err: c_int, msg: *mut c_char, size: usize);

    pub fn memkind_config_new() -> *mut memkind_config;
    pub fn memkind_config_delete(cfg: *mut memkind_config);
    pub fn memkind_config_set_path(cfg: *mut memkind_config, pmem_dir: *const c_char);
    pub fn memkind_config_set_size(cfg: *mut memkind_config, pmem_size: usize);
    pub fn memkind_config_set_memory_usage_policy(cfg: *mut memkind_config, policy: c_uint);
    pub fn memkind_config_set_name(cfg: *mut memkind_config, name: *const c_char);
    pub fn memkind_config_set_nodes(cfg: *mut memkind_config, nodes: *const c_char, policy: c_uint);
    pub fn memkind_config_set_page_size(cfg: *mut memkind_config, page_size: usize, required: bool);
    pub fn memkind_config_set_alignment(cfg: *mut memkind_config, alignment: usize);
    pub fn memkind_config_set_slab_size(cfg: *mut memkind_config, slab_size: usize);
    pub fn memkind_config_set_options(cfg: *mut memkind_config, options: c_uint);
    pub fn memkind_config_set_fallback(cfg: *mut memkind_config, fallback: memkind_t);
    pub fn memkind_create_with_config(cfg: *mut memkind_config, kind: *mut memkind_t) -> c_int;
    pub fn memkind_create_pmem_with_config(cfg: *mut memkind_config, kind: *mut memkind_t)
    -> c_int;
    pub fn memkind_create_pmem(dir: *const c_char, max_size: usize, kind: *mut memkind_t) -> c_int;
    pub fn memkind_create_fixed(addr: *mut c_void, size: usize, kind: *mut memkind_t) -> c_int;
    pub fn memkind_create_nodes(
        nodes: *const c_char,
        policy: c_uint,
        kind: *mut memkind_t,
    ) -> c_int;
    pub fn memkind_destroy_kind(kind: memkind_t) -> c_int;
    pub fn memkind_check_available(kind: memkind_t) -> c_int;
    pub fn memkind_get_capacity(kind: memkind_t) -> isize;
    pub fn memkind_check_dax_path(pmem_dir: *const c_char) -> c_int;
    pub fn memkind_set_bg_threads(state: bool) -> c_int;
    pub fn memkind_update_cached_stats() -> c_int;
    pub fn memkind_get_stat(kind: memkind_t, stat: c_uint, value: *mut usize) -> c_int;

    pub fn memkind_malloc(kind: memkind_t, size: usize) -> *mut c_void;
    pub fn memkind_calloc(kind: memkind_t, num: usize, size: usize) -> *mut c_void;
    pub fn memkind_posix_memalign(
        kind: memkind_t,
        memptr: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int;
    pub fn memkind_realloc(kind: memkind_t, ptr: *mut c_void, size: usize) -> *mut c_void;
    pub fn memkind_free(kind: memkind_t, ptr: *mut c_void);
    pub fn memkind_malloc_usable_size(kind: memkind_t, ptr: *mut c_void) -> usize;
    pub fn memkind_defrag_reallocate(kind: memkind_t, ptr: *mut c_void) -> *mut c_void;
    pub fn memkind_detect_kind(ptr: *mut c_void) -> memkind_t;

    pub fn memtier_builder_new(policy: c_uint) -> *mut memtier_builder;
    pub fn memtier_builder_delete(builder: *mut memtier_builder);
    pub fn memtier_builder_add_tier(
        builder: *mut memtier_builder,
        kind: memkind_t,
        kind_ratio: c_uint,
    ) -> c_int;
    pub fn memtier_builder_construct_memtier_memory(
        builder: *mut memtier_builder,
    ) -> *mut memtier_memory;
    pub fn memtier_delete_memtier_memory(memory: *mut memtier_memory);
    pub fn memtier_malloc(memory: *mut memtier_memory, size: usize) -> *mut c_void;
    pub fn memtier_posix_memalign(
        memory: *mut memtier_memory,
        memptr: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int;
    pub fn memtier_kind_free(kind: memkind_t, ptr: *mut c_void);
    pub fn memtier_kind_allocated_size(kind: memkind_t) -> usize;

    pub fn memkind_region_create(
        kind: memkind_t,
        chunk: usize,
        limit: usize,
        region: *mut *mut memkind_region,
    ) -> c_int;
    pub fn memkind_region_destroy(region: *mut memkind_region);
    pub fn memkind_region_memalign(
        region: *mut memkind_region,
        alignment: usize,
        size: usize,
    ) -> *mut c_void;
    pub fn memkind_region_reset(region: *mut memkind_region) -> c_int;

    pub fn memkind_pool_create(
        kind: memkind_t,
        size: usize,
        alignment: usize,
        count: usize,
        pool: *mut *mut memkind_pool,
    ) -> c_int;
    pub fn memkind_pool_destroy(pool: *mut memkind_pool) -> c_int;
    pub fn memkind_pool_prepare(pool: *mut memkind_pool, count: usize) -> c_int;
    pub fn memkind_pool_get(pool: *mut memkind_pool) -> *mut c_void;
    pub fn memkind_pool_put(pool: *mut memkind_pool, object: *mut c_void);
    pub fn memkind_pool_get_many(
        pool: *mut memkind_pool,
        objects: *mut *mut c_void,
        n: usize,
    ) -> usize;
    pub fn memkind_pool_put_many(pool: *mut memkind_pool, objects: *mut *mut c_void, n: usize);
}
