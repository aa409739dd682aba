//! Nodes that the process may not use.

use super::fake::fake;
use super::{CAPACITY, DAX, HBW, MOST, REGULAR, hbm, hbw_nodes};
use super::{Error, Settings};

#[test]
fn cpusets_leave_what_they_allow() {
    hbm().allow(&[0, 3]).is(REGULAR, "0 0");
    hbm().allow(&[0, 3]).is(MOST, "0 0");
    hbm().dax(&[2, 3]).allow(&[0, 3]).is(DAX, "3 3");
    let machine = hbm().dax(&[2]).allow(&[0, 3]);
    let (result, notes) = machine.ask(Settings::default(), DAX);
    assert_eq!(result, Err(Error::Unavailable));
    assert_eq!(
        notes,
        [
            "Nodes 2 have the requested memory, but this process may only use nodes 0,3 (cpuset, Mems_allowed)."
        ]
    );
    // Fast or local, but not allowed.
    let allowed = "this process may only use nodes 0-1 (cpuset, Mems_allowed).";
    let (result, notes) = hbm().allow(&[0, 1]).ask(Settings::default(), HBW);
    assert_eq!(result, Err(Error::MemtypeNotAvailable));
    let notes = &notes[notes.len() - 2..];
    assert_eq!(notes[0], "No HBW Nodes for init node 0.");
    assert_eq!(
        notes[1],
        format!("Nodes 2 have the requested memory, but {allowed}")
    );
    let (result, notes) = hbm().allow(&[2]).ask(Settings::default(), CAPACITY);
    assert_eq!(result, Err(Error::MemtypeNotAvailable));
    let last = notes.last().expect("a reason");
    assert!(last.starts_with("Nodes 1,3 have"), "{last}");
    let knights = fake(&[(0, &[0, 1], 700), (1, &[], 250)], &[&[10, 31], &[31, 10]]).knights();
    let (result, notes) = knights.allow(&[0]).ask(Settings::default(), HBW);
    assert_eq!(result, Err(Error::MemtypeNotAvailable));
    assert!(notes[1].starts_with("Nodes 1 have"), "{notes:?}");
    let machine = hbm().allow(&[2, 3]);
    machine.fails(REGULAR, Error::Unavailable);
    machine.is(HBW, "2 3");
    let (result, _) = hbm().allow(&[0, 3]).ask(hbw_nodes(c"2"), HBW);
    assert_eq!(result, Err(Error::Environ));
    let (result, _) = hbm().allow(&[1, 3]).ask(hbw_nodes(c"+1"), HBW);
    assert_eq!(result.as_deref(), Ok("3 3"));
}
