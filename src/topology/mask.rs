//! A set of NUMA nodes, as wide as the kernel's (1024).
//!
//! Plain bits: knows nothing of the machine, allocates nothing.
#![forbid(unsafe_code)]

use core::fmt;

/// Number of nodes that a mask can hold; Linux supports no more (`MAX_NUMNODES`).
pub const N_NODES: usize = 1024;
const WORD_BITS: usize = 64;
const N_WORDS: usize = N_NODES / WORD_BITS;

/// A set of node numbers from 0 to 1023.
///
/// Displayed as numa(3) and sysfs write lists: `0-2,5`; the empty set is the empty string.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeMask {
    words: [u64; N_WORDS],
}

impl NodeMask {
    /// The set of no nodes.
    pub const EMPTY: Self = Self {
        words: [0; N_WORDS],
    };

    /// The set of one node; empty when `node` is 1024 or more.
    pub const fn single(node: u16) -> Self {
        let mut mask = Self::EMPTY;
        if (node as usize) < N_NODES {
            mask.words[node as usize / WORD_BITS] = 1 << (node as usize % WORD_BITS);
        }
        mask
    }

    /// Adds a node; a number of 1024 or more is ignored.
    pub const fn insert(&mut self, node: u16) {
        if (node as usize) < N_NODES {
            self.words[node as usize / WORD_BITS] |= 1 << (node as usize % WORD_BITS);
        }
    }

    /// Removes a node.
    pub const fn remove(&mut self, node: u16) {
        if (node as usize) < N_NODES {
            self.words[node as usize / WORD_BITS] &= !(1 << (node as usize % WORD_BITS));
        }
    }

    /// Whether the node is in the set.
    pub const fn contains(&self, node: u16) -> bool {
        (node as usize) < N_NODES
            && self.words[node as usize / WORD_BITS] >> (node as usize % WORD_BITS) & 1 == 1
    }

    /// Number of nodes in the set.
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether the set has no node.
    pub fn is_empty(&self) -> bool {
        self.words == [0; N_WORDS]
    }

    /// The nodes in ascending order.
    pub fn iter(&self) -> Iter {
        Iter {
            rest: *self,
            word: 0,
        }
    }

    /// The nodes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// The nodes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// The nodes that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// The bits as mbind(2) wants them on a 64-bit machine: bit `n % 64` of word
    /// `n / 64` is node `n`. Its `maxnode` is [`N_NODES`] + 1, since the kernel
    /// reads one bit less than told.
    pub const fn as_words(&self) -> &[u64; N_WORDS] {
        &self.words
    }

    /// The set whose bits are given as [`NodeMask::as_words`] gives them.
    pub const fn from_words(words: [u64; N_WORDS]) -> Self {
        Self { words }
    }

    fn zip(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = *self;
        for (word, with) in result.words.iter_mut().zip(other.words) {
            *word = combine(*word, with);
        }
        result
    }
}

/// The nodes of a mask in ascending order; made by [`NodeMask::iter`].
#[derive(Clone, Debug)]
pub struct Iter {
    rest: NodeMask,
    word: usize,
}

impl Iterator for Iter {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while let Some(bits) = self.rest.words.get_mut(self.word) {
            if *bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                return u16::try_from(self.word * WORD_BITS + bit).ok();
            }
            self.word += 1;
        }
        None
    }
}

impl IntoIterator for &NodeMask {
    type Item = u16;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

impl FromIterator<u16> for NodeMask {
    fn from_iter<I: IntoIterator<Item = u16>>(nodes: I) -> Self {
        let mut mask = Self::EMPTY;
        for node in nodes {
            mask.insert(node);
        }
        mask
    }
}

impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = nodes.next() {
            let mut last = first;
            while nodes.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::{N_NODES, NodeMask};

    fn mask(nodes: &[u16]) -> NodeMask {
        nodes.iter().copied().collect()
    }

    #[test]
    fn nodes_go_in_and_out() {
        let mut set = NodeMask::EMPTY;
        assert!(set.is_empty());
        for node in [0, 63, 64, 1023] {
            set.insert(node);
            assert!(set.contains(node));
        }
        assert_eq!(set.count(), 4);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 1023]);
        set.remove(64);
        assert!(!set.contains(64));
        assert_eq!(set, mask(&[0, 63, 1023]));
    }

    #[test]
    fn numbers_out_of_range_are_never_members() {
        let mut set = NodeMask::single(1024);
        set.insert(u16::MAX);
        set.remove(u16::MAX);
        assert!(set.is_empty());
        assert!(!set.contains(u16::MAX));
        assert_eq!(NodeMask::from_words([u64::MAX; 16]).count(), N_NODES);
        assert_eq!(
            NodeMask::from_words([u64::MAX; 16]).iter().last(),
            Some(1023)
        );
    }

    #[test]
    fn sets_combine() {
        let (a, b) = (mask(&[0, 1, 100]), mask(&[1, 100, 101]));
        assert_eq!(a.union(&b), mask(&[0, 1, 100, 101]));
        assert_eq!(a.intersection(&b), mask(&[1, 100]));
        assert_eq!(a.difference(&b), mask(&[0]));
        assert_eq!(NodeMask::single(70).as_words()[1], 1 << 6);
    }

    #[test]
    fn text_is_a_node_list() {
        for (nodes, text) in [
            (&[][..], ""),
            (&[7], "7"),
            (&[0, 1, 2, 5], "0-2,5"),
            (&[63, 64], "63-64"),
            (&[1, 3, 1022, 1023], "1,3,1022-1023"),
        ] {
            assert_eq!(mask(nodes).to_string(), text);
        }
    }
}
