//! Node lists and choices on random input: what must hold whatever comes in. The numbers
//! come from a fixed seed, so a failure comes again.

use std::ffi::CString;

use memkind::topology::nodes::{Attributes, Initiator, Machine, Node, Target};
use memkind::topology::select::{Facts, Settings, select};
use memkind::topology::sysfs;
use memkind::topology::{Attribute, Choice, NodeMask, Nodes, Reach, Take, nodestring};

/// A random number generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn nodes(&mut self, limit: u16, n_at_most: usize) -> NodeMask {
        let n_nodes = self.below(n_at_most + 1);
        (0..n_nodes)
            .map(|_| u16::try_from(self.below(limit.into())).expect("below a u16"))
            .collect()
    }
}

fn is_subset(part: &NodeMask, whole: &NodeMask) -> bool {
    part.difference(whole).is_empty()
}

#[test]
fn any_text_is_a_list_or_a_problem() {
    let mut random = Random(1);
    let pieces: [&[u8]; 20] = [
        b"0",
        b"1",
        b"2",
        b"7",
        b"63",
        b"64",
        b"1023",
        b"1024",
        b"-",
        b"-",
        b",",
        b",",
        b"!",
        b"+",
        b"all",
        b" ",
        b"0x",
        b"x",
        b"\xff",
        b"99999999999999999999",
    ];
    for _ in 0..200_000 {
        let allowed = random.nodes(1024, 5).union(&random.nodes(8, 8));
        let configured = allowed.union(&random.nodes(1024, 3));
        let mut text = Vec::new();
        for _ in 0..random.below(8) {
            match random.below(6) {
                0 => text.push(random.next().to_le_bytes()[0]),
                _ => text.extend_from_slice(random.pick(&pieces)),
            }
        }
        match nodestring::parse(&text, &allowed, &configured) {
            Ok(nodes) if text.first() == Some(&b'!') => assert!(is_subset(&nodes, &configured)),
            Ok(nodes) => assert!(is_subset(&nodes, &allowed), "{text:?}: {nodes}"),
            Err(problem) => assert!(!problem.to_string().contains('\n') || text.contains(&b'\n')),
        }
        // Every text is something to the reader of sysfs files, too.
        if let Ok(text) = std::str::from_utf8(&text) {
            let n_nodes = sysfs::list(text).take(5000).count();
            assert!(n_nodes <= 5000);
        }
    }
}

#[test]
fn a_list_that_is_printed_is_read_again() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let nodes = random.nodes(1024, 12).union(&random.nodes(9, 9));
        let text = nodes.to_string();
        assert_eq!(
            nodestring::parse(text.as_bytes(), &nodes, &nodes),
            Ok(nodes)
        );
        let again = sysfs::list(&text).map(|node| u16::try_from(node).expect("a node"));
        assert_eq!(again.collect::<NodeMask>(), nodes);
        let inverted = format!("!{text}");
        let inverse = nodestring::parse(inverted.as_bytes(), &nodes, &nodes);
        if !nodes.is_empty() {
            assert_eq!(inverse, Ok(NodeMask::EMPTY));
        }
    }
}

/// A machine of up to nine nodes in which anything may be missing.
fn machine(random: &mut Random) -> (Machine, Attributes, NodeMask) {
    let (mut numbers, mut number) = (Vec::new(), 0);
    for _ in 0..=random.below(9) {
        numbers.push(number);
        number += random.pick(&[1, 1, 1, 2, 60]);
    }
    let mut cpu = 0;
    let nodes: Vec<Node> = numbers
        .iter()
        .map(|number| {
            let n_cpus = random.pick(&[0, 0, 1, 2]);
            let cpus = (cpu..cpu + n_cpus).collect();
            cpu += n_cpus;
            let n_offline = random.pick(&[0, 0, 1]);
            let offline = (cpu..cpu + n_offline).collect();
            cpu += n_offline + random.pick(&[0, 0, 5]);
            Node {
                number: *number,
                cpus,
                offline,
                capacity: random.pick(&[0, 1000, 1000, 2000]),
                distances: numbers
                    .iter()
                    .take(random.pick(&[0, 100, 100, 100]))
                    .map(|_| random.pick(&[10, 13, 13, 21]))
                    .collect(),
            }
        })
        .collect();
    let with_memory: NodeMask = nodes
        .iter()
        .filter(|node| node.capacity > 0)
        .map(|node| node.number)
        .collect();
    let left_out = random.pick(&numbers);
    let mut allowed = with_memory;
    if random.below(3) == 0 {
        allowed.remove(left_out);
    }
    let initiators = nodes
        .iter()
        .filter(|_| random.below(12) != 0)
        .map(|node| node.number)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|number| Initiator {
            node: number,
            has_cpus: random.below(10) != 0,
            targets: numbers
                .iter()
                .map(|target| Target {
                    node: *target,
                    bandwidth: random.pick(&[None, Some(100), Some(204_800), Some(819_200)]),
                    latency: random.pick(&[None, Some(100), Some(120)]),
                    local: *target == number || random.below(2) == 0,
                })
                .collect(),
        })
        .collect();
    let dax = random.nodes(number + 1, 3);
    let knights = random.below(6) == 0;
    let machine = Machine {
        nodes,
        allowed,
        knights,
    };
    (machine, Attributes { initiators }, dax)
}

#[test]
fn a_choice_is_of_allowed_nodes_and_what_it_says_it_is() {
    let mut random = Random(3);
    let kinds = [
        Nodes::WithCpus,
        Nodes::HighBandwidth,
        Nodes::DaxKmem,
        Nodes::MostCapacity,
        Nodes::Best(Attribute::Capacity),
        Nodes::Best(Attribute::Latency),
        Nodes::Best(Attribute::Bandwidth),
    ];
    let values = [
        "", "0", "0-1", "all", "!0", "x", "1-9", "204800", "819201", "-1",
    ];
    let values = values.map(|value| CString::new(value).expect("no NUL"));
    let (mut n_chosen, mut n_refused) = (0, 0);
    for _ in 0..30_000 {
        let (machine, attributes, dax) = machine(&mut random);
        let facts = Facts {
            machine: &machine,
            attributes: &|| Ok(&attributes),
            dax_kmem: &|| dax,
            prefers_many: &|| true,
        };
        let mut value = || match random.below(3) {
            0 => Some(values[random.below(values.len())].as_c_str()),
            _ => None,
        };
        let settings = Settings {
            hbw_nodes: value(),
            hbw_threshold: value(),
            dax_kmem_nodes: value(),
            preferred_ties: None,
        };
        let nodes = random.pick(&kinds);
        let ask = |reach, take| {
            let mut n_notes = 0;
            let choice = Choice::new(nodes, reach, take);
            let answer = select(&facts, &settings, choice, &mut |note| {
                n_notes += note.to_string().len().min(1);
            });
            // Nothing is decided by chance.
            let again = select(&facts, &settings, choice, &mut |_| ());
            assert_eq!(answer, again);
            answer
        };
        for reach in [Reach::Local, Reach::All] {
            let (many, one) = (ask(reach, Take::Many), ask(reach, Take::One));
            let Ok(targets) = &many else {
                assert!(one.is_err(), "one where many fails: {one:?}");
                n_refused += 1;
                continue;
            };
            n_chosen += 1;
            // Who allows ties gets what there is.
            let settings_with_ties = Settings {
                preferred_ties: Some(c"many"),
                ..settings
            };
            let choice = Choice::new(nodes, reach, Take::One);
            let tied = select(&facts, &settings_with_ties, choice, &mut |_| ());
            assert_eq!(tied, many);
            let allowed = match (nodes, settings.hbw_nodes, settings.dax_kmem_nodes) {
                // "!0" counts the nodes that exist, of which the kernel takes the allowed ones.
                (Nodes::HighBandwidth, Some(_), _) | (Nodes::DaxKmem, _, Some(_)) => {
                    machine.online()
                }
                _ => machine.allowed,
            };
            assert!(targets.n_places() >= 1);
            let mut union = NodeMask::EMPTY;
            for place in 0..targets.n_places() {
                union = union.union(targets.of_place(place));
                // A home is of use for several nodes only, and is a node with CPUs.
                if let Some(home) = targets.home(place) {
                    assert!(targets.n_places() > 1 && targets.of_place(place).count() > 1);
                    assert!(machine.with_cpus().contains(home));
                }
            }
            assert_eq!(union, targets.all());
            assert!(is_subset(&union, &allowed), "{union} of {allowed}");
            for cpu in machine.nodes.iter().flat_map(|node| &node.cpus) {
                assert!(targets.place_of_cpu(*cpu) < targets.n_places());
                if let Ok(one) = &one {
                    assert!(one.of_cpu(*cpu).count() <= 1);
                    assert_eq!(one.of_cpu(*cpu), targets.of_cpu(*cpu));
                }
            }
        }
        // What is near is part of what there is.
        if let (Ok(near), Ok(all)) = (ask(Reach::Local, Take::Many), ask(Reach::All, Take::Many)) {
            for cpu in machine.nodes.iter().flat_map(|node| &node.cpus) {
                assert!(is_subset(near.of_cpu(*cpu), all.of_cpu(*cpu)));
            }
        }
    }
    // The machines are such that both outcomes are common.
    assert!(
        n_chosen > 10_000 && n_refused > 5_000,
        "{n_chosen} {n_refused}"
    );
}
