//! Making one slab: addresses, nodes, advice, pages. All that can fail fails here, before the
//! heap sees an address.

use core::ffi::c_int;

use super::super::account::Account;
use super::super::policy::Bind;
use super::plan::{Options, Plan};
use crate::backing::base::{self, UNIT, page_size};
use crate::error::Error;
use crate::log;
use crate::sys::addresses::Reserved;

/// Bits of mmap(2) and memfd_create(2) that hold the logarithm of a huge page's size.
const SIZE_SHIFT: u32 = 26;

/// The descriptor of memory without a file, as mmap(2) takes it.
pub(super) const NO_FILE: c_int = -1;

/// Memory that is ready for use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) start: usize,
    pub(super) size: usize,
    /// Bytes of a page of it.
    pub(super) page: usize,
    /// The file behind it, or [`NO_FILE`].
    pub(super) file: c_int,
}

/// Makes a slab of `size` bytes, a multiple of `page`.
///
/// # Errors
/// `NoMemory`, and nothing is left behind.
pub(super) fn make(
    plan: &Plan,
    page: usize,
    size: usize,
    account: Option<&Account>,
) -> Result<Made, Error> {
    if page == page_size() && account.is_some_and(|account| account.is_refused(size)) {
        return Err(Error::NoMemory);
    }
    let file = if plan.options.has(Options::SHARED) {
        file(page, size)?
    } else {
        NO_FILE
    };
    let Some(start) = map(page, size, file) else {
        close(file);
        return Err(Error::NoMemory);
    };
    let made = Made {
        start,
        size,
        page,
        file,
    };
    match settle(plan, &made, account) {
        Ok(()) => Ok(made),
        Err(error) => {
            // SAFETY: a fresh mapping, which no other code has seen.
            unsafe { unmake(&made, account) };
            Err(error)
        }
    }
}

/// Takes a slab down.
///
/// # Safety
/// No block is in it.
pub(super) unsafe fn unmake(made: &Made, account: Option<&Account>) {
    let account = account.filter(|_| made.page == page_size());
    let gone = account.map_or(0, |account| account.remove_range(made.start, made.size));
    let advice = match made.file {
        NO_FILE => libc::MADV_DONTNEED,
        _ => libc::MADV_REMOVE,
    };
    // SAFETY: a mapping of ours, in which no block lives.
    unsafe {
        // With as many mappings as may be, the kernel does not cut one out of a larger one: its memory goes at least, once
        // it is not locked any more.
        if libc::munmap(made.start as *mut _, made.size) != 0 {
            libc::munlock(made.start as *const _, made.size);
            libc::madvise(made.start as *mut _, made.size, advice);
        }
    }
    close(made.file);
    if let Some(account) = account {
        account.gone_back(gone);
    }
}

/// Closes the file of a slab, if it has one.
pub(super) fn close(file: c_int) {
    if file != NO_FILE {
        // SAFETY: a descriptor of ours.
        unsafe { libc::close(file) };
    }
}

/// The bits that ask for huge pages.
const fn size_bits(page: usize) -> c_int {
    ((page.ilog2()) << SIZE_SHIFT) as c_int
}

fn file(page: usize, size: usize) -> Result<c_int, Error> {
    let mut flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    if page != page_size() {
        flags |= libc::MFD_HUGETLB | size_bits(page) as u32;
    }
    // SAFETY: a name that ends with NUL.
    let file = unsafe { libc::memfd_create(c"memkind".as_ptr(), flags) };
    if file == NO_FILE {
        log::error!("syscall memfd_create() failed: errno={}.", log::errno());
        return Err(Error::NoMemory);
    }
    let length = size as libc::off_t;
    // SAFETY: a descriptor of ours.
    let sized = unsafe {
        libc::ftruncate(file, length) == 0
            && libc::fcntl(
                file,
                libc::F_ADD_SEALS,
                libc::F_SEAL_SHRINK | libc::F_SEAL_GROW,
            ) == 0
    };
    if !sized {
        log::error!(
            "A file of {size} bytes in memory cannot be made: errno={}.",
            log::errno()
        );
        close(file);
        return Err(Error::NoMemory);
    }
    Ok(file)
}

/// Maps addresses at a multiple of the page size, at least of a unit of accounts.
fn map(page: usize, size: usize, file: c_int) -> Option<usize> {
    let align = page.max(UNIT);
    let shared = file != NO_FILE;
    let mut flags = if shared {
        libc::MAP_SHARED
    } else {
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS
    };
    if page != page_size() && !shared {
        flags |= libc::MAP_HUGETLB | size_bits(page);
    }
    let Some(room) = Reserved::new(size, align) else {
        log::error!("syscall mmap() returned: {}.", log::errno());
        return None;
    };
    let mapped = room.map(flags, file, 0);
    if mapped.is_none() {
        let errno = log::errno();
        if page == page_size() {
            log::error!("syscall mmap() returned: {errno}.");
        } else {
            log::error!(
                "Fewer huge pages of {} KiB are free than are asked for: errno={errno}.",
                page >> 10
            );
        }
    }
    mapped
}

/// Makes a fresh mapping what the plan promises.
fn settle(plan: &Plan, made: &Made, account: Option<&Account>) -> Result<(), Error> {
    if plan.bind != Bind::None {
        plan.bind.apply(made.start, made.size, &plan.nodes, None)?;
    }
    let options = plan.options;
    let advices = [
        (Options::NO_FORK, libc::MADV_DONTFORK),
        (Options::NO_DUMP, libc::MADV_DONTDUMP),
    ];
    for (option, advice) in advices {
        if options.has(option) && !advise(made, advice) {
            log::error!("syscall madvise({advice}) failed: errno={}.", log::errno());
            return Err(Error::NoMemory);
        }
    }
    // Advice only: kernels without such pages answer EINVAL.
    if options.has(Options::TRANSPARENT_HUGE) {
        advise(made, libc::MADV_HUGEPAGE);
    } else if plan.bind == Bind::Interleave && made.page == page_size() {
        advise(made, libc::MADV_NOHUGEPAGE);
    }
    if options.has(Options::LOCK) {
        lock(made)?;
    }
    if !plan.populates() {
        return Ok(());
    }
    if let Some(account) = account.filter(|_| made.page == page_size()) {
        if !account.add_range(made.start, made.size) {
            return Err(Error::NoMemory);
        }
        account.promise(made.start, made.size)?;
    }
    populate(made.start, made.size, made.page)
}

fn advise(made: &Made, advice: c_int) -> bool {
    // SAFETY: a mapping of ours, and advice that changes no contents.
    unsafe { libc::madvise(made.start as *mut _, made.size, advice) == 0 }
}

fn lock(made: &Made) -> Result<(), Error> {
    const ON_FAULT: libc::c_uint = 1;
    // SAFETY: a mapping of ours; its contents do not change.
    let status = unsafe { libc::syscall(libc::SYS_mlock2, made.start, made.size, ON_FAULT) };
    if status == 0 {
        return Ok(());
    }
    let errno = log::errno();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is writable.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    log::error!(
        "Cannot lock {} bytes in memory: errno={errno}. The process may lock {} bytes (RLIMIT_MEMLOCK; ulimit -l), unless it has CAP_IPC_LOCK.",
        made.size,
        limit.rlim_cur
    );
    Err(Error::NoMemory)
}

/// Makes all pages of a range be there.
///
/// # Errors
/// `NoMemory` where there is no memory for one: never a signal.
pub(super) fn populate(start: usize, size: usize, page: usize) -> Result<(), Error> {
    // What the kernel is short of for the moment it may be short of for long.
    let mut patience = 100;
    loop {
        if base::populate(start, size) {
            return Ok(());
        }
        match log::errno() {
            libc::EINTR => {}
            libc::EAGAIN if patience > 0 => patience -= 1,
            libc::EINVAL => {
                log::error!(
                    "Memory cannot be made ready for use in advance: that takes Linux 5.14."
                );
                return Err(Error::NoMemory);
            }
            errno => {
                log::error!(
                    "No memory for {size} bytes in pages of {} KiB: errno={errno}.",
                    page >> 10
                );
                return Err(Error::NoMemory);
            }
        }
    }
}
