//! Memory of the trie's nodes: packed bytes in pages of one size class each, addressed by 32 bits. A
//! node costs its bytes rounded up to eight, freed room is reused by nodes of the same size, and what
//! is in use is counted exactly, so that a limit can be kept.
//!
//! Pages are cut from regions of mapped memory. A walk jumps from node to node all over them, so that
//! with the system's small pages most steps miss in the processor's table of pages; once there is more
//! than a region, the system is asked for huge ones.

use memmap2::MmapMut;

/// Bytes that an address counts in.
const UNIT: usize = 8;
/// Units of a page; the low half of an address.
const PAGE_UNITS: usize = 1 << 16;
/// Bits of an address that say where in its region it is: regions have 16 MiB, of which no more than
/// what is touched is taken.
const REGION_BITS: u32 = 21;
const REGION_PAGES: usize = (1 << REGION_BITS) / PAGE_UNITS;
/// No node is longer.
pub(super) const NODE_LEN_MAX: usize = 1 << 10;
const CLASSES: usize = NODE_LEN_MAX / UNIT + 1;

/// Where a node is. Zero is nowhere.
pub(super) type Id = u32;
/// A node that is not in memory.
pub(super) const NOWHERE: Id = 0;

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
    regions: Vec<MmapMut>,
    /// Length of the nodes of each page.
    sizes: Vec<u16>,
    classes: Vec<Class>,
    used: usize,
}

/// A node's region and where it begins there.
const fn place(id: Id) -> (usize, usize) {
    ((id >> REGION_BITS) as usize, (id & ((1 << REGION_BITS) - 1)) as usize * UNIT)
}

impl Arena {
    pub(super) fn new() -> Self {
        let classes = vec![Class::default(); CLASSES];
        Self { regions: Vec::new(), sizes: Vec::new(), classes, used: 0 }
    }

    /// Bytes of the nodes in memory.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Bytes of all pages, used or not.
    pub(super) const fn reserved(&self) -> usize {
        self.sizes.len() * PAGE_UNITS * UNIT
    }

    /// Keeps a node; `None` if it is too long or no address is left.
    pub(super) fn insert(&mut self, node: &[u8]) -> Option<Id> {
        let id = self.reserve(node.len())?;
        self.get_mut(id)[..node.len()].copy_from_slice(node);
        Some(id)
    }

    /// Room for a node, with whatever bytes.
    pub(super) fn reserve(&mut self, len: usize) -> Option<Id> {
        let units = len.div_ceil(UNIT).max(1);
        let id = match self.classes.get_mut(units)?.free.pop() {
            Some(id) => id,
            None => {
                if self.classes[units].left == 0 {
                    let page = self.page(units)?;
                    let class = &mut self.classes[units];
                    // Address zero is nowhere.
                    let skipped = usize::from(page == 0);
                    class.left = PAGE_UNITS / units - skipped;
                    class.next = (page << 16) + (skipped * units) as u32;
                }
                let class = &mut self.classes[units];
                let id = class.next;
                class.next = class.next.wrapping_add(units as u32);
                class.left -= 1;
                id
            }
        };
        self.used += units * UNIT;
        Some(id)
    }

    /// A page for nodes of so many units; `None` if the system has no memory or no address is left.
    fn page(&mut self, units: usize) -> Option<u32> {
        let page = u32::try_from(self.sizes.len()).ok().filter(|page| *page < 1 << 16)?;
        if self.sizes.len() == self.regions.len() * REGION_PAGES {
            self.regions.push(MmapMut::map_anon(REGION_PAGES * PAGE_UNITS * UNIT).ok()?);
            // A small state fills the pages of few classes, and would take much that it does not use.
            #[cfg(target_os = "linux")]
            if self.regions.len() > 1 {
                let asked = if self.regions.len() == 2 { 0 } else { self.regions.len() - 1 };
                for region in &self.regions[asked..] {
                    // Where the system has none, small ones do.
                    let _ = region.advise(memmap2::Advice::HugePage);
                }
            }
        }
        self.sizes.push((units * UNIT) as u16);
        Some(page)
    }

    #[inline]
    fn size(&self, id: Id) -> usize {
        usize::from(self.sizes[(id >> 16) as usize])
    }

    /// Whether a node of this length takes just the room of one that is there.
    #[inline]
    pub(super) fn fits(&self, id: Id, len: usize) -> bool {
        len.next_multiple_of(UNIT) == self.size(id)
    }

    /// Gives a node's room back.
    pub(super) fn free(&mut self, id: Id) {
        let size = self.size(id);
        self.used -= size;
        self.classes[size / UNIT].free.push(id);
    }

    /// A node's bytes, with up to seven unused ones behind.
    #[inline]
    pub(super) fn get(&self, id: Id) -> &[u8] {
        let (region, at) = place(id);
        &self.regions[region][at..at + self.size(id)]
    }

    /// Asks the processor to fetch a node that will be needed soon.
    #[inline]
    pub(super) fn prefetch(&self, id: Id) {
        prefetch(self.get(id));
    }

    /// As [`Arena::prefetch`], only what a branch begins with: all but the references.
    #[inline]
    pub(super) fn prefetch_head(&self, id: Id) {
        let node = self.get(id);
        prefetch(&node[..node.len().min(HEAD)]);
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id) -> &mut [u8] {
        let size = self.size(id);
        let (region, at) = place(id);
        &mut self.regions[region][at..at + size]
    }
}

/// Bytes that the processor fetches at once.
const CACHE_LINE: usize = 64;
/// Bytes of a full branch before its references.
const HEAD: usize = 80;

/// Asks the processor to fetch bytes that will be needed soon.
#[inline]
pub(super) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = bytes.as_ptr();
        let first = start.addr() % CACHE_LINE;
        for line in (0..first + bytes.len()).step_by(CACHE_LINE) {
            // SAFETY: a hint; it may be given any address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line).wrapping_sub(first).cast())
            };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
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
                let copy = arena.insert(&arena.get(*id).to_vec()).unwrap();
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
