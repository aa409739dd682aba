//! What the library reads of this machine's memory, from sysfs, against what libhwloc says.

use hwloc2::Topology;
use memkind::topology::machine;

#[test]
fn nodes_are_those_of_hwloc() {
    // A fixture in the environment would be another machine than the one in sysfs.
    if std::env::var_os("HWLOC_XMLFILE").is_some() {
        return;
    }
    let hwloc = Topology::new().expect("libhwloc reads this machine");
    let root = hwloc.object_at_root();
    let machine = machine().expect("sysfs is there");
    let ours: u64 = machine.nodes.iter().map(|node| node.capacity).sum();
    assert_eq!(ours, root.total_memory());
    let nodes: Vec<u32> = machine
        .nodes
        .iter()
        .map(|node| node.number.into())
        .collect();
    let theirs = root.nodeset().expect("a machine has nodes");
    assert!(nodes.iter().all(|node| theirs.is_set(*node)));
    assert!(!nodes.is_empty());
}
