//! The state after one block as a file, for nodes that begin there instead of at genesis.
//! Bytes: `docs/formats/snapshot.md`.
//!
//! A snapshot is read from one transaction while the chain grows. Whoever imports it believes nothing in
//! it: the header must give the output root that the caller knows to be right, and everything else must
//! follow from the header. It is written to a directory beside the wanted one, which takes its name when
//! all is found right: what is cut, damaged or forged leaves nothing behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_consensus::{
    Header,
    proofs::{calculate_receipt_root, calculate_withdrawals_root},
    transaction::SignerRecoverable,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256};
use libmdbx::RW;
use primitives::{Block, GenesisL2, Heads, L2_TO_L1_MESSAGE_PASSER, TxEnvelope, transactions_root};
use stf::{
    Account, HashedChange, TrieReader,
    trie::{NodeReader, TrieError, TrieId},
};

use crate::{
    SCHEMA, Store, StoreError, StoreOptions,
    db::Txn,
    genesis, header_entry, heads,
    input::{Input, integer},
    l1_origin,
    lineage::{Ancestor, Wanted},
    log_index,
    nodes::trie_key,
    receipts::encode_receipts,
    record::{self, BlockRecord},
    reverse_changes, storage_root,
    tables::{ChangedKeys, StoredAccount, Table, Value, account_key, block_key, decode, key, row},
    write::{write_slot, write_trie},
    write_heads, write_log_position,
};

pub(crate) mod fuzz;

const HEAD: &[u8; 8] = b"OLSNAP\x00\x02";
/// Bytes of a chunk's payload, beyond which no more is put into it.
const CHUNK_BYTES: usize = 1 << 20;
/// Longest payload that is read: a block, or a code.
const CHUNK_BYTES_MAX: usize = 256 << 20;
/// Bytes of each chunk's check.
const CHECK_BYTES: usize = 8;

/// What a chunk holds.
const CHAIN: u8 = 1;
const ANCESTRY: u8 = 2;
const STATE: u8 = 3;
const CODES: u8 = 4;
const END: u8 = 5;

/// What is in a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSummary {
    pub chain_id: u64,
    pub block: BlockNumHash,
    /// Version 0, of that block.
    pub output_root: B256,
    pub accounts: u64,
    pub slots: u64,
    pub codes: u64,
}

/// Why a snapshot was not written or not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the snapshot cannot be {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the file is no snapshot of this version")]
    Version,
    #[error("the snapshot is cut short in chunk {0}: fetch it again")]
    Cut(u64),
    #[error("chunk {0} of the snapshot is damaged: fetch it again")]
    Damaged(u64),
    #[error("chunk {chunk} of the snapshot says what cannot be: {what}")]
    Malformed { chunk: u64, what: &'static str },
    #[error("the snapshot goes on after its end")]
    Trailing,
    #[error("the snapshot is of chain {found}, not {expected}")]
    OtherChain { expected: u64, found: u64 },
    #[error(
        "the snapshot's block {number} has output root {found}, the right one is {expected}: it is of \
         another block, or forged"
    )]
    OutputRoot { number: u64, expected: B256, found: B256 },
    #[error(
        "the snapshot's state has root {found}, its block says {expected}: it is forged or incomplete"
    )]
    StateRoot { expected: B256, found: B256 },
    #[error("the code {0} is missing from the snapshot")]
    MissingCode(B256),
    #[error("{0} exists already; choose another directory")]
    Exists(PathBuf),
}

impl From<libmdbx::Error> for SnapshotError {
    fn from(error: libmdbx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<TrieError> for SnapshotError {
    fn from(error: TrieError) -> Self {
        Self::Store(error.into())
    }
}

/// Output root version 0 (OP Stack): of the state, of the withdrawals and of the block.
fn output_root(header: &Header, hash: B256) -> B256 {
    let withdrawals = header.withdrawals_root.unwrap_or_default();
    let words = [B256::ZERO, header.state_root, withdrawals, hash];
    keccak256(words.concat())
}

/// Chunks on their way out; each check covers everything before it.
struct Chunks<W> {
    out: W,
    digest: B256,
}

impl<W: Write> Chunks<W> {
    fn begin(mut out: W) -> Result<Self, SnapshotError> {
        out.write_all(HEAD).map_err(written)?;
        Ok(Self { out, digest: keccak256(HEAD) })
    }

    fn write(&mut self, kind: u8, payload: &[u8]) -> Result<(), SnapshotError> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.digest = digest(self.digest, kind, length, payload);
        let check = self.digest.get(..CHECK_BYTES).unwrap_or_default();
        for bytes in [&[kind], length.to_be_bytes().as_slice(), payload, check] {
            self.out.write_all(bytes).map_err(written)?;
        }
        Ok(())
    }
}

fn digest(before: B256, kind: u8, length: u32, payload: &[u8]) -> B256 {
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update(before);
    hasher.update([kind]);
    hasher.update(length.to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

const fn written(source: io::Error) -> SnapshotError {
    SnapshotError::Io { action: "written", source }
}

/// Chunks on their way in.
struct Reader<R> {
    input: R,
    digest: B256,
    /// Chunks read.
    count: u64,
}

impl<R: Read> Reader<R> {
    fn begin(mut input: R) -> Result<Self, SnapshotError> {
        let mut head = [0; 8];
        match input.read_exact(&mut head) {
            Ok(()) if head == *HEAD => {}
            Ok(()) => return Err(SnapshotError::Version),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(SnapshotError::Version);
            }
            Err(source) => return Err(SnapshotError::Io { action: "read", source }),
        }
        Ok(Self { input, digest: keccak256(HEAD), count: 0 })
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.input.read_exact(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => SnapshotError::Cut(self.count),
            _ => SnapshotError::Io { action: "read", source },
        })
    }

    /// Kind and payload of the next chunk, whose check is right.
    fn next(&mut self) -> Result<(u8, Vec<u8>), SnapshotError> {
        self.count += 1;
        let mut fixed = [0; 5];
        self.exact(&mut fixed)?;
        let [kind, length @ ..] = fixed;
        let length = u32::from_be_bytes(length);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > CHUNK_BYTES_MAX {
            return Err(SnapshotError::Damaged(self.count));
        }
        // As much as there is, so that a false length asks for no memory.
        let mut payload = Vec::new();
        let read = Read::by_ref(&mut self.input).take(u64::from(length)).read_to_end(&mut payload);
        if read.map_err(|source| SnapshotError::Io { action: "read", source })? < bytes {
            return Err(SnapshotError::Cut(self.count));
        }
        let mut check = [0; CHECK_BYTES];
        self.exact(&mut check)?;
        self.digest = digest(self.digest, kind, length, &payload);
        if self.digest.get(..CHECK_BYTES) != Some(&check) {
            return Err(SnapshotError::Damaged(self.count));
        }
        Ok((kind, payload))
    }

    /// A chunk of one kind.
    fn expect(&mut self, expected: u8) -> Result<Vec<u8>, SnapshotError> {
        match self.next()? {
            (kind, payload) if kind == expected => Ok(payload),
            _ => Err(self.malformed("a chunk of another kind")),
        }
    }

    const fn malformed(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Malformed { chunk: self.count, what }
    }
}

/// An account on its way: hashed address, nonce, balance, code hash, slots of this part.
fn put_account(out: &mut Vec<u8>, hashed: B256, account: &Account, slots: &[(B256, U256)]) {
    out.extend_from_slice(hashed.as_slice());
    integer(out, U256::from(account.nonce));
    integer(out, account.balance);
    out.extend_from_slice(account.code_hash.as_slice());
    let count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for (slot, value) in slots {
        out.extend_from_slice(slot.as_slice());
        integer(out, *value);
    }
}

/// Hashed address, account, some of its slots.
type Part = (B256, Account, Vec<(B256, U256)>);

fn take_account(input: &mut Input<'_>) -> Option<Part> {
    let hashed = input.word()?;
    let nonce = u64::try_from(input.integer()?).ok()?;
    let balance = input.integer()?;
    let code_hash = input.word()?;
    let count = u32::from_be_bytes(*input.take::<4>()?);
    let mut slots = Vec::new();
    for _ in 0..count {
        slots.push((input.word()?, input.integer()?));
    }
    Some((hashed, Account { nonce, balance, code_hash }, slots))
}

impl Store {
    /// The first block whose state this store has: 0, or that of the snapshot it began with.
    pub fn first_block(&self) -> u64 {
        self.first_block.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Writes the state after a block, which must not lie above the head. The chain may grow meanwhile.
    /// `window` is the chain's sequencing window, in L1 blocks.
    pub fn export_snapshot(
        self: &Arc<Self>,
        number: u64,
        window: u64,
        out: impl Write,
    ) -> Result<SnapshotSummary, SnapshotError> {
        self.has_state(number)?;
        if number > self.heads()?.unsafe_head.number {
            return Err(StoreError::MissingBlock(number).into());
        }
        self.checkpoints.reach(number)?;
        let stored = self.stored_block(number)?.ok_or(StoreError::MissingBlock(number))?;
        let txn = self.db.read()?;
        let (hash, header) = header_entry(&txn, number)?;
        let mut summary = SnapshotSummary {
            chain_id: self.chain_id()?,
            block: BlockNumHash { number, hash },
            output_root: output_root(&header, hash),
            ..Default::default()
        };
        let mut chunks = Chunks::begin(out)?;
        let mut chain = summary.chain_id.to_be_bytes().to_vec();
        let nothing = Default::default();
        chain.extend(record::encode_block(
            &stored.block,
            &stored.receipts,
            &stored.senders,
            &nothing,
        ));
        chunks.write(CHAIN, &chain)?;

        let origin = origin_of(&stored.block).ok_or_else(|| StoreError::Malformed {
            table: Table::Bodies.name(),
            key: format!("{number}"),
        })?;
        let wanted = Wanted::new(number, origin, window);
        let mut payload = Vec::new();
        for ancestor in (0..number).rev() {
            let ancestor = Ancestor::read(&txn, ancestor)?;
            ancestor.encode(&mut payload);
            let (origin, _) = ancestor.first.origin(&ancestor.header).unwrap_or_default();
            let last = wanted.is_last(ancestor.header.number, origin.number);
            if last || payload.len() >= CHUNK_BYTES {
                chunks.write(ANCESTRY, &payload)?;
                payload.clear();
            }
            if last {
                break;
            }
        }

        // What later blocks changed, as it was.
        let newest = heads(&txn)?.unsafe_head.number;
        let mut before = reverse_changes(&txn, number, newest)?;
        let mut codes = BTreeSet::new();
        let mut cursor = txn.cursor()?;
        let prefix = key(Table::Accounts, &[]);
        let mut next = cursor.set_range::<Vec<u8>, Vec<u8>>(&prefix)?;
        loop {
            let entry = next.as_ref().filter(|(at, _)| at.starts_with(&prefix));
            let current = match entry {
                Some((at, bytes)) => {
                    let Some(hashed) = row(at, &prefix) else {
                        // A node.
                        next = cursor.next::<Vec<u8>, Vec<u8>>()?;
                        continue;
                    };
                    let stored: StoredAccount = decode(Table::Accounts, at, bytes)?;
                    Some((hashed, stored.account))
                }
                None => None,
            };
            // Accounts that are gone since come from the changes alone.
            let gone = before.first_key_value().map(|(hashed, _)| *hashed);
            let (hashed, account) = match (current, gone) {
                (None, None) => break,
                (Some((hashed, account)), gone) if gone.is_none_or(|gone| hashed <= gone) => {
                    next = cursor.next::<Vec<u8>, Vec<u8>>()?;
                    (hashed, Some(account))
                }
                (_, Some(gone)) => (gone, None),
                (Some(_), None) => break,
            };
            let change = before.remove(&hashed).unwrap_or_default();
            let account = change.account.unwrap_or(account);
            let Some(account) = account else { continue };
            if account.code_hash != KECCAK256_EMPTY {
                codes.insert(account.code_hash);
            }
            summary.accounts += 1;
            summary.slots +=
                export_account(&txn, &mut chunks, &mut payload, hashed, &account, change.storage)?;
        }
        if !payload.is_empty() {
            chunks.write(STATE, &payload)?;
            payload.clear();
        }
        for hash in codes {
            let code: Option<Vec<u8>> =
                txn.get(Table::Codes, &key(Table::Codes, &[hash.as_slice()]))?;
            let code = code.ok_or(StoreError::MissingCode(hash))?;
            payload.extend_from_slice(&u32::try_from(code.len()).unwrap_or(u32::MAX).to_be_bytes());
            payload.extend_from_slice(&code);
            summary.codes += 1;
            if payload.len() >= CHUNK_BYTES {
                chunks.write(CODES, &payload)?;
                payload.clear();
            }
        }
        if !payload.is_empty() {
            chunks.write(CODES, &payload)?;
        }
        let counts = [summary.accounts, summary.slots, summary.codes];
        chunks.write(END, &counts.map(u64::to_be_bytes).concat())?;
        chunks.out.flush().map_err(written)?;
        Ok(summary)
    }

    /// Makes a store in `path`, which must not exist, that begins with a snapshot of the chain with this
    /// genesis and sequencing window. `expected` is the output root of the snapshot's block, from somebody
    /// who is trusted or from L1.
    pub fn import_snapshot(
        path: &Path,
        (genesis, window): (&GenesisL2, u64),
        expected: B256,
        input: impl Read,
    ) -> Result<SnapshotSummary, SnapshotError> {
        let io = |source| SnapshotError::Io { action: "put in its place", source };
        if path.exists() {
            return Err(SnapshotError::Exists(path.to_path_buf()));
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(io)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = parent.join(format!(".{name}.importing"));
        if part.exists() {
            // Of an import that was killed.
            fs::remove_dir_all(&part).map_err(io)?;
        }
        let imported = Self::open(&part, StoreOptions::default())
            .map_err(SnapshotError::from)
            .and_then(|store| store.take_snapshot(genesis, window, expected, input));
        match imported {
            Ok(summary) => {
                fs::rename(&part, path).map_err(io)?;
                File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)?;
                Ok(summary)
            }
            Err(error) => {
                // The reason counts more than what is left lying.
                let _ = fs::remove_dir_all(&part);
                Err(error)
            }
        }
    }

    /// Fills this empty store.
    fn take_snapshot(
        &self,
        genesis: &GenesisL2,
        window: u64,
        expected: B256,
        input: impl Read,
    ) -> Result<SnapshotSummary, SnapshotError> {
        let mut reader = Reader::begin(input)?;
        let mut begun = take_chain(&mut reader, genesis.chain_id, expected, window)?;
        loop {
            let ancestors = begun.take_ancestors(&mut reader)?;
            if ancestors.is_empty() {
                break;
            }
            let txn = self.db.write()?;
            for Ancestor { header, first } in &ancestors {
                write_header(&txn, header)?;
                txn.put(&block_key(Table::Lineage, header.number), &first.encode())?;
            }
            txn.commit()?;
        }
        let block = begun.record;
        let header = &block.block.header;
        let mut summary = SnapshotSummary {
            chain_id: genesis.chain_id,
            block: block.block.id(),
            output_root: expected,
            ..Default::default()
        };
        let mut root = alloy_trie::EMPTY_ROOT_HASH;
        let mut codes = BTreeSet::new();
        let mut last: Option<(B256, Option<B256>)> = None;
        let end = loop {
            let (kind, payload) = reader.next()?;
            match kind {
                STATE if summary.codes == 0 => {
                    let txn = self.db.write()?;
                    root = take_state(
                        &reader,
                        &payload,
                        &txn,
                        root,
                        &mut codes,
                        &mut last,
                        &mut summary,
                    )?;
                    txn.commit()?;
                }
                CODES => {
                    let txn = self.db.write()?;
                    let mut input = Input(&payload);
                    while !input.0.is_empty() {
                        let code = input.section().ok_or(reader.malformed("a code"))?;
                        let hash = keccak256(code);
                        if !codes.remove(&hash) {
                            return Err(reader.malformed("a code of no account"));
                        }
                        txn.put(&key(Table::Codes, &[hash.as_slice()]), code)?;
                        summary.codes += 1;
                    }
                    txn.commit()?;
                }
                END => break payload,
                _ => return Err(reader.malformed("a chunk of another kind")),
            }
        };
        let counts = [summary.accounts, summary.slots, summary.codes];
        if end != counts.map(u64::to_be_bytes).concat() {
            return Err(reader.malformed("the counts at its end"));
        }
        if !matches!(reader.input.read(&mut [0]), Ok(0)) {
            return Err(SnapshotError::Trailing);
        }
        if root != header.state_root {
            return Err(SnapshotError::StateRoot { expected: header.state_root, found: root });
        }
        if let Some(missing) = codes.first() {
            return Err(SnapshotError::MissingCode(*missing));
        }
        self.finish_snapshot(genesis, &block)?;
        Ok(summary)
    }

    /// Writes everything beside the state, durable when this returns.
    fn finish_snapshot(
        &self,
        genesis: &GenesisL2,
        block: &BlockRecord,
    ) -> Result<(), SnapshotError> {
        let BlockRecord { block, receipts, senders, .. } = block;
        let number = block.header.number;
        let txn = self.db.write()?;
        let passer = storage_root(&txn, keccak256(L2_TO_L1_MESSAGE_PASSER))?;
        if block.header.withdrawals_root != Some(passer) {
            let expected = block.header.withdrawals_root.unwrap_or_default();
            return Err(SnapshotError::StateRoot { expected, found: passer });
        }
        let first = genesis::genesis_header(genesis)?;
        for header in [&first, &block.header] {
            write_header(&txn, header)?;
        }
        let empty = genesis::empty_body(&first);
        let blocks = [
            (0, &empty, [].as_slice(), Vec::new()),
            (number, &block.body, receipts, senders.clone()),
        ];
        for (number, body, receipts, senders) in blocks {
            txn.put(&block_key(Table::Bodies, number), &body.encode())?;
            txn.put(&block_key(Table::Receipts, number), &encode_receipts(receipts))?;
            txn.put(&block_key(Table::Senders, number), &senders.encode())?;
            txn.put(&block_key(Table::Changes, number), &ChangedKeys::default().encode())?;
        }
        for (index, transaction) in (0_u32..).zip(&block.body.transactions) {
            let at = key(Table::Transactions, &[transaction.hash().as_slice()]);
            txn.put(&at, &(number, index).encode())?;
        }
        log_index::write(&txn, number, receipts)?;
        let id = block.id();
        write_heads(&txn, &Heads { unsafe_head: id, safe: id, finalized: id })?;
        write_log_position(&txn, self.log.lock().last())?;
        txn.put(&key(Table::Meta, &[b"chain"]), &genesis.chain_id.encode())?;
        txn.put(&key(Table::Meta, &[b"first"]), &number.encode())?;
        txn.put(&key(Table::Meta, &[b"schema"]), &u64::from(SCHEMA).encode())?;
        txn.commit()?;
        Ok(())
    }
}

fn write_header(txn: &Txn<'_, RW>, header: &Header) -> Result<(), StoreError> {
    let hash = header.hash_slow();
    let entry = (hash, header.clone());
    txn.put(&block_key(Table::Headers, header.number), &entry.encode())?;
    txn.put(&key(Table::Numbers, &[hash.as_slice()]), &header.number.encode())?;
    Ok(())
}

/// Number of a block's L1 origin; that of genesis is nobody's affair here.
fn origin_of(block: &Block) -> Option<u64> {
    if block.header.number == 0 {
        return Some(0);
    }
    Some(l1_origin(block.body.transactions.first()?)?.0.number)
}

/// A snapshot of which the block is read and found right.
struct Begun {
    record: BlockRecord,
    wanted: Wanted,
    /// Number and hash of the last block read, and whether ancestors of it are wanted.
    number: u64,
    parent: B256,
    complete: bool,
}

impl Begun {
    /// The next ancestors; none when there are as many as are wanted.
    fn take_ancestors<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
    ) -> Result<Vec<Ancestor>, SnapshotError> {
        let mut ancestors = Vec::new();
        if self.complete {
            return Ok(ancestors);
        }
        let payload = reader.expect(ANCESTRY)?;
        let mut input = Input(&payload);
        while !input.0.is_empty() {
            let malformed = || reader.malformed("an ancestor");
            let ancestor = Ancestor::take(&mut input).ok_or_else(malformed)?;
            let header = &ancestor.header;
            let follows = Some(header.number) == self.number.checked_sub(1)
                && header.hash_slow() == self.parent;
            if self.complete || !follows {
                return Err(malformed());
            }
            let (origin, _) = ancestor.first.origin(header).ok_or_else(malformed)?;
            (self.number, self.parent) = (header.number, header.parent_hash);
            self.complete = self.wanted.is_last(self.number, origin.number);
            ancestors.push(ancestor);
        }
        if ancestors.is_empty() {
            return Err(reader.malformed("a chunk without ancestors"));
        }
        Ok(ancestors)
    }
}

/// The block, compared with the output root.
fn take_chain<R: Read>(
    reader: &mut Reader<R>,
    chain_id: u64,
    expected: B256,
    window: u64,
) -> Result<Begun, SnapshotError> {
    let payload = reader.expect(CHAIN)?;
    let mut input = Input(&payload);
    let found = input.take::<8>().ok_or(reader.malformed("its chain"))?;
    let found = u64::from_be_bytes(*found);
    if found != chain_id {
        return Err(SnapshotError::OtherChain { expected: chain_id, found });
    }
    let record = record::decode_block(input.0).ok_or(reader.malformed("its block"))?;
    let block = &record.block;
    let header = &block.header;
    if header.hash_slow() != block.hash {
        return Err(reader.malformed("its block's hash"));
    }
    let found = output_root(header, block.hash);
    if found != expected {
        let number = header.number;
        return Err(SnapshotError::OutputRoot { number, expected, found });
    }
    // From here on the header is right; everything else must be what it says.
    let body = &block.body;
    let withdrawn = body.withdrawals.as_ref().is_some_and(|all| {
        all.is_empty() || Some(calculate_withdrawals_root(all)) == header.withdrawals_root
    });
    if transactions_root(&body.transactions) != header.transactions_root
        || !body.ommers.is_empty()
        || !withdrawn
    {
        return Err(reader.malformed("its block's transactions"));
    }
    if calculate_receipt_root(&record.receipts) != header.receipts_root
        || record.receipts.len() != body.transactions.len()
    {
        return Err(reader.malformed("its block's receipts"));
    }
    let senders = body.transactions.iter().map(|transaction| match transaction {
        TxEnvelope::Deposit(deposit) => Some(deposit.from),
        other => other.recover_signer().ok(),
    });
    if senders.collect::<Option<Vec<_>>>().as_ref() != Some(&record.senders) {
        return Err(reader.malformed("its block's senders"));
    }
    if !record.changes.accounts.is_empty() || !record.changes.codes.is_empty() {
        return Err(reader.malformed("its block's changes"));
    }
    let number = header.number;
    let origin = origin_of(block).ok_or(reader.malformed("its block's L1 origin"))?;
    let wanted = Wanted::new(number, origin, window);
    let parent = header.parent_hash;
    Ok(Begun { record, wanted, number, parent, complete: number == 0 })
}

/// Writes the accounts of a chunk on top of the tries with this root; gives the new root.
fn take_state<R>(
    reader: &Reader<R>,
    payload: &[u8],
    txn: &Txn<'_, RW>,
    root: B256,
    codes: &mut BTreeSet<B256>,
    last: &mut Option<(B256, Option<B256>)>,
    summary: &mut SnapshotSummary,
) -> Result<B256, SnapshotError>
where
    R: Read,
{
    let mut input = Input(payload);
    let mut changes = BTreeMap::<B256, HashedChange>::new();
    while !input.0.is_empty() {
        let (hashed, account, slots) =
            take_account(&mut input).ok_or(reader.malformed("an account"))?;
        let continued = last.is_some_and(|(before, _)| before == hashed);
        if last.is_some_and(|(before, _)| before > hashed) {
            return Err(reader.malformed("the order of accounts"));
        }
        if !continued {
            *last = Some((hashed, None));
            summary.accounts += 1;
        }
        if account.code_hash != KECCAK256_EMPTY {
            codes.insert(account.code_hash);
        }
        let change = changes.entry(hashed).or_default();
        if change.account.is_some_and(|known| known != Some(account)) {
            return Err(reader.malformed("an account that is two"));
        }
        change.account = Some(Some(account));
        for (slot, value) in slots {
            if value.is_zero() || last.is_some_and(|(_, before)| before >= Some(slot)) {
                return Err(reader.malformed("the order of slots"));
            }
            *last = Some((hashed, Some(slot)));
            change.storage.insert(slot, value);
            summary.slots += 1;
        }
    }
    let roots = stf::compute_hashed_roots(&Growing { txn, root }, &changes)?;
    write_trie(txn, &roots.updates)?;
    for (hashed, change) in changes {
        let root = roots.updates.storage_roots.get(&hashed).copied();
        let storage_root = root.map_or_else(|| storage_root(txn, hashed), Ok)?;
        for (slot, value) in change.storage {
            write_slot(txn, hashed, slot, value)?;
        }
        if let Some(Some(account)) = change.account {
            let at = account_key(&hashed);
            txn.put(&at, &StoredAccount { account, storage_root }.encode())?;
        }
    }
    Ok(roots.state_root)
}

/// Writes an account with all its slots; gives their number.
fn export_account<W: Write, K: libmdbx::TransactionKind>(
    txn: &Txn<'_, K>,
    chunks: &mut Chunks<W>,
    payload: &mut Vec<u8>,
    hashed: B256,
    account: &Account,
    mut before: BTreeMap<B256, U256>,
) -> Result<u64, SnapshotError> {
    let prefix = key(Table::Storage, &[hashed.as_slice()]);
    let mut cursor = txn.cursor()?;
    let mut next = cursor.set_range::<Vec<u8>, Vec<u8>>(&prefix)?;
    let mut slots = Vec::new();
    let mut count = 0;
    loop {
        let entry = next.as_ref().filter(|(at, _)| at.starts_with(&prefix));
        let current = match entry {
            Some((at, bytes)) => {
                let Some(slot) = row(at, &prefix) else {
                    // A node.
                    next = cursor.next::<Vec<u8>, Vec<u8>>()?;
                    continue;
                };
                Some((slot, decode::<U256>(Table::Storage, at, bytes)?))
            }
            None => None,
        };
        let changed = before.first_key_value().map(|(slot, _)| *slot);
        let (slot, value) = match (current, changed) {
            (None, None) => break,
            (Some((slot, value)), changed) if changed.is_none_or(|changed| slot <= changed) => {
                next = cursor.next::<Vec<u8>, Vec<u8>>()?;
                (slot, before.remove(&slot).unwrap_or(value))
            }
            (_, Some(changed)) => (changed, before.remove(&changed).unwrap_or_default()),
            (Some(_), None) => break,
        };
        if value.is_zero() {
            continue;
        }
        slots.push((slot, value));
        count += 1;
        if payload.len() + slots.len() * 65 >= CHUNK_BYTES {
            put_account(payload, hashed, account, &slots);
            chunks.write(STATE, payload)?;
            payload.clear();
            slots.clear();
        }
    }
    if count == 0 || !slots.is_empty() {
        put_account(payload, hashed, account, &slots);
    }
    if payload.len() >= CHUNK_BYTES {
        chunks.write(STATE, payload)?;
        payload.clear();
    }
    Ok(count)
}

/// Tries that grow from nothing, within one transaction.
struct Growing<'t, 'db> {
    txn: &'t Txn<'db, RW>,
    root: B256,
}

impl NodeReader for Growing<'_, '_> {
    fn node(
        &self,
        trie: TrieId,
        position: &alloy_trie::Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let (table, at) = trie_key(&trie, position);
        Ok(self.txn.get::<Vec<u8>>(table, &at)?)
    }
}

impl TrieReader for Growing<'_, '_> {
    fn account_root(&self) -> Result<B256, TrieError> {
        Ok(self.root)
    }

    fn storage_root(&self, hashed_address: B256) -> Result<B256, TrieError> {
        Ok(storage_root(self.txn, hashed_address)?)
    }
}
