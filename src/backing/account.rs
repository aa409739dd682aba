//! Memory that was promised and not yet touched, against what nodes have left.
//!
//! A mapping costs nothing until its pages are touched, and then it is too late for an
//! error: the kernel kills a process that is bound to a full node, or sends SIGBUS for a
//! huge page. So an account for each set of nodes counts what was handed out (in units,
//! see [`super::units`]), and the heap is refused more than the nodes have.
//!
//! What may be handed out is what the nodes have left plus what is there already: a page
//! that is touched moves from one to the other, so the sum holds until somebody else
//! takes memory or gives it back. Hence the kernel is asked seldom: at first, each time
//! half of the room is used up, and before a request is refused. Pages that are there are
//! counted with mincore(2), but not for every one of many refusals in a row (see
//! [`Counted`]).
//!
//! Several accounts may share nodes. What one has promised is then taken to come from the
//! nodes of the other, all of it: that errs on the safe side.
//!
//! The control groups of the process have an account of their own for each sort of pages, in
//! which nothing is promised: it sums up all others. So a container's limit is met like a
//! node that is full.

mod open;

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::PAGE;
use super::counted::{Counted, resident};
use super::ranges::Ranges;
use super::refusal::Refusal;
use super::units::{self, UNIT};
use crate::clock::nanoseconds;
use crate::error::Error;
use crate::log;
use crate::topology::{Container, Left, NodeMask, trouble};

/// Room for which the kernel is not asked in halves any more.
const SMALL: usize = 64 << 20;
/// The same below a control group's limit, for which all memory of the process counts.
const SMALL_OF_GROUPS: usize = 2 << 20;
/// All accounts; they stay.
static ALL: AtomicPtr<Account> = AtomicPtr::new(ptr::null_mut());

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// Ordinary memory.
    Base,
    /// Huge pages of 2 MiB from the kernel's pool.
    Huge,
}

/// The account of a set of nodes.
pub(super) struct Account {
    nodes: NodeMask,
    pages: Pages,
    /// The control groups, in an account that is theirs and has no nodes.
    groups: Option<&'static Container>,
    /// Whether the nodes are all that have memory.
    everywhere: bool,
    /// Bytes that the nodes have together, used or not.
    capacity: usize,
    /// Bytes that the kernel says the nodes have left, and that nobody can have.
    kept: u64,
    /// Whether the kernel may put huge pages, also transparent ones, into the mappings.
    huge_pages: bool,
    /// Bytes of what was handed out, in units.
    promised: AtomicUsize,
    /// How much may be promised on these nodes before the kernel is asked again.
    limit: AtomicUsize,
    /// Bytes that have gone back since it was asked, and at how many it is asked anew:
    /// not all of them can be had again.
    gone: AtomicUsize,
    most_gone: usize,
    counted: Counted,
    refusal: Refusal,
    ranges: Ranges,
    next: AtomicPtr<Account>,
}

impl Account {
    fn all() -> impl Iterator<Item = &'static Account> {
        let mut next = ALL.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null or an account, which stays.
            let account = unsafe { next.as_ref() }?;
            next = account.next.load(Ordering::Relaxed);
            Some(account)
        })
    }

    /// Bytes that the nodes have together, used or not.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether two accounts draw on the same memory: on the same nodes, or on what the
    /// control groups leave the process.
    pub(super) fn shares(&self, other: &Account) -> bool {
        let limited = || self.of_all().is_some_and(|all| all.capacity < usize::MAX);
        self.counts(other) || (self.pages == other.pages && limited())
    }

    /// Whether what is promised of one counts for the other.
    fn counts(&self, other: &Account) -> bool {
        let all = self.groups.is_some() || other.groups.is_some();
        self.pages == other.pages && (all || !self.nodes.intersection(&other.nodes).is_empty())
    }

    fn sharing(&self) -> impl Iterator<Item = &'static Account> + '_ {
        Self::all().filter(|other| self.counts(other))
    }

    /// The account of the control groups for such pages.
    fn of_all(&self) -> Option<&'static Account> {
        Self::all().find(|all| all.groups.is_some() && all.pages == self.pages)
    }

    /// Remembers a fresh mapping on the nodes, in which nothing is promised yet; `false`
    /// when there is no memory for that. It begins at a multiple of [`UNIT`].
    pub(super) fn add_range(&self, start: usize, size: usize) -> bool {
        units::open(start, size, self.huge_pages) && self.ranges.insert(start, size)
    }

    /// Forgets a mapping that is about to go, with all that was promised there.
    pub(super) fn remove_range(&self, start: usize, size: usize) {
        self.ranges.remove(start);
        let n_pages = units::close(start, size);
        self.promised.fetch_sub(n_pages * PAGE, Ordering::Relaxed);
        if n_pages > 0 {
            self.sharing().for_each(|account| account.refusal.end());
        }
    }

    /// Promises the memory of a range in a mapping on the nodes.
    ///
    /// # Errors
    /// `NoMemory` when the nodes do not have it; nothing is promised then.
    pub(super) fn promise(&self, start: usize, size: usize) -> Result<(), Error> {
        let bytes = units::add(start, size) * PAGE;
        if bytes == 0 || self.charge(bytes) {
            return Ok(());
        }
        // Units that somebody else uses by now stay, and have to be paid for.
        let unused = units::remove(start, size) * PAGE;
        let stay = bytes.wrapping_sub(unused);
        self.promised.fetch_add(stay, Ordering::Relaxed);
        Err(Error::NoMemory)
    }

    /// As [`Account::promise`] for memory that has just been made to be there, beyond what
    /// the nodes had left.
    ///
    /// # Errors
    /// `NoMemory` when it was made of memory that had been promised already.
    pub(super) fn promise_present(&self, start: usize, size: usize) -> Result<(), Error> {
        let bytes = units::add(start, size) * PAGE;
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        let left = self.left().unwrap_or(usize::MAX);
        if self.load() <= left.saturating_add(self.resident_of_all()) {
            return Ok(());
        }
        self.release(start, size);
        Err(Error::NoMemory)
    }

    /// Takes a promise back: the pages of the range are gone.
    pub(super) fn release(&self, start: usize, size: usize) {
        let bytes = units::remove(start, size) * PAGE;
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
        self.gone_back(size);
    }

    /// Pages of a range have gone back to the kernel, whether or not they stay promised.
    pub(super) fn gone_back(&self, bytes: usize) {
        for account in self.sharing() {
            account.refusal.end();
            let gone = account.gone.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if gone >= account.most_gone {
                account.gone.store(0, Ordering::Relaxed);
                account.limit.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Whether so many bytes were refused a moment ago. Of huge pages the kernel may make more.
    pub(super) fn is_refused(&self, bytes: usize) -> bool {
        self.was_refused(bytes) || self.of_all().is_some_and(|all| all.was_refused(bytes))
    }

    fn was_refused(&self, bytes: usize) -> bool {
        let refused = self.pages == Pages::Base && !self.fits(bytes);
        let room = self.refusal.of(bytes).filter(|_| refused);
        room.inspect(|room| self.log_refusal(bytes, *room))
            .is_some()
    }

    fn fits(&self, more: usize) -> bool {
        self.load().saturating_add(more) <= self.limit.load(Ordering::Relaxed)
    }

    fn charge(&self, bytes: usize) -> bool {
        if self.is_refused(bytes) {
            return false;
        }
        let (start, turn) = (nanoseconds(), self.refusal.turn());
        // Counted when it seems to fit: what cannot be had is not to be in others' way.
        let mut room = 0;
        let mut may_fit = self.fits(bytes);
        if !may_fit {
            room = self.look(bytes, 0);
            may_fit = self.fits(bytes);
        }
        if may_fit {
            self.promised.fetch_add(bytes, Ordering::Relaxed);
            let has_room = self.fits(0) || {
                // Others have taken memory meanwhile.
                room = self.look(bytes, bytes);
                self.fits(0)
            };
            // The account of the groups notes its own refusals.
            let allowed = || self.of_all().is_none_or(|all| all.allows(bytes));
            if has_room && allowed() {
                return true;
            }
            self.promised.fetch_sub(bytes, Ordering::Relaxed);
            if has_room {
                return false;
            }
        }
        self.refuse(bytes, room, start, turn)
    }

    /// Whether the control groups allow `bytes` that have been counted on nodes.
    fn allows(&self, bytes: usize) -> bool {
        let (start, turn) = (nanoseconds(), self.refusal.turn());
        if self.fits(0) {
            return true;
        }
        let room = self.look(bytes, bytes);
        self.fits(0) || self.refuse(bytes, room, start, turn)
    }

    fn refuse(&self, bytes: usize, room: usize, start: u64, turn: usize) -> bool {
        self.refusal.note(bytes, room, start, turn);
        self.log_refusal(bytes, room);
        false
    }

    fn log_refusal(&self, bytes: usize, room: usize) {
        let what = match self.pages {
            Pages::Base => "memory",
            Pages::Huge => "huge pages",
        };
        let (needed, left) = (bytes >> 20, room >> 20);
        match self.groups {
            None => log::error!(
                "Not enough {what} on nodes {}: {needed} MiB needed, at most {left} MiB left.",
                self.nodes
            ),
            Some(_) => log::error!(
                "Not enough {what} in the control group of the process: {needed} MiB needed, at most {left} MiB left."
            ),
        }
    }

    /// Bytes promised on these nodes, by whatever account.
    pub(super) fn load(&self) -> usize {
        let promised = |account: &Account| account.promised.load(Ordering::Relaxed);
        self.sharing().map(promised).sum()
    }

    /// Asks the kernel how much can be promised beside what was before a request for
    /// `bytes`, of which `counted` have been counted already; moves the limit. The answer is
    /// at most what there is room for.
    fn look(&self, bytes: usize, counted: usize) -> usize {
        let before = self.load().saturating_sub(counted);
        let Some(left) = self.left() else {
            // There was an answer before: nothing is known to be wrong, for this request.
            self.limit
                .store(before.saturating_add(bytes), Ordering::Relaxed);
            return bytes;
        };
        if let (None, Some(all)) = (self.groups, self.of_all()) {
            // Its limit may be another one by now.
            all.limit.store(0, Ordering::Relaxed);
        }
        let mut room = left.saturating_sub(before);
        if room < bytes && left >= bytes {
            let missing = |most: usize| most.saturating_sub(before) < bytes;
            if let Some(most) = self.counted.most(left).filter(|most| missing(*most)) {
                return most.saturating_sub(before);
            }
            let most = self.counted.count(|| {
                let resident = self.resident_of_all();
                // Pages that are touched or given back meanwhile count once at most.
                let left = left.min(self.left().unwrap_or(left));
                (left, left.saturating_add(resident))
            });
            room = most.saturating_sub(before);
        }
        if room < bytes {
            // What was before may be taken back: others are refused at the same time. So
            // the sum is only fit to lower the limit by.
            let most = before.saturating_add(room);
            self.limit.fetch_min(most, Ordering::Relaxed);
            return if left < bytes { left } else { room };
        }
        let small = self.groups.map_or(SMALL, |_| SMALL_OF_GROUPS);
        let granted = (room / 2).max(room.min(small)).max(bytes);
        self.limit
            .store(before.saturating_add(granted), Ordering::Relaxed);
        room
    }

    /// Bytes that the nodes, or the groups, have left. `None` when that could not be read.
    fn left(&self) -> Option<usize> {
        let failures = trouble::count();
        let unlimited = || (trouble::count() == failures).then_some(u64::MAX);
        let bytes = match (self.groups, self.pages) {
            (Some(groups), Pages::Base) => groups.memory_left().or_else(unlimited),
            (Some(groups), Pages::Huge) => groups.huge_pages_left().or_else(unlimited),
            (None, pages) => self.left_on_nodes(pages),
        };
        bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn left_on_nodes(&self, pages: Pages) -> Option<u64> {
        match pages {
            Pages::Huge => Some(Left::HOST.huge_pages(&self.nodes).0 * UNIT as u64),
            Pages::Base if self.everywhere => Left::HOST
                .memory_of_all()
                .map(|bytes| bytes.saturating_sub(self.kept)),
            Pages::Base => Left::HOST.memory(&self.nodes, self.kept),
        }
    }

    /// Whether the kernel may make huge pages when they are touched.
    pub(super) fn made_on_demand(&self) -> bool {
        self.pages == Pages::Huge && Left::HOST.huge_pages(&self.nodes).1 > 0
    }

    /// Bytes that are in memory of all mappings on these nodes, by whatever account.
    fn resident_of_all(&self) -> usize {
        let mut bytes = 0;
        for account in self.sharing() {
            account.ranges.for_each(|start, size| {
                units::for_each_promised(start, size, |start, size| {
                    bytes += resident(start, size);
                });
            });
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
