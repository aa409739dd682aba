//! CPUs: those that share places, and those that come later.

use super::fake::{fake, mask};
use super::{DAX, DAX_ONE, HBW, HBW_ONE, LATENCY, REGULAR, hbm, hbw_nodes, sockets};
use super::{Facts, NodeMask, Settings, select};

#[test]
fn cpus_share_places() {
    let machine = hbm();
    let facts = Facts {
        machine: &machine.machine,
        attributes: &|| Ok(&machine.attributes),
        dax_kmem: &|| NodeMask::EMPTY,
        prefers_many: &|| false,
    };
    let ask = |choice| select(&facts, &Settings::default(), choice, &mut |_| ());
    let local = ask(HBW).expect("available");
    assert_eq!(local.n_places(), 2);
    assert_eq!(local.all(), mask(&[2, 3]));
    assert_eq!(local.place_of_cpu(1), 1);
    assert_eq!(*local.of_place(1), mask(&[3]));
    // A CPU that was added later, to a node with CPUs, to one of memory, and to one that was not there.
    assert_eq!(*local.of_cpu(4096), mask(&[2]));
    assert_eq!(local.place_here(4096, || 1), 1);
    assert_eq!(
        local.place_here(4096, || 3),
        local.place_here(4096, || 2) + 1
    );
    assert_eq!(local.place_here(4096, || 99), 0);
    assert_eq!(local.place_here(1, || 0), 1);
    assert!(local.of_place(2).is_empty());
    assert_eq!(ask(REGULAR).map(|targets| targets.n_places()), Ok(1));
}

#[test]
fn a_cpu_that_comes_later_has_its_nearest_node() {
    // Of a node with online CPUs, the second first: its CPUs are no others than they were.
    let halves = || sockets(&[0, 1], &[2, 3]).dax(&[2, 3]);
    for (choice, expected) in [
        (HBW, "2 2 3 3"),
        (LATENCY, "0 0 1 1"),
        (DAX_ONE, "2 2 3 3"),
        (REGULAR, "0-1 0-1 0-1 0-1"),
    ] {
        halves().online(1, 1).is(choice, expected);
        halves().online(0, 1).online(1, 1).is(choice, expected);
    }
    // Of a node without online CPUs: there is no firmware table for them.
    let machine = || halves().online(1, 0);
    machine().is(DAX, "2 2 3 3");
    machine().is(HBW, "2 2 2 2");
    machine().is(REGULAR, "0 0 0 0");
    let (result, _) = machine().ask(hbw_nodes(c"2,3"), HBW);
    assert_eq!(result.as_deref(), Ok("2 2 3 3"));
    // What cannot be decided for them is no error for the others.
    let tied = fake(&[(0, &[0], 500), (1, &[1], 600)], &[&[10, 21], &[20, 20]]);
    let (result, _) = tied.online(1, 0).ask(hbw_nodes(c"0,1"), HBW_ONE);
    assert_eq!(result.as_deref(), Ok("0 0"));
}
