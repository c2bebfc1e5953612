//! Changes a trie by all of a block's changes at once. Each touched node is visited once: a branch that
//! keeps its children's places is changed where it lies, and what it referred to is noted, so that the
//! trie before the block can be put back; so is a leaf whose new value takes the same room, and every
//! other node is written anew. Nothing is hashed yet.

use std::ops::Range;

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use stf::{
    Account,
    trie::{NodePlace, NodeReader, TrieError, TrieId},
};

use super::{
    arena::{self, Arena, Id, NOWHERE},
    node::{self, Age, BRANCH, BRANCH_LEN_MAX, Birth, Child, LEAF, Reference, nibble},
};

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Remove,
    /// The storage root stays as it was if it is not given.
    Account {
        account: Account,
        storage_root: Option<B256>,
    },
    Slot(alloy_primitives::U256),
}

pub(super) type Item = (B256, Change);

/// A position whose node may have changed: whether a node was stored there, and after hashing
/// where the new one lies.
pub(super) struct Entry {
    pub(super) position: Nibbles,
    pub(super) existed: bool,
    pub(super) node: Option<Range<usize>>,
}

/// A new node that is not hashed yet.
pub(super) struct Unhashed {
    pub(super) id: Id,
    pub(super) depth: usize,
    /// Which trie, and which of its entries.
    pub(super) trie: usize,
    pub(super) entry: usize,
    /// Once it is hashed.
    pub(super) reference: Reference,
}

/// What a block did to the arena.
#[derive(Default)]
pub(super) struct Draft {
    /// Nodes of the state after it alone.
    pub(super) made: Vec<Id>,
    /// Nodes of the state before it alone.
    pub(super) replaced: Vec<Id>,
    /// Children that branches of both states had before, oldest first.
    pub(super) edits: Vec<Edit>,
    /// Leaves that were changed where they lie, oldest first.
    pub(super) leaves: Vec<Id>,
    /// What these leaves were before, one behind the other.
    pub(super) leaf_bytes: Vec<u8>,
    /// Nodes that were read below those of the block's part, and belong to it.
    pub(super) loaded: Vec<Id>,
    pub(super) unhashed: Vec<Unhashed>,
}

/// A child that a branch had before a block changed it where it lies.
pub(super) struct Edit {
    id: Id,
    at: u8,
    child: node::Before,
    birth: Birth,
}

/// How many edits ahead of the one that is undone the nodes are fetched into the processor's cache.
const UNDO_AHEAD: usize = 16;

impl Draft {
    /// Puts the state before it back.
    pub(super) fn undo(mut self, arena: &mut Arena) {
        for (index, Edit { id, at, child, birth }) in self.edits.iter().enumerate().rev() {
            if let Some(soon) = index.checked_sub(UNDO_AHEAD) {
                arena.prefetch_head(self.edits[soon].id);
            }
            let node = arena.get_mut(*id);
            node::put_back(node, usize::from(*at), child);
            node::set_birth(node, *birth);
        }
        for (index, id) in self.leaves.iter().enumerate().rev() {
            if let Some(soon) = index.checked_sub(UNDO_AHEAD) {
                arena.prefetch(self.leaves[soon]);
            }
            let leaf = arena.get_mut(*id);
            let start = self.leaf_bytes.len() - leaf.len();
            leaf.copy_from_slice(&self.leaf_bytes[start..]);
            self.leaf_bytes.truncate(start);
        }
        self.made.into_iter().for_each(|id| arena.free(id));
    }
}

/// A subtree after the changes. Leaves and extensions are not written before it is known where they
/// end up, since a branch that loses all children but one takes the last one in.
enum Built {
    Same,
    Empty,
    Leaf(Leaf),
    Extension(Nibbles, Child),
    Branch(Child),
}

#[derive(Clone)]
struct Leaf {
    key: B256,
    /// In the scratch buffer.
    value: Range<usize>,
}

/// One trie while it changes.
pub(super) struct Walk<'a, R> {
    pub(super) arena: &'a mut Arena,
    pub(super) reader: &'a R,
    pub(super) trie: TrieId,
    pub(super) index: usize,
    pub(super) age: Age,
    pub(super) draft: &'a mut Draft,
    pub(super) entries: Vec<Entry>,
    scratch: Scratch,
    /// Whether the nodes below here were asked for ahead.
    is_ahead: bool,
}

/// Keys whose nodes are fetched at once: enough to hide the latency of memory, few enough that what
/// was fetched stays in the cache until it is used.
const AHEAD: usize = 64;

/// Buffers that one trie leaves to the next.
#[derive(Default)]
pub(super) struct Scratch {
    values: Vec<u8>,
    leaves: Vec<Leaf>,
    /// Results for children of the branches that are being changed: nibble, subtree, its entry.
    results: Vec<(usize, Built, usize)>,
}

impl<'a, R: NodeReader> Walk<'a, R> {
    pub(super) fn new(
        arena: &'a mut Arena,
        reader: &'a R,
        (trie, index): (TrieId, usize),
        age: Age,
        draft: &'a mut Draft,
        mut scratch: Scratch,
    ) -> Self {
        scratch.values.clear();
        scratch.leaves.clear();
        scratch.results.clear();
        Self {
            arena,
            reader,
            trie,
            index,
            age,
            draft,
            entries: Vec::new(),
            scratch,
            is_ahead: false,
        }
    }

    pub(super) fn finish(self) -> (Vec<Entry>, Scratch) {
        (self.entries, self.scratch)
    }

    /// Applies sorted changes to the trie with this root, whose address is filled in when it is
    /// loaded; the new root, or `None` if nothing changed.
    pub(super) fn apply(
        &mut self,
        root: &mut Child,
        items: &[Item],
    ) -> Result<Option<Child>, TrieError> {
        let Some((first, _)) = items.first() else { return Ok(None) };
        let entry = self.entries.len();
        let built = if root.is_empty() {
            self.entry(first, 0, false);
            self.build_new(items, 0, entry)?
        } else {
            self.load(root, first, 0)?;
            self.update((root.id, true), 0, items)?
        };
        Ok(match built {
            Built::Same => None,
            // What was no trie is none again.
            Built::Empty if root.is_empty() => None,
            Built::Empty => Some(Child::EMPTY),
            built => Some(self.place(built, 0, entry)?),
        })
    }

    /// Loads the nodes on the path of a key; its leaf's value if there is one.
    pub(super) fn find(
        &mut self,
        root: &mut Child,
        key: &B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        if root.is_empty() {
            return Ok(None);
        }
        self.load(root, key, 0)?;
        let (mut id, mut depth) = (root.id, 0);
        loop {
            let now = self.age.touched;
            node::touch(self.arena.get_mut(id), now);
            let node = self.arena.get(id);
            let at = match node::kind(node) {
                LEAF => {
                    let mut value = Vec::new();
                    if node::leaf_key(node, depth, key) == *key {
                        node::leaf_value(node, &mut value);
                        return Ok(Some(value));
                    }
                    return Ok(None);
                }
                BRANCH => {
                    let at = nibble(key, depth);
                    if node::mask(node) >> at & 1 == 0 {
                        return Ok(None);
                    }
                    depth += 1;
                    at
                }
                _ => {
                    let prefix = node::extension_path(node);
                    if !node::path(key, depth, 64).starts_with(&prefix) {
                        return Ok(None);
                    }
                    depth += prefix.len();
                    0
                }
            };
            id = self.loaded_child(id, at, key, depth)?.id;
        }
    }

    /// Removes every node of the trie with this root, those too that are not in memory.
    pub(super) fn wipe(
        &mut self,
        root: &mut Child,
        key: &B256,
        depth: usize,
    ) -> Result<(), TrieError> {
        if root.is_empty() {
            return Ok(());
        }
        self.load(root, key, depth)?;
        self.entry(key, depth, root.reference.is_hash());
        let id = root.id;
        let node = self.arena.get(id);
        let (mask, below) = match node::kind(node) {
            BRANCH => (node::mask(node), depth + 1),
            LEAF => (0, depth),
            _ => (1, depth + node::extension_path(node).len()),
        };
        for at in node::bits(mask) {
            let key = child_key(self.arena.get(id), key, depth, at);
            let mut child = self.loaded_child(id, at, &key, below)?;
            self.wipe(&mut child, &key, below)?;
        }
        self.draft.replaced.push(id);
        Ok(())
    }

    /// Loads every node of the trie below a path, while less than `room` bytes are used, and collects
    /// the leaves.
    pub(super) fn load_all(
        &mut self,
        root: &mut Child,
        path: &[u8],
        room: usize,
        leaves: &mut Vec<(B256, Vec<u8>)>,
    ) -> Result<(), TrieError> {
        if root.is_empty() {
            return Ok(());
        }
        let first = path.iter().enumerate().fold(B256::ZERO, |key, (depth, nibble)| {
            node::with_nibble(key, depth, usize::from(*nibble))
        });
        self.load(root, &first, 0)?;
        self.load_below(root.id, &first, 0, path.len(), room, leaves)
    }

    /// As [`Walk::load_all`], below a node; the first `fixed` nibbles of the key must stay.
    fn load_below(
        &mut self,
        id: Id,
        key: &B256,
        depth: usize,
        fixed: usize,
        room: usize,
        leaves: &mut Vec<(B256, Vec<u8>)>,
    ) -> Result<(), TrieError> {
        let stays = |found: &B256| node::shared_nibbles(found, key) >= fixed.min(64);
        let node = self.arena.get(id);
        let (mask, below) = match node::kind(node) {
            BRANCH => (node::mask(node), depth + 1),
            LEAF => {
                let key = node::leaf_key(node, depth, key);
                if stays(&key) {
                    let mut value = Vec::new();
                    node::leaf_value(node, &mut value);
                    leaves.push((key, value));
                }
                return Ok(());
            }
            _ => (1, depth + node::extension_path(node).len()),
        };
        for at in node::bits(mask) {
            let key = child_key(self.arena.get(id), key, depth, at);
            if stays(&key) && self.arena.used() < room {
                let child = self.loaded_child(id, at, &key, below)?;
                self.load_below(child.id, &key, below, fixed, room, leaves)?;
            }
        }
        Ok(())
    }

    /// Changes the loaded subtree at `depth`, given its address and whether its parent refers to it by
    /// hash. Its entry is the next one when this is called.
    fn update(&mut self, at: (Id, bool), depth: usize, items: &[Item]) -> Result<Built, TrieError> {
        if let [item] = items
            && self.is_ahead
            && let Some(built) = self.update_one(at, depth, item)?
        {
            return Ok(built);
        }
        if self.is_ahead || items.len() > AHEAD {
            return self.update_node(at, depth, items);
        }
        self.fetch_ahead(at.0, depth, items);
        self.is_ahead = true;
        let built = self.update_node(at, depth, items);
        self.is_ahead = false;
        built
    }

    /// Follows the keys of all changes at once, one level after the other, so that their nodes come
    /// into the processor's cache side by side and not one after another. Only what the walk needs of
    /// them: the rest is fetched when they are encoded, which leaves more time for it.
    fn fetch_ahead(&self, id: Id, depth: usize, items: &[Item]) {
        let mut cursors = [(id, depth); AHEAD];
        let mut left = items.len().min(AHEAD);
        while left > 0 {
            left = 0;
            for ((id, depth), (key, _)) in cursors.iter_mut().zip(items) {
                if *id == NOWHERE {
                    continue;
                }
                let reference;
                (*id, *depth, reference) = node::step(self.arena.get(*id), key, *depth);
                arena::prefetch(reference);
                if *id != NOWHERE {
                    self.arena.prefetch_head(*id);
                    left += 1;
                }
            }
        }
    }

    fn update_node(
        &mut self,
        (id, existed): (Id, bool),
        depth: usize,
        items: &[Item],
    ) -> Result<Built, TrieError> {
        let entry = self.entries.len();
        self.entry(&items[0].0, depth, existed);
        let now = self.age.touched;
        let node = self.arena.get_mut(id);
        node::touch(node, now);
        let built = match node::kind(node) {
            LEAF => self.update_leaf(id, depth, items, entry),
            BRANCH => self.update_branch(id, depth, items, entry),
            _ => {
                let prefix = node::extension_path(node);
                self.update_path(id, prefix, depth, items, entry)
            }
        }?;
        match &built {
            Built::Same => self.entries.truncate(entry),
            Built::Branch(child) if child.id == id => {}
            _ => self.draft.replaced.push(id),
        }
        Ok(built)
    }

    /// As [`Walk::update_node`] of one change that gives a leaf below branches another value, as most do;
    /// `None`, and nothing is changed, of any other.
    fn update_one(
        &mut self,
        (mut id, mut existed): (Id, bool),
        depth: usize,
        (key, change): &Item,
    ) -> Result<Option<Built>, TrieError> {
        let position = Nibbles::unpack(key);
        let base = self.entries.len();
        let mut branches = [NOWHERE; 64];
        let mut below = depth;
        let is_leaf = loop {
            let node = self.arena.get_mut(id);
            let kind = node::kind(node);
            if kind == LEAF {
                break node::leaf_key(node, below, key) == *key;
            }
            if kind != BRANCH || node::mask(node) >> nibble(key, below) & 1 == 0 {
                break false;
            }
            node::touch(node, self.age.touched);
            self.entry_at(position.slice(..below), existed);
            branches[below] = id;
            (id, existed) = self.loaded_id(id, nibble(key, below), key, below + 1)?;
            below += 1;
        };
        if !is_leaf {
            self.entries.truncate(base);
            return Ok(None);
        }
        self.entry_at(position.slice(..below), existed);
        let start = self.scratch.values.len();
        node::leaf_value(self.arena.get(id), &mut self.scratch.values);
        let old = Leaf { key: *key, value: start..self.scratch.values.len() };
        let Some(value) = self.value(change, Some(&old)) else {
            self.entries.truncate(base);
            return Ok(None);
        };
        if self.scratch.values[old.value] == self.scratch.values[value.clone()] {
            self.entries.truncate(base);
            return Ok(Some(Built::Same));
        }
        let entry = self.entries.len() - 1;
        let bytes = &self.scratch.values[value.clone()];
        let mut child = if below > depth && self.arena.fits(id, node::leaf_len(below, bytes)) {
            let leaf = self.arena.get_mut(id);
            self.draft.leaves.push(id);
            self.draft.leaf_bytes.extend_from_slice(leaf);
            node::write_leaf(leaf, key, below, bytes);
            self.unhashed(id, below, entry)
        } else {
            self.draft.replaced.push(id);
            let leaf = Built::Leaf(Leaf { key: *key, value });
            if below == depth {
                return Ok(Some(leaf));
            }
            self.place(leaf, below, entry)?
        };
        while below > depth {
            below -= 1;
            self.edit(branches[below], nibble(key, below), &child);
            child = self.unhashed(branches[below], below, base + below - depth);
        }
        Ok(Some(Built::Branch(child)))
    }

    /// Changes a child of a branch where it lies.
    fn edit(&mut self, id: Id, at: usize, child: &Child) {
        let node = self.arena.get_mut(id);
        let birth = node::birth(node);
        node::edit(node, self.age.born);
        let child = match child.reference {
            Reference::Unhashed(index) => node::replace_child(node, at, (child.id, index)),
            _ => {
                let before = node::before(node, at);
                node::set_child(node, at, child);
                before
            }
        };
        self.draft.edits.push(Edit { id, at: at as u8, child, birth });
    }

    fn update_leaf(
        &mut self,
        id: Id,
        depth: usize,
        items: &[Item],
        entry: usize,
    ) -> Result<Built, TrieError> {
        let node = self.arena.get(id);
        let key = node::leaf_key(node, depth, &items[0].0);
        let start = self.scratch.values.len();
        node::leaf_value(node, &mut self.scratch.values);
        let old = Leaf { key, value: start..self.scratch.values.len() };
        let base = self.scratch.leaves.len();
        let mut kept = Some(old.clone());
        let mut same = true;
        for (key, change) in items {
            let before = kept.take_if(|old| old.key <= *key);
            if let Some(old) = &before
                && old.key < *key
            {
                self.scratch.leaves.push(old.clone());
            }
            let replaces = before.filter(|old| old.key == *key);
            let value = self.value(change, replaces.as_ref());
            same &= match (&replaces, &value) {
                (None, None) => true,
                (Some(old), Some(new)) => {
                    self.scratch.values[old.value.clone()] == self.scratch.values[new.clone()]
                }
                _ => false,
            };
            self.scratch.leaves.extend(value.map(|value| Leaf { key: *key, value }));
        }
        self.scratch.leaves.extend(kept);
        let built = if same {
            Ok(Built::Same)
        } else {
            self.build(base..self.scratch.leaves.len(), depth, entry)
        };
        self.scratch.leaves.truncate(base);
        built
    }

    fn update_branch(
        &mut self,
        id: Id,
        depth: usize,
        items: &[Item],
        entry: usize,
    ) -> Result<Built, TrieError> {
        let mask = node::mask(self.arena.get(id));
        let base = self.scratch.results.len();
        let mut after = mask;
        for group in items.chunk_by(|(a, _), (b, _)| nibble(a, depth) == nibble(b, depth)) {
            let key = &group[0].0;
            let at = nibble(key, depth);
            let below = self.entries.len();
            let built = if mask >> at & 1 == 0 {
                self.entry(key, depth + 1, false);
                self.build_new(group, depth + 1, below)?
            } else {
                let child = self.loaded_id(id, at, key, depth + 1)?;
                self.update(child, depth + 1, group)?
            };
            match built {
                Built::Same => continue,
                Built::Empty if mask >> at & 1 == 0 => continue,
                Built::Empty => after &= !(1 << at),
                _ => after |= 1 << at,
            }
            self.scratch.results.push((at, built, below));
        }
        if self.scratch.results.len() == base {
            return Ok(Built::Same);
        }
        if after.count_ones() < 2 {
            let mut results = self.scratch.results.drain(base..);
            let left = results.find(|(_, built, _)| !matches!(built, Built::Empty));
            drop(results);
            return match (after, left) {
                (0, _) => Ok(Built::Empty),
                (_, Some((at, built, _))) => Ok(join(&single(at), built)),
                (_, None) => self.take_in(id, after.trailing_zeros() as usize, depth, &items[0].0),
            };
        }
        if after == mask {
            for i in base..self.scratch.results.len() {
                let (at, built, below) = self.take_result(i);
                let child = self.place(built, depth + 1, below)?;
                self.edit(id, at, &child);
            }
            self.scratch.results.truncate(base);
            return Ok(Built::Branch(self.unhashed(id, depth, entry)));
        }
        let mut placed = [None; 16];
        for i in base..self.scratch.results.len() {
            let (at, built, below) = self.take_result(i);
            if !matches!(built, Built::Empty) {
                placed[at] = Some(self.place(built, depth + 1, below)?);
            }
        }
        self.scratch.results.truncate(base);
        let mut out = [0; BRANCH_LEN_MAX];
        let old = self.arena.get(id);
        let len = node::write_branch(&mut out, after, self.age, |at| {
            placed[at].unwrap_or_else(|| node::child(old, at))
        });
        Ok(Built::Branch(self.write(&out[..len], depth, entry)?))
    }

    /// The last child of a branch with the branch's nibble before its path.
    fn take_in(
        &mut self,
        id: Id,
        at: usize,
        depth: usize,
        above: &B256,
    ) -> Result<Built, TrieError> {
        let key = node::with_nibble(*above, depth, at);
        let child = self.loaded_child(id, at, &key, depth + 1)?;
        let node = self.arena.get(child.id);
        if node::kind(node) == BRANCH {
            return Ok(Built::Extension(single(at), child));
        }
        let built = if node::kind(node) == LEAF {
            let start = self.scratch.values.len();
            node::leaf_value(node, &mut self.scratch.values);
            let value = start..self.scratch.values.len();
            Built::Leaf(Leaf { key: node::leaf_key(node, depth + 1, &key), value })
        } else {
            Built::Extension(single(at).join(&node::extension_path(node)), node::child(node, 0))
        };
        self.entry(&key, depth + 1, child.reference.is_hash());
        self.draft.replaced.push(child.id);
        Ok(built)
    }

    /// Changes what the extension with address `id` leads to, which is `prefix` further down; the
    /// extension's own path may have begun further up.
    fn update_path(
        &mut self,
        id: Id,
        prefix: Nibbles,
        depth: usize,
        items: &[Item],
        entry: usize,
    ) -> Result<Built, TrieError> {
        let shares = |item: &Item| node::path(&item.0, depth, 64).common_prefix_length(&prefix);
        let first = &items[0];
        let shared = shares(first).min(items.last().map_or(64, shares));
        if shared == prefix.len() {
            let child = self.loaded_id(id, 0, &first.0, depth + shared)?;
            let built = self.update(child, depth + shared, items)?;
            return Ok(join(&prefix, built));
        }
        // Some changes leave the path at this depth.
        let fork = depth + shared;
        let fork_entry = if shared == 0 {
            entry
        } else {
            self.entry(&first.0, fork, false);
            self.entries.len() - 1
        };
        let straight = usize::from(prefix.get_unchecked(shared));
        let rest = prefix.slice(shared + 1..);
        let base = self.scratch.results.len();
        let mut straight_on = None;
        for group in items.chunk_by(|(a, _), (b, _)| nibble(a, fork) == nibble(b, fork)) {
            let key = &group[0].0;
            let at = nibble(key, fork);
            let below = self.entries.len();
            if at == straight {
                let built = if rest.is_empty() {
                    let child = self.loaded_id(id, 0, key, fork + 1)?;
                    self.update(child, fork + 1, group)?
                } else {
                    self.entry(key, fork + 1, false);
                    self.update_path(id, rest, fork + 1, group, below)?
                };
                straight_on = Some((built, below));
            } else {
                self.entry(key, fork + 1, false);
                let built = self.build_new(group, fork + 1, below)?;
                if !matches!(built, Built::Empty) {
                    self.scratch.results.push((at, built, below));
                }
            }
        }
        if self.scratch.results.len() == base
            && straight_on.as_ref().is_none_or(|(built, _)| matches!(built, Built::Same))
        {
            return Ok(Built::Same);
        }
        let (built, below) = match straight_on {
            Some((built, below)) if !matches!(built, Built::Same) => (built, below),
            _ => {
                let key = node::with_nibble(first.0, fork, straight);
                let below = self.entries.len();
                let child = node::child(self.arena.get(id), 0);
                if rest.is_empty() {
                    (Built::Branch(child), below)
                } else {
                    self.entry(&key, fork + 1, false);
                    (Built::Extension(rest, child), below)
                }
            }
        };
        if !matches!(built, Built::Empty) {
            self.scratch.results.push((straight, built, below));
        }
        let before = prefix.slice(..shared);
        match self.scratch.results.len() - base {
            0 => Ok(Built::Empty),
            1 => match self.scratch.results.pop() {
                Some((at, built, _)) => Ok(join(&before.join(&single(at)), built)),
                None => Ok(Built::Empty),
            },
            _ => {
                let branch = self.place_results(base, fork, fork_entry)?;
                Ok(join(&before, Built::Branch(branch)))
            }
        }
    }

    fn take_result(&mut self, i: usize) -> (usize, Built, usize) {
        std::mem::replace(&mut self.scratch.results[i], (0, Built::Same, 0))
    }

    /// A branch of the results from `base` on.
    fn place_results(
        &mut self,
        base: usize,
        depth: usize,
        entry: usize,
    ) -> Result<Child, TrieError> {
        let mut mask = 0_u16;
        let mut placed = [None; 16];
        for i in base..self.scratch.results.len() {
            let (at, built, below) = self.take_result(i);
            mask |= 1 << at;
            placed[at] = Some(self.place(built, depth + 1, below)?);
        }
        self.scratch.results.truncate(base);
        let mut out = [0; BRANCH_LEN_MAX];
        let nothing = Child::stub(B256::ZERO);
        let len = node::write_branch(&mut out, mask, self.age, |at| placed[at].unwrap_or(nothing));
        self.write(&out[..len], depth, entry)
    }

    /// A subtree of changes where nothing was.
    fn build_new(
        &mut self,
        items: &[Item],
        depth: usize,
        entry: usize,
    ) -> Result<Built, TrieError> {
        let base = self.scratch.leaves.len();
        for (key, change) in items {
            if let Some(value) = self.value(change, None) {
                self.scratch.leaves.push(Leaf { key: *key, value });
            }
        }
        let built = self.build(base..self.scratch.leaves.len(), depth, entry);
        self.scratch.leaves.truncate(base);
        match built? {
            Built::Empty => {
                self.entries.truncate(self.entries.len().min(entry + 1));
                Ok(Built::Empty)
            }
            built => Ok(built),
        }
    }

    /// A subtree of leaves, whose entry at `depth` is there already.
    fn build(
        &mut self,
        leaves: Range<usize>,
        depth: usize,
        entry: usize,
    ) -> Result<Built, TrieError> {
        let [first, .., last] = &self.scratch.leaves[leaves.clone()] else {
            return Ok(match self.scratch.leaves.get(leaves.start) {
                Some(leaf) if !leaves.is_empty() => Built::Leaf(leaf.clone()),
                _ => Built::Empty,
            });
        };
        let first = first.key;
        let fork = node::shared_nibbles(&first, &last.key);
        let fork_entry = if fork == depth {
            entry
        } else {
            self.entry(&first, fork, false);
            self.entries.len() - 1
        };
        let base = self.scratch.results.len();
        let mut rest = leaves;
        while !rest.is_empty() {
            let key = self.scratch.leaves[rest.start].key;
            let at = nibble(&key, fork);
            let group = self.scratch.leaves[rest.clone()]
                .iter()
                .take_while(|leaf| nibble(&leaf.key, fork) == at)
                .count();
            let below = self.entries.len();
            self.entry(&key, fork + 1, false);
            let built = self.build(rest.start..rest.start + group, fork + 1, below)?;
            self.scratch.results.push((at, built, below));
            rest.start += group;
        }
        let branch = self.place_results(base, fork, fork_entry)?;
        Ok(join(&node::path(&first, depth, fork), Built::Branch(branch)))
    }

    /// Writes what has found its place.
    fn place(&mut self, built: Built, depth: usize, entry: usize) -> Result<Child, TrieError> {
        match built {
            Built::Branch(child) => Ok(child),
            Built::Same | Built::Empty => Ok(Child::EMPTY),
            Built::Leaf(Leaf { key, value }) => {
                let value = &self.scratch.values[value];
                let id = self.arena.reserve(node::leaf_len(depth, value));
                let id = id.ok_or_else(out_of_memory)?;
                node::write_leaf(self.arena.get_mut(id), &key, depth, value);
                Ok(self.written(id, depth, entry))
            }
            Built::Extension(prefix, child) => {
                let mut out = [0; BRANCH_LEN_MAX];
                let len = node::write_extension(&mut out, &prefix, &child, self.age);
                self.write(&out[..len], depth, entry)
            }
        }
    }

    fn write(&mut self, node: &[u8], depth: usize, entry: usize) -> Result<Child, TrieError> {
        let id = self.arena.insert(node).ok_or_else(out_of_memory)?;
        Ok(self.written(id, depth, entry))
    }

    /// Notes a new node.
    fn written(&mut self, id: Id, depth: usize, entry: usize) -> Child {
        self.draft.made.push(id);
        self.unhashed(id, depth, entry)
    }

    /// Notes a node that is to be hashed.
    fn unhashed(&mut self, id: Id, depth: usize, entry: usize) -> Child {
        let index = self.draft.unhashed.len() as u32;
        let reference = Reference::Unhashed(index);
        self.draft.unhashed.push(Unhashed { id, depth, trie: self.index, entry, reference });
        Child { id, reference }
    }

    /// The value a change sets, encoded into the scratch buffer.
    fn value(&mut self, change: &Change, old: Option<&Leaf>) -> Option<Range<usize>> {
        let start = self.scratch.values.len();
        match change {
            Change::Remove => return None,
            Change::Slot(value) => node::encode_slot(value, &mut self.scratch.values),
            Change::Account { account, storage_root } => {
                let root = storage_root
                    .or_else(|| {
                        node::account_storage_root(&self.scratch.values[old?.value.clone()])
                    })
                    .unwrap_or(EMPTY_ROOT_HASH);
                node::encode_account(account, &root, &mut self.scratch.values);
            }
        }
        Some(start..self.scratch.values.len())
    }

    fn entry(&mut self, key: &B256, depth: usize, existed: bool) {
        self.entry_at(node::path(key, 0, depth), existed);
    }

    fn entry_at(&mut self, position: Nibbles, existed: bool) {
        // A root is stored however short it is.
        let existed = existed || position.is_empty();
        self.entries.push(Entry { position, existed, node: None });
    }

    /// As [`Walk::loaded_child`], without what its parent knows of it.
    fn loaded_id(
        &mut self,
        parent: Id,
        at: usize,
        key: &B256,
        depth: usize,
    ) -> Result<(Id, bool), TrieError> {
        let found = node::child_id(self.arena.get(parent), at);
        if found.0 != NOWHERE {
            return Ok(found);
        }
        Ok((self.loaded_child(parent, at, key, depth)?.id, found.1))
    }

    /// A child of a node in memory, loaded if it was not.
    fn loaded_child(
        &mut self,
        parent: Id,
        at: usize,
        key: &B256,
        depth: usize,
    ) -> Result<Child, TrieError> {
        let mut child = node::child(self.arena.get(parent), at);
        if child.id == NOWHERE {
            self.load(&mut child, key, depth)?;
            node::set_child_id(self.arena.get_mut(parent), at, child.id);
            // What a part of the block made is all that knows this node: it goes when that goes.
            if node::goes_with(self.arena.get(parent), self.age.touched) {
                node::bear(self.arena.get_mut(child.id), self.age.touched);
                self.draft.loaded.push(child.id);
            }
        }
        Ok(child)
    }

    /// Fetches a node whose position is the first `depth` nibbles of `key`.
    fn load(&mut self, child: &mut Child, key: &B256, depth: usize) -> Result<(), TrieError> {
        if child.id != NOWHERE {
            return Ok(());
        }
        let trie = self.trie;
        let position = || node::path(key, 0, depth);
        let at = || Box::new(NodePlace { trie, position: position() });
        let malformed = || TrieError::Malformed { at: at() };
        let mut out = [0; BRANCH_LEN_MAX];
        let len = match &child.reference {
            Reference::Hash(hash) => {
                let hash = B256::from(*hash);
                let rlp = self
                    .reader
                    .node(trie, &position(), hash)?
                    .ok_or_else(|| TrieError::Missing { at: at(), hash })?;
                let got = keccak256(&rlp);
                if got != hash {
                    return Err(TrieError::WrongHash { at: at(), hash, got });
                }
                node::parse(&rlp, depth, &mut out)
            }
            Reference::Inline(bytes) => {
                node::parse(&bytes[1..=usize::from(bytes[0])], depth, &mut out)
            }
            Reference::Unhashed(_) => None,
        }
        .ok_or_else(malformed)?;
        let node = &mut out[..len];
        node::touch(node, self.age.touched);
        child.id = self.arena.insert(node).ok_or_else(out_of_memory)?;
        Ok(())
    }
}

/// A key below a child of a node, given one below the node.
fn child_key(node: &[u8], key: &B256, depth: usize, at: usize) -> B256 {
    if node::kind(node) == BRANCH {
        return node::with_nibble(*key, depth, at);
    }
    let path = node::extension_path(node);
    path.iter()
        .enumerate()
        .fold(*key, |key, (i, nibble)| node::with_nibble(key, depth + i, usize::from(nibble)))
}

fn out_of_memory() -> TrieError {
    TrieError::Reader("the trie's address space is used up".to_owned())
}

/// A path of one nibble.
fn single(at: usize) -> Nibbles {
    let mut path = Nibbles::new();
    path.push(at as u8);
    path
}

/// A subtree with nibbles before its path.
fn join(prefix: &Nibbles, built: Built) -> Built {
    match built {
        Built::Extension(below, child) => Built::Extension(prefix.join(&below), child),
        Built::Branch(child) if !prefix.is_empty() => Built::Extension(*prefix, child),
        other => other,
    }
}
