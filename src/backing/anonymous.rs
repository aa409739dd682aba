//! Private memory, one mapping per extent, bound to a set of nodes.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

use super::{Bind, Extent, PAGE, keeps_freed_memory, round_up};
use crate::error::Error;
use crate::log;
use crate::topology::NodeMask;

/// The page size of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// The processor's own, 4 KiB.
    Base,
    /// 2 MiB from the kernel's pool.
    Huge2M,
    /// 2 MiB pages in mappings of whole GiB (deprecated GBTLB kinds).
    Huge1G,
}

impl PageSize {
    /// Mappings are a multiple of this many bytes.
    pub const fn granule(self) -> usize {
        match self {
            Self::Base => PAGE,
            Self::Huge2M => 2 << 20,
            Self::Huge1G => 1 << 30,
        }
    }

    const fn flags(self) -> libc::c_int {
        match self {
            Self::Base => 0,
            Self::Huge2M | Self::Huge1G => libc::MAP_HUGETLB | libc::MAP_HUGE_2MB,
        }
    }
}

/// Whether the kernel may use transparent huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransparentHuge {
    /// As the system is set up.
    AsSystem,
    /// Never: pages must alternate between nodes.
    Never,
}

/// Private memory of the process.
pub struct Anonymous {
    page: PageSize,
    thp: TransparentHuge,
    bind: Bind,
    /// Set before the first extent unless `bind` is `None`.
    nodes: AtomicPtr<NodeMask>,
    home: AtomicU16,
}

/// No home node.
const NO_HOME: u16 = u16::MAX;

impl Anonymous {
    /// A source; it takes nothing yet.
    pub const fn new(page: PageSize, thp: TransparentHuge, bind: Bind) -> Self {
        Self {
            page,
            thp,
            bind,
            nodes: AtomicPtr::new(ptr::null_mut()),
            home: AtomicU16::new(NO_HOME),
        }
    }

    /// Says which nodes to bind to, and of several the one to be near to.
    pub fn set_nodes(&self, nodes: &'static NodeMask, home: Option<u16>) {
        self.home.store(home.unwrap_or(NO_HOME), Ordering::Relaxed);
        self.nodes
            .store(ptr::from_ref(nodes).cast_mut(), Ordering::Release);
    }

    pub(super) fn take(&self, size: usize, align: usize) -> Result<Extent, Error> {
        let granule = self.page.granule();
        let length = round_up(size, granule).ok_or(Error::NoMemory)?;
        // A mapping of huge pages starts at a multiple of 2 MiB by itself.
        let natural = if self.page == PageSize::Base {
            PAGE
        } else {
            2 << 20
        };
        let address = if align <= natural {
            self.map(length)?
        } else {
            let address = self.map(length.checked_add(align).ok_or(Error::NoMemory)?)?;
            trim(address, length, align)
        };
        if let Err(error) = self.place(address, length) {
            unmap(address, length);
            return Err(error);
        }
        Ok(Extent {
            address,
            zeroed: true,
        })
    }

    fn map(&self, length: usize) -> Result<usize, Error> {
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | self.page.flags(),
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            return Err(Error::NoMemory);
        }
        Ok(address as usize)
    }

    fn place(&self, address: usize, length: usize) -> Result<(), Error> {
        if self.bind != Bind::None {
            let nodes = self.nodes.load(Ordering::Acquire);
            // SAFETY: null or a `&'static NodeMask` from `set_nodes`.
            let nodes = unsafe { nodes.as_ref() }.ok_or(Error::NoMemory)?;
            let home = self.home.load(Ordering::Relaxed);
            let home = (home != NO_HOME).then_some(home);
            self.bind.apply(address, length, nodes, home)?;
        }
        if self.thp == TransparentHuge::Never {
            // SAFETY: advice on our own fresh mapping. Kernels without transparent
            // huge pages answer EINVAL and already do what is asked.
            unsafe { libc::madvise(address as *mut _, length, libc::MADV_NOHUGEPAGE) };
        }
        Ok(())
    }

    pub(super) fn purge(&self, address: usize, size: usize) -> bool {
        if keeps_freed_memory() {
            return false;
        }
        // SAFETY: the heap vouches that no live block lies in the range.
        unsafe { libc::madvise(address as *mut _, size, libc::MADV_DONTNEED) == 0 }
    }
}

/// Cuts a mapping of `length + align` bytes down to `length` at a multiple of `align`.
fn trim(address: usize, length: usize, align: usize) -> usize {
    let start = (address + align - 1) & !(align - 1);
    let head = start - address;
    let tail = align - head;
    if head > 0 {
        unmap(address, head);
    }
    if tail > 0 {
        unmap(start + length, tail);
    }
    start
}

fn unmap(address: usize, length: usize) {
    // SAFETY: only called on parts of a mapping that the heap has not seen yet.
    unsafe { libc::munmap(address as *mut _, length) };
}
