use super::resize::Mapping;
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
    let account = Account::of(&nodes, Pages::Base)
        .expect("it can be read")
        .expect("the kernel tells");
    assert!(core::ptr::eq(
        account,
        Account::of(&nodes, Pages::Base)
            .expect("once opened")
            .expect("still there")
    ));
    let start = map(3 * UNIT).next_multiple_of(UNIT);
    assert!(account.add_range(start, UNIT));
    assert!(account.promise(start, UNIT).is_ok());
    let before = account.promised.load(Ordering::Relaxed);
    assert!(before >= UNIT);
    // Addresses that are not mapped: only the counters use them.
    let (nowhere, too_much) = (1 << 45, 1 << 45);
    assert!(account.add_range(nowhere, too_much));
    assert!(account.promise(nowhere, too_much).is_err());
    assert_eq!(account.promised.load(Ordering::Relaxed), before);
    assert_eq!(account.remove_range(nowhere, too_much), 0);
    account.release(start, UNIT / 2);
    account.release(start + UNIT / 2, UNIT / 2);
    assert_eq!(account.promised.load(Ordering::Relaxed), before - UNIT);
    assert!(account.promise(start, UNIT).is_ok());
    assert_eq!(account.remove_range(start, UNIT), UNIT);
    assert_eq!(account.promised.load(Ordering::Relaxed), before - UNIT);
    assert!(matches!(
        Account::of(&NodeMask::EMPTY, Pages::Base),
        Ok(None)
    ));
    the_kernel_is_asked_again_when_much_has_gone_back(account);
    who_asks_for_too_much_is_not_in_the_way(account);
    memory_that_was_added_counts(account);
    a_move_that_is_refused_leaves_others_alone(account);
}

// A part of the test above: all count on the same account.
fn the_kernel_is_asked_again_when_much_has_gone_back(account: &Account) {
    account.gone.store(0, Ordering::Relaxed);
    account.limit.store(usize::MAX, Ordering::Relaxed);
    account.gone_back(account.most_gone - 1);
    assert_eq!(account.limit.load(Ordering::Relaxed), usize::MAX);
    account.gone_back(1);
    assert_eq!(account.limit.load(Ordering::Relaxed), 0);
    // Another program may have taken that: no more than a few thousandths of the nodes.
    assert!(account.most_gone <= account.capacity() / 200);
    assert!(account.most_gone >= account.capacity() / 1000);
}

// A part of the test above.
fn who_asks_for_too_much_is_not_in_the_way(account: &Account) {
    let start = map(2 * UNIT).next_multiple_of(UNIT);
    assert!(account.add_range(start, UNIT));
    let (nowhere, too_much) = (1 << 45, account.capacity() / UNIT * UNIT);
    assert!(account.add_range(nowhere, too_much));
    let (mut is_refused, mut is_served) = (true, true);
    thread::scope(|scope| {
        let asks_for_too_much = scope.spawn(|| {
            (0..100).all(|_| {
                let promise = account.promise(nowhere, too_much);
                if promise.is_ok() {
                    account.release(nowhere, too_much);
                }
                promise.is_err()
            })
        });
        while !asks_for_too_much.is_finished() {
            // The kernel is asked again.
            account.limit.store(0, Ordering::Relaxed);
            if account.promise(start, UNIT).is_ok() {
                account.release(start, UNIT);
            } else {
                is_served = false;
            }
        }
        is_refused = asks_for_too_much.join().expect("it does not panic");
    });
    // Memory may be added to a virtual machine meanwhile.
    let has_grown = account.measure() > account.capacity() as u64;
    assert!(has_grown || (is_refused && is_served));
    assert_eq!(account.remove_range(nowhere, too_much), 0);
    let _ = account.remove_range(start, UNIT);
}

// A part of the first test.
fn memory_that_was_added_counts(account: &Account) {
    let start = map(3 * UNIT).next_multiple_of(UNIT);
    assert!(account.add_range(start, 2 * UNIT));
    let before = account.capacity.swap(UNIT, Ordering::Relaxed);
    account.refusal.end();
    assert!(account.exceeds_nodes(1 << 45));
    account.capacity.store(UNIT, Ordering::Relaxed);
    account.refusal.end();
    assert!(!account.exceeds_nodes(2 * UNIT));
    assert!(account.promise(start, 2 * UNIT).is_ok());
    account.capacity.fetch_max(before, Ordering::Relaxed);
    let _ = account.remove_range(start, 2 * UNIT);
}

// A part of the first test. The kernel unmaps the new addresses and then refuses to move a mapping
// there: another thread may have them before this one knows.
fn a_move_that_is_refused_leaves_others_alone(account: &Account) {
    let promised = || account.promised.load(Ordering::Relaxed);
    let ranges = || {
        let mut sum = (0, 0);
        account
            .ranges
            .for_each(|start, size| sum = (sum.0 + start, sum.1 + size));
        sum
    };
    let (none, none_listed) = (promised(), ranges());
    // Addresses that are not mapped: only the counters use them.
    let old = Mapping {
        start: 1 << 45,
        size: 2 * UNIT,
    };
    let new = Mapping {
        start: 1 << 44,
        size: 3 * UNIT,
    };
    let listed = |all: &[Mapping]| {
        all.iter().fold(none_listed, |sum, each| {
            (sum.0 + each.start, sum.1 + each.size)
        })
    };
    let take = |it: Mapping| {
        assert!(account.add_range(it.start, it.size));
        assert!(account.promise(it.start, it.size).is_ok());
    };
    take(old);
    let moved = account.begin_move(old, new).expect("there is memory");
    assert_eq!(promised(), none + new.size);
    assert_eq!(ranges(), none_listed);
    // The other thread.
    let theirs = Mapping {
        start: new.start,
        size: UNIT,
    };
    take(theirs);
    account.end_move(moved, old);
    assert_eq!(promised(), none + old.size + theirs.size);
    assert_eq!(ranges(), listed(&[old, theirs]));
    assert_eq!(account.remove_range(theirs.start, theirs.size), theirs.size);
    assert_eq!(promised(), none + old.size);
    // One that the kernel moves.
    let moved = account.begin_move(old, new).expect("there is memory");
    account.end_move(moved, new);
    assert_eq!(promised(), none + new.size);
    assert_eq!(ranges(), listed(&[new]));
    assert_eq!(account.remove_range(new.start, new.size), new.size);
    assert_eq!((promised(), ranges()), (none, none_listed));
}
