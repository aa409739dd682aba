//! Code that the preload libraries share.
//!
//! * `family`: the malloc family of the C library, once, for any [`family::Heap`];
//! * `figures`: malloc_trim, and the functions that report allocated bytes;
//! * `text`: messages, and reading settings;
//! * `kinds`: the static kinds by name; `nodes`: kinds on nodes that a setting names;
//! * `c`: the C interfaces that they call, of libmemkind and of the C library.
//!
//! Nothing here allocates: every function may be called from inside malloc, before any
//! constructor and after every destructor.

#![cfg_attr(not(test), no_std)]

pub mod c;
pub mod family;
pub mod figures;
pub mod kinds;
pub mod nodes;
pub mod text;
