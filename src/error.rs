//! What can go wrong, one variant per documented code (memkind(3), ERRORS).
//!
//! Inside the library errors are values of [`Error`]; only `ffi` turns one into
//! a C return value, a NULL pointer or `errno`.
#![forbid(unsafe_code)]

/// An error of the library, with the number that C callers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kind is not available on this machine (-1).
    Unavailable,
    /// `mbind(2)` failed (-2).
    Mbind,
    /// `mmap(2)` failed (-3).
    Mmap,
    /// Memory for the library's own records ran out (-6).
    Malloc,
    /// A `MEMKIND_*` environment variable is malformed (-12).
    Environ,
    /// An argument is out of range (-13).
    Invalid,
    /// `MEMKIND_MAX_KIND` kinds exist already (-15).
    TooMany,
    /// No huge pages are configured (-18).
    HugeTlb,
    /// The machine has no memory of the requested type (-20).
    MemtypeNotAvailable,
    /// The operation is not possible here (-21).
    OperationFailed,
    /// jemalloc has no arena left (-22).
    ArenasCreate,
    /// Any other failure at run time (-255).
    Runtime,
    /// The memory of the kind is used up (`ENOMEM`).
    NoMemory,
    /// An alignment or a pointer is invalid (`EINVAL`).
    InvalidArgument,
}

impl Error {
    /// The number that C callers see: `MEMKIND_ERROR_*` or a positive `errno` value.
    pub const fn code(self) -> i32 {
        match self {
            Self::Unavailable => -1,
            Self::Mbind => -2,
            Self::Mmap => -3,
            Self::Malloc => -6,
            Self::Environ => -12,
            Self::Invalid => -13,
            Self::TooMany => -15,
            Self::HugeTlb => -18,
            Self::MemtypeNotAvailable => -20,
            Self::OperationFailed => -21,
            Self::ArenasCreate => -22,
            Self::Runtime => -255,
            Self::NoMemory => libc::ENOMEM,
            Self::InvalidArgument => libc::EINVAL,
        }
    }
}

/// The text for a code, without the leading `<memkind> `; `None` for a number
/// that no function returns. A pre-1.15 library may still hand out -17.
pub const fn message(code: i32) -> Option<&'static str> {
    Some(match code {
        -1 => "Requested memory kind is not available",
        -2 => "Call to mbind() failed",
        -3 => "Call to mmap() failed",
        -6 => "Call to malloc() failed",
        -12 => "Error parsing environment variable (MEMKIND_*)",
        -13 => "Invalid input arguments to memkind routine",
        -15 => {
            "Attempted to initialize more than maximum (512) number of kinds, or of pools (1024)"
        }
        -17 => "memkind_ops structure is poorly formed (missing or incorrect functions)",
        -18 => "unable to allocate huge pages",
        -20 => "Requested memory type is not available",
        -21 => "Operation failed",
        -22 => "Call to jemalloc's arenas.create () failed",
        -255 => "Unspecified run-time error",
        libc::EINVAL => "Alignment must be a power of two and larger than sizeof(void *)",
        libc::ENOMEM => "Call to jemk_mallocx() failed",
        _ => return None,
    })
}
