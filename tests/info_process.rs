//! memkind-info on running processes, on ones that have ended, and on mappings with odd names.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::ptr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use memkind::ffi::ext::config::{memkind_config_set_options, memkind_create_with_config};
use memkind::ffi::memkind::{memkind_config_delete, memkind_config_new, memkind_malloc};

/// Long enough for a machine with other work.
const LIMIT: Duration = Duration::from_secs(60);

fn info(pid: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memkind-info"));
    command.arg("--pid").arg(pid.to_string()).args(arguments);
    command
}

fn text(command: &mut Command) -> String {
    let output = command.output().expect("memkind-info starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Waits for the end of a process that is not to run on.
fn end_of(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if begin.elapsed() > LIMIT {
            let _ = child.kill();
            panic!("it still runs");
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("a child")
}

/// Waits until a child has ended, without taking its status: it is a zombie then.
fn await_zombie(pid: u32) {
    let begin = Instant::now();
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a child");
        if stat.contains(") Z ") {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "{stat}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_process_is_summed_by_kind() {
    let pid = std::process::id();
    text(&mut info(pid, &[]));
    let json = text(&mut info(pid, &["--json"]));
    let begin = format!("{{\"schema\": 1, \"pid\": {pid}, \"kinds\": [");
    assert!(json.starts_with(&begin) && json.ends_with("]}\n"), "{json}");
}

#[test]
fn memory_that_others_can_map_is_shown() {
    const SIZE: usize = 3 << 20;
    let mut kind = ptr::null_mut();
    // SAFETY: the settings live until they are deleted, `kind` is writable, and the block has `SIZE` bytes.
    unsafe {
        let config = memkind_config_new();
        memkind_config_set_options(config, 16);
        assert_eq!(memkind_create_with_config(config, &raw mut kind), 0);
        memkind_config_delete(config);
        let block = memkind_malloc(kind, SIZE);
        assert!(!block.is_null());
        block.cast::<u8>().write_bytes(1, SIZE);
    }
    let json = text(&mut info(std::process::id(), &["--json"]));
    let row = json.lines().find(|line| line.contains("\"shared memory\""));
    let row = row.unwrap_or_else(|| panic!("{json}"));
    let resident = row.split("\"resident_bytes\": ").nth(1).expect("a field");
    let resident = resident.split(',').next().expect("a number");
    assert!(
        resident.parse::<usize>().expect("a number") >= SIZE,
        "{row}"
    );
}

#[test]
fn names_of_mappings_need_not_be_text() {
    let name = [
        b"memkind-info-caf\xe9-",
        std::process::id().to_string().as_bytes(),
    ]
    .concat();
    let path = std::env::temp_dir().join(OsStr::from_bytes(&name));
    fs::write(&path, [0; 4096]).expect("a file");
    let file = File::open(&path).expect("a file");
    // SAFETY: a new mapping of a file, which is not used.
    let mapping = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_READ,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    let output = info(std::process::id(), &[]).output();
    // SAFETY: the mapping is not used.
    unsafe { libc::munmap(mapping, 4096) };
    fs::remove_file(&path).expect("a file");
    let output = output.expect("memkind-info starts");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_has_ended_is_no_process() {
    let mut child = Command::new("true").spawn().expect("true starts");
    await_zombie(child.id());
    for arguments in [&[][..], &["--watch"], &["--json"]] {
        let watch = info(child.id(), arguments).stderr(Stdio::piped()).spawn();
        let output = end_of(watch.expect("memkind-info starts"));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let message = format!("ERROR: There is no process {}.\n", child.id());
        assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    }
    child.wait().expect("a child");
}

#[test]
fn watching_ends_with_the_process() {
    let mut child = Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep starts");
    let watch = info(child.id(), &["--watch", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut watch = watch.expect("memkind-info starts");
    let mut first = String::new();
    let output = watch.stdout.as_mut().expect("a pipe");
    BufReader::with_capacity(1, output)
        .read_line(&mut first)
        .expect("a line");
    child.kill().expect("a child");
    // Its status is not taken before memkind-info has ended.
    let output = end_of(watch);
    child.wait().expect("a child");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert!(!first.is_empty());
}

#[test]
fn watching_ends_when_nobody_reads() {
    // Were it to wait for the next time, it would be an hour.
    let (reader, writer) = UnixStream::pair().expect("sockets");
    drop(reader);
    let watch = info(std::process::id(), &["--watch", "3600"])
        .stdout(OwnedFd::from(writer))
        .spawn();
    let output = end_of(watch.expect("memkind-info starts"));
    assert_eq!(output.status.code(), Some(0));
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let watch = info(std::process::id(), &["--watch", "3600"])
        .stdout(full)
        .spawn();
    let output = end_of(watch.expect("memkind-info starts"));
    assert_eq!(output.status.code(), Some(1));
}
