use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memkind_sys as sys;

use crate::raw::allocator;
use crate::{Description, Error, Statistics, statistics};

macro_rules! statics {
    ($($(#[$doc:meta])* $name:ident = $variable:ident;)*) => {
        /// The kinds that exist in every process; see memkind(3), KINDS. Each is an allocator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Static {
            $($(#[$doc])* $name,)*
        }

        impl Static {
            pub(crate) fn handle(self) -> sys::memkind_t {
                // SAFETY: the variables are initialised before any code runs and never change.
                unsafe {
                    match self {
                        $(Self::$name => sys::$variable,)*
                    }
                }
            }
        }
    };
}

statics! {
    /// Standard memory, standard pages.
    Default = MEMKIND_DEFAULT;
    /// Memory of nodes that have CPUs.
    Regular = MEMKIND_REGULAR;
    /// Standard memory in huge pages of the kernel's pool.
    HugeTlb = MEMKIND_HUGETLB;
    /// Page by page over all nodes.
    Interleave = MEMKIND_INTERLEAVE;
    /// The nearest high-bandwidth memory.
    Hbw = MEMKIND_HBW;
    /// High-bandwidth memory near to the CPU that touches a page first.
    HbwAll = MEMKIND_HBW_ALL;
    /// The nearest high-bandwidth memory, then standard memory.
    HbwPreferred = MEMKIND_HBW_PREFERRED;
    /// `Hbw` in huge pages.
    HbwHugeTlb = MEMKIND_HBW_HUGETLB;
    /// `HbwAll` in huge pages.
    HbwAllHugeTlb = MEMKIND_HBW_ALL_HUGETLB;
    /// `HbwPreferred` in huge pages.
    HbwPreferredHugeTlb = MEMKIND_HBW_PREFERRED_HUGETLB;
    /// Page by page over high-bandwidth memory.
    HbwInterleave = MEMKIND_HBW_INTERLEAVE;
    /// The nearest persistent memory that is used as RAM.
    DaxKmem = MEMKIND_DAX_KMEM;
    /// Any persistent memory that is used as RAM.
    DaxKmemAll = MEMKIND_DAX_KMEM_ALL;
    /// The nearest persistent memory, then any other memory.
    DaxKmemPreferred = MEMKIND_DAX_KMEM_PREFERRED;
    /// Page by page over persistent memory.
    DaxKmemInterleave = MEMKIND_DAX_KMEM_INTERLEAVE;
    /// The nodes with the most memory.
    HighestCapacity = MEMKIND_HIGHEST_CAPACITY;
    /// The node with the most memory, then any other.
    HighestCapacityPreferred = MEMKIND_HIGHEST_CAPACITY_PREFERRED;
    /// The local node with the most memory.
    HighestCapacityLocal = MEMKIND_HIGHEST_CAPACITY_LOCAL;
    /// The local node with the most memory, then any other.
    HighestCapacityLocalPreferred = MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;
    /// The local node with the lowest latency.
    LowestLatencyLocal = MEMKIND_LOWEST_LATENCY_LOCAL;
    /// The local node with the lowest latency, then any other.
    LowestLatencyLocalPreferred = MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED;
    /// The local node with the highest bandwidth.
    HighestBandwidthLocal = MEMKIND_HIGHEST_BANDWIDTH_LOCAL;
    /// The local node with the highest bandwidth, then any other.
    HighestBandwidthLocalPreferred = MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED;
}

/// What `Kind` and `Static` can both tell.
pub trait Capacity {
    /// The most bytes that the kind can hold; `None` where that is not known: it is not available, or
    /// prefers its nodes and falls back to others.
    fn capacity(&self) -> Option<usize>;
}

fn capacity(handle: sys::memkind_t) -> Option<usize> {
    // SAFETY: the handle is of a living kind.
    usize::try_from(unsafe { sys::memkind_get_capacity(handle) }).ok()
}

impl Static {
    /// Whether this machine has such memory.
    ///
    /// # Errors
    /// The reason why it has not.
    pub fn check(self) -> Result<(), Error> {
        // SAFETY: static kinds always live.
        Error::check(unsafe { sys::memkind_check_available(self.handle()) })
    }

    /// This kind if the machine has such memory, else [`Static::Default`].
    pub fn or_default(self) -> Self {
        if self.check().is_ok() {
            self
        } else {
            Self::Default
        }
    }

    /// The kind's statistics of the last [`crate::update_statistics`].
    ///
    /// # Errors
    /// When the kind was first used after that.
    pub fn statistics(self) -> Result<Statistics, Error> {
        statistics::of(self.handle())
    }
}

impl Capacity for Static {
    fn capacity(&self) -> Option<usize> {
        capacity(self.handle())
    }
}

allocator!(Static);

/// How a kind uses its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// No other nodes; no memory when they are full.
    Bind,
    /// These first, then any other.
    Preferred,
    /// Page by page over all of them.
    Interleave,
}

/// When a kind in a file gives freed memory back to the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// After a while: the next allocations reuse it.
    #[default]
    Default,
    /// At once.
    Conservative,
}

impl Nodes {
    pub(crate) fn policy(self) -> u32 {
        match self {
            Self::Bind => sys::MEMKIND_NODES_BIND,
            Self::Preferred => sys::MEMKIND_NODES_PREFERRED,
            Self::Interleave => sys::MEMKIND_NODES_INTERLEAVE,
        }
    }
}

/// Where a [`crate::Pool`] or a [`crate::Region`] takes its memory from: a [`Static`], or a reference to a [`Kind`].
#[derive(Clone, Copy, Debug)]
pub struct AnyKind<'kind> {
    handle: sys::memkind_t,
    kind: PhantomData<&'kind Kind>,
}

impl AnyKind<'_> {
    pub(crate) fn handle(self) -> sys::memkind_t {
        self.handle
    }
}

impl From<Static> for AnyKind<'static> {
    fn from(kind: Static) -> Self {
        let (handle, kind) = (kind.handle(), PhantomData);
        Self { handle, kind }
    }
}

impl<'kind> From<&'kind Kind> for AnyKind<'kind> {
    fn from(kind: &'kind Kind) -> Self {
        let (handle, kind) = (kind.handle(), PhantomData);
        Self { handle, kind }
    }
}

/// A kind that the program makes; it goes when the value is dropped. `&Kind` is an allocator, so what is
/// allocated from it borrows it.
pub struct Kind {
    handle: sys::memkind_t,
}

// SAFETY: all functions of the library on a kind are MT-safe.
unsafe impl Send for Kind {}
// SAFETY: all functions of the library on a kind are MT-safe.
unsafe impl Sync for Kind {}

impl Kind {
    pub(crate) fn made(make: impl FnOnce(*mut sys::memkind_t) -> i32) -> Result<Self, Error> {
        let mut handle = ptr::null_mut();
        Error::check(make(&raw mut handle))?;
        Ok(Self { handle })
    }

    /// A heap in a temporary file in `directory`. `limit` is the most bytes that it may hold, at least 16 MiB;
    /// without one, as many as the file system has.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` for a directory in which no file can be made or a limit that is too small.
    pub fn file(directory: impl AsRef<Path>, limit: Option<usize>) -> Result<Self, Error> {
        Self::file_with_usage(directory, limit, Usage::Default)
    }

    /// [`Kind::file`], with a choice of when freed memory goes back.
    ///
    /// # Errors
    /// Those of [`Kind::file`].
    pub fn file_with_usage(
        directory: impl AsRef<Path>,
        limit: Option<usize>,
        usage: Usage,
    ) -> Result<Self, Error> {
        let directory =
            CString::new(directory.as_ref().as_os_str().as_bytes()).map_err(|_| Error::INVALID)?;
        // SAFETY: the configuration lives until it is deleted, the directory longer.
        unsafe {
            let config = sys::memkind_config_new();
            if config.is_null() {
                return Err(Error::NO_MEMORY);
            }
            sys::memkind_config_set_path(config, directory.as_ptr());
            sys::memkind_config_set_size(config, limit.unwrap_or(0));
            let policy = match usage {
                Usage::Default => sys::MEMKIND_MEM_USAGE_POLICY_DEFAULT,
                Usage::Conservative => sys::MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE,
            };
            sys::memkind_config_set_memory_usage_policy(config, policy);
            let made = Self::made(|kind| sys::memkind_create_pmem_with_config(config, kind));
            sys::memkind_config_delete(config);
            made
        }
    }

    /// A heap on nodes, a list as numa(3) has them: `"0,2-3"`, `"all"`.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` for what is no list, `MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE` for nodes that
    /// do not exist or may not be used.
    pub fn nodes(list: &str, how: Nodes) -> Result<Self, Error> {
        let list = CString::new(list).map_err(|_| Error::INVALID)?;
        // SAFETY: the list is a string, and the handle writable.
        Self::made(|kind| unsafe { sys::memkind_create_nodes(list.as_ptr(), how.policy(), kind) })
    }

    /// A kind by description: limit, nodes, page size, alignment and more.
    pub fn describe() -> Description {
        Description::default()
    }

    /// A heap inside of an area of the program's: device memory that is mapped, shared memory.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` while another kind has this area.
    ///
    /// # Safety
    /// The area is readable and writable, and nothing else uses it before the value is dropped.
    pub unsafe fn area(start: *mut u8, size: usize) -> Result<Self, Error> {
        // SAFETY: the area is readable and writable, and the new kind alone uses it.
        Self::made(|kind| unsafe { sys::memkind_create_fixed(start.cast(), size, kind) })
    }

    pub(crate) fn handle(&self) -> sys::memkind_t {
        self.handle
    }

    /// The kind's statistics of the last [`crate::update_statistics`].
    ///
    /// # Errors
    /// When the kind was first used after that.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        statistics::of(self.handle)
    }
}

impl Capacity for Kind {
    fn capacity(&self) -> Option<usize> {
        capacity(self.handle)
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        // SAFETY: whatever is allocated from the kind borrows it, so nothing is left.
        unsafe { sys::memkind_destroy_kind(self.handle) };
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind")
            .field("capacity", &self.capacity())
            .finish()
    }
}

allocator!(&Kind);
