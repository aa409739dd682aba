//! jemalloc's controls (mallctl(3)). Names are translated once and kept in statics; the calls
//! themselves are thread-safe and survive fork, which jemalloc handles.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tikv_jemalloc_sys as sys;

use super::start::initialise;

/// A jemalloc control: its name and, once looked up, the name's number form.
/// `at` is the position of an arena index in it, if the name has one.
pub(super) struct Control<const N: usize> {
    name: &'static CStr,
    at: usize,
    mib: [AtomicUsize; N],
    known: AtomicBool,
}

impl<const N: usize> Control<N> {
    pub(super) const fn new(name: &'static CStr, at: usize) -> Self {
        Self {
            name,
            at,
            mib: [const { AtomicUsize::new(0) }; N],
            known: AtomicBool::new(false),
        }
    }

    /// The number form, for arena `index`; `None` if jemalloc lacks the control.
    pub(super) fn mib(&self, index: u32) -> Option<[usize; N]> {
        if !initialise() {
            return None;
        }
        let mut mib = [0; N];
        if self.known.load(Ordering::Acquire) {
            for (part, value) in mib.iter_mut().zip(&self.mib) {
                *part = value.load(Ordering::Relaxed);
            }
        } else {
            let mut len = N;
            // SAFETY: `mib` has room for `len` numbers and the name ends in NUL.
            let status = unsafe {
                sys::mallctlnametomib(self.name.as_ptr(), mib.as_mut_ptr(), &raw mut len)
            };
            if status != 0 || len != N {
                return None;
            }
            for (part, value) in mib.iter().zip(&self.mib) {
                value.store(*part, Ordering::Relaxed);
            }
            self.known.store(true, Ordering::Release);
        }
        if self.at < N {
            mib[self.at] = index as usize;
        }
        Some(mib)
    }

    /// Reads, writes or does both; `T` and `U` are the control's C types.
    ///
    /// # Safety
    /// `old` and `new` have the types that jemalloc documents for the control.
    pub(super) unsafe fn call<T, U>(
        &self,
        index: u32,
        old: Option<&mut T>,
        new: Option<&mut U>,
    ) -> bool {
        let Some(mib) = self.mib(index) else {
            return false;
        };
        let mut old_len = size_of::<T>();
        let (old, old_len) = match old {
            Some(value) => (ptr::from_mut(value).cast(), &raw mut old_len),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        let (new, new_len) = match new {
            Some(value) => (ptr::from_mut(value).cast(), size_of::<U>()),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: lengths match the types, which the caller vouches for.
        unsafe { sys::mallctlbymib(mib.as_ptr(), N, old, old_len, new, new_len) == 0 }
    }

    pub(super) fn read<T: Copy + Default>(&self, index: u32) -> Option<T> {
        let mut value = T::default();
        // SAFETY: each use in `je` names the type that jemalloc documents.
        unsafe { self.call::<T, u8>(index, Some(&mut value), None) }.then_some(value)
    }

    pub(super) fn write<T>(&self, index: u32, mut value: T) -> bool {
        // SAFETY: each use in `je` names the type that jemalloc documents.
        unsafe { self.call::<u8, T>(index, None, Some(&mut value)) }
    }

    pub(super) fn run(&self, index: u32) -> bool {
        // SAFETY: no data is passed.
        unsafe { self.call::<u8, u8>(index, None, None) }
    }
}
