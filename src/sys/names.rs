//! The functions under the C library's names that this library, jemalloc and Rust's standard
//! library in it call. Hidden: no other library of the process gets them.
//!
//! Unlike the C library's they are no cancellation points and know nothing of stdio and locales.
//! Functions that are missing here are not called from inside an allocation.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};

use super::environment::{getenv, secure_getenv};
#[cfg(target_env = "gnu")]
use super::errors;
use super::hidden::{hidden_names, named_code};
use super::{locks, mappings, raw, vdso};

/// The instructions that make a system call, and go on in a function if it fails. On x86-64 the
/// kernel takes the fourth argument from another register than C functions do.
#[cfg(target_arch = "x86_64")]
macro_rules! call {
    () => {
        "mov eax, {number}
        mov r10, rcx
        syscall
        cmp rax, -4096
        ja 2f
        ret
        2: mov rdi, rax
        jmp {result}"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! call {
    () => {
        "mov x8, {number}
        svc 0
        cmn x0, 4095
        b.hs 2f
        ret
        2: b {result}"
    };
}

/// Gives functions of this module C names that only this library sees.
macro_rules! name {
    ($($name:literal => $function:path;)*) => {
        hidden_names! { ".text.memkind_sys."; $($name => $function;)* }
    };
}

/// Gives system calls of at most six arguments C names.
macro_rules! plain {
    ($($name:literal => $number:path;)*) => {$(
        named_code!(
            ".text.memkind_sys.", $name, [call!()], number = const $number, result = sym error,
        );
    )*};
}

plain! {
    "read" => libc::SYS_read;
    "write" => libc::SYS_write;
    "writev" => libc::SYS_writev;
    "pwrite" => libc::SYS_pwrite64;
    "pwrite64" => libc::SYS_pwrite64;
    "close" => libc::SYS_close;
    "lseek" => libc::SYS_lseek;
    "lseek64" => libc::SYS_lseek;
    "fstat" => libc::SYS_fstat;
    "fstat64" => libc::SYS_fstat;
    "statx" => libc::SYS_statx;
    "fstatfs" => libc::SYS_fstatfs;
    "ftruncate" => libc::SYS_ftruncate;
    "ftruncate64" => libc::SYS_ftruncate;
    "fallocate" => libc::SYS_fallocate;
    "fallocate64" => libc::SYS_fallocate;
    "ioctl" => libc::SYS_ioctl;
    "dup3" => libc::SYS_dup3;
    "pipe2" => libc::SYS_pipe2;
    "mprotect" => libc::SYS_mprotect;
    "mincore" => libc::SYS_mincore;
    "process_vm_readv" => libc::SYS_process_vm_readv;
    "sched_yield" => libc::SYS_sched_yield;
    "sched_setaffinity" => libc::SYS_sched_setaffinity;
    "getpid" => libc::SYS_getpid;
    "gettid" => libc::SYS_gettid;
}

// Newer processors have the calls with a directory only.
#[cfg(target_arch = "x86_64")]
plain! {
    "stat" => libc::SYS_stat;
    "stat64" => libc::SYS_stat;
    "unlink" => libc::SYS_unlink;
}
#[cfg(target_arch = "aarch64")]
name! {
    "stat" => by_directory::stat;
    "stat64" => by_directory::stat;
    "unlink" => by_directory::unlink;
}

name! {
    "pthread_mutexattr_init" => locks::nothing;
    "pthread_mutexattr_settype" => locks::nothing;
    "pthread_mutexattr_destroy" => locks::nothing;
    "pthread_mutex_init" => locks::init;
    "pthread_mutex_lock" => locks::lock;
    "pthread_mutex_trylock" => locks::trylock;
    "pthread_mutex_unlock" => locks::unlock;
    "pthread_cond_init" => locks::init;
    "pthread_cond_signal" => locks::signal;
    "pthread_cond_wait" => locks::await_signal;
    "pthread_cond_timedwait" => locks::await_signal_until;
    "mmap" => mappings::mmap;
    "mmap64" => mappings::mmap;
    "munmap" => mappings::munmap;
    "mremap" => mappings::mremap;
    "madvise" => mappings::madvise;
    "posix_fallocate" => posix_fallocate;
    "posix_fallocate64" => posix_fallocate;
    "fstatvfs" => fstatvfs;
    "statvfs" => statvfs;
    "open" => open;
    "open64" => open;
    "readlink" => readlink;
    "syscall" => syscall;
    "sbrk" => sbrk;
    "sysconf" => sysconf;
    "getenv" => getenv;
    "secure_getenv" => secure_getenv;
    "clock_gettime" => clock_gettime;
    "gettimeofday" => gettimeofday;
    "sched_getaffinity" => sched_getaffinity;
}

// musl has no other name for the first, which the library calls itself, and its texts take no lock.
#[cfg(target_env = "gnu")]
name! {
    "pthread_atfork" => super::forks::keep;
    "strerror_r" => errors::strerror_r;
    "__xpg_strerror_r" => errors::xpg_strerror_r;
}

// On arm64 the kernel has no such function in its own library; the C library reads the number from
// memory that it shares with the kernel.
#[cfg(target_arch = "x86_64")]
name! {
    "sched_getcpu" => sched_getcpu;
}

extern "C" fn error(answer: c_long) -> c_long {
    raw::result(answer)
}

/// # Safety
/// `path` is a string.
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    let arguments = [
        libc::AT_FDCWD as usize,
        path as usize,
        flags as usize,
        mode as usize,
        0,
        0,
    ];
    // SAFETY: `path` is a string, which the kernel reads; only what makes a file looks at the mode.
    raw::result(unsafe { raw::call(libc::SYS_openat, arguments) }) as c_int
}

/// # Safety
/// `path` is a string, and `buffer` has room for `size` bytes.
unsafe extern "C" fn readlink(path: *const c_char, buffer: *mut c_char, size: usize) -> isize {
    // jemalloc's, as it is built here: settings of another program's.
    const SETTINGS: &CStr = c"/etc/_rjem_malloc.conf";
    // SAFETY: the caller passes a string, and a buffer of this size.
    unsafe {
        if CStr::from_ptr(path) == SETTINGS {
            return raw::result(-c_long::from(libc::ENOENT)) as isize;
        }
        let here = libc::AT_FDCWD as usize;
        let arguments = [here, path as usize, buffer as usize, size, 0, 0];
        raw::result(raw::call(libc::SYS_readlinkat, arguments)) as isize
    }
}

/// # Safety
/// Each argument that the system call takes for an address is valid for what the call does there.
#[allow(clippy::too_many_arguments, reason = "the C function has as many")]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    // SAFETY: the addresses among the arguments are valid, as the caller promises. Arguments that
    // were not passed have any value, and the kernel does not look at them.
    raw::result(unsafe { raw::call(number, [a, b, c, d, e, f]) })
}

/// Calls that name a file without a directory, where the kernel has none.
#[cfg(target_arch = "aarch64")]
mod by_directory {
    use super::{c_char, c_int, raw};

    const HERE: usize = libc::AT_FDCWD as usize;

    /// # Safety
    /// `path` is a string, and `answer` is writable.
    pub(super) unsafe extern "C" fn stat(path: *const c_char, answer: *mut libc::stat) -> c_int {
        let arguments = [HERE, path as usize, answer as usize, 0, 0, 0];
        // SAFETY: the caller passes a string, and room for an answer.
        raw::result(unsafe { raw::call(libc::SYS_newfstatat, arguments) }) as c_int
    }

    /// # Safety
    /// `path` is a string.
    pub(super) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
        // SAFETY: the caller passes a string.
        let answer = unsafe { raw::call(libc::SYS_unlinkat, [HERE, path as usize, 0, 0, 0, 0]) };
        raw::result(answer) as c_int
    }
}

/// posix_fallocate(3); returns an error number. On a file system without fallocate(2) the blocks
/// are allocated by writing, as in the C library.
extern "C" fn posix_fallocate(file: c_int, start: i64, size: i64) -> c_int {
    let file = file as usize;
    let arguments = [file, 0, start as usize, size as usize, 0, 0];
    // SAFETY: changes a file by its descriptor, and no memory.
    let answer = unsafe { raw::call(libc::SYS_fallocate, arguments) };
    if answer != -c_long::from(libc::EOPNOTSUPP) {
        return -answer as c_int;
    }
    const BLOCK: usize = 512;
    let end = start.saturating_add(size) as usize;
    let mut at = start as usize;
    while at < end {
        let last = (at | (BLOCK - 1)).min(end - 1);
        let mut byte = 0_u8;
        let place = &raw mut byte as usize;
        // SAFETY: reads and writes one byte.
        unsafe {
            let read = raw::call(libc::SYS_pread64, [file, place, 1, last, 0, 0]);
            if read < 0 {
                return -read as c_int;
            }
            if byte == 0 {
                let written = raw::call(libc::SYS_pwrite64, [file, place, 1, last, 0, 0]);
                if written < 0 {
                    return -written as c_int;
                }
            }
        }
        at = last + 1;
    }
    0
}

/// # Safety
/// `answer` is writable.
unsafe extern "C" fn fstatvfs(file: c_int, answer: *mut libc::statvfs) -> c_int {
    // SAFETY: the caller passes room for an answer.
    unsafe { file_system(libc::SYS_fstatfs, file as usize, answer) }
}

/// # Safety
/// `path` is a string, and `answer` is writable.
unsafe extern "C" fn statvfs(path: *const c_char, answer: *mut libc::statvfs) -> c_int {
    // SAFETY: the caller passes a string, and room for an answer.
    unsafe { file_system(libc::SYS_statfs, path as usize, answer) }
}

/// Facts of a file system, as statvfs(3) reports them.
///
/// # Safety
/// `of` is an open descriptor or the address of a string, as the call `number` wants it; `answer` is
/// writable.
unsafe fn file_system(number: c_long, of: usize, answer: *mut libc::statvfs) -> c_int {
    // SAFETY: all bits zero are valid in both structures, which are numbers; the kernel reads a string at
    // most and writes one statfs; `answer` is writable.
    unsafe {
        let mut found: libc::statfs = core::mem::zeroed();
        let code = raw::result(raw::call(number, [of, &raw mut found as usize, 0, 0, 0, 0]));
        if code != 0 {
            return -1;
        }
        let mut told: libc::statvfs = core::mem::zeroed();
        let unit = if found.f_frsize != 0 {
            found.f_frsize
        } else {
            found.f_bsize
        };
        told.f_bsize = found.f_bsize as u64;
        told.f_frsize = unit as u64;
        told.f_blocks = found.f_blocks;
        told.f_bfree = found.f_bfree;
        told.f_bavail = found.f_bavail;
        told.f_files = found.f_files;
        told.f_ffree = found.f_ffree;
        told.f_favail = found.f_ffree;
        told.f_namemax = found.f_namelen as u64;
        *answer = told;
    }
    0
}

/// jemalloc asks where the data segment ends when it starts, and never moves that end
/// (`dss:disabled`).
extern "C" fn sbrk(increment: isize) -> *mut c_void {
    if increment != 0 {
        crate::log::set_errno(libc::ENOMEM);
        return usize::MAX as *mut c_void;
    }
    // SAFETY: changes nothing.
    let end = unsafe { raw::call(libc::SYS_brk, [0; 6]) };
    end as *mut c_void
}

extern "C" fn sysconf(name: c_int) -> c_long {
    match name {
        libc::_SC_PAGESIZE => super::page_size() as c_long,
        libc::_SC_NPROCESSORS_CONF => cpus(c"/sys/devices/system/cpu/possible"),
        libc::_SC_NPROCESSORS_ONLN => cpus(c"/sys/devices/system/cpu/online"),
        _ => raw::result(-c_long::from(libc::EINVAL)),
    }
}

/// The CPUs of a list like `0-3,8`; without it, those that the process may use.
fn cpus(list: &CStr) -> c_long {
    let mut text = [0; 1024];
    let listed = raw::read_file(list, &mut text).map_or(0, count);
    if listed > 0 {
        return listed;
    }
    let mut set = [0_u64; 128];
    // SAFETY: the set is writable and as long as it says.
    unsafe { sched_getaffinity(0, size_of_val(&set), set.as_mut_ptr().cast()) };
    let allowed: u32 = set.iter().map(|word| word.count_ones()).sum();
    c_long::from(allowed).max(1)
}

/// How many numbers a list of ranges has.
fn count(list: &[u8]) -> c_long {
    let number = |digits: &[u8]| {
        let digits = digits.iter().filter(|byte| byte.is_ascii_digit());
        digits.fold(0, |value: c_long, digit| {
            value
                .saturating_mul(10)
                .saturating_add((digit - b'0').into())
        })
    };
    let ranges = list
        .split(|byte| *byte == b',')
        .filter(|range| range.iter().any(u8::is_ascii_digit));
    ranges
        .map(|range| match range.iter().position(|byte| *byte == b'-') {
            Some(at) => number(&range[at + 1..]) - number(&range[..at]) + 1,
            None => 1,
        })
        .sum()
}

/// # Safety
/// `time` is writable.
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: `time` is writable.
    raw::result(unsafe { vdso::clock(clock, time) }) as c_int
}

/// # Safety
/// `time` is writable.
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut c_void) -> c_int {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both are writable.
    unsafe {
        vdso::clock(libc::CLOCK_REALTIME, &raw mut now);
        (*time).tv_sec = now.tv_sec;
        (*time).tv_usec = now.tv_nsec / 1000;
    }
    0
}

#[cfg(target_arch = "x86_64")]
extern "C" fn sched_getcpu() -> c_int {
    raw::result(vdso::cpu()) as c_int
}

/// # Safety
/// `set` has room for `size` bytes.
unsafe extern "C" fn sched_getaffinity(
    pid: libc::pid_t,
    size: usize,
    set: *mut libc::cpu_set_t,
) -> c_int {
    let arguments = [pid as usize, size, set as usize, 0, 0, 0];
    // SAFETY: the caller passes a set of this size.
    unsafe {
        let written = raw::result(raw::call(libc::SYS_sched_getaffinity, arguments));
        let Ok(written) = usize::try_from(written) else {
            return -1;
        };
        // The kernel writes as much as it has.
        let rest = set.cast::<u8>().add(written);
        core::ptr::write_bytes(rest, 0, size.saturating_sub(written));
    }
    0
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_list_of_cpus_is_counted() {
        assert_eq!(count(b"0-3\n"), 4);
        assert_eq!(count(b"0,2-5,9\n"), 6);
        assert_eq!(count(b"0\n"), 1);
        assert_eq!(count(b"\n"), 0);
    }
}
