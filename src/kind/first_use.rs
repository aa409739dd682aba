//! The first use of a static kind: the topology says which nodes it means, and its heaps are opened.

use core::sync::atomic::Ordering;

use super::Kind;
use super::places::{self, Places};
use crate::backing::{Backing, Bind, PageSize};
use crate::error::Error;
use crate::heap::{Heap, arena};
use crate::topology;
use crate::{cancel, log};

impl Kind {
    /// The heap of the place that the calling thread runs on.
    ///
    /// # Errors
    /// Those of [`Kind::prepare`].
    #[inline]
    pub(super) fn heap_here(&'static self) -> Result<&'static Heap, Error> {
        if self.heap.is_open() {
            return Ok(&self.heap);
        }
        self.prepare()?;
        let here = self.places.get().and_then(Places::here);
        Ok(here.unwrap_or(&self.heap))
    }

    /// Makes a static kind ready at its first use. Keeps `errno`, whatever files are missing on the way.
    ///
    /// # Errors
    /// Those of [`Kind::announce`]; `NoMemory` when the machine has no such memory.
    #[cold]
    fn prepare(&'static self) -> Result<(), Error> {
        if self.is_ready() {
            return Ok(());
        }
        let errno = log::errno();
        let ready = self.make_ready();
        log::set_errno(errno);
        ready
    }

    /// [`Kind::prepare`] of a kind that is not ready.
    fn make_ready(&'static self) -> Result<(), Error> {
        self.placed();
        if self.is_dynamic() {
            // Opened when it was made, and closed in a forked child that has no use of it.
            return Err(Error::NoMemory);
        }
        if self.is_system() {
            // MEMKIND_ARENA_NUM_PER_KIND concerns the other kinds; MEMKIND_DEFAULT always works.
            self.open(arena::usual(), None);
            return Ok(());
        }
        let _deferred = cancel::defer();
        let count = self.announce()?;
        let targets = self.spec.targets().map_err(|_| Error::NoMemory)?;
        if self.spec.page != PageSize::Base {
            // Reports missing pages under MEMKIND_DEBUG; the pool may have grown since the check.
            let nodes = self.spec.huge_page_nodes(targets);
            let _ = topology::huge_pages_available(2 << 20, nodes.as_ref());
        }
        let number = self.head.partition() as u16;
        let pooled = self.is_pooled();
        if let (Some(targets), Backing::Anonymous(source)) = (targets, self.heap.backing()) {
            let placed =
                places::install(&self.places, &self.head, &self.spec, targets, count, pooled);
            if placed.map_err(|_| Error::NoMemory)? {
                self.head.set_arena_count(count);
                return Ok(());
            }
            let set = source.set_nodes(targets.of_place(0), targets.home(0));
            set.map_err(|_| Error::NoMemory)?;
        } else if let Backing::Anonymous(source) = self.heap.backing() {
            source.set_anywhere().map_err(|_| Error::NoMemory)?;
        }
        if pooled {
            places::give_pool(&self.heap, number)?;
        }
        self.open(count, None);
        Ok(())
    }

    /// Reports under MEMKIND_DEBUG that a static kind is used for the first time, and returns the
    /// number of arenas that it may have.
    ///
    /// # Errors
    /// Both are fatal, as the manual says: `Unavailable` without NUMA in the
    /// kernel, `Environ` for a malformed MEMKIND_ARENA_NUM_PER_KIND.
    pub(super) fn announce(&self) -> Result<u32, Error> {
        if !self.announced.swap(true, Ordering::Relaxed) {
            log::info!("Initializing kind {}.", self.name());
        }
        if self.spec.bind != Bind::None && !topology::numa_available() {
            return Err(Error::Unavailable);
        }
        // MEMKIND_ARENA_NUM_PER_KIND counts jemalloc's arenas.
        let asked_for = if self.is_pooled() {
            None
        } else {
            arena::asked_for()?
        };
        Ok(asked_for.unwrap_or_else(arena::usual))
    }
}
