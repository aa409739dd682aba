// SPDX-License-Identifier: BSD-2-Clause
//! Another Rust static library, for a program that links two: it uses enough of
//! Rust's standard library to clash with one that shows it.

use std::collections::HashMap;

/// Squares of 0..n, added up by a second thread.
#[unsafe(no_mangle)]
pub extern "C" fn other_sum(n: u64) -> u64 {
    let squares: HashMap<u64, u64> = (0..n).map(|i| (i, i * i)).collect();
    std::thread::spawn(move || squares.values().sum())
        .join()
        .unwrap_or(0)
}
