//! The process's kinds for I/O buffers, one for each node: made when first asked for.

use core::ffi::CStr;
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Kind;
use super::described::{Description, Place};
use super::dynamic::Usage;
use super::registry;
use crate::backing::{Bind, Options};
use crate::error::Error;
use crate::log::Line;
use crate::topology::mask::N_NODES;
use crate::topology::{self};

/// Huge pages of this size, if there are any.
const PAGE: usize = 2 << 20;
/// What every block is aligned to: a cache line.
const ALIGNMENT: usize = 64;
/// The options of these kinds.
const OPTIONS: u32 = Options::POPULATE | Options::PIN | Options::NO_FORK;

/// A kind that is not shared and one that is, null until they are made.
type Pair = [AtomicPtr<Kind>; 2];

const fn none() -> Pair {
    [const { AtomicPtr::new(ptr::null_mut()) }; 2]
}

/// The kinds of each node.
static KINDS: [Pair; N_NODES] = [const { none() }; N_NODES];
/// The kinds of the node near each CPU, as far as they have been asked for: those of [`KINDS`].
static NEAR: [Pair; 1024] = [const { none() }; 1024];

fn load(pair: Option<&'static Pair>, shared: bool) -> Option<&'static Kind> {
    let kind = pair?[usize::from(shared)].load(Ordering::Acquire);
    // SAFETY: null or a kind of this table, none of which is destroyed.
    unsafe { kind.as_ref() }
}

/// The kind for a node, or for the node nearest to the calling CPU if the machine has no such
/// node with memory for the process. `shared` asks for memory that other processes can map.
///
/// # Errors
/// Those of making a kind.
pub fn of_node(node: i32, shared: bool) -> Result<&'static Kind, Error> {
    let known = |node: u16| load(KINDS.get(usize::from(node)), shared);
    // A kind is in the table only if there is such a node.
    let asked = u16::try_from(node).ok();
    if let Some(kind) = asked.and_then(known) {
        return Ok(kind);
    }
    if asked.is_none() {
        if let Some(kind) = load(NEAR.get(topology::current_cpu()), shared) {
            return Ok(kind);
        }
    }
    let allowed = &topology::machine()?.allowed;
    let asked = asked.filter(|node| allowed.contains(*node));
    let (cpu, here) = topology::current_cpu_and_node();
    let node = match asked {
        Some(node) => node,
        None => topology::nearest(here)?,
    };
    let kind = match known(node) {
        Some(kind) => kind,
        None => make(node, shared)?,
    };
    if let (None, Some(near)) = (asked, NEAR.get(cpu)) {
        let fresh = ptr::from_ref(kind).cast_mut();
        near[usize::from(shared)].store(fresh, Ordering::Release);
    }
    Ok(kind)
}

#[cold]
fn make(node: u16, shared: bool) -> Result<&'static Kind, Error> {
    let shared_or_not = if shared { Options::SHARED } else { 0 };
    // A name for messages, smaps and memkind-info.
    let suffix = if shared { "_shared" } else { "" };
    let mut name = Line::new();
    // A line takes what fits and does not fail.
    let _ = write!(name, "dma_node{node}{suffix}\0");
    let several = topology::machine()?.allowed.count() > 1;
    let kind = Description {
        dir: None,
        limit: 0,
        usage: Usage::Default,
        options: OPTIONS | shared_or_not,
        // With one node there is nothing to prefer, and mbind(2) may be forbidden.
        place: if several {
            Place::Node(node)
        } else {
            Place::Here
        },
        bind: Bind::Preferred,
        page: PAGE,
        required: false,
        alignment: ALIGNMENT,
        slab: 0,
        fallback: None,
        exhausted: None,
        name: CStr::from_bytes_with_nul(name.text().as_bytes()).ok(),
    };
    let kind = match kind.create() {
        // A kernel without huge pages of this size.
        Err(Error::Invalid) => Description { page: 0, ..kind }.create()?,
        result => result?,
    };
    let place = &KINDS[usize::from(node)][usize::from(shared)];
    let none = ptr::null_mut();
    let fresh = ptr::from_ref(kind).cast_mut();
    match place.compare_exchange(none, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(kind),
        Err(theirs) => {
            // SAFETY: no other thread has seen the kind.
            unsafe { registry::remove(kind) };
            // SAFETY: a kind of this table, none of which is destroyed.
            Ok(unsafe { &*theirs })
        }
    }
}

/// Whether a kind is one of these, which belong to the whole process and stay.
pub fn is_one(kind: &Kind) -> bool {
    let is_it = |place: &AtomicPtr<Kind>| ptr::eq(place.load(Ordering::Acquire), kind);
    kind.is_dynamic() && KINDS.iter().flatten().any(is_it)
}

/// Forgets the parent's kinds in a child just forked: others are made when they are asked for.
pub(super) fn after_fork_in_child() {
    for place in KINDS.iter().chain(&NEAR).flatten() {
        // What was never written takes no memory, and is to stay so.
        if !place.load(Ordering::Relaxed).is_null() {
            place.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }
}
