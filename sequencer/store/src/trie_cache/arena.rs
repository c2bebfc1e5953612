//! Memory of the trie's nodes: packed bytes in pages of one size class each, addressed by 32 bits. A
//! node costs its bytes rounded up to eight, freed room is reused by nodes of the same size, and what
//! is in use is counted exactly, so that a limit can be kept.

/// Bytes that an address counts in.
const UNIT: usize = 8;
/// Units of a page; the low half of an address.
const PAGE_UNITS: usize = 1 << 16;
/// No node is longer.
pub(super) const NODE_LEN_MAX: usize = 1 << 10;
const CLASSES: usize = NODE_LEN_MAX / UNIT + 1;

/// Where a node is. Zero is nowhere.
pub(super) type Id = u32;
/// A node that is not in memory.
pub(super) const NOWHERE: Id = 0;

struct Page {
    bytes: Box<[u8]>,
    /// Length of its nodes.
    size: usize,
}

/// Room of one size.
#[derive(Clone, Default)]
struct Class {
    free: Vec<Id>,
    /// Next unused address of the newest page, and how many nodes still fit there.
    next: Id,
    left: usize,
}

/// Nodes as packed bytes.
pub(super) struct Arena {
    pages: Vec<Page>,
    classes: Vec<Class>,
    used: usize,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new(), classes: vec![Class::default(); CLASSES], used: 0 }
    }

    /// Bytes of the nodes in memory.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Bytes of all pages, used or not.
    pub(super) const fn reserved(&self) -> usize {
        self.pages.len() * PAGE_UNITS * UNIT
    }

    /// Keeps a node; `None` if it is too long or no address is left.
    pub(super) fn insert(&mut self, node: &[u8]) -> Option<Id> {
        let id = self.reserve(node.len())?;
        self.get_mut(id)[..node.len()].copy_from_slice(node);
        Some(id)
    }

    /// Another node with the same bytes.
    pub(super) fn copy(&mut self, from: Id) -> Option<Id> {
        let to = self.reserve(self.pages[(from >> 16) as usize].size)?;
        let [from_page, to_page] = [from, to].map(|id| (id >> 16) as usize);
        let [from_at, to_at] = [from, to].map(|id| (id & 0xffff) as usize * UNIT);
        let size = self.pages[to_page].size;
        if from_page == to_page {
            self.pages[to_page].bytes.copy_within(from_at..from_at + size, to_at);
        } else if let Ok([from, to]) = self.pages.get_disjoint_mut([from_page, to_page]) {
            to.bytes[to_at..to_at + size].copy_from_slice(&from.bytes[from_at..from_at + size]);
        }
        Some(to)
    }

    /// Room for a node, with whatever bytes.
    pub(super) fn reserve(&mut self, len: usize) -> Option<Id> {
        let units = len.div_ceil(UNIT).max(1);
        let class = self.classes.get_mut(units)?;
        let id = match class.free.pop() {
            Some(id) => id,
            None => {
                if class.left == 0 {
                    let page =
                        u32::try_from(self.pages.len()).ok().filter(|page| *page < 1 << 16)?;
                    let bytes = vec![0; PAGE_UNITS * UNIT].into_boxed_slice();
                    self.pages.push(Page { bytes, size: units * UNIT });
                    // Address zero is nowhere.
                    let skipped = usize::from(page == 0);
                    class.left = PAGE_UNITS / units - skipped;
                    class.next = (page << 16) + (skipped * units) as u32;
                }
                let id = class.next;
                class.next = class.next.wrapping_add(units as u32);
                class.left -= 1;
                id
            }
        };
        self.used += units * UNIT;
        Some(id)
    }

    /// Gives a node's room back.
    pub(super) fn free(&mut self, id: Id) {
        let size = self.pages[(id >> 16) as usize].size;
        self.used -= size;
        self.classes[size / UNIT].free.push(id);
    }

    /// A node's bytes, with up to seven unused ones behind.
    #[inline]
    pub(super) fn get(&self, id: Id) -> &[u8] {
        let page = &self.pages[(id >> 16) as usize];
        let at = (id & 0xffff) as usize * UNIT;
        &page.bytes[at..at + page.size]
    }

    /// Asks the processor to fetch a node that will be needed soon.
    #[inline]
    pub(super) fn prefetch(&self, id: Id) {
        #[cfg(target_arch = "x86_64")]
        for line in self.get(id).chunks(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint; it may be given any address, and this one is valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = id;
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id) -> &mut [u8] {
        let page = &mut self.pages[(id >> 16) as usize];
        let at = (id & 0xffff) as usize * UNIT;
        &mut page.bytes[at..at + page.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_keep_their_bytes_while_others_come_and_go() {
        let mut arena = Arena::new();
        let node = |i: usize| vec![i as u8; 1 + i * 37 % 600];
        let mut kept = Vec::new();
        for round in 0..4 {
            for i in 0..3_000 {
                kept.push((i + round, arena.insert(&node(i + round)).unwrap()));
            }
            for (_, id) in kept.iter_mut().step_by(3) {
                let copy = arena.copy(*id).unwrap();
                arena.get_mut(*id).fill(0xee);
                arena.free(*id);
                *id = copy;
            }
            for (i, id) in kept.iter().step_by(2) {
                assert_eq!(&arena.get(*id)[..node(*i).len()], node(*i));
                arena.free(*id);
            }
            kept = kept.into_iter().skip(1).step_by(2).collect();
            assert!(
                kept.iter().all(|(i, id)| *id != NOWHERE && arena.get(*id).starts_with(&node(*i)))
            );
        }
        let bytes = kept.iter().map(|(i, _)| node(*i).len().div_ceil(UNIT) * UNIT).sum::<usize>();
        assert_eq!(arena.used(), bytes);
        assert!(arena.used() <= arena.reserved());
        assert_eq!(arena.insert(&[0; NODE_LEN_MAX + 1]), None);
    }
}
