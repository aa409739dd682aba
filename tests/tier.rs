//! The byte counters of memtier under many threads: exact, whichever thread frees.
//!
//! One test only: the counters belong to the process.

use std::sync::Barrier;
use std::thread;

use memkind::kind::Kind;
use memkind::kind::registry;
use memkind::tier;

const N_THREADS: usize = 1000;
const N_BLOCKS: usize = 5000;
const SIZE: usize = 16;

/// Runs `work` on as many threads as the test has, all starting together.
fn on_all_threads(work: impl Fn(usize) + Sync) {
    let start = Barrier::new(N_THREADS);
    thread::scope(|scope| {
        for index in 0..N_THREADS {
            let (start, work) = (&start, &work);
            let thread = thread::Builder::new().stack_size(64 << 10);
            thread
                .spawn_scoped(scope, move || {
                    start.wait();
                    work(index);
                })
                .expect("a thread");
        }
    });
}

/// A block's address; the thread that frees it is not the one that made it.
#[derive(Clone, Copy)]
struct Block(*mut u8);

// SAFETY: blocks may be freed by any thread.
unsafe impl Send for Block {}
// SAFETY: the address is plain data, which no thread changes.
unsafe impl Sync for Block {}

#[test]
fn allocated_size_is_exact_under_threads() {
    for name in ["memkind_default", "memkind_regular"] {
        let kind = registry::statics().find(|kind| kind.name() == name);
        check_exactness(kind.expect("a static kind"));
    }
}

fn check_exactness(kind: &'static Kind) {
    let before = tier::allocated_size(kind);

    let lists: Vec<std::sync::Mutex<Vec<Block>>> = (0..N_THREADS)
        .map(|_| std::sync::Mutex::new(Vec::new()))
        .collect();
    on_all_threads(|index| {
        let blocks = (0..N_BLOCKS)
            .map(|_| Block(tier::kind_malloc(kind, SIZE).expect("a block")))
            .collect();
        *lists[index].lock().expect("the list") = blocks;
    });
    assert_eq!(
        tier::allocated_size(kind) - before,
        N_THREADS * N_BLOCKS * SIZE
    );

    // Every thread resizes half of its neighbour's blocks and frees the rest.
    on_all_threads(|index| {
        let mut blocks = lists[(index + 1) % N_THREADS].lock().expect("the list");
        let freed = blocks.split_off(N_BLOCKS / 2);
        for Block(block) in freed {
            // SAFETY: the block is live and off the list.
            unsafe { tier::kind_free(None, block) };
        }
        for block in blocks.iter_mut() {
            // SAFETY: the block is live, and its address is replaced.
            *block =
                Block(unsafe { tier::kind_realloc(None, block.0, 4 * SIZE) }.expect("a block"));
        }
    });
    assert_eq!(
        tier::allocated_size(kind) - before,
        N_THREADS * N_BLOCKS * SIZE * 2
    );

    on_all_threads(|index| {
        let blocks = std::mem::take(&mut *lists[index].lock().expect("the list"));
        for Block(block) in blocks {
            // SAFETY: the block is live and off the list.
            unsafe { tier::kind_free(Some(kind), block) };
        }
    });
    assert_eq!(tier::allocated_size(kind), before);

    // A failure and operations on nothing leave the counters alone.
    let block = tier::kind_malloc(kind, SIZE).expect("a block");
    // SAFETY: the block is live; it stays so, because the call fails.
    assert!(unsafe { tier::kind_realloc(None, block, usize::MAX) }.is_err());
    assert!(tier::kind_malloc(kind, usize::MAX).is_err());
    assert!(tier::kind_calloc(kind, usize::MAX, 2).is_err());
    // SAFETY: freeing nothing is allowed.
    unsafe { tier::kind_free(None, std::ptr::null_mut()) };
    assert_eq!(tier::allocated_size(kind) - before, SIZE);
    // SAFETY: the block is live; size 0 frees it.
    let nothing = unsafe { tier::kind_realloc(None, block, 0) };
    assert_eq!(nothing, Ok(std::ptr::null_mut()));
    assert_eq!(tier::allocated_size(kind), before);
}
