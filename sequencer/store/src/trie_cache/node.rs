//! Nodes as packed bytes. Every reference to a child lies in its parent, so that a branch is encoded
//! without touching its children.
//!
//! ```text
//! common      0 kind   1 length of the path   2..4 mask of children   4..6 which are inline
//!             6..8 which are not hashed yet   8..12 block that made it   12..16 last touched
//! branch      1 whether it was there before that block
//!            16 addresses of the children, 4 bytes each, then their references, 32 bytes each
//! extension  16 address   20 reference   52 path
//! leaf        0 kind   1 length of the path   2..4 length of the value   4 whether it is cut
//!             5 path, then the value
//! ```
//!
//! A path is in hex-prefix form (yellow paper, appendix C). A reference is a hash, or, if inline, a
//! length and so many bytes of RLP, or, until it is hashed, an index of what will be. Most accounts
//! have neither code nor storage; the 66 bytes that say so are cut from their leaves.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use stf::Account;

use super::arena::{Arena, Id, NOWHERE};

pub(super) const LEAF: u8 = 1;
pub(super) const EXTENSION: u8 = 2;
pub(super) const BRANCH: u8 = 3;

const HEADER: usize = 16;
const REFERENCE: usize = 32;
const EXTENSION_REFERENCE: usize = HEADER + 4;
const EXTENSION_PATH: usize = EXTENSION_REFERENCE + REFERENCE;
const LEAF_PATH: usize = 5;
/// The longest node: a full branch.
pub(super) const BRANCH_LEN_MAX: usize = HEADER + 16 * (4 + REFERENCE);
/// Longer values do not occur in a state: an account takes 110 bytes.
const VALUE_LEN_MAX: usize = 512;

/// How a parent refers to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Hash([u8; 32]),
    /// Length, then so many bytes of RLP.
    Inline([u8; 32]),
    /// Will be what this entry of the list of unhashed nodes becomes.
    Unhashed(u32),
}

impl Reference {
    /// Of RLP shorter than 32 bytes.
    pub(super) fn inline(rlp: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes[0] = rlp.len() as u8;
        bytes[1..=rlp.len()].copy_from_slice(rlp);
        Self::Inline(bytes)
    }

    pub(super) const fn is_hash(&self) -> bool {
        matches!(self, Self::Hash(_))
    }
}

/// A child: where it is, if it is in memory, and how its parent refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) id: Id,
    pub(super) reference: Reference,
}

impl Child {
    /// The root of a trie without keys.
    pub(super) const EMPTY: Self = Self::stub(EMPTY_ROOT_HASH);

    pub(super) fn is_empty(&self) -> bool {
        self.reference == Self::EMPTY.reference
    }

    /// The hash of a root, once it has one.
    pub(super) const fn hash(&self) -> B256 {
        match self.reference {
            Reference::Hash(hash) => B256::new(hash),
            _ => EMPTY_ROOT_HASH,
        }
    }

    /// Not in memory.
    pub(super) const fn stub(hash: B256) -> Self {
        Self { id: NOWHERE, reference: Reference::Hash(hash.0) }
    }
}

#[inline]
pub(super) fn nibble(key: &B256, at: usize) -> usize {
    let byte = key.0[at / 2];
    usize::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// The key with another nibble at a depth.
pub(super) fn with_nibble(mut key: B256, at: usize, nibble: usize) -> B256 {
    let byte = &mut key.0[at / 2];
    *byte = if at.is_multiple_of(2) {
        (*byte & 0x0f) | (nibble as u8) << 4
    } else {
        (*byte & 0xf0) | nibble as u8
    };
    key
}

/// How many nibbles two keys share from the root on.
pub(super) fn shared_nibbles(a: &B256, b: &B256) -> usize {
    match a.iter().zip(b.iter()).position(|(a, b)| a != b) {
        None => 64,
        Some(at) => at * 2 + usize::from(a[at] >> 4 == b[at] >> 4),
    }
}

/// Nibbles of a key between two depths.
pub(super) fn path(key: &B256, from: usize, to: usize) -> Nibbles {
    Nibbles::unpack(key).slice(from..to)
}

#[inline]
fn u16_at(node: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([node[at], node[at + 1]])
}

#[inline]
fn u32_at(node: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([node[at], node[at + 1], node[at + 2], node[at + 3]])
}

#[inline]
pub(super) fn kind(node: &[u8]) -> u8 {
    node[0]
}

/// Which children a branch has; an extension has one.
#[inline]
pub(super) fn mask(node: &[u8]) -> u16 {
    u16_at(node, 2)
}

/// The block that made this node or one below it; zero if all of it is as it was read.
#[inline]
pub(super) fn born(node: &[u8]) -> u32 {
    u32_at(node, 8)
}

/// When this node or one below it was last used.
#[inline]
pub(super) fn touched(node: &[u8]) -> u32 {
    u32_at(node, 12)
}

pub(super) fn touch(node: &mut [u8], now: u32) {
    if node[0] != LEAF {
        node[12..16].copy_from_slice(&now.to_le_bytes());
    }
}

/// Makes this block the one that made the node.
pub(super) fn bear(node: &mut [u8], block: u32) {
    match node[0] {
        LEAF => {}
        BRANCH => set_birth(node, Birth { block, was_there: 0 }),
        _ => node[8..12].copy_from_slice(&block.to_le_bytes()),
    }
}

/// The block that made or last changed a branch, and whether the branch was there before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    block: u32,
    was_there: u8,
}

pub(super) fn birth(branch: &[u8]) -> Birth {
    Birth { block: born(branch), was_there: branch[1] }
}

pub(super) fn set_birth(branch: &mut [u8], Birth { block, was_there }: Birth) {
    branch[1] = was_there;
    branch[8..12].copy_from_slice(&block.to_le_bytes());
}

/// Notes that a block changes a branch where it lies.
pub(super) fn edit(branch: &mut [u8], block: u32) {
    if born(branch) != block {
        set_birth(branch, Birth { block, was_there: 1 });
    }
}

/// Whether a node goes when this block is dropped.
pub(super) fn goes_with(node: &[u8], block: u32) -> bool {
    born(node) == block && (node[0] != BRANCH || node[1] == 0)
}

/// How many children stand before this one.
#[inline]
fn rank(mask: u16, nibble: usize) -> usize {
    (mask & ((1_u16 << nibble) - 1)).count_ones() as usize
}

/// Offsets of a child's address and reference, and its bit.
#[inline]
fn child_at(node: &[u8], nibble: usize) -> (usize, usize, u16) {
    if node[0] == EXTENSION {
        return (HEADER, EXTENSION_REFERENCE, 1);
    }
    let mask = mask(node);
    let rank = rank(mask, nibble);
    let references = HEADER + 4 * mask.count_ones() as usize;
    (HEADER + 4 * rank, references + REFERENCE * rank, 1 << nibble)
}

/// A child of a branch, which must be in its mask, or, at nibble 0, of an extension.
pub(super) fn child(node: &[u8], nibble: usize) -> Child {
    let (id, reference, bit) = child_at(node, nibble);
    let mut bytes = [0; REFERENCE];
    bytes.copy_from_slice(&node[reference..reference + REFERENCE]);
    let reference = if u16_at(node, 6) & bit != 0 {
        Reference::Unhashed(u32_at(&bytes, 0))
    } else if u16_at(node, 4) & bit != 0 {
        Reference::Inline(bytes)
    } else {
        Reference::Hash(bytes)
    };
    Child { id: u32_at(node, id), reference }
}

/// Address of a child, and whether its parent refers to it by hash.
#[inline]
pub(super) fn child_id(node: &[u8], nibble: usize) -> (Id, bool) {
    let (id, _, bit) = child_at(node, nibble);
    (u32_at(node, id), (u16_at(node, 4) | u16_at(node, 6)) & bit == 0)
}

/// Address and depth of the child towards a key, if it is in memory, and where its parent refers to it;
/// that the key shares the path of an extension is not checked.
#[inline]
pub(super) fn step<'a>(node: &'a [u8], key: &B256, depth: usize) -> (Id, usize, &'a [u8]) {
    let (at, below) = match node[0] {
        BRANCH => (nibble(key, depth), depth + 1),
        EXTENSION => {
            let odd = usize::from(node[EXTENSION_PATH] >> 4 & 1);
            (0, depth + 2 * (usize::from(node[1]) - 1) + odd)
        }
        _ => return (NOWHERE, depth, &[]),
    };
    if mask(node) >> at & 1 == 0 {
        return (NOWHERE, depth, &[]);
    }
    let (id, reference, _) = child_at(node, at);
    (u32_at(node, id), below, &node[reference..reference + REFERENCE])
}

/// Puts a child's address into its parent, once it is loaded.
pub(super) fn set_child_id(node: &mut [u8], nibble: usize, id: Id) {
    let (at, _, _) = child_at(node, nibble);
    node[at..at + 4].copy_from_slice(&id.to_le_bytes());
}

/// A child as its branch had it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    id: Id,
    reference: [u8; REFERENCE],
    inline: bool,
    unhashed: bool,
}

/// A child as it is now.
#[inline]
pub(super) fn before(node: &[u8], nibble: usize) -> Before {
    let (id, at, bit) = child_at(node, nibble);
    let mut reference = [0; REFERENCE];
    reference.copy_from_slice(&node[at..at + REFERENCE]);
    let (inline, unhashed) = (u16_at(node, 4) & bit != 0, u16_at(node, 6) & bit != 0);
    Before { id: u32_at(node, id), reference, inline, unhashed }
}

/// Replaces a child of a branch by one that is not hashed yet, and gives what was there.
#[inline]
pub(super) fn replace_child(node: &mut [u8], nibble: usize, (id, index): (Id, u32)) -> Before {
    let (id_at, at, bit) = child_at(node, nibble);
    let before = before(node, nibble);
    let (inline, unhashed) = (u16_at(node, 4), u16_at(node, 6));
    node[id_at..id_at + 4].copy_from_slice(&id.to_le_bytes());
    node[at..at + 4].copy_from_slice(&index.to_le_bytes());
    node[4..6].copy_from_slice(&(inline & !bit).to_le_bytes());
    node[6..8].copy_from_slice(&(unhashed | bit).to_le_bytes());
    before
}

/// Puts a child back that was replaced.
#[inline]
pub(super) fn put_back(node: &mut [u8], nibble: usize, before: &Before) {
    let (id_at, at, bit) = child_at(node, nibble);
    let with = |mask: u16, is_set: bool| (mask & !bit) | if is_set { bit } else { 0 };
    let (inline, unhashed) =
        (with(u16_at(node, 4), before.inline), with(u16_at(node, 6), before.unhashed));
    node[id_at..id_at + 4].copy_from_slice(&before.id.to_le_bytes());
    node[at..at + REFERENCE].copy_from_slice(&before.reference);
    node[4..6].copy_from_slice(&inline.to_le_bytes());
    node[6..8].copy_from_slice(&unhashed.to_le_bytes());
}

/// Replaces a child.
pub(super) fn set_child(node: &mut [u8], nibble: usize, child: &Child) {
    set_child_id(node, nibble, child.id);
    set_reference(node, nibble, &child.reference);
}

pub(super) fn set_reference(node: &mut [u8], nibble: usize, reference: &Reference) {
    let (_, at, bit) = child_at(node, nibble);
    let (mut inline, mut unhashed) = (u16_at(node, 4) & !bit, u16_at(node, 6) & !bit);
    match reference {
        Reference::Hash(hash) => node[at..at + REFERENCE].copy_from_slice(hash),
        Reference::Inline(rlp) => {
            inline |= bit;
            node[at..at + REFERENCE].copy_from_slice(rlp);
        }
        Reference::Unhashed(index) => {
            unhashed |= bit;
            node[at..at + 4].copy_from_slice(&index.to_le_bytes());
        }
    }
    node[4..6].copy_from_slice(&inline.to_le_bytes());
    node[6..8].copy_from_slice(&unhashed.to_le_bytes());
}

/// Puts what its unhashed children became into a node.
#[inline]
pub(super) fn resolve<'a>(node: &mut [u8], became: impl Fn(u32) -> &'a Reference) {
    if node[0] == LEAF {
        return;
    }
    let (mut inline, mut left) = (u16_at(node, 4), u16_at(node, 6));
    for nibble in bits(left) {
        let (_, at, bit) = child_at(node, nibble);
        let bytes = match became(u32_at(node, at)) {
            Reference::Hash(bytes) => bytes,
            Reference::Inline(bytes) => {
                inline |= bit;
                bytes
            }
            Reference::Unhashed(_) => continue,
        };
        node[at..at + REFERENCE].copy_from_slice(bytes);
        left &= !bit;
    }
    node[4..6].copy_from_slice(&inline.to_le_bytes());
    node[6..8].copy_from_slice(&left.to_le_bytes());
}

/// When a node was made and touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    pub(super) born: u32,
    pub(super) touched: u32,
}

fn header(out: &mut [u8], kind: u8, mask: u16, age: Age) {
    out[..HEADER].fill(0);
    out[0] = kind;
    out[2..4].copy_from_slice(&mask.to_le_bytes());
    out[8..12].copy_from_slice(&age.born.to_le_bytes());
    out[12..16].copy_from_slice(&age.touched.to_le_bytes());
}

/// Writes a branch and gives its length; `child` is asked for every bit of `mask`.
pub(super) fn write_branch(
    out: &mut [u8; BRANCH_LEN_MAX],
    mask: u16,
    age: Age,
    child: impl Fn(usize) -> Child,
) -> usize {
    header(out, BRANCH, mask, age);
    for nibble in bits(mask) {
        set_child(out, nibble, &child(nibble));
    }
    branch_len(mask)
}

const fn branch_len(mask: u16) -> usize {
    HEADER + (4 + REFERENCE) * mask.count_ones() as usize
}

/// The positions of the set bits, lowest first.
pub(super) fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let bit = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            bit
        })
    })
}

/// Hex-prefix form of a path, whose length is given.
fn hex_prefix(out: &mut [u8], path: &Nibbles, is_leaf: bool) -> usize {
    let flag = if is_leaf { 0x20 } else { 0 };
    let odd = path.len() % 2;
    out[0] = if odd == 1 { flag | 0x10 | path.get_unchecked(0) } else { flag };
    let len = 1 + path.len() / 2;
    for (i, byte) in out[1..len].iter_mut().enumerate() {
        *byte = path.get_unchecked(odd + 2 * i) << 4 | path.get_unchecked(odd + 2 * i + 1);
    }
    len
}

pub(super) fn write_extension(
    out: &mut [u8; BRANCH_LEN_MAX],
    prefix: &Nibbles,
    child: &Child,
    age: Age,
) -> usize {
    header(out, EXTENSION, 1, age);
    let len = hex_prefix(&mut out[EXTENSION_PATH..], prefix, false);
    out[1] = len as u8;
    set_child(out, 0, child);
    EXTENSION_PATH + len
}

/// The path of an extension.
pub(super) fn extension_path(node: &[u8]) -> Nibbles {
    let encoded = &node[EXTENSION_PATH..EXTENSION_PATH + usize::from(node[1])];
    unpack(encoded)
}

fn unpack(encoded: &[u8]) -> Nibbles {
    let mut path = Nibbles::new();
    if encoded[0] & 0x10 != 0 {
        path.push(encoded[0] & 15);
    }
    for byte in &encoded[1..] {
        path.push(byte >> 4);
        path.push(byte & 15);
    }
    path
}

/// What an account without code and storage ends with.
const CUT: [u8; 66] = {
    let mut tail = [0xa0; 66];
    let mut i = 0;
    while i < 32 {
        tail[1 + i] = EMPTY_ROOT_HASH.0[i];
        tail[34 + i] = KECCAK256_EMPTY.0[i];
        i += 1;
    }
    tail
};

/// Length of the leaf that [`write_leaf`] writes.
pub(super) fn leaf_len(depth: usize, value: &[u8]) -> usize {
    let cut = if value.ends_with(&CUT) { CUT.len() } else { 0 };
    LEAF_PATH + 33 - depth.div_ceil(2) + value.len() - cut
}

pub(super) fn write_leaf(out: &mut [u8], key: &B256, depth: usize, value: &[u8]) {
    let start = depth.div_ceil(2);
    let path_len = 33 - start;
    out[0] = LEAF;
    out[1] = path_len as u8;
    out[LEAF_PATH] = if depth % 2 == 1 { 0x30 | (key.0[start - 1] & 15) } else { 0x20 };
    let at = LEAF_PATH + path_len;
    out[LEAF_PATH + 1..at].copy_from_slice(&key.0[start..]);
    let is_cut = value.ends_with(&CUT);
    let value = if is_cut { &value[..value.len() - CUT.len()] } else { value };
    out[2..4].copy_from_slice(&(value.len() as u16).to_le_bytes());
    out[4] = u8::from(is_cut);
    out[at..at + value.len()].copy_from_slice(value);
}

/// The key of a leaf, given one that shares what lies above it.
pub(super) fn leaf_key(node: &[u8], depth: usize, above: &B256) -> B256 {
    let path = &node[LEAF_PATH..LEAF_PATH + usize::from(node[1])];
    let mut key = *above;
    key.0[33 - path.len()..].copy_from_slice(&path[1..]);
    if depth % 2 == 1 {
        let byte = &mut key.0[32 - path.len()];
        *byte = (*byte & 0xf0) | (path[0] & 15);
    }
    key
}

/// Appends the value of a leaf.
pub(super) fn leaf_value(node: &[u8], out: &mut Vec<u8>) {
    let at = LEAF_PATH + usize::from(node[1]);
    out.extend_from_slice(&node[at..at + usize::from(u16_at(node, 2))]);
    if node[4] != 0 {
        out.extend_from_slice(&CUT);
    }
}

/// The storage root in the RLP of an account.
pub(super) fn account_storage_root(value: &[u8]) -> Option<B256> {
    Some(B256::from_slice(value.get(value.len().checked_sub(65)?..value.len() - 33)?))
}

/// Appends an account's RLP (yellow paper, section 4.1).
pub(super) fn encode_account(account: &Account, storage_root: &B256, out: &mut Vec<u8>) {
    use alloy_rlp::Encodable;
    let payload_length = account.nonce.length() + account.balance.length() + 66;
    Header { list: true, payload_length }.encode(out);
    account.nonce.encode(out);
    account.balance.encode(out);
    out.push(0xa0);
    out.extend_from_slice(storage_root.as_slice());
    out.push(0xa0);
    out.extend_from_slice(account.code_hash.as_slice());
}

/// Appends the RLP of a slot's value.
pub(super) fn encode_slot(value: &U256, out: &mut Vec<u8>) {
    alloy_rlp::Encodable::encode(value, out);
}

fn list_header(payload_length: usize, out: &mut Vec<u8>) {
    Header { list: true, payload_length }.encode(out);
}

/// Length of a byte string's RLP.
fn string_len(bytes: &[u8], len: usize) -> usize {
    match len {
        1 if bytes[0] < EMPTY_STRING_CODE => 1,
        0..=55 => 1 + len,
        56..=255 => 2 + len,
        _ => 3 + len,
    }
}

/// Appends the RLP of a node whose children are hashed.
pub(super) fn encode(node: &[u8], out: &mut Vec<u8>) {
    match node[0] {
        BRANCH => encode_branch(node, out),
        EXTENSION => {
            let path = &node[EXTENSION_PATH..EXTENSION_PATH + usize::from(node[1])];
            let reference = &node[EXTENSION_REFERENCE..EXTENSION_PATH];
            let is_inline = u16_at(node, 4) & 1 != 0;
            let reference_len = if is_inline { usize::from(reference[0]) } else { 33 };
            list_header(string_len(path, path.len()) + reference_len, out);
            alloy_rlp::Encodable::encode(path, out);
            encode_reference(reference, is_inline, out);
        }
        _ => {
            let path = &node[LEAF_PATH..LEAF_PATH + usize::from(node[1])];
            let at = LEAF_PATH + usize::from(node[1]);
            let stored = &node[at..at + usize::from(u16_at(node, 2))];
            let is_cut = node[4] != 0;
            let len = stored.len() + if is_cut { 66 } else { 0 };
            list_header(string_len(path, path.len()) + string_len(stored, len), out);
            alloy_rlp::Encodable::encode(path, out);
            if is_cut {
                Header { list: false, payload_length: len }.encode(out);
                out.extend_from_slice(stored);
                out.extend_from_slice(&CUT);
            } else {
                alloy_rlp::Encodable::encode(stored, out);
            }
        }
    }
}

/// Room for the header of a list.
const LIST_HEADER: usize = 3;

fn encode_branch(node: &[u8], out: &mut Vec<u8>) {
    let (mask, inline) = (mask(node), u16_at(node, 4));
    let count = mask.count_ones() as usize;
    let (references, _) = node[HEADER + 4 * count..][..REFERENCE * count].as_chunks::<REFERENCE>();
    let mut bytes = [0; LIST_HEADER + 16 * 33 + 1];
    let (mut at, mut rank) = (LIST_HEADER, 0);
    for nibble in 0..16 {
        let is_there = usize::from(mask >> nibble & 1);
        // Which children there are cannot be guessed, so that asking costs more than writing 32 bytes
        // in vain, which the next item then overwrites.
        let reference = &references[rank.min(count - 1)];
        if inline >> nibble & 1 != 0 {
            let rlp = &reference[1..=usize::from(reference[0])];
            bytes[at..at + rlp.len()].copy_from_slice(rlp);
            at += rlp.len();
        } else {
            bytes[at] = EMPTY_STRING_CODE + 32 * is_there as u8;
            bytes[at + 1..at + 33].copy_from_slice(reference);
            at += 1 + 32 * is_there;
        }
        rank += is_there;
    }
    bytes[at] = EMPTY_STRING_CODE;
    let payload = at + 1 - LIST_HEADER;
    let start = match payload {
        0..=55 => {
            bytes[2] = 0xc0 + payload as u8;
            2
        }
        56..=255 => {
            bytes[1..3].copy_from_slice(&[0xf8, payload as u8]);
            1
        }
        _ => {
            bytes[0] = 0xf9;
            bytes[1..3].copy_from_slice(&(payload as u16).to_be_bytes());
            0
        }
    };
    out.extend_from_slice(&bytes[start..=at]);
}

fn encode_reference(reference: &[u8], is_inline: bool, out: &mut Vec<u8>) {
    if is_inline {
        out.extend_from_slice(&reference[1..=usize::from(reference[0])]);
    } else {
        out.push(EMPTY_STRING_CODE + 32);
        out.extend_from_slice(reference);
    }
}

/// Packs a node from its RLP; `None` if it is not one that can stand at this depth.
pub(super) fn parse(rlp: &[u8], depth: usize, out: &mut [u8; BRANCH_LEN_MAX]) -> Option<usize> {
    let mut rest = rlp;
    let mut payload = Header::decode_bytes(&mut rest, true).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut items = [[].as_slice(); 17];
    let mut count = 0;
    while !payload.is_empty() {
        let whole = payload;
        let header = Header::decode(&mut payload).ok()?;
        let end = whole.len() - payload.len() + header.payload_length;
        *items.get_mut(count)? = whole.get(..end)?;
        payload = &whole[end..];
        count += 1;
    }
    let age = Age { born: 0, touched: 0 };
    match count {
        17 if items[16] == [EMPTY_STRING_CODE] && depth < 64 => {
            let mut children = [Child::stub(B256::ZERO); 16];
            let mut mask = 0_u16;
            for (nibble, item) in items[..16].iter().enumerate() {
                if *item != [EMPTY_STRING_CODE] {
                    mask |= 1 << nibble;
                    children[nibble].reference = parse_reference(item)?;
                }
            }
            if mask.count_ones() < 2 {
                return None;
            }
            Some(write_branch(out, mask, age, |nibble| children[nibble]))
        }
        2 => {
            let path = Header::decode_bytes(&mut items[0], false).ok()?;
            let (first, whole) = path.split_first()?;
            let odd = usize::from(first >> 4 & 1);
            let nibbles = odd + 2 * whole.len();
            if first >> 6 != 0 || (odd == 0 && first & 15 != 0) {
                return None;
            }
            if first & 0x20 != 0 {
                let value = Header::decode_bytes(&mut items[1], false).ok()?;
                if depth + nibbles != 64 || value.is_empty() || value.len() > VALUE_LEN_MAX {
                    return None;
                }
                let mut key = B256::ZERO;
                key.0[32 - whole.len()..].copy_from_slice(whole);
                if odd == 1 {
                    key.0[31 - whole.len()] = first & 15;
                }
                write_leaf(out, &key, depth, value);
                return Some(leaf_len(depth, value));
            }
            if nibbles == 0 || depth + nibbles >= 64 {
                return None;
            }
            let child = Child { id: NOWHERE, reference: parse_reference(items[1])? };
            Some(write_extension(out, &unpack(path), &child, age))
        }
        _ => None,
    }
}

fn parse_reference(item: &[u8]) -> Option<Reference> {
    if item.len() == 33 && item[0] == EMPTY_STRING_CODE + 32 {
        return Some(Reference::Hash(item[1..].try_into().ok()?));
    }
    (item.len() < 32 && item[0] >= 0xc0).then(|| Reference::inline(item))
}

/// Addresses of the children of a node that are in memory.
pub(super) fn loaded_children(arena: &Arena, id: Id) -> impl Iterator<Item = (usize, Id)> + use<> {
    let node = arena.get(id);
    let mut children = [NOWHERE; 16];
    match node[0] {
        BRANCH => bits(mask(node)).for_each(|nibble| {
            let (at, _, _) = child_at(node, nibble);
            children[nibble] = u32_at(node, at);
        }),
        EXTENSION => children[0] = u32_at(node, HEADER),
        _ => {}
    }
    children.into_iter().enumerate().filter(|(_, id)| *id != NOWHERE)
}
