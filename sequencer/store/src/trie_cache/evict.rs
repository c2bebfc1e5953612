//! Lets go of what was not used for long. A sweep goes round the tries in 256 slices, by the first
//! byte of the hashed address, and drops whole subtrees that the checkpoint holds and that no block
//! touched lately; what «lately» means shrinks while that frees too little.

use alloy_primitives::B256;

use super::{
    Head,
    arena::{Arena, Id, NOWHERE},
    node::{self, BRANCH, EXTENSION, LEAF},
};

/// Blocks without use after which a subtree may go, at first.
const IDLE_BLOCKS: u32 = 1 << 12;
const SLICES: u32 = 256;

/// Where the sweep is.
#[derive(Debug)]
pub(super) struct Evictor {
    slice: u8,
    idle: u32,
}

impl Default for Evictor {
    fn default() -> Self {
        Self { slice: 0, idle: IDLE_BLOCKS }
    }
}

/// What may go: last touched before one block, made no later than another.
#[derive(Clone, Copy)]
struct Bounds {
    touched_before: u32,
    born_max: u32,
}

impl Bounds {
    const fn admit(self, born: u32, touched: u32) -> bool {
        touched < self.touched_before && born <= self.born_max
    }
}

impl Evictor {
    /// Sweeps until a sixteenth of the limit is free or nothing more may go.
    pub(super) fn run(
        &mut self,
        arena: &mut Arena,
        head: &mut Head,
        limit: usize,
        checkpoint: u64,
    ) {
        let goal = limit - limit / 16;
        let now = head.number as u32;
        loop {
            for swept in 1..=SLICES {
                let bounds = Bounds {
                    touched_before: match self.idle {
                        0 => u32::MAX,
                        idle => now.saturating_sub(idle) + 1,
                    },
                    born_max: u32::try_from(checkpoint).unwrap_or(u32::MAX),
                };
                sweep_slice(arena, head, self.slice, bounds);
                self.slice = self.slice.wrapping_add(1);
                if arena.used() <= goal {
                    if swept < SLICES / 4 {
                        self.idle = (self.idle.max(1) * 2).min(IDLE_BLOCKS);
                    }
                    return;
                }
            }
            if self.idle == 0 {
                return;
            }
            self.idle /= 2;
        }
    }
}

fn sweep_slice(arena: &mut Arena, head: &mut Head, slice: u8, bounds: Bounds) {
    if head.accounts.id != NOWHERE {
        let root = head.accounts.id;
        if slice == 0 && may_go(arena, root, bounds) {
            drop_subtree(arena, root);
            head.accounts.id = NOWHERE;
        } else {
            sweep(arena, root, &[slice >> 4, slice & 15], bounds);
        }
    }
    let (mut first, mut last) = (B256::ZERO, B256::repeat_byte(0xff));
    (first.0[0], last.0[0]) = (slice, slice);
    let mut gone = Vec::new();
    for (hashed, storage) in head.storages.range(first..=last) {
        if bounds.admit(storage.age.born, storage.age.touched) {
            if storage.root.id != NOWHERE {
                drop_subtree(arena, storage.root.id);
            }
            gone.push(*hashed);
        } else if storage.root.id != NOWHERE {
            sweep(arena, storage.root.id, &[], bounds);
        }
    }
    // The root of a trie that may go is in the account's leaf.
    gone.iter().for_each(|hashed| _ = head.storages.remove(hashed));
}

/// Leaves go with the branch that holds them: their age is the branch's.
fn may_go(arena: &Arena, id: Id, bounds: Bounds) -> bool {
    let node = arena.get(id);
    node::kind(node) != LEAF && bounds.admit(node::born(node), node::touched(node))
}

/// Drops what may go below a node; of its children only those on `path`, as far as it leads.
fn sweep(arena: &mut Arena, id: Id, path: &[u8], bounds: Bounds) {
    let is_branch = node::kind(arena.get(id)) == BRANCH;
    // An extension stands for all slices that would pass through it.
    if node::kind(arena.get(id)) == EXTENSION && path.iter().any(|nibble| *nibble != 0) {
        return;
    }
    let below = if is_branch { path.get(1..).unwrap_or_default() } else { &[] };
    for (at, child) in node::loaded_children(arena, id) {
        if is_branch && path.first().is_some_and(|nibble| usize::from(*nibble) != at) {
            continue;
        }
        if may_go(arena, child, bounds) {
            drop_subtree(arena, child);
            node::set_child_id(arena.get_mut(id), at, NOWHERE);
        } else {
            sweep(arena, child, below, bounds);
        }
    }
}

pub(super) fn drop_subtree(arena: &mut Arena, id: Id) {
    for (_, child) in node::loaded_children(arena, id) {
        drop_subtree(arena, child);
    }
    arena.free(id);
}
