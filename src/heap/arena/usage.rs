//! How much of what a heap holds is in use: jemalloc's own counts of pages with blocks.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::arenas::{Arenas, MAX};
use crate::backing::Room;
use crate::boxed::boxed;
use crate::heap::base::je;

/// The most arenas that [`Arenas::keep_pages_over`] looks at: with more it does nothing.
const FEW: usize = 64;

impl Arenas {
    /// Active pages of each slot's arena; 0 where there is no arena, `None` where it is not known.
    fn active(&self) -> Option<impl Iterator<Item = Option<usize>> + '_> {
        let known = self.active.get()?;
        Some(self.slots().iter().zip(known).map(|(slot, place)| {
            if slot.load(Ordering::Acquire) == 0 {
                return Some(0);
            }
            let active = NonNull::new(place.load(Ordering::Acquire))?;
            // SAFETY: a word of an arena, which lives as long as the heap.
            Some(unsafe { active.as_ref() }.load(Ordering::Relaxed))
        }))
    }

    /// Pages that hold blocks, those in caches included; `None` when that
    /// cannot be told.
    pub(crate) fn active_pages(&self) -> Option<usize> {
        let in_arenas: usize = self.active()?.sum::<Option<usize>>()?;
        Some(in_arenas + self.mappings.live() / je::PAGE)
    }

    /// Does `work`, and tells whether no arena has fewer pages that hold blocks than before; `false`
    /// also when that cannot be told, or would take long.
    #[inline]
    pub(crate) fn keep_pages_over(&self, work: impl FnOnce()) -> bool {
        let mut before = [0; FEW];
        let each = self.active().filter(|_| self.slots().len() <= FEW);
        let known = each.is_some_and(|each| {
            let mut each = each.zip(&mut before);
            each.all(|(pages, before)| pages.inspect(|pages| *before = *pages).is_some())
        });
        work();
        known
            && self.active().is_some_and(|mut each| {
                let mut before = before.iter();
                each.all(|pages| pages >= before.next().copied())
            })
    }

    /// Finds out where arenas count their active pages. jemalloc tells it of those that were
    /// there at the last snapshot of statistics, so there may have to be a new one, by `refresh`.
    pub(crate) fn learn_active(&self, refresh: impl Fn() -> bool) {
        let list = || boxed([const { AtomicPtr::new(ptr::null_mut()) }; MAX]);
        let Ok(known) = self.active.get_or_try_init(list) else {
            return;
        };
        let mut refreshed = false;
        for (slot, place) in self.slots().iter().zip(known) {
            let arena = slot.load(Ordering::Acquire);
            if arena == 0 || !place.load(Ordering::Relaxed).is_null() {
                continue;
            }
            let mut active = je::active_pages(arena);
            if active.is_none() && !refreshed {
                refreshed = true;
                refresh();
                active = je::active_pages(arena);
            }
            if let Some(active) = active {
                place.store(active.as_ptr(), Ordering::Release);
            }
        }
    }

    /// Bytes that arenas hold and do not use; `None` when that cannot be told.
    pub(crate) fn idle_bytes(&self) -> Option<usize> {
        let held = self.backing.room().held()?;
        Some(held.saturating_sub(self.active_pages()? * je::PAGE))
    }

    /// Whether nothing but its own limit keeps the heap from having `least` bytes more.
    pub(crate) fn is_at_its_limit(&self, least: usize) -> bool {
        matches!(self.backing.room(), Room::Own { left, .. } if left < least)
    }
}
