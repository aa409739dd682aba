//! Private memory, one mapping per extent, bound to a set of nodes.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

use super::account::{Account, Pages};
use super::names::Name;
use super::policy::Bind;
use super::thp::{self, Wanted};
use crate::backing::base::{Extent, Room, UNIT, keeps_freed_memory, page_size, populate, round_up};
use crate::backing::ranges::Ranges;
use crate::error::Error;
use crate::log;
use crate::topology::{self, Left, NodeMask};

/// The page size of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// The processor's pages.
    Base,
    /// 2 MiB from the kernel's pool.
    Huge2M,
    /// 2 MiB pages in mappings of whole GiB (deprecated GBTLB kinds).
    Huge1G,
}

impl PageSize {
    /// Mappings are a multiple of this many bytes.
    pub fn granule(self) -> usize {
        match self {
            Self::Base => page_size(),
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
    /// The kernel decides, by the system's settings.
    AsSystem,
    /// Never: pages must alternate between nodes.
    Never,
}

impl TransparentHuge {
    /// What is asked of the kernel for mappings of a kind of ordinary pages.
    pub fn wanted(self) -> Wanted {
        match self {
            Self::AsSystem => thp::wanted(),
            Self::Never => Wanted::Never,
        }
    }
}

/// Private memory of the process.
pub struct Anonymous {
    page: PageSize,
    thp: TransparentHuge,
    bind: Bind,
    /// Set before the first extent unless `bind` is `None`.
    nodes: AtomicPtr<NodeMask>,
    home: AtomicU16,
    /// The account of the nodes; null when memory is not counted.
    account: AtomicPtr<Account>,
    /// The mappings.
    pub(super) ranges: Ranges,
    /// The name that /proc shows for the mappings.
    name: Name,
}

/// Access to memory that is used.
pub(super) const READ_WRITE: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;

/// The most bytes by which a heap of base pages grows at a time.
const GROWTH: usize = 1 << 30;

/// The value of `home` for no home node.
const NO_HOME: u16 = u16::MAX;

impl Anonymous {
    /// A source from which nothing has been taken yet.
    pub const fn new(page: PageSize, thp: TransparentHuge, bind: Bind) -> Self {
        Self {
            page,
            thp,
            bind,
            nodes: AtomicPtr::new(ptr::null_mut()),
            home: AtomicU16::new(NO_HOME),
            account: AtomicPtr::new(ptr::null_mut()),
            ranges: Ranges::new(),
            name: Name::new(),
        }
    }

    /// Sets the name that /proc shows for the mappings.
    pub fn set_name(&self, name: &'static CStr) {
        self.name.set(name);
    }

    /// Sets the nodes to bind to, and of several the one that memory is to be near to.
    ///
    /// # Errors
    /// `OperationFailed` when the kernel could not be asked, for a reason that passes; `Malloc`.
    pub fn set_nodes(&self, nodes: &'static NodeMask, home: Option<u16>) -> Result<(), Error> {
        if self.bind == Bind::Bind {
            self.open_account(nodes)?;
        } else {
            self.set_anywhere()?;
        }
        self.home.store(home.unwrap_or(NO_HOME), Ordering::Relaxed);
        self.nodes
            .store(ptr::from_ref(nodes).cast_mut(), Ordering::Release);
        Ok(())
    }

    /// Lets memory come from any node that the process may use. Only huge pages are counted then,
    /// whose number is limited.
    ///
    /// # Errors
    /// `OperationFailed` when the kernel could not be asked, for a reason that passes; `Malloc`.
    pub fn set_anywhere(&self) -> Result<(), Error> {
        match self.page {
            PageSize::Base => Ok(()),
            _ => self.open_account(&topology::machine()?.allowed),
        }
    }

    /// Counts memory that is taken from `nodes` from now on.
    ///
    /// # Errors
    /// `OperationFailed` when the kernel could not be asked, for a reason that passes;
    /// `Malloc`.
    fn open_account(&self, nodes: &NodeMask) -> Result<(), Error> {
        let pages = match self.page {
            PageSize::Base => Pages::Base,
            PageSize::Huge2M | PageSize::Huge1G => Pages::Huge,
        };
        if let Some(account) = Account::of(nodes, pages)? {
            self.account
                .store(ptr::from_ref(account).cast_mut(), Ordering::Release);
        }
        Ok(())
    }

    pub(super) fn account(&self) -> Option<&'static Account> {
        // SAFETY: null or an account, which stays.
        unsafe { self.account.load(Ordering::Acquire).as_ref() }
    }

    /// What the nodes have, if what is promised there is counted.
    pub(in crate::backing) fn room(&self) -> Room {
        let shared = |account: &Account| Room::Shared(account.capacity());
        self.account().map_or(Room::Open, shared)
    }

    /// Bytes that have been promised on the nodes, to this source or others.
    pub(in crate::backing) fn promised(&self) -> Option<usize> {
        self.account().map(Account::load)
    }

    /// Bytes that the nodes have together, or the machine where memory may come from any node, and
    /// no more than the process may have; `None` when that could not be found out for a reason
    /// that passes.
    pub(in crate::backing) fn size_of_nodes(&self) -> Option<usize> {
        if let Some(account) = self.account() {
            return Some(account.capacity_in_groups());
        }
        let limit = topology::container().ok()?.memory_limit();
        // SAFETY: null or a `&'static NodeMask` from `set_nodes`.
        let nodes = match unsafe { self.nodes.load(Ordering::Acquire).as_ref() } {
            Some(nodes) => topology::capacity(nodes),
            None => topology::capacity(&topology::memory_nodes()),
        };
        // Some virtual machines do not report what their nodes have.
        let nodes = match nodes {
            0 => Left::HOST.memory_of_all()?,
            bytes => bytes,
        };
        let most = limit.map_or(nodes, |(bytes, _)| bytes.min(nodes));
        Some(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Whether two sources draw on the same nodes, and either may be refused memory that
    /// the other holds.
    pub(in crate::backing) fn shares(&self, other: &Self) -> bool {
        match (self.account(), other.account()) {
            (Some(account), Some(other)) => account.shares(other),
            _ => false,
        }
    }

    /// The most bytes by which a heap should grow beyond what it needs. The kernel reserves huge
    /// pages for whole mappings. Growth of base pages takes addresses only, but jemalloc asks for
    /// more each time and never for less: once the kernel or the nodes refuse, each slab would
    /// become a mapping of its own.
    pub(in crate::backing) fn growth(&self) -> usize {
        match (self.page, self.account()) {
            (PageSize::Huge2M | PageSize::Huge1G, _) => UNIT,
            (PageSize::Base, None) => GROWTH,
            (PageSize::Base, Some(account)) => (account.capacity() / 4).clamp(UNIT, GROWTH),
        }
    }

    /// Takes an extent of `size` bytes at a multiple of `align`; without `memory` it may be
    /// addresses only.
    pub(in crate::backing) fn take(
        &self,
        size: usize,
        align: usize,
        memory: bool,
    ) -> Result<Extent, Error> {
        let account = self.account();
        // More addresses than the nodes have memory are never usable.
        if !memory && account.is_some_and(|account| size > account.capacity()) {
            return Err(Error::NoMemory);
        }
        if memory && account.is_some_and(|account| account.is_refused(size)) {
            return Err(Error::NoMemory);
        }
        // Mappings whose memory is counted begin at a multiple of the unit.
        let align = account.map_or(align, |_| align.max(UNIT));
        let length = round_up(size, self.page.granule()).ok_or(Error::NoMemory)?;
        let align = match self.thp(length) {
            Wanted::Always => align.max(UNIT),
            Wanted::System | Wanted::Never => align,
        };
        // The kernel starts a mapping of huge pages at a multiple of 2 MiB.
        let natural = if self.page == PageSize::Base {
            page_size()
        } else {
            UNIT
        };
        let address = if align <= natural {
            self.map(length, READ_WRITE)?
        } else {
            self.map_aligned(length, align, 0, READ_WRITE)?
        };
        if let Err(error) = self.settle(address, length, size, memory) {
            // SAFETY: a fresh mapping, which no other code has seen.
            unsafe { self.release(address, size) };
            return Err(error);
        }
        Ok(Extent {
            address,
            zeroed: true,
            memory: memory || account.is_none(),
        })
    }

    /// Unmaps an extent of `size` bytes.
    ///
    /// # Safety
    /// The extent is this source's, and is not used any more.
    pub(in crate::backing) unsafe fn release(&self, address: usize, size: usize) {
        let length = round_up(size, self.page.granule()).unwrap_or(size);
        self.ranges.remove(address);
        if let Some(account) = self.account() {
            account.remove_range(address, length);
            account.gone_back(length);
        }
        // SAFETY: an extent of this source that is not used any more.
        unsafe { unmap(address, length) };
    }

    /// Whether an extent may be resized: one of ordinary pages.
    pub(in crate::backing) const fn can_resize(&self) -> bool {
        matches!(self.page, PageSize::Base)
    }

    /// [`crate::backing::Backing::give_to_children`] of this source.
    pub(in crate::backing) fn give_to_children(&self, address: usize, size: usize) {
        for advice in [libc::MADV_DOFORK, libc::MADV_KEEPONFORK] {
            // SAFETY: advice on a mapping of this source, which changes no contents. Kernels that
            // do not know it (before 4.14) have nothing to undo.
            unsafe { libc::madvise(address as *mut _, size, advice) };
        }
    }

    /// The unit of extents, in bytes.
    pub(in crate::backing) fn granule(&self) -> usize {
        self.page.granule()
    }

    /// Gives a fresh mapping its policy and its place in the account.
    fn settle(
        &self,
        address: usize,
        length: usize,
        size: usize,
        memory: bool,
    ) -> Result<(), Error> {
        self.place(address, length)?;
        self.name.give(address, length);
        let known = self.ranges.insert(address, length)
            && self
                .account()
                .is_none_or(|account| account.add_range(address, length));
        if !known {
            return Err(Error::NoMemory);
        }
        if memory {
            self.take_again(address, size)?;
        }
        Ok(())
    }

    /// Addresses for `length` bytes at a multiple of `align`, more than a page, if there are `more`
    /// bytes besides, which are not kept.
    pub(super) fn map_aligned(
        &self,
        length: usize,
        align: usize,
        more: usize,
        access: libc::c_int,
    ) -> Result<usize, Error> {
        // Beside an earlier one, whether the kernel maps downwards or, with an unlimited stack, upwards.
        // It makes one mapping of both when their policies and names are equal.
        if length % align == 0 && more == 0 {
            let address = self.map(length, access)?;
            if address % align == 0 {
                return Ok(address);
            }
            // SAFETY: a fresh mapping, which no other code has seen.
            unsafe { unmap(address, length) };
        }
        let room = align.checked_add(more);
        let with_room = room.and_then(|room| room.checked_add(length));
        let with_room = with_room.ok_or(Error::NoMemory)?;
        Ok(trim(self.map(with_room, access)?, with_room, length, align))
    }

    pub(super) fn map(&self, length: usize, access: libc::c_int) -> Result<usize, Error> {
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                access,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | self.page.flags(),
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            if self.page != PageSize::Base {
                log::error!(
                    "Fewer huge pages of 2 MiB are free than are asked for: see vm.nr_hugepages."
                );
            }
            return Err(Error::NoMemory);
        }
        Ok(address as usize)
    }

    /// What is asked of the kernel for a mapping of `length` bytes.
    fn thp(&self, length: usize) -> Wanted {
        match self.page {
            PageSize::Base if self.account().is_some() && thp::are_too_large() => Wanted::Never,
            PageSize::Base => match self.thp.wanted() {
                Wanted::Always if length < UNIT => Wanted::System,
                wanted => wanted,
            },
            PageSize::Huge2M | PageSize::Huge1G => Wanted::System,
        }
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
        let advice = match self.thp(length) {
            Wanted::System => return Ok(()),
            Wanted::Always => libc::MADV_HUGEPAGE,
            Wanted::Never => libc::MADV_NOHUGEPAGE,
        };
        // SAFETY: advice on our own fresh mapping. Kernels without transparent huge pages answer
        // EINVAL: there are none then.
        unsafe { libc::madvise(address as *mut _, length, advice) };
        Ok(())
    }

    pub(in crate::backing) fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        let Some(account) = self.account() else {
            return Ok(());
        };
        account.promise(address, size).or_else(|error| {
            // Whether the kernel can make further huge pages shows only when it tries.
            if !account.made_on_demand() {
                return Err(error);
            }
            if !populate(address, size) {
                // SAFETY: the heap has not been given the range yet, or not again.
                unsafe { self.discard(address, size) };
                return Err(error);
            }
            account.promise_present(address, size).inspect_err(|_| {
                // SAFETY: the heap has not been given the range yet, or not again.
                unsafe { self.discard(address, size) };
            })
        })
    }

    /// [`crate::backing::Backing::give_back`] of this source.
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this source.
    pub(in crate::backing) unsafe fn give_back(&self, address: usize, size: usize) -> bool {
        let Some(account) = self.account() else {
            return false;
        };
        // SAFETY: no live block is in the range of this source.
        let done = !keeps_freed_memory() && unsafe { self.discard(address, size) };
        if done {
            account.release(address, size);
        }
        done
    }

    /// [`crate::backing::Backing::purge`] of this source.
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this source.
    pub(in crate::backing) unsafe fn purge(&self, address: usize, size: usize) -> bool {
        // SAFETY: no live block is in the range of this source.
        let done = !keeps_freed_memory() && unsafe { self.discard(address, size) };
        if let (true, Some(account)) = (done, self.account()) {
            account.gone_back(size);
        }
        done
    }

    /// Gives the pages of a range back; `false` unless all have gone and read as zero. Only whole
    /// huge pages are tried: of parts the kernel reports success and leaves them, or gives back
    /// more than the range (5.18 to 6.0).
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this source.
    unsafe fn discard(&self, address: usize, size: usize) -> bool {
        let page = if self.page == PageSize::Base {
            page_size()
        } else {
            UNIT
        };
        // SAFETY: no live block is in the range, which is in a mapping of this source.
        (address | size) % page == 0
            && unsafe { libc::madvise(address as *mut _, size, libc::MADV_DONTNEED) == 0 }
    }

    pub(in crate::backing) fn for_each_range(&self, each: impl FnMut(usize, usize)) {
        self.ranges.for_each(each);
    }
}

impl Drop for Anonymous {
    fn drop(&mut self) {
        let account = self.account();
        self.ranges.for_each(|start, size| {
            if let Some(account) = account {
                account.remove_range(start, size);
            }
            // SAFETY: a mapping of the source, whose heap is gone.
            unsafe { unmap(start, size) };
        });
    }
}

/// Cuts a mapping of `size` bytes, at least `length + align`, down to `length` at the last multiple of
/// `align` there: most kernels map downwards, and it is beside an earlier one then.
fn trim(address: usize, size: usize, length: usize, align: usize) -> usize {
    let start = (address + size - length) & !(align - 1);
    let head = start - address;
    let tail = size - length - head;
    // SAFETY: parts of a fresh mapping, which no other code has seen.
    unsafe {
        unmap(address, head);
        if tail > 0 {
            unmap(start + length, tail);
        }
    }
    start
}

/// Unmaps a part of a mapping, or at least gives its pages back.
///
/// # Safety
/// It is a source's own, and is not used any more.
pub(super) unsafe fn unmap(address: usize, length: usize) {
    // SAFETY: the mapping is a source's, and nothing in this part of it is used.
    unsafe {
        // With as many mappings as may be, the kernel does not cut one out of a larger one.
        if libc::munmap(address as *mut _, length) != 0 {
            libc::madvise(address as *mut _, length, libc::MADV_DONTNEED);
        }
    }
}
