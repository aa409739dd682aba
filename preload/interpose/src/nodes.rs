//! Kinds on nodes that a setting names: `NODE:list` or `NODE:list:POLICY`.
//!
//! The list is that of memkind_create_nodes() with `/` in place of `,`, which stands
//! between the parts of settings.

use core::ffi::c_int;
use core::ptr;

use crate::c::Kind;
use crate::c::memkind::memkind_create_nodes;

/// The form of such a setting, for messages.
pub const RULE: &str = "after NODE: come nodes as numa(3) lists them, with '/' in place of ',', and then nothing, :BIND, :PREFERRED or :INTERLEAVE";

/// The reason for having no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The setting is malformed.
    Malformed,
    /// A node does not exist, or is not for this process.
    NoSuchNode,
    /// No such kind can be made on this machine.
    Impossible,
}

impl Refused {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => RULE,
            Self::NoSuchNode => {
                "a node does not exist, has no memory or is not allowed for this process"
            }
            Self::Impossible => {
                "the kernel cannot bind memory to nodes here, or there are too many kinds"
            }
        }
    }
}

const LONGEST: usize = 255;
/// MEMKIND_NODES_BIND and so on, in the order of the C enum.
const POLICIES: [&[u8]; 3] = [b"BIND", b"PREFERRED", b"INTERLEAVE"];
const INVALID: c_int = -13;
const MEMTYPE_NOT_AVAILABLE: c_int = -20;

/// The list of a setting as a string of C's, and the number of the policy.
fn parse(text: &[u8]) -> Option<([u8; LONGEST + 1], c_int)> {
    let mut parts = text.splitn(2, |byte| *byte == b':');
    let list = parts.next()?;
    let policy = match parts.next() {
        None => 0,
        Some(name) => POLICIES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?,
    };
    let mut string = [0; LONGEST + 1];
    if list.len() > LONGEST {
        return None;
    }
    for (to, from) in string.iter_mut().zip(list) {
        *to = if *from == b'/' { b',' } else { *from };
    }
    Some((string, c_int::try_from(policy).ok()?))
}

/// The text after `NODE:`, in upper or lower case; `None` if the setting does not begin so.
pub fn list(setting: &[u8]) -> Option<&[u8]> {
    let (prefix, list) = setting.split_at_checked(b"NODE:".len())?;
    prefix.eq_ignore_ascii_case(b"NODE:").then_some(list)
}

/// Makes a kind for the text after `NODE:`.
///
/// # Errors
/// The reason for having no kind.
pub fn kind(text: &[u8]) -> Result<Kind, Refused> {
    let (nodes, policy) = parse(text).ok_or(Refused::Malformed)?;
    let mut kind = ptr::null_mut();
    // SAFETY: the list ends with a zero, and the kind is writable.
    match unsafe { memkind_create_nodes(nodes.as_ptr().cast(), policy, &raw mut kind) } {
        0 => Ok(kind),
        INVALID => Err(Refused::Malformed),
        MEMTYPE_NOT_AVAILABLE => Err(Refused::NoSuchNode),
        _ => Err(Refused::Impossible),
    }
}
