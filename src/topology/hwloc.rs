//! Reads libhwloc's memory attributes and locality into plain tables.
//!
//! The library's topology is loaded, read and destroyed at once: it is large, and
//! nothing of it is needed afterwards. libhwloc allocates with libc's malloc, so a
//! preloaded malloc may come back into this library meanwhile; `super` guards that.
//! Environment variables of hwloc (HWLOC_XMLFILE, ...) apply.

use core::ffi::{c_int, c_uint};
use core::ptr;

use super::hwloc_sys::{
    self as sys, COMPONENT_UNUSED, DEPTH_NUMANODE, FLAG_INCLUDE_DISALLOWED, Functions,
    LOCATION_CPUSET, Location, MEMATTR_BANDWIDTH, MEMATTR_LATENCY, Object,
};
use super::nodes::{Attributes, Initiator, Target};
use crate::error::Error;
use crate::log::error;

/// A topology that is destroyed when it goes out of scope.
struct Topology {
    hwloc: &'static Functions,
    handle: *mut sys::Topology,
}

impl Drop for Topology {
    fn drop(&mut self) {
        // SAFETY: the pointer comes from hwloc_topology_init and is destroyed once;
        // nothing that was read from it is kept.
        unsafe { (self.hwloc.topology_destroy)(self.handle) };
    }
}

/// A NUMA node of a loaded topology.
struct Numa {
    object: *mut Object,
    node: u16,
    location: Location,
}

/// Opens libhwloc unless it is open. [`read`] does not: it runs under a lock.
pub(super) fn prepare() {
    sys::open();
}

/// Loads a topology and reads bandwidth, latency and locality of every pair of nodes.
///
/// # Errors
/// [`Error::Unavailable`] when libhwloc is not there, or cannot load the topology.
pub(super) fn read() -> Result<Attributes, Error> {
    let topology = load()?;
    let nodes = topology.numa_nodes();
    let initiators = nodes
        .iter()
        .map(|initiator| topology.view_from(initiator, &nodes))
        .collect();
    Ok(Attributes { initiators })
}

fn load() -> Result<Topology, Error> {
    let Some(hwloc) = sys::opened() else {
        error!("libhwloc.so.15 cannot be loaded; it tells bandwidth and latency of memory");
        return Err(Error::Unavailable);
    };
    let mut pointer = ptr::null_mut();
    // SAFETY: hwloc_topology_init writes a pointer to a new topology when it returns 0.
    if unsafe { (hwloc.topology_init)(&raw mut pointer) } != 0 {
        error!("hwloc initialize failed");
        return Err(Error::Unavailable);
    }
    let topology = Topology {
        hwloc,
        handle: pointer,
    };
    // A node that the cpuset takes away still has CPUs, which are near to other nodes.
    // SAFETY: the topology is initialised and not loaded yet.
    unsafe { (hwloc.topology_set_flags)(topology.handle, FLAG_INCLUDE_DISALLOWED) };
    // hwloc does without its component x86, which would move the calling thread to every CPU in turn for facts of
    // processors that the system's files lack, none of them of memory; hwloc 2.9 loops for ever where it may
    // not ask for the thread's CPUs. On other processors there is no such component, and the error does not
    // matter.
    // SAFETY: the topology is initialised and not loaded yet; the name is a string.
    unsafe { (hwloc.topology_set_components)(topology.handle, COMPONENT_UNUSED, c"x86".as_ptr()) };
    // SAFETY: the topology is initialised and not loaded yet.
    if unsafe { (hwloc.topology_load)(topology.handle) } != 0 {
        error!("hwloc topology load failed");
        return Err(Error::Unavailable);
    }
    Ok(topology)
}

impl Topology {
    fn numa_nodes(&self) -> Vec<Numa> {
        let object_at = |index: c_uint| {
            // SAFETY: the topology is loaded; an index past the end gives NULL.
            unsafe { (self.hwloc.get_obj_by_depth)(self.handle, DEPTH_NUMANODE, index) }
        };
        let numa = |object: *mut Object| {
            // SAFETY: a non-NULL object of a loaded topology is valid as long as the topology is,
            // and does not change; `Object` has the layout of its head.
            let head = unsafe { &*object };
            let node = u16::try_from(head.os_index).ok()?;
            let location = Location {
                kind: LOCATION_CPUSET,
                cpuset: head.cpuset,
            };
            Some(Numa {
                object,
                node,
                location,
            })
        };
        (0..)
            .map(object_at)
            .take_while(|object| !object.is_null())
            .filter_map(numa)
            .collect()
    }

    fn view_from(&self, initiator: &Numa, nodes: &[Numa]) -> Initiator {
        // SAFETY: NUMA nodes of a loaded topology have a CPU set that is not NULL, as has
        // the topology; they live as long as it does.
        let has_cpus = unsafe {
            let allowed = (self.hwloc.topology_get_allowed_cpuset)(self.handle);
            (self.hwloc.bitmap_intersects)(initiator.location.cpuset, allowed) != 0
        };
        let locals = self.locals(initiator, nodes.len());
        let target = |target: &Numa| Target {
            node: target.node,
            bandwidth: self.attribute(MEMATTR_BANDWIDTH, target, initiator),
            latency: self.attribute(MEMATTR_LATENCY, target, initiator),
            local: locals.contains(&target.object),
        };
        Initiator {
            node: initiator.node,
            has_cpus,
            targets: nodes.iter().map(target).collect(),
        }
    }

    /// The nodes that belong to exactly the CPUs of the initiator.
    fn locals(&self, initiator: &Numa, n_nodes: usize) -> Vec<*mut Object> {
        let mut objects = vec![ptr::null_mut(); n_nodes];
        let Ok(mut n_objects) = c_uint::try_from(n_nodes) else {
            return Vec::new();
        };
        // SAFETY: the location is a CPU set of this topology; `objects` has room for
        // `n_objects` pointers, and hwloc writes no more.
        let status: c_int = unsafe {
            (self.hwloc.get_local_numanode_objs)(
                self.handle,
                &raw const initiator.location,
                &raw mut n_objects,
                objects.as_mut_ptr(),
                0,
            )
        };
        objects.truncate(if status == 0 { n_objects as usize } else { 0 });
        objects
    }

    fn attribute(&self, attribute: c_uint, target: &Numa, initiator: &Numa) -> Option<u64> {
        let mut value = 0;
        // SAFETY: target and location belong to this loaded topology; `value` is
        // written only when the call returns 0.
        let status = unsafe {
            (self.hwloc.memattr_get_value)(
                self.handle,
                attribute,
                target.object,
                &raw const initiator.location,
                0,
                &raw mut value,
            )
        };
        (status == 0).then_some(value)
    }
}
