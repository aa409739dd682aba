use core::ptr;
use std::ffi::CString;

use memkind_sys as sys;

use crate::kind::Nodes;
use crate::{Error, Kind, Static};

/// What a kind is to be like; [`Kind::describe`] begins with one like [`Static::Default`]. See memkind_config(3).
///
/// ```
/// use allocator_api2::boxed::Box;
/// use memkind::{Kind, Nodes, Static};
///
/// # fn main() -> Result<(), memkind::Error> {
/// // Buffers for a device: at most 64 MiB on node 0, each aligned to 64 bytes and never given back to the kernel,
/// // in huge pages where there are any; ordinary memory when they are used up.
/// let buffers = Kind::describe()
///     .name("buffers")
///     .limit(64 << 20)
///     .nodes("0", Nodes::Bind)
///     .page_size(2 << 20)
///     .alignment(64)
///     .no_dump()
///     .fallback(Static::Default)
///     .create()?;
/// let buffer = Box::new_in([0_u8; 1500], &buffers);
/// assert_eq!(buffer.as_ptr().addr() % 64, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a kind is made by `create`"]
pub struct Description {
    name: Option<String>,
    limit: usize,
    nodes: Option<(String, Nodes)>,
    page_size: usize,
    is_page_size_required: bool,
    alignment: usize,
    slab_size: usize,
    options: u32,
    fallback: Option<Static>,
}

impl Description {
    /// The name that messages, statistics and /proc/PID/smaps show, of at most 63 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The most bytes that the kind may hold.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The nodes that memory comes from, as [`Kind::nodes`] has them.
    pub fn nodes(mut self, list: impl Into<String>, how: Nodes) -> Self {
        self.nodes = Some((list.into(), how));
        self
    }

    /// Huge pages of this many bytes while there are any, then ordinary ones.
    pub fn page_size(mut self, bytes: usize) -> Self {
        (self.page_size, self.is_page_size_required) = (bytes, false);
        self
    }

    /// Pages of this many bytes and no others.
    pub fn required_page_size(mut self, bytes: usize) -> Self {
        (self.page_size, self.is_page_size_required) = (bytes, true);
        self
    }

    /// What every block is aligned to: a power of two, at most the page size.
    pub fn alignment(mut self, bytes: usize) -> Self {
        self.alignment = bytes;
        self
    }

    /// By how many bytes the kind grows, a multiple of the page size.
    pub fn slab_size(mut self, bytes: usize) -> Self {
        self.slab_size = bytes;
        self
    }

    fn option(mut self, option: u32) -> Self {
        self.options |= option;
        self
    }

    /// Pages are there before they are touched.
    pub fn populate(self) -> Self {
        self.option(sys::MEMKIND_OPTION_POPULATE)
    }

    /// Memory is never written to swap (mlock(2)).
    pub fn lock(self) -> Self {
        self.option(sys::MEMKIND_OPTION_LOCK)
    }

    /// Memory keeps its pages until the kind is dropped; includes [`Description::populate`].
    pub fn pin(self) -> Self {
        self.option(sys::MEMKIND_OPTION_PIN)
    }

    /// Memory is not in core files.
    pub fn no_dump(self) -> Self {
        self.option(sys::MEMKIND_OPTION_NO_DUMP)
    }

    /// What is freed is overwritten with zeroes.
    pub fn wipe(self) -> Self {
        self.option(sys::MEMKIND_OPTION_WIPE)
    }

    /// In transparent huge pages where the kernel has them.
    pub fn transparent_huge(self) -> Self {
        self.option(sys::MEMKIND_OPTION_TRANSPARENT_HUGE)
    }

    /// The kind that serves when this one has no memory.
    pub fn fallback(mut self, kind: Static) -> Self {
        self.fallback = Some(kind);
        self
    }

    /// Makes the kind.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` for what does not go together (MEMKIND_DEBUG=1 tells what), `MEMKIND_ERROR_HUGETLB` where
    /// there are no pages of the required size, `MEMKIND_ERROR_MALLOC` without memory for the settings, and those of
    /// [`Kind::nodes`].
    pub fn create(&self) -> Result<Kind, Error> {
        let string = |text: &str| CString::new(text).map_err(|_| Error::INVALID);
        let name = self.name.as_deref().map(string).transpose()?;
        let nodes = match &self.nodes {
            Some((list, how)) => Some((string(list)?, how.policy())),
            None => None,
        };
        // SAFETY: the configuration lives until it is deleted, the strings longer; static kinds always live.
        unsafe {
            let config = sys::memkind_config_new();
            if config.is_null() {
                return Err(Error::NO_MEMORY);
            }
            sys::memkind_config_set_name(
                config,
                name.as_ref().map_or(ptr::null(), |name| name.as_ptr()),
            );
            sys::memkind_config_set_size(config, self.limit);
            if let Some((list, policy)) = &nodes {
                sys::memkind_config_set_nodes(config, list.as_ptr(), *policy);
            }
            sys::memkind_config_set_page_size(config, self.page_size, self.is_page_size_required);
            sys::memkind_config_set_alignment(config, self.alignment);
            sys::memkind_config_set_slab_size(config, self.slab_size);
            sys::memkind_config_set_options(config, self.options);
            if let Some(kind) = self.fallback {
                sys::memkind_config_set_fallback(config, kind.handle());
            }
            let made = Kind::made(|kind| sys::memkind_create_with_config(config, kind));
            sys::memkind_config_delete(config);
            made
        }
    }
}
