//! Shows which kinds this machine has, and puts a vector into the fastest one.

use allocator_api2::vec::Vec;
use memkind::{Capacity, Static};

fn main() {
    for kind in [
        Static::Default,
        Static::Regular,
        Static::Hbw,
        Static::DaxKmem,
        Static::HugeTlb,
    ] {
        match kind.check() {
            Ok(()) => println!("{kind:?}: {:?} bytes", kind.capacity()),
            Err(error) => println!("{kind:?}: {error}"),
        }
    }
    let fast = Static::HbwPreferred.or_default();
    let mut squares = Vec::new_in(fast);
    squares.extend((0..10_u64).map(|n| n * n));
    println!("{squares:?} in {fast:?}");
}
