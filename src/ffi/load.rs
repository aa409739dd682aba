//! The constructor of the library: it looks for hooks, reads the environment variables that count
//! from the load on, and registers fork handlers.
//!
//! At exit nothing is taken down: kinds stay usable until the last destructor of the program, and
//! the kernel frees all memory. Checks, if they are on, look at all blocks once more.

use super::answer::abort;
use super::decorate;
use crate::ext::{alive, map, pool, watch};
use crate::heap::{self, fast, je, spare, tbb};
use crate::kind::checks;
use crate::kind::manager::{self, Missing};
use crate::kind::registry;
use crate::{backing, env, kind, log, signals, sys, topology};

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    decorate::find();
    let unchecked = checks_at_load();
    fast::enable(
        registry::static_address(0) as usize,
        unchecked && !decorate::present() && decorate::tier_hooks().is_none(),
    );
    if env::get(env::HOG_MEMORY).is_some_and(|value| value.to_bytes().first() == Some(&b'1')) {
        backing::keep_freed_memory();
    }
    read_background_threads();
    // jemalloc starts when it is needed, but its settings are read now, as documented.
    if sys::forks::ARE_KEPT && env::get(env::JEMALLOC_CONF).is_none() {
        je::put_off();
    } else {
        je::initialise();
    }
    read_heap_manager();
    sys::forks::handle(before_fork, in_parent, in_child);
    sys::use_library();
}

/// Takes the locks, so that the child finds all of them in order. A signal handler that has interrupted
/// an allocation forks without: its thread may hold some, and others wait for these with those that it
/// lacks.
extern "C" fn before_fork() {
    if heap::is_interrupted() && sys::held::fork_without() {
        return;
    }
    let signals = signals::hold_back();
    je::meet_before_fork();
    // Before the others: a thread that holds a pool's lock may wait for threads that want those.
    pool::prepare_fork();
    map::prepare_fork();
    watch::prepare_fork();
    topology::prepare_fork();
    tbb::prepare_fork();
    // Before the kinds: while it is held, no kind is destroyed that other threads look at.
    heap::prepare_fork();
    kind::prepare_fork();
    signals.keep_over_fork();
    je::hold_start();
    spare::prepare_fork();
    checks::prepare_fork();
    // After the others: a thread that loads the topology can still allocate while we wait for it.
    je::prepare_fork();
}

extern "C" fn in_parent() {
    if sys::held::has_forked_without() {
        return;
    }
    je::parent_after_fork();
    checks::parent_after_fork();
    spare::parent_after_fork();
    let signals = signals::held_over_fork();
    heap::release_after_fork();
    kind::parent_after_fork();
    topology::parent_after_fork();
    map::parent_after_fork();
    pool::parent_after_fork();
    watch::release_after_fork();
    signals.release();
}

/// A child of [`before_fork`] without locks may go on where the signal handler came in, if the process
/// had no other thread; its heaps are as they were then.
extern "C" fn in_child() {
    if sys::held::has_forked_without() {
        kind::make_files_private();
        return;
    }
    je::child_after_fork();
    checks::child_after_fork();
    spare::child_after_fork();
    let signals = signals::held_over_fork();
    topology::child_after_fork();
    kind::after_fork_in_child();
    map::after_fork_in_child();
    pool::after_fork_in_child();
    watch::after_fork_in_child();
    sys::held::start_again();
    signals.release();
}

/// Whether blocks are not checked, as far as is known.
fn checks_at_load() -> bool {
    checks::at_load().unwrap_or_else(|_| {
        let value = env::get(env::CHECKS).map_or(&b""[..], |value| value.to_bytes());
        log::fatal!(
            "Wrong value of MEMKIND_CHECKS={}: it is all, none, or a list of free, overflow, use, leak and guard=N",
            log::Bytes(value)
        );
        abort()
    })
}

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

/// After the destructors of the program and of all libraries that use this one.
extern "C" fn at_exit() {
    checks::at_exit();
    alive::at_exit();
}

fn read_heap_manager() {
    let Some(value) = env::get(env::HEAP_MANAGER) else {
        return;
    };
    if value.to_bytes() == b"TBB" {
        if let Err(missing) = manager::use_tbb() {
            match missing {
                Missing::Library => log::fatal!("libtbbmalloc.so.2 not found."),
                Missing::Symbols => log::fatal!("Could not find symbols in libtbbmalloc.so.2."),
            }
            abort();
        }
    }
}

fn read_background_threads() {
    let Some(value) = env::get(env::BACKGROUND_THREAD_LIMIT) else {
        return;
    };
    let Some(limit) = env::parse_decimal(value, u64::from(u32::MAX)) else {
        log::fatal!(
            "Error: Wrong value of MEMKIND_BACKGROUND_THREAD_LIMIT={}",
            log::Bytes(value.to_bytes())
        );
        abort();
    };
    // jemalloc refuses a limit above what it was built for: the most it can is meant then.
    if limit > 0 {
        je::set_max_background_threads(limit as usize);
    }
}
