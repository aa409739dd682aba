//! Where in the program something happened: the return addresses of a few callers.

use core::ffi::{CStr, c_int, c_void};
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::backing::map_zeroes;
use crate::heap::spare;

/// The most callers that are kept.
pub(super) const DEPTH: usize = 8;

/// Return addresses, the innermost first; 0 behind the last.
pub(super) type Callers = [usize; DEPTH];

/// Where the library's own code is: its callers are of interest, not itself. Both 0 until
/// known, and where the library is part of the program.
pub(super) static OWN: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

unsafe extern "C" {
    // Of libgcc_s, which Rust's standard library needs for itself.
    fn _Unwind_Backtrace(
        each: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

const GO_ON: c_int = 0;
const STOP: c_int = 4;

/// A return address, and the place on the stack that holds it.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) place: usize,
    pub(super) address: usize,
}

/// The most steps through the library's own code that are kept.
const OWN_DEPTH: usize = 16;

/// The way from a function of the library's out to its callers.
pub(super) struct Steps {
    own: [Step; OWN_DEPTH],
    n_own: usize,
    callers: [Step; DEPTH],
    n_callers: usize,
    /// Steps at lower addresses of the stack are of no interest.
    from: usize,
    /// Whether each place holds the address: not so on all processors, nor behind signals.
    pub(super) are_words: bool,
}

impl Steps {
    /// The steps from the function that has this address in its frame.
    #[inline(never)]
    pub(super) fn from(stack: usize) -> Self {
        let none = Step {
            place: 0,
            address: 0,
        };
        let mut steps = Self {
            own: [none; OWN_DEPTH],
            n_own: 0,
            callers: [none; DEPTH],
            n_callers: 0,
            from: stack,
            are_words: true,
        };
        // What the unwinder may allocate at its first use comes from there.
        let _inside = spare::enter();
        // SAFETY: `note` is such a function, and gets steps that live until it is done.
        unsafe { _Unwind_Backtrace(note, (&raw mut steps).cast()) };
        steps
    }

    /// The steps in the library's own code, the innermost first.
    pub(super) fn own(&self) -> &[Step] {
        &self.own[..self.n_own]
    }

    /// The steps in the code that has called the library, the innermost first.
    pub(super) fn callers(&self) -> &[Step] {
        &self.callers[..self.n_callers]
    }

    /// The innermost step that is not in the library's own code.
    pub(super) fn first(&self) -> Option<Step> {
        self.callers().first().copied()
    }

    /// The addresses of the callers.
    pub(super) fn addresses(&self) -> Callers {
        self.callers.map(|step| step.address)
    }
}

/// # Safety
/// Called by the unwinder alone, with its context and the `Steps` to fill.
unsafe extern "C" fn note(context: *mut c_void, argument: *mut c_void) -> c_int {
    // SAFETY: the argument is what `Steps::from` fills, which waits for this; the context is the
    // unwinder's.
    let (steps, address, end) = unsafe {
        let steps = &mut *argument.cast::<Steps>();
        (steps, _Unwind_GetIP(context), _Unwind_GetCFA(context))
    };
    if address == 0 {
        return STOP;
    }
    let place = end.wrapping_sub(size_of::<usize>());
    if place < steps.from {
        return GO_ON;
    }
    // SAFETY: the end of a frame that waits for this one.
    let word = unsafe { core::ptr::with_exposed_provenance::<usize>(place).read_volatile() };
    steps.are_words &= word == address;
    let step = Step { place, address };
    let [start, end] = [&OWN[0], &OWN[1]].map(|bound| bound.load(Ordering::Relaxed));
    if steps.n_callers == 0 && (start..end).contains(&address) {
        match steps.own.get_mut(steps.n_own) {
            Some(own) => {
                *own = step;
                steps.n_own += 1;
            }
            None => steps.are_words = false,
        }
        return GO_ON;
    }
    steps.callers[steps.n_callers] = step;
    steps.n_callers += 1;
    if steps.n_callers == DEPTH {
        STOP
    } else {
        GO_ON
    }
}

/// The callers of the library, in the calling thread.
pub(super) fn capture() -> Callers {
    Steps::from(0).addresses()
}

/// Finds out where the library's own code is.
pub(super) fn prepare() {
    let _inside = spare::enter();
    if let Some(module) = module_of(prepare as *const () as usize) {
        // SAFETY: reads a number of the process's.
        let entry = unsafe { libc::getauxval(libc::AT_ENTRY) } as usize;
        if !module.contains(&entry) {
            OWN[0].store(module.start, Ordering::Relaxed);
            OWN[1].store(module.end, Ordering::Relaxed);
        }
    }
}

struct Search {
    address: usize,
    found: core::ops::Range<usize>,
}

/// # Safety
/// Called by the loader alone, with a module and the `Search` to fill.
unsafe extern "C" fn compare(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the loader gives a description of a module that lives meanwhile, and the `Search`
    // of `module_of`.
    unsafe {
        let (info, search) = (&*info, &mut *argument.cast::<Search>());
        let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        for header in headers.iter().filter(|one| one.p_type == libc::PT_LOAD) {
            let start = (info.dlpi_addr + header.p_vaddr) as usize;
            let range = start..start + header.p_memsz as usize;
            if range.contains(&search.address) {
                search.found = range;
                return 1;
            }
        }
        0
    }
}

/// The segment of a module that an address is in.
fn module_of(address: usize) -> Option<core::ops::Range<usize>> {
    let mut search = Search {
        address,
        found: 0..0,
    };
    // SAFETY: `compare` is such a function, and gets a `Search` that lives until it is done.
    let found = unsafe { libc::dl_iterate_phdr(Some(compare), (&raw mut search).cast()) };
    (found == 1).then_some(search.found)
}

/// Callers as text: the module of each, and how far into it.
pub(super) struct Shown<'a>(pub(super) &'a Callers);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] == 0 {
            return f.write_str("an unknown place");
        }
        for (index, address) in self.0.iter().take_while(|one| **one != 0).enumerate() {
            if index > 0 {
                f.write_str(" <- ")?;
            }
            // Inside the call, not behind it.
            show(f, address - 1)?;
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, address: usize) -> fmt::Result {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let _inside = spare::enter();
    // SAFETY: dladdr fills what it is given when it answers other than 0; the name is a string
    // of the loader's.
    let module = unsafe {
        if libc::dladdr(address as *const c_void, info.as_mut_ptr()) == 0 {
            return write!(f, "{address:#x}");
        }
        let info = info.assume_init();
        if info.dli_fname.is_null() {
            return write!(f, "{address:#x}");
        }
        (CStr::from_ptr(info.dli_fname), info.dli_fbase as usize)
    };
    let path = module.0.to_bytes();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    write!(f, "{}+{:#x}", crate::log::Bytes(name), address - module.1)
}

/// Each list of callers once, by number. 0 stands for an unknown place.
pub(super) struct Places {
    /// Open addressing by hash; entry 0 is never used.
    entries: *mut Callers,
    count: usize,
}

/// The most places that are told apart.
const CAPACITY: usize = 1 << 16;

impl Places {
    pub(super) const fn new() -> Self {
        Self {
            entries: core::ptr::null_mut(),
            count: 0,
        }
    }

    /// The number of a place. 0 when there is no memory for the list, or too many are known.
    pub(super) fn number(&mut self, callers: &Callers) -> u32 {
        if callers[0] == 0 {
            return 0;
        }
        if self.entries.is_null() {
            match map_zeroes(CAPACITY * size_of::<Callers>()) {
                Some(entries) => self.entries = entries.cast(),
                None => return 0,
            }
        }
        let hash = callers.iter().fold(0_usize, |sum, address| {
            (sum ^ address)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(23)
        });
        let mut index = hash % CAPACITY;
        loop {
            if index != 0 {
                // SAFETY: below the capacity; all bytes were zero at first, a valid list.
                let entry = unsafe { &mut *self.entries.add(index) };
                if entry == callers {
                    return index as u32;
                }
                if entry[0] == 0 {
                    if self.count >= CAPACITY / 4 * 3 {
                        return 0;
                    }
                    *entry = *callers;
                    self.count += 1;
                    return index as u32;
                }
            }
            index = (index + 1) % CAPACITY;
        }
    }

    /// The callers of a place.
    pub(super) fn callers(&self, number: u32) -> Callers {
        if self.entries.is_null() || number == 0 {
            return [0; DEPTH];
        }
        // SAFETY: numbers that were given are below the capacity.
        unsafe { *self.entries.add(number as usize) }
    }
}
