//! Private memory, one mapping per extent, bound to a set of nodes.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

use super::account::{Account, Pages};
use super::mapping::{PageSize, READ_WRITE, unmap};
use super::names::Name;
use super::policy::Bind;
use super::thp::{self, TransparentHuge, Wanted};
use crate::backing::base::{Extent, Room, UNIT, growth, keeps_freed_memory, populate, round_up};
use crate::backing::ranges::Ranges;
use crate::error::Error;
use crate::topology::{self, Left, NodeMask};

/// Private memory of the process.
pub struct Anonymous {
    pub(in crate::backing) page: PageSize,
    thp: TransparentHuge,
    bind: Bind,
    /// Set before the first extent unless `bind` is `None`.
    nodes: AtomicPtr<NodeMask>,
    /// The node that memory is to be near to, or [`NO_HOME`].
    home: AtomicU16,
    /// The account of the nodes; null when memory is not counted.
    account: AtomicPtr<Account>,
    /// The mappings.
    pub(super) ranges: Ranges,
    /// The name that /proc shows for the mappings.
    name: Name,
}

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
        self.account().map_or(Room::Open, |_| Room::Shared)
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
    /// pages for whole mappings.
    pub(in crate::backing) fn growth(&self) -> usize {
        match self.page {
            PageSize::Huge2M | PageSize::Huge1G => UNIT,
            PageSize::Base => growth(self.account().map_or(usize::MAX, Account::capacity)),
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
        let is_refused = |account: &Account| match memory {
            true => account.is_refused(size),
            false => account.exceeds_nodes(size),
        };
        if account.is_some_and(is_refused) {
            return Err(Error::NoMemory);
        }
        // Mappings whose memory is counted begin at a multiple of the unit.
        let align = account.map_or(align, |_| align.max(UNIT));
        let length = round_up(size, self.page.granule()).ok_or(Error::NoMemory)?;
        let align = match self.thp(length) {
            Wanted::Always => align.max(UNIT),
            Wanted::System | Wanted::Never => align,
        };
        // The kernel starts a mapping at a multiple of its pages.
        let address = if align <= self.page.size() {
            self.page.map(length, READ_WRITE)?
        } else {
            self.page.map_aligned(length, align, 0, READ_WRITE)?
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
        // SAFETY: an extent of this source that is not used any more.
        unsafe { self.unmap_counted(address, length) };
    }

    /// Unmaps a mapping of `length` bytes, and takes it out of the account. What was not promised there
    /// has not gone back: a refusal stays valid although its mapping goes.
    ///
    /// # Safety
    /// The mapping is this source's, and is not used any more.
    unsafe fn unmap_counted(&self, address: usize, length: usize) {
        let account = self.account();
        let gone = account.map_or(0, |account| account.remove_range(address, length));
        // SAFETY: a mapping of this source that is not used any more.
        unsafe { unmap(address, length) };
        if let Some(account) = account {
            account.gone_back(gone);
        }
    }

    /// Lets a forked child have an extent that can be resized, and what is in it, whatever the
    /// program has told madvise(2) of an earlier block there. May change `errno`.
    pub fn give_to_children(&self, address: usize, size: usize) {
        for advice in [libc::MADV_DOFORK, libc::MADV_KEEPONFORK] {
            // SAFETY: advice on a mapping of this source, which changes no contents. Kernels that
            // do not know it (before 4.14) have nothing to undo.
            unsafe { libc::madvise(address as *mut _, size, advice) };
        }
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
        // SAFETY: no live block is in the range, which is in a mapping of this source.
        (address | size) % self.page.size() == 0
            && unsafe { libc::madvise(address as *mut _, size, libc::MADV_DONTNEED) == 0 }
    }

    pub(in crate::backing) fn for_each_range(&self, each: impl FnMut(usize, usize)) {
        self.ranges.for_each(each);
    }
}

impl Drop for Anonymous {
    fn drop(&mut self) {
        self.ranges.for_each(|start, size| {
            // SAFETY: a mapping of the source, whose heap is gone.
            unsafe { self.unmap_counted(start, size) };
        });
    }
}
