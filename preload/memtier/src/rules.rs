//! What is told of settings that are rejected: the rule that they break, and an example.

use crate::log::Fault;

pub(crate) const TIERS_EXAMPLE: &str =
    "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/tmp,RATIO:4;POLICY:STATIC_RATIO\"";
pub(crate) const THRESHOLDS_EXAMPLE: &str =
    "MEMKIND_MEM_THRESHOLDS=\"INIT_VAL:64,MIN_VAL:1,MAX_VAL:10000\"";
pub(crate) const DYNAMIC_EXAMPLE: &str = "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/tmp,RATIO:4;POLICY:DYNAMIC_THRESHOLD\"";
pub(crate) const NODE_EXAMPLE: &str =
    "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:NODE:0,RATIO:4;POLICY:STATIC_RATIO\"";

pub(crate) const KIND_RULE: &str =
    "KIND is DRAM, KMEM_DAX, FS_DAX, HBW, NODE: and nodes, or a kind of memkind(3) in lower case";
pub(crate) const RATIO_RULE: &str = "RATIO is a number from 1 to 4294967295, once in each tier";
pub(crate) const PATH_RULE: &str =
    "PATH is an existing directory, needed with KIND:FS_DAX and only there";
pub(crate) const WRITABLE_RULE: &str = "no file can be made in this directory; it must be writable for the program, on a file system that is";
pub(crate) const LIMIT_RULE: &str = "PMEM_SIZE_LIMIT is 0 for no limit or at least 16M, a number with K, M, G or nothing after it, only with KIND:FS_DAX";
pub(crate) const POLICY_RULE: &str =
    "the last part, with no ';' after it, is POLICY:STATIC_RATIO or POLICY:DYNAMIC_THRESHOLD";
pub(crate) const EMPTY_RULE: &str = "a part of it is empty: there is one ';' between two parts, none before the first and none after the last, which is POLICY";
pub(crate) const KEY_RULE: &str = "a tier is made of KIND, RATIO, PATH and PMEM_SIZE_LIMIT, each at most once with ':' and a value, and of no blanks";
pub(crate) const THRESHOLD_RULE: &str = "a threshold is made of INIT_VAL, MIN_VAL and MAX_VAL, each at most once with ':' and a number, which K, M or G may follow";

/// The fault of a part of MEMKIND_MEM_TIERS that breaks a rule.
pub(crate) const fn tiers_fault<'a>(part: &'a [u8], rule: &'a str) -> Fault<'a> {
    Fault {
        part,
        rule,
        example: TIERS_EXAMPLE,
    }
}

/// The fault of a part of MEMKIND_MEM_THRESHOLDS that breaks a rule.
pub(crate) const fn thresholds_fault<'a>(part: &'a [u8], rule: &'a str) -> Fault<'a> {
    Fault {
        part,
        rule,
        example: THRESHOLDS_EXAMPLE,
    }
}
