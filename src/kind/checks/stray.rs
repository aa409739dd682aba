//! Addresses that are no blocks.

use super::fault::{self, Fault};
use super::records;
use super::settings::{FREE, has};
use crate::heap;

/// Says what an address is that is no block, if that is checked.
#[cold]
pub(super) fn no_block(address: *mut u8, wrong: Fault) {
    if !has(FREE) {
        return;
    }
    let what = match wrong {
        Fault::ResizedFreed => "realloc",
        _ => "free",
    };
    let sink = &mut fault::on_standard_error;
    let around = records::hold().around(address.addr());
    if let Some(record) = around {
        let (start, size, kind) = (record.block(), record.size, fault::kind_name(&record));
        let distance = address.addr().wrapping_sub(start.addr()) as isize;
        let of = fault::whose(&record);
        if distance == 0 && record.home.is_some() {
            fault::say!(
                sink,
                "memkind: {what} of {address:p}, which is an object of {size} bytes ({of}{kind}): memkind_pool_put() takes it back"
            );
        } else {
            fault::say!(
                sink,
                "memkind: {what} of {address:p}, which is byte {distance} of {size} bytes at {start:p} ({of}{kind})"
            );
        }
        fault::tell_history(&record, sink);
    } else if heap::blocks::owner(address as usize) != 0 {
        fault::say!(sink, "memkind: {what} of {address:p}, which is no block");
    } else {
        fault::say!(
            sink,
            "memkind: {what} of {address:p}, which is no memory of this library"
        );
    }
    fault::tell_now(sink);
    fault::end()
}
