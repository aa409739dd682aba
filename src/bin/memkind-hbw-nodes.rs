//! memkind-hbw-nodes: prints the nodes of high-bandwidth memory.

mod node_list;

use std::process::ExitCode;

use memkind::topology::Nodes;
use node_list::Program;

const HELP: &str = "\
Usage: memkind-hbw-nodes [-h|--help]
Prints the NUMA nodes of high-bandwidth memory, separated by commas, as the option
--membind of numactl(8) takes them. MEMKIND_HBW_NODES and MEMKIND_HBW_THRESHOLD count
as they do in a program; memkind-info tells why there are none.

Exit status: 0, 1 when there are none or nothing can be written, 2 for a wrong option and
after this help.
See also: memkind(3), hbwmalloc(3)
";

fn main() -> ExitCode {
    let program = Program {
        nodes: Nodes::HighBandwidth,
        help: HELP,
        help_status: 2,
        none_status: 1,
    };
    program.run()
}
