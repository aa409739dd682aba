//! What newer kernels offer: several preferred nodes, and home nodes.

use super::fake::{Fake, fake};
use super::{DAX, DAX_ONE, HBW, HBW_ALL, MOST_ONE, REGULAR, hbm, hbw_nodes, threshold};
use super::{Error, Facts, NodeMask, Settings, select};

#[test]
fn ties_that_are_wanted() {
    let ties = |text| Settings {
        preferred_ties: Some(text),
        ..Settings::default()
    };
    // Node 3 is nearest to no CPU but its own.
    let machine = || {
        fake(
            &[(0, &[0], 900), (1, &[], 900), (2, &[], 900), (3, &[1], 5)],
            &[
                &[10, 17, 17, 30],
                &[17, 10, 20, 20],
                &[17, 20, 10, 25],
                &[30, 20, 25, 10],
            ],
        )
        .dax(&[1, 2])
    };
    for (choice, chosen, refused) in [
        (DAX_ONE, "1-2 1", Error::Runtime),
        (MOST_ONE, "0-2 0-2", Error::MemtypeNotAvailable),
    ] {
        let (result, notes) = machine().ask(ties(c"many"), choice);
        assert_eq!(result.as_deref(), Ok(chosen));
        assert!(notes.is_empty());
        for settings in [Settings::default(), ties(c"")] {
            assert_eq!(machine().ask(settings, choice).0, Err(refused));
        }
        for text in [c"MANY", c"1", c"many ", c"none"] {
            let (result, notes) = machine().ask(ties(text), choice);
            assert_eq!(result, Err(Error::Environ));
            let value = text.to_string_lossy();
            assert_eq!(
                notes,
                [format!(
                    "Environment variable MEMKIND_PREFERRED_TIES is \"{value}\"; its one value is \"many\"."
                )]
            );
        }
        // A kernel that cannot prefer several nodes refuses as ever, and says why.
        let (result, notes) = machine().old_kernel().ask(ties(c"many"), choice);
        assert_eq!(result, Err(refused));
        assert!(notes[0].contains("Linux 5.15"), "{notes:?}");
    }
    // Kinds that take many do not look at it.
    let (result, notes) = machine().ask(ties(c"x"), DAX);
    assert_eq!(result.as_deref(), Ok("1-2 1"));
    assert!(notes.is_empty());
}

#[test]
fn homes_are_for_places_whose_nodes_differ_in_distance() {
    let homes = |machine: &Fake, settings: Settings<'_>, choice| {
        let facts = Facts {
            machine: &machine.machine,
            attributes: &|| Ok(&machine.attributes),
            dax_kmem: &|| NodeMask::EMPTY,
            prefers_many: &|| false,
        };
        let targets = select(&facts, &settings, choice, &mut |_| ()).expect("available");
        let places = 0..targets.n_places();
        places.map(|place| targets.home(place)).collect::<Vec<_>>()
    };
    let (none, machine) = (Settings::default(), hbm());
    // One node for each place; two for each; one place for all CPUs.
    assert_eq!(homes(&machine, none, HBW), [None, None]);
    let both = homes(&machine, threshold(c"1"), HBW_ALL);
    assert_eq!(both, [Some(0), Some(1)]);
    assert_eq!(homes(&machine, hbw_nodes(c"2,3"), HBW_ALL), [None]);
    assert_eq!(homes(&machine, none, REGULAR), [None]);
    // Equally near to the CPUs of node 0.
    let distances: &[&[u32]] = &[&[10, 20, 20], &[20, 10, 30], &[20, 30, 10]];
    let ring = fake(&[(0, &[0], 1), (1, &[1], 1), (2, &[2], 1)], distances);
    assert_eq!(homes(&ring, hbw_nodes(c"1,2"), HBW), [None, None, None]);
    // Nodes 0 and 1 share a place, node 4 has another.
    let distances: &[&[u32]] = &[
        &[10, 12, 15, 17, 20],
        &[12, 10, 17, 15, 20],
        &[15, 17, 10, 12, 20],
        &[17, 15, 12, 10, 20],
        &[20, 20, 20, 20, 10],
    ];
    let shared = fake(
        &[
            (0, &[0], 1),
            (1, &[1], 1),
            (2, &[], 1),
            (3, &[], 1),
            (4, &[2], 1),
        ],
        distances,
    );
    let shared = [(0, 2), (0, 3), (1, 2), (1, 3), (4, 3), (4, 4)]
        .into_iter()
        .fold(shared, |all, (from, to)| all.local(from, to, 900_000, 1));
    assert_eq!(homes(&shared, none, HBW_ALL), [None, Some(4)]);
}
