//! malloc_trim(3), and the functions that report allocated bytes: mallinfo(3), malloc_info(3),
//! malloc_stats(3). The figures are sums over the kinds of libmemkind; figures of glibc that
//! libmemkind does not know are 0.

use core::ffi::{CStr, c_int, c_void};
use core::fmt::Write;

use crate::c::memkind::{memkind_preload_figures, memkind_preload_trim};
use crate::c::{self, EINVAL, Figures};
use crate::text::{Line, print};

/// malloc_trim(3): gives all free memory back. `pad` concerns glibc's heap, and is ignored.
pub fn trim(pad: usize) -> c_int {
    let _ = pad;
    // SAFETY: no precondition.
    unsafe { memkind_preload_trim() }
}

/// Calls `tell` with the figures of each kind in use, and returns their sum.
fn of_all(mut tell: impl FnMut(usize, &Figures)) -> Figures {
    let mut sum = Figures::ZERO;
    let mut of_one = Figures::ZERO;
    let mut number = 0;
    // SAFETY: the place is writable.
    while unsafe { memkind_preload_figures(number, &raw mut of_one) } != 0 {
        tell(number, &of_one);
        sum.resident += of_one.resident;
        sum.active += of_one.active;
        sum.allocated += of_one.allocated;
        number += 1;
    }
    sum
}

impl Figures {
    /// Bytes from the system that are in no live block.
    fn free(&self) -> usize {
        self.resident.saturating_sub(self.allocated)
    }

    /// Bytes from the system: the resident ones, or the live blocks if these are more.
    fn system(&self) -> usize {
        self.allocated + self.free()
    }

    fn name(&self) -> &str {
        let bytes = CStr::from_bytes_until_nul(&self.name).unwrap_or(c"");
        bytes.to_str().unwrap_or("?")
    }
}

/// `struct mallinfo2` of malloc.h.
#[repr(C)]
#[derive(Default)]
pub struct Mallinfo<T> {
    arena: T,
    ordblks: T,
    smblks: T,
    hblks: T,
    hblkhd: T,
    usmblks: T,
    fsmblks: T,
    uordblks: T,
    fordblks: T,
    keepcost: T,
}

/// mallinfo2(3)
pub fn mallinfo2() -> Mallinfo<usize> {
    let sum = of_all(|_, _| ());
    Mallinfo {
        arena: sum.system(),
        uordblks: sum.allocated,
        fordblks: sum.free(),
        keepcost: sum.resident.saturating_sub(sum.active),
        ..Mallinfo::default()
    }
}

/// mallinfo(3): a figure that does not fit in an int is INT_MAX.
pub fn mallinfo() -> Mallinfo<c_int> {
    let info = mallinfo2();
    let int = |value| c_int::try_from(value).unwrap_or(c_int::MAX);
    Mallinfo {
        arena: int(info.arena),
        uordblks: int(info.uordblks),
        fordblks: int(info.fordblks),
        keepcost: int(info.keepcost),
        ..Mallinfo::default()
    }
}

/// malloc_stats(3), in glibc's form, with a kind where glibc has an arena.
pub fn malloc_stats() {
    let tell = |title: &str, figures: &Figures| {
        print(format_args!(
            "{title}:\nsystem bytes     = {:>10}\nin use bytes     = {:>10}\n",
            figures.system(),
            figures.allocated
        ));
    };
    let sum = of_all(|_, figures| tell(figures.name(), figures));
    tell("Total (incl. mmap)", &sum);
}

/// Writes the elements that glibc has for a heap and for all heaps, as far as they are known.
fn elements(line: &mut Line, figures: &Figures) {
    let _ = write!(
        line,
        "<total type=\"fast\" count=\"0\" size=\"0\"/>\n\
         <total type=\"rest\" count=\"0\" size=\"{}\"/>\n\
         <system type=\"current\" size=\"{}\"/>\n",
        figures.free(),
        figures.system(),
    );
}

/// malloc_info(3), in glibc's form, with a kind as a heap.
///
/// # Safety
/// `file` is an open `FILE *`.
pub unsafe fn malloc_info(options: c_int, file: *mut c_void) -> c_int {
    if options != 0 {
        return EINVAL;
    }
    let mut written = true;
    // SAFETY: `file` is an open stream of stdio.
    let mut put = |line: &Line| written &= unsafe { c::write_file(file, line.bytes()) };
    let mut line = Line::new();
    line.add(b"<malloc version=\"1\">\n");
    put(&line);
    let sum = of_all(|number, figures| {
        let mut line = Line::new();
        let _ = writeln!(line, "<heap nr=\"{number}\" kind=\"{}\">", figures.name());
        line.add(b"<sizes>\n</sizes>\n");
        elements(&mut line, figures);
        line.add(b"</heap>\n");
        put(&line);
    });
    let mut line = Line::new();
    elements(&mut line, &sum);
    line.add(b"</malloc>\n");
    put(&line);
    if written { 0 } else { -1 }
}
