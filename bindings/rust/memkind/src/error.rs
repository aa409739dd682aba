use core::ffi::{CStr, c_char, c_int};
use core::fmt;

/// What libmemkind refused, by its code (`MEMKIND_ERROR_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(c_int);

impl Error {
    pub(crate) const INVALID: Self = Self(-13);
    pub(crate) const NO_MEMORY: Self = Self(-6);

    /// The code as memkind.h has it.
    pub fn code(&self) -> i32 {
        self.0
    }

    pub(crate) fn check(code: c_int) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self(code)) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text: [c_char; memkind_sys::MEMKIND_ERROR_MESSAGE_SIZE] =
            [0; memkind_sys::MEMKIND_ERROR_MESSAGE_SIZE];
        // SAFETY: the buffer has the size that is told; what is written ends in NUL.
        let text = unsafe {
            memkind_sys::memkind_error_message(self.0, text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr())
        };
        f.write_str(text.to_string_lossy().trim_start_matches("<memkind> "))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}: {self})", self.0)
    }
}

impl std::error::Error for Error {}
