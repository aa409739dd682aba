//! The exported C functions: check arguments, call the core, turn `Error` into the C code and errno.
