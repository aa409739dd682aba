//! Lists vectors and regions that are alive, for MEMKIND_CHECKS=leak.

use core::ptr;

use super::watch;
use crate::kind::Head;
use crate::kind::checks::fault::{self, Sink};
use crate::kind::checks::{self, LEAK, has};

/// Hands `sink` a list of the vectors and regions of `kind` that are alive, or of all kinds:
/// vectors by the place where they were made, regions one by one.
pub fn tell_alive(kind: Option<&Head>, sink: Sink<'_>) {
    let is_wanted =
        |head: Option<&Head>| kind.is_none_or(|kind| head.is_some_and(|head| ptr::eq(kind, head)));
    let mut done = 0;
    // Place by place, the lowest number first: the lock is not held while a line is written.
    loop {
        let group = {
            let watched = watch::hold();
            let after = || {
                watched
                    .vectors
                    .alive()
                    .filter(|entry| entry.made_at + 1 > done && is_wanted(entry.head()))
            };
            let Some(first) = after().min_by_key(|entry| entry.made_at).copied() else {
                break;
            };
            let same = || after().filter(|entry| entry.made_at == first.made_at);
            let bytes: usize = same().map(|entry| entry.length as usize).sum();
            (first, same().count(), bytes)
        };
        let (first, count, bytes) = group;
        let word = if count == 1 { "vector" } else { "vectors" };
        let kind = first.kind();
        fault::say!(
            sink,
            "memkind: alive: {count} {word}, {bytes} bytes (pool of kind {kind})"
        );
        fault::tell_origin(first.made_at, sink);
        done = first.made_at + 1;
    }
    let mut index = 0;
    while let Some(region) = {
        let watched = watch::hold();
        watched.regions.get(index)
    } {
        if region.count > 0 && is_wanted(Some(region.kind)) {
            let (count, bytes, kind) = (region.count, region.bytes, region.kind.name());
            let word = if count == 1 { "block" } else { "blocks" };
            fault::say!(
                sink,
                "memkind: alive: 1 region with {count} {word}, {bytes} bytes (kind {kind})"
            );
            fault::tell_origin(region.made_at, sink);
        }
        index += 1;
    }
}

/// Lists vectors and regions at the end of the process, after blocks have been looked at.
pub fn at_exit() {
    if checks::objects::are_checked() && has(LEAK) {
        tell_alive(None, &mut fault::on_standard_error);
    }
}
