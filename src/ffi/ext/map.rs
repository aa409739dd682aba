//! Maps: registration and translation of memory for devices.

use core::ffi::{c_int, c_void};

use super::super::answer::{kind_of, status};
use super::super::memkind::memkind_t;
use super::null_argument;
use crate::error::Error;
use crate::ext::map::Map;
use crate::log::{self, refused};

/// A handle for each range of memory that a device was told of; see memkind_map_create().
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; the handle is the map's address"
)]
pub struct memkind_map(Map);

/// A range of memory with its handle.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_range {
    /// The first address of the range.
    pub address: *mut c_void,
    /// The size of the range in bytes.
    pub size: usize,
    /// What the function `add` has stored for the range.
    pub handle: *mut c_void,
}

/// The map behind a handle; `None` for NULL.
///
/// # Safety
/// `map` is null or a live map.
#[inline]
unsafe fn map_of(map: *const memkind_map) -> Option<&'static Map> {
    // SAFETY: null or a live map; the handle is its address.
    unsafe { map.cast::<Map>().as_ref() }
}

/// Logs that there is nothing to attach or detach; returns the function's code.
fn nothing_to_attach() -> c_int {
    refused!(
        Error::Invalid.code(),
        "Cannot attach kind to map, or detach it: the map is NULL, or the kind is NULL, was destroyed or never existed."
    )
}

/// Creates a map: it is told of ranges of memory, registers them by a function of the program's,
/// and finds the handle for an address.
///
/// \param add      called for each new range before any of it is handed out. It stores a handle:
///                 a key of an RDMA card, an index of io_uring's fixed buffers. Nonzero refuses the
///                 range: the allocation that needed it gets NULL and ENOMEM, or a block of the
///                 fallback; what the map and others were told of it is taken back in reverse order.
/// \param remove   called before a range goes, in the reverse order; NULL if nothing is to be done
/// \param max_size the most bytes of a range, 0 for any number; larger ones are split between
///                 pages, and have at least one (1 GiB for io_uring)
/// \param context  what both functions are given
/// \param map      where the handle goes; untouched on failure
///
/// The functions are called while the kind grows: they may use kinds that are not attached to
/// this map. A forked child can look up what its parent's map knew, and destroy that map, which
/// calls nothing; it makes maps of its own.
///
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID if add or map is NULL; MEMKIND_ERROR_MALLOC
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// Any thread may call the functions while the map lives; `map` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_create(
    add: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            address: *mut c_void,
            size: usize,
            handle: *mut *mut c_void,
        ) -> c_int,
    >,
    remove: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            address: *mut c_void,
            size: usize,
            handle: *mut c_void,
        ),
    >,
    max_size: usize,
    context: *mut c_void,
    map: *mut *mut memkind_map,
) -> c_int {
    let Some(add) = add.filter(|_| !map.is_null()) else {
        return null_argument("map");
    };
    // SAFETY: any thread may call the functions as long as the map lives.
    let made = unsafe { Map::create(add, remove, max_size, context) };
    let made = made.inspect_err(|_| log::error!("Cannot create map: no memory for its table."));
    status(made.map(|made| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *map = made.cast() }
    }))
}

/// Detaches a map from all kinds, calls `remove` for every range, and frees it.
///
/// \param map the map; NULL is a no-op
/// \note One thread, when no other uses the map
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map, which is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_destroy(map: *mut memkind_map) {
    if !map.is_null() {
        // SAFETY: a live map, which is not used again; the handle is its address.
        unsafe { Map::destroy(map.cast()) }
    }
}

/// Tells a map of all ranges that a kind has, and from then on of each new one. All or nothing. A
/// map may be attached to many kinds, and a kind have up to 8 maps.
///
/// \param map  the map
/// \param kind a pinned kind or a fixed one
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, another kind, and one that is attached
///         already; MEMKIND_ERROR_OPERATION_FAILED if `add` refuses a range or the kind has too
///         many maps; MEMKIND_ERROR_MALLOC
/// \note MT-safe; the kind does not grow meanwhile
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_attach(map: *mut memkind_map, kind: memkind_t) -> c_int {
    // SAFETY: null or a live map.
    match (unsafe { map_of(map) }, kind_of(kind)) {
        (Some(map), Some(kind)) => status(map.attach(kind)),
        _ => nothing_to_attach(),
    }
}

/// Calls `remove` for all ranges of a kind, and no longer tells the map of new ones. Destroying a
/// kind does that, too.
///
/// \param map  the map
/// \param kind the kind
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and a kind that is not attached
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_detach(map: *mut memkind_map, kind: memkind_t) -> c_int {
    // SAFETY: null or a live map.
    match (unsafe { map_of(map) }, kind_of(kind)) {
        (Some(map), Some(kind)) => status(map.detach(kind)),
        _ => nothing_to_attach(),
    }
}

/// Tells a map of memory of the caller's, which must stay mapped and in place.
///
/// \param map     the map
/// \param address start, a multiple of the page size
/// \param size    bytes, a multiple of the page size (sysconf(_SC_PAGESIZE))
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, size 0, what is not whole pages, and
///         what overlaps a known range; MEMKIND_ERROR_OPERATION_FAILED if `add` refuses;
///         ENOMEM
/// \note One thread at a time for memory that overlaps
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_add(
    map: *mut memkind_map,
    address: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: null or a live map.
    match unsafe { map_of(map) } {
        Some(map) => status(map.add(address as usize, size)),
        None => Error::Invalid.code(),
    }
}

/// Removes memory that memkind_map_add() has added, with the same address and size.
///
/// \param map     the map
/// \param address start
/// \param size    bytes
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for anything else
/// \note MT-safe for different memory
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_remove(
    map: *mut memkind_map,
    address: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: null or a live map.
    match unsafe { map_of(map) } {
        Some(map) => status(map.remove(address as usize, size)),
        None => Error::Invalid.code(),
    }
}

/// Finds the range that has an address.
///
/// \param map   the map
/// \param ptr   any address
/// \param range where it goes; untouched on failure
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, and an address of no range
/// \note MT-safe, wait-free
/// \note EXPERIMENTAL API; see memkind_map(3)
///
/// # Safety
/// `map` must be NULL or a live map, `range` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_map_find(
    map: *const memkind_map,
    ptr: *const c_void,
    range: *mut memkind_range,
) -> c_int {
    // SAFETY: null or a live map.
    match unsafe { map_of(map) }.and_then(|map| map.find(ptr as usize)) {
        Some(found) if !range.is_null() => {
            let (address, size, handle) = (found.address(), found.size(), found.handle());
            // SAFETY: writable, by the caller's promise.
            unsafe {
                *range = memkind_range {
                    address,
                    size,
                    handle,
                }
            };
            0
        }
        _ => Error::Invalid.code(),
    }
}
