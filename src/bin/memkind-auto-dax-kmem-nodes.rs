//! memkind-auto-dax-kmem-nodes: prints the nodes of persistent memory in use as RAM.

mod node_list;

use std::process::ExitCode;

use memkind::topology::Nodes;
use node_list::Program;

const HELP: &str = "\
Usage: memkind-auto-dax-kmem-nodes [-h|--help]
Prints the NUMA nodes of persistent memory that the kernel uses as RAM (DAX devices with
the driver kmem), separated by commas, as the option --membind of numactl(8) takes them.
MEMKIND_DAX_KMEM_NODES counts as it does in a program.

Exit status: 0, 1 when nothing can be written, 2 for a wrong option, 3 when there are none.
See also: memkind(3)
";

fn main() -> ExitCode {
    let program = Program {
        nodes: Nodes::DaxKmem,
        help: HELP,
        help_status: 0,
        none_status: 3,
    };
    program.run()
}
