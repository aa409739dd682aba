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

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::PAGE;
use super::counted::{Counted, resident};
use super::ranges::Ranges;
use super::refusal::Refusal;
use super::units::{self, UNIT};
use crate::boxed::boxed;
use crate::clock::nanoseconds;
use crate::env;
use crate::error::Error;
use crate::log;
use crate::topology::{self, Left, NodeMask};

/// Room for which the kernel is not asked in halves any more.
const SMALL: usize = 64 << 20;
/// What the kernel keeps of a node where it does not say: a part of its memory, and this.
const KEPT: u64 = 4 << 20;
/// Left alone on each node beside what the kernel keeps, for its own use meanwhile.
const MARGIN: u64 = 1 << 20;
/// What a CPU may take from a node in advance, to give it out page by page: 32 batches of 63
/// pages. When a node runs full, nobody gets what is left of that. The kernel also holds
/// freed pages back like this, but those it does not count as free.
const BATCH: u64 = 8 << 20;
/// But not more than this part of the nodes: it takes CPUs that are all at work there.
const BATCHES_PART: u64 = 64;
/// After this part of the nodes has gone back to the kernel, it is asked anew.
const GONE_PART: u64 = 256;

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
    /// The account for some nodes, opened at the first call for them. `None` when
    /// nothing is to be counted, or nothing can be.
    pub(super) fn of(nodes: &NodeMask, pages: Pages) -> Option<&'static Account> {
        let off = env::get(env::OVERCOMMIT).is_some_and(|value| value.to_bytes() == b"1");
        if off || nodes.is_empty() {
            return None;
        }
        let mut fresh: Option<Box<Account>> = None;
        loop {
            let first = ALL.load(Ordering::Acquire);
            let known = Self::all().find(|known| known.nodes == *nodes && known.pages == pages);
            if known.is_some() {
                return known;
            }
            let mut account = match fresh.take() {
                Some(account) => account,
                None => boxed(Self::open(nodes, pages)?).ok()?,
            };
            *account.next.get_mut() = first;
            let account = Box::into_raw(account);
            match ALL.compare_exchange(first, account, Ordering::AcqRel, Ordering::Relaxed) {
                // SAFETY: the account stays from now on.
                Ok(_) => return Some(unsafe { &*account }),
                // SAFETY: made by `into_raw`, and seen by nobody.
                Err(_) => fresh = Some(unsafe { Box::from_raw(account) }),
            }
        }
    }

    fn open(nodes: &NodeMask, pages: Pages) -> Option<Self> {
        let everywhere = topology::memory_nodes().difference(nodes).is_empty();
        let capacity = match (topology::capacity(nodes), everywhere) {
            // Where the nodes cannot be asked for it.
            (0, _) => Left::HOST.memory_of_all().unwrap_or(u64::MAX),
            // Nodes of some virtual machines do not count the memory that was added to them.
            (bytes, true) => bytes.max(Left::HOST.memory_of_all().unwrap_or(0)),
            (bytes, false) => bytes,
        };
        let (kept, rise) = Left::HOST.kept(nodes).unwrap_or((capacity / 64 + KEPT, 0));
        let batches = BATCH * topology::n_cpus_configured() as u64;
        let margin = batches
            .min(capacity / BATCHES_PART)
            .max(MARGIN * nodes.count() as u64);
        let account = Self {
            nodes: *nodes,
            pages,
            everywhere,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            // For all memory the kernel leaves out what it keeps, but not the rise.
            kept: margin + if everywhere { rise } else { kept },
            huge_pages: pages == Pages::Huge || Left::HOST.huge_pages_unasked(),
            promised: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            most_gone: usize::try_from(capacity / GONE_PART).unwrap_or(usize::MAX),
            counted: Counted::new(),
            refusal: Refusal::new(),
            ranges: Ranges::new(),
            next: AtomicPtr::new(ptr::null_mut()),
        };
        account.left()?;
        Some(account)
    }

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

    /// Whether two accounts draw on the same memory.
    pub(super) fn shares(&self, other: &Account) -> bool {
        self.pages == other.pages && !self.nodes.intersection(&other.nodes).is_empty()
    }

    fn sharing(&self) -> impl Iterator<Item = &'static Account> + '_ {
        Self::all().filter(|other| self.shares(other))
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
            if self.fits(0) {
                return true;
            }
            // Others have taken memory meanwhile.
            room = self.look(bytes, bytes);
            if self.fits(0) {
                return true;
            }
            self.promised.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.refusal.note(bytes, room, start, turn);
        self.log_refusal(bytes, room);
        false
    }

    fn log_refusal(&self, bytes: usize, room: usize) {
        log::error!(
            "Not enough {} on nodes {}: {} MiB needed, at most {} MiB left.",
            match self.pages {
                Pages::Base => "memory",
                Pages::Huge => "huge pages",
            },
            self.nodes,
            bytes >> 20,
            room >> 20
        );
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
        // Without an answer now there was one before: nothing is known to be wrong.
        let left = self.left().unwrap_or(usize::MAX);
        let before = self.load().saturating_sub(counted);
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
        let granted = (room / 2).max(room.min(SMALL)).max(bytes);
        self.limit.store(before + granted, Ordering::Relaxed);
        room
    }

    /// Bytes that the nodes have left.
    fn left(&self) -> Option<usize> {
        let bytes = match self.pages {
            Pages::Huge => Some(Left::HOST.huge_pages(&self.nodes).0 * UNIT as u64),
            Pages::Base if self.everywhere => Left::HOST
                .memory_of_all()
                .map(|bytes| bytes.saturating_sub(self.kept)),
            Pages::Base => Left::HOST.memory(&self.nodes, self.kept),
        };
        bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
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
mod tests {
    use super::{Account, Pages, UNIT};
    use crate::topology::{self, NodeMask};
    use core::sync::atomic::Ordering;
    use std::thread;

    const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

    fn map(size: usize) -> usize {
        // SAFETY: a fresh mapping.
        let address = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(core::ptr::null_mut(), size, READ_WRITE, flags, -1, 0)
        };
        assert_ne!(address, libc::MAP_FAILED);
        address as usize
    }

    #[test]
    fn no_more_is_promised_than_there_is() {
        let nodes = topology::memory_nodes();
        let account = Account::of(&nodes, Pages::Base).expect("the kernel tells");
        assert!(core::ptr::eq(
            account,
            Account::of(&nodes, Pages::Base).expect("once opened")
        ));
        let start = map(3 * UNIT).next_multiple_of(UNIT);
        assert!(account.add_range(start, UNIT));
        assert!(account.promise(start, UNIT).is_ok());
        let before = account.promised.load(Ordering::Relaxed);
        assert!(before >= UNIT);
        // Addresses that nobody has: only the counters see them.
        let (nowhere, too_much) = (1 << 45, 1 << 45);
        assert!(account.add_range(nowhere, too_much));
        assert!(account.promise(nowhere, too_much).is_err());
        assert_eq!(account.promised.load(Ordering::Relaxed), before);
        account.remove_range(nowhere, too_much);
        account.release(start, UNIT / 2);
        account.release(start + UNIT / 2, UNIT / 2);
        assert_eq!(account.promised.load(Ordering::Relaxed), before - UNIT);
        assert!(account.promise(start, UNIT).is_ok());
        account.remove_range(start, UNIT);
        assert_eq!(account.promised.load(Ordering::Relaxed), before - UNIT);
        assert!(Account::of(&NodeMask::EMPTY, Pages::Base).is_none());
        who_asks_for_too_much_is_not_in_the_way(account);
    }

    // A part of the test above: all count on the same account.
    fn who_asks_for_too_much_is_not_in_the_way(account: &Account) {
        let start = map(2 * UNIT).next_multiple_of(UNIT);
        assert!(account.add_range(start, UNIT));
        let (nowhere, too_much) = (1 << 45, 2 * account.capacity().next_multiple_of(UNIT));
        assert!(account.add_range(nowhere, too_much));
        thread::scope(|scope| {
            let asks_for_too_much = scope.spawn(|| {
                for _ in 0..100 {
                    assert!(account.promise(nowhere, too_much).is_err());
                }
            });
            while !asks_for_too_much.is_finished() {
                // The kernel is asked anew.
                account.limit.store(0, Ordering::Relaxed);
                assert!(account.promise(start, UNIT).is_ok());
                account.release(start, UNIT);
            }
        });
        account.remove_range(nowhere, too_much);
        account.remove_range(start, UNIT);
    }
}
