//! Memory that was promised and not yet touched, compared with memory that nodes have left.
//!
//! A mapping costs nothing until its pages are touched, and then it is too late for an
//! error: the kernel kills a process that is bound to a full node, or sends SIGBUS for a
//! huge page. So an account for each set of nodes counts the memory that was handed out (in
//! units, see [`super::units`]), and the heap is refused more than the nodes have.
//!
//! | rule | reason |
//! |---|---|
//! | memory left plus promised memory that is resident may be promised | a page that is touched moves from one to the other, so the sum holds until other memory is taken or given back |
//! | the kernel is asked at first, when half of the room is used up, and before a refusal | the sum changes seldom |
//! | resident pages are counted with mincore(2), but not for each of many refusals in a row | a count takes long ([`Counted`]) |
//! | all promises of an account count for each account that shares nodes with it | an overestimate is safe |
//! | the control groups have an account for each sort of pages, with the sum of all others | a container's limit then counts like a full node |

mod open;
pub(super) mod resize;

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::known::{Counted, Refusal, resident};
use super::thp::{self, Wanted};
use super::units;
use crate::backing::base::{UNIT, page_size};
use crate::backing::ranges::Ranges;
use crate::clock::nanoseconds;
use crate::error::Error;
use crate::log;
use crate::topology::{Container, Left, NodeMask, trouble};

/// Bytes of room below which the kernel is not asked again at half of it.
const SMALL: usize = 64 << 20;
/// [`SMALL`] below a control group's limit, for which all memory of the process counts.
const SMALL_OF_GROUPS: usize = 2 << 20;
/// The list of all accounts, which are never freed.
static ALL: AtomicPtr<Account> = AtomicPtr::new(ptr::null_mut());

/// The sort of pages that an account counts.
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
    /// The control groups, in their own account, which has no nodes.
    groups: Option<&'static Container>,
    /// Whether the nodes are all that have memory.
    everywhere: bool,
    /// Bytes that the nodes have together, used or not, by the last look; it never falls.
    capacity: AtomicUsize,
    /// Bytes that the kernel reports as left, but gives to no process.
    kept: u64,
    /// Whether the kernel puts huge pages, also transparent ones, into mappings unasked.
    huge_pages: bool,
    /// Bytes of what was handed out, in units.
    promised: AtomicUsize,
    /// Bytes that may be promised on these nodes before the kernel is asked again.
    limit: AtomicUsize,
    /// Bytes that have gone back since the kernel was asked.
    gone: AtomicUsize,
    /// Bytes that may go back before the kernel is asked again: not all may be left to take.
    most_gone: usize,
    /// The last count of resident pages.
    counted: Counted,
    /// The last refusals.
    refusal: Refusal,
    /// The mappings on the nodes.
    ranges: Ranges,
    /// The next account of the list.
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
        self.capacity.load(Ordering::Relaxed)
    }

    /// [`Account::capacity`], and no more than the limit of the process's control groups.
    pub(super) fn capacity_in_groups(&self) -> usize {
        let limit = self.of_all().map_or(usize::MAX, Account::capacity);
        self.capacity().min(limit)
    }

    /// Whether two accounts draw on the same memory: on common nodes, or on the limit of the
    /// process's control groups.
    pub(super) fn shares(&self, other: &Account) -> bool {
        let limited = || self.of_all().is_some_and(|all| all.capacity() < usize::MAX);
        self.counts(other) || (self.pages == other.pages && limited())
    }

    /// Whether promises of one account count for the other.
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

    /// Whether the kernel may put huge pages into a fresh mapping.
    fn may_be_huge(&self) -> bool {
        match (self.pages, thp::wanted()) {
            (Pages::Huge, _) | (Pages::Base, Wanted::System) => self.huge_pages,
            (Pages::Base, wanted) => wanted == Wanted::Always && !thp::are_too_large(),
        }
    }

    /// Adds a fresh mapping of `size` bytes at `start`, a multiple of [`UNIT`], in which nothing is
    /// promised yet; `false` when there is no memory for its record.
    pub(super) fn add_range(&self, start: usize, size: usize) -> bool {
        units::open(start, size, self.may_be_huge()) && self.ranges.insert(start, size)
    }

    /// Removes a mapping that is about to be unmapped, with all promises there. Returns their bytes, for
    /// [`Account::gone_back`] when it has been unmapped.
    #[must_use]
    pub(super) fn remove_range(&self, start: usize, size: usize) -> usize {
        self.ranges.remove(start);
        let bytes = units::close(start, size) * page_size();
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
        bytes
    }

    /// Promises the memory of a range in a mapping on the nodes.
    ///
    /// # Errors
    /// `NoMemory` when the nodes do not have it; nothing is promised then.
    pub(super) fn promise(&self, start: usize, size: usize) -> Result<(), Error> {
        let bytes = units::add(start, size) * page_size();
        if bytes == 0 || self.charge(bytes) {
            return Ok(());
        }
        // Units that other extents use by now stay promised, and count.
        let unused = units::remove(start, size) * page_size();
        let stay = bytes.wrapping_sub(unused);
        self.promised.fetch_add(stay, Ordering::Relaxed);
        Err(Error::NoMemory)
    }

    /// Promises a range that has just been populated with more memory than the nodes had left.
    ///
    /// # Errors
    /// `NoMemory` when its pages had been promised already.
    pub(super) fn promise_present(&self, start: usize, size: usize) -> Result<(), Error> {
        let bytes = units::add(start, size) * page_size();
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        let left = self.left().unwrap_or(usize::MAX);
        if self.load() <= left.saturating_add(self.resident_of_all()) {
            return Ok(());
        }
        self.release(start, size);
        Err(Error::NoMemory)
    }

    /// Takes the promise of a range back, whose pages have gone back to the kernel.
    pub(super) fn release(&self, start: usize, size: usize) {
        let bytes = units::remove(start, size) * page_size();
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
        self.gone_back(size);
    }

    /// Notes that `bytes` have gone back to the kernel, whether or not they stay promised.
    pub(super) fn gone_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        for account in self.sharing() {
            account.refusal.end();
            let gone = account.gone.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if gone >= account.most_gone {
                account.gone.store(0, Ordering::Relaxed);
                account.limit.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Whether `bytes` are refused because the nodes do not have as many, used or not, or by an answer
    /// that is still valid. No answer is valid for huge pages, of which the kernel may make more.
    pub(super) fn is_refused(&self, bytes: usize) -> bool {
        if self.exceeds_nodes(bytes) {
            self.log_refusal(bytes, self.capacity());
            return true;
        }
        self.was_refused(bytes) || self.of_all().is_some_and(|all| all.was_refused(bytes))
    }

    /// Whether the nodes do not have `bytes`, used or not.
    pub(super) fn exceeds_nodes(&self, bytes: usize) -> bool {
        bytes > self.capacity() && !self.have_nodes_grown(bytes)
    }

    /// Whether so much memory has been added to the nodes since the last look that they have `bytes`.
    #[cold]
    fn have_nodes_grown(&self, bytes: usize) -> bool {
        if self.groups.is_some() || self.refusal.of(bytes).is_some() {
            return false;
        }
        let (start, turn) = (nanoseconds(), self.refusal.turn());
        let now = usize::try_from(self.measure()).unwrap_or(usize::MAX);
        self.capacity.fetch_max(now, Ordering::Relaxed);
        let have_grown = bytes <= now;
        if !have_grown {
            self.refusal.note(bytes, now, start, turn);
        }
        have_grown
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
        // Counted only if it seems to fit, so that a failing request does not make others fail.
        let mut room = 0;
        let mut may_fit = self.fits(bytes);
        if !may_fit {
            room = self.look(bytes, 0);
            may_fit = room >= bytes;
        }
        if may_fit {
            self.promised.fetch_add(bytes, Ordering::Relaxed);
            let has_room = self.fits(0) || {
                // Other threads have taken memory since the check.
                room = self.look(bytes, bytes);
                room >= bytes
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
        room >= bytes || self.refuse(bytes, room, start, turn)
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

    /// Bytes promised on these nodes by all accounts.
    pub(super) fn load(&self) -> usize {
        let promised = |account: &Account| account.promised.load(Ordering::Relaxed);
        self.sharing().map(promised).sum()
    }

    /// Asks the kernel for the bytes that can be promised in addition to those before a request for
    /// `bytes`, of which `counted` are counted already. Moves the limit, and returns the room: by that
    /// the request is judged, for another thread may move the limit meanwhile.
    fn look(&self, bytes: usize, counted: usize) -> usize {
        let before = self.load().saturating_sub(counted);
        let Some(left) = self.left() else {
            // The last answer of the kernel stays valid for this request.
            self.limit
                .store(before.saturating_add(bytes), Ordering::Relaxed);
            return bytes;
        };
        if let (None, Some(all)) = (self.groups, self.of_all()) {
            // The limit of a group may have changed.
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
                // Pages that are touched or given back during the count are counted at most once.
                let left = left.min(self.left().unwrap_or(left));
                (left, left.saturating_add(resident))
            });
            room = most.saturating_sub(before);
        }
        if room < bytes {
            // Other threads whose requests are refused take their promises back, so this sum can
            // only lower the limit.
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

    /// Whether the nodes, and the groups, have `bytes` left now, promised or not.
    pub(super) fn has_left(&self, bytes: usize) -> bool {
        let has = |account: &Account| account.left().is_none_or(|left| left >= bytes);
        has(self) && self.of_all().is_none_or(has)
    }

    /// Bytes that the nodes, or the groups, have left; `None` when they could not be read.
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

    /// Resident bytes of all mappings on these nodes, of all accounts.
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
