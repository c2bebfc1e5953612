//! Messages of the feed, byte for byte (`docs/formats/feed.md`).
//!
//! SOUNDNESS: a signature covers everything before it, the payload by its hash. Nothing of a message may
//! be used before [`SignedMessage::verify`].

use alloy_consensus::BlockHeader;
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, Bytes, Keccak256, Signature, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use primitives::{Block, Header, TxEnvelope};

use crate::error::FeedError;

/// Bytes of one message, at most.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

const HEAD: &[u8; 8] = b"OLFEED\x00\x01";
/// Everything before the payload.
const FIXED_BYTES: usize = 8 + 1 + 8 + 8 + 8 + 32 + 32 + 4;
const SIGNATURE_BYTES: usize = 65;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block is sealed and durable.
    Sealed,
    /// Transactions were executed into the open block.
    Partial,
    /// The sequencer lives, and this is its head.
    Alive,
    /// The sequencer stopped: nothing of this term comes after this block.
    Resigned,
    /// To a listener that says that it is the stand-in: it is to prove that.
    Challenge,
    /// From the stand-in: the block is its head, and on its disk.
    Acknowledged,
}

impl Kind {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Sealed => 1,
            Self::Partial => 2,
            Self::Alive => 3,
            Self::Resigned => 4,
            Self::Challenge => 5,
            Self::Acknowledged => 6,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, FeedError> {
        match byte {
            1 => Ok(Self::Sealed),
            2 => Ok(Self::Partial),
            3 => Ok(Self::Alive),
            4 => Ok(Self::Resigned),
            5 => Ok(Self::Challenge),
            6 => Ok(Self::Acknowledged),
            other => Err(FeedError::Kind(other)),
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// L2's.
    pub chain_id: u64,
    /// Counts hand-overs: of two sequencers the one with the higher term is followed.
    pub term: u64,
    /// Of the block that is spoken of.
    pub number: u64,
    /// Zero for a block that is still open.
    pub hash: B256,
    pub parent_hash: B256,
    pub payload: Bytes,
}

/// The payload of a message, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Sealed(Block),
    Partial(Part),
    Alive,
    Resigned,
    /// What a stand-in is to say with every word.
    Challenge(B256),
    /// With what it was challenged.
    Acknowledged(B256),
}

/// A part of an open block.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Part {
    /// Transactions of the block before these.
    pub first: u64,
    /// As opened: roots, bloom and gas used are those of an empty block.
    pub header: Header,
    /// EIP-2718 bytes, in the block's order.
    pub transactions: Vec<Bytes>,
}

impl Part {
    /// A part of a block that was opened with this header. What it does not have yet is told as zero: RLP
    /// leaves out nothing but what comes last.
    pub(crate) fn new(first: u64, opened: &Header, transactions: Vec<Bytes>) -> Self {
        let header = Header {
            base_fee_per_gas: Some(opened.base_fee_per_gas.unwrap_or_default()),
            withdrawals_root: Some(opened.withdrawals_root.unwrap_or_default()),
            blob_gas_used: Some(opened.blob_gas_used.unwrap_or_default()),
            excess_blob_gas: Some(opened.excess_blob_gas.unwrap_or_default()),
            parent_beacon_block_root: Some(opened.parent_beacon_block_root.unwrap_or_default()),
            requests_hash: Some(opened.requests_hash.unwrap_or_default()),
            ..opened.clone()
        };
        Self { first, header, transactions }
    }

    pub(crate) fn encode(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, FeedError> {
        let part = <Self as Decodable>::decode(&mut bytes).map_err(FeedError::Payload)?;
        if !bytes.is_empty() {
            return Err(FeedError::Payload(alloy_rlp::Error::UnexpectedLength));
        }
        Ok(part)
    }
}

impl Message {
    pub fn sealed(chain_id: u64, term: u64, block: &Block) -> Self {
        let rlp = block.to_rlp();
        let mut payload = Vec::with_capacity(rlp.length());
        rlp.encode(&mut payload);
        Self {
            kind: Kind::Sealed,
            chain_id,
            term,
            number: block.header.number,
            hash: block.hash,
            parent_hash: block.header.parent_hash,
            payload: payload.into(),
        }
    }

    pub fn partial(chain_id: u64, term: u64, part: &Part) -> Self {
        Self {
            kind: Kind::Partial,
            chain_id,
            term,
            number: part.header.number,
            hash: B256::ZERO,
            parent_hash: part.header.parent_hash,
            payload: part.encode(),
        }
    }

    pub const fn alive(chain_id: u64, term: u64, head: BlockNumHash, parent_hash: B256) -> Self {
        Self::about(Kind::Alive, chain_id, term, head, parent_hash)
    }

    pub const fn resigned(chain_id: u64, term: u64, head: BlockNumHash, parent_hash: B256) -> Self {
        Self::about(Kind::Resigned, chain_id, term, head, parent_hash)
    }

    /// Random bytes to be acknowledged with.
    pub fn challenge(chain_id: u64, term: u64, challenge: B256) -> Self {
        let nothing = BlockNumHash { number: 0, hash: B256::ZERO };
        let about = Self::about(Kind::Challenge, chain_id, term, nothing, B256::ZERO);
        Self { payload: challenge.0.into(), ..about }
    }

    /// The answer to a challenge of this term, and every later word on the same connection.
    pub fn acknowledged(chain_id: u64, term: u64, head: BlockNumHash, challenge: B256) -> Self {
        let about = Self::about(Kind::Acknowledged, chain_id, term, head, B256::ZERO);
        Self { payload: challenge.0.into(), ..about }
    }

    const fn about(
        kind: Kind,
        chain_id: u64,
        term: u64,
        head: BlockNumHash,
        parent_hash: B256,
    ) -> Self {
        let BlockNumHash { number, hash } = head;
        Self { kind, chain_id, term, number, hash, parent_hash, payload: Bytes::new() }
    }

    /// The block that is spoken of.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash { number: self.number, hash: self.hash }
    }

    /// Everything before the payload.
    fn fixed(&self) -> [u8; FIXED_BYTES] {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = [0; FIXED_BYTES];
        let fields: [&[u8]; 8] = [
            HEAD,
            &[self.kind.to_byte()],
            &self.chain_id.to_be_bytes(),
            &self.term.to_be_bytes(),
            &self.number.to_be_bytes(),
            self.hash.as_slice(),
            self.parent_hash.as_slice(),
            &length.to_be_bytes(),
        ];
        let all = fields.into_iter().flatten();
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// What is signed.
    pub fn digest(&self) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update(self.fixed());
        hasher.update(keccak256(&self.payload));
        hasher.finalize()
    }

    pub fn sign(self, signer: &PrivateKeySigner) -> Result<SignedMessage, FeedError> {
        if self.payload.len() > MESSAGE_BYTES_MAX - FIXED_BYTES - SIGNATURE_BYTES {
            return Err(FeedError::TooLong(self.payload.len()));
        }
        let signature = signer
            .sign_hash_sync(&self.digest())
            .map_err(|error| FeedError::Signer(error.to_string()))?;
        Ok(SignedMessage { message: self, signature })
    }

    /// Decodes the payload and compares it with what the message says of it.
    pub fn content(&self) -> Result<Content, FeedError> {
        match self.kind {
            Kind::Sealed => {
                let mut rest = self.payload.as_ref();
                let rlp = alloy_consensus::Block::<TxEnvelope>::decode(&mut rest)
                    .map_err(FeedError::Payload)?;
                let block = Block::from_rlp(rlp);
                let header = &block.header;
                let agrees = rest.is_empty()
                    && block.hash == self.hash
                    && header.number == self.number
                    && header.parent_hash == self.parent_hash
                    && block.body.ommers.is_empty()
                    && block.body.withdrawals.as_ref().is_some_and(|all| all.is_empty());
                agrees.then_some(Content::Sealed(block)).ok_or(FeedError::Disagrees)
            }
            Kind::Partial => {
                let part = Part::decode(&self.payload)?;
                let agrees = part.header.number() == self.number
                    && part.header.parent_hash == self.parent_hash
                    && self.hash.is_zero();
                agrees.then_some(Content::Partial(part)).ok_or(FeedError::Disagrees)
            }
            Kind::Alive if self.payload.is_empty() => Ok(Content::Alive),
            Kind::Resigned if self.payload.is_empty() => Ok(Content::Resigned),
            Kind::Alive | Kind::Resigned => Err(FeedError::Disagrees),
            Kind::Challenge | Kind::Acknowledged => {
                let challenge = B256::try_from(self.payload.as_ref());
                let challenge = challenge.map_err(|_| FeedError::Disagrees)?;
                let is_of_none = self.number == 0 && self.hash.is_zero();
                match (self.kind, self.parent_hash.is_zero()) {
                    (Kind::Challenge, true) if is_of_none => Ok(Content::Challenge(challenge)),
                    (Kind::Acknowledged, true) => Ok(Content::Acknowledged(challenge)),
                    _ => Err(FeedError::Disagrees),
                }
            }
        }
    }
}

/// A message with a signature that nobody has looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedMessage {
    pub message: Message,
    pub signature: Signature,
}

impl SignedMessage {
    pub fn encode(&self) -> Bytes {
        let message = &self.message;
        let mut bytes = Vec::with_capacity(FIXED_BYTES + message.payload.len() + SIGNATURE_BYTES);
        bytes.extend_from_slice(&message.fixed());
        bytes.extend_from_slice(&message.payload);
        bytes.extend_from_slice(&self.signature.r().to_be_bytes::<32>());
        bytes.extend_from_slice(&self.signature.s().to_be_bytes::<32>());
        bytes.push(u8::from(self.signature.v()));
        bytes.into()
    }

    /// Takes a message apart; its payload stays encoded.
    pub fn decode(bytes: &[u8]) -> Result<Self, FeedError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(FeedError::TooLong(bytes.len()));
        }
        let mut reader = Reader(bytes);
        if reader.array::<8>()? != *HEAD {
            return Err(FeedError::Version);
        }
        let kind = Kind::from_byte(u8::from_be_bytes(reader.array()?))?;
        let chain_id = reader.u64()?;
        let term = reader.u64()?;
        let number = reader.u64()?;
        let hash = B256::new(reader.array()?);
        let parent_hash = B256::new(reader.array()?);
        let length = u32::from_be_bytes(reader.array()?) as usize;
        let payload = Bytes::copy_from_slice(reader.take(length)?);
        let r = U256::from_be_bytes(reader.array::<32>()?);
        let s = U256::from_be_bytes(reader.array::<32>()?);
        let odd = match u8::from_be_bytes(reader.array()?) {
            0 => false,
            1 => true,
            _ => return Err(FeedError::Signature),
        };
        if !reader.0.is_empty() {
            return Err(FeedError::Length);
        }
        let message = Message { kind, chain_id, term, number, hash, parent_hash, payload };
        Ok(Self { message, signature: Signature::new(r, s, odd) })
    }

    /// Who signed it, if anybody did. Of the two signatures over one message only the one with the lower
    /// `s` counts.
    pub fn signer(&self) -> Result<Address, FeedError> {
        if self.signature.normalize_s().is_some() {
            return Err(FeedError::Signature);
        }
        self.signature
            .recover_address_from_prehash(&self.message.digest())
            .map_err(|_| FeedError::Signature)
    }

    /// The message, if `signer` signed it for this chain.
    pub fn verify(self, chain_id: u64, signer: Address) -> Result<Message, FeedError> {
        if self.message.chain_id != chain_id {
            return Err(FeedError::Chain { expected: chain_id, found: self.message.chain_id });
        }
        let found = self.signer()?;
        if found != signer {
            return Err(FeedError::OtherSigner { expected: signer, found });
        }
        Ok(self.message)
    }
}

/// Fields from the front of what is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FeedError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(FeedError::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u64(&mut self) -> Result<u64, FeedError> {
        self.array().map(u64::from_be_bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FeedError> {
        let (field, rest) = self.0.split_at_checked(length).ok_or(FeedError::Length)?;
        self.0 = rest;
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use primitives::BlockBody;
    use proptest::prelude::*;

    use super::*;

    fn signer(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
    }

    fn block() -> Block {
        let header = Header {
            number: 5,
            parent_hash: B256::repeat_byte(4),
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(alloy_consensus::EMPTY_ROOT_HASH),
            ..Header::default()
        };
        Block { hash: header.hash_slow(), header, body: BlockBody::rollup(Vec::new()) }
    }

    #[test]
    fn messages_survive_and_what_was_changed_is_refused() {
        let (key, block, challenge) = (signer(1), block(), B256::repeat_byte(7));
        let part = Part {
            first: 3,
            header: block.header.clone(),
            transactions: vec![Bytes::from_static(b"\x02\xc0")],
        };
        let contents = [
            (Message::sealed(9, 2, &block), Content::Sealed(block.clone())),
            (Message::partial(9, 2, &part), Content::Partial(part)),
            (Message::alive(9, 2, block.id(), B256::ZERO), Content::Alive),
            (Message::resigned(9, 2, block.id(), B256::ZERO), Content::Resigned),
            (Message::challenge(9, 2, challenge), Content::Challenge(challenge)),
            (Message::acknowledged(9, 2, block.id(), challenge), Content::Acknowledged(challenge)),
        ];
        for (message, content) in contents {
            let bytes = message.clone().sign(&key).unwrap().encode();
            let decoded = SignedMessage::decode(&bytes).unwrap();
            assert_eq!(decoded.encode(), bytes);
            let verified = decoded.clone().verify(9, key.address()).unwrap();
            assert_eq!(verified, message);
            assert_eq!(verified.content().unwrap(), content);

            let other = signer(2).address();
            let refused = decoded.clone().verify(9, other).unwrap_err();
            let expected = FeedError::OtherSigner { expected: other, found: key.address() };
            assert_eq!(refused, expected);
            let refused = decoded.clone().verify(10, key.address()).unwrap_err();
            assert_eq!(refused, FeedError::Chain { expected: 10, found: 9 });
            // Any bit.
            for at in 0..bytes.len() {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                let taken =
                    SignedMessage::decode(&changed).and_then(|m| m.verify(9, key.address()));
                assert!(taken.is_err(), "byte {at} may be changed");
                assert!(SignedMessage::decode(&bytes[..at]).is_err(), "cut at {at}");
            }
            // The other signature over the same message.
            let high = Signature::new(
                decoded.signature.r(),
                U256::from_be_bytes(alloy_primitives::hex!(
                    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
                )) - decoded.signature.s(),
                !decoded.signature.v(),
            );
            let twisted = SignedMessage { signature: high, ..decoded };
            assert_eq!(twisted.signer(), Err(FeedError::Signature));
        }
    }

    #[test]
    fn a_payload_is_what_its_message_says() {
        let block = block();
        let message = Message::sealed(9, 2, &block);
        for change in [
            |message: &mut Message| message.number += 1,
            |message: &mut Message| message.hash = B256::repeat_byte(1),
            |message: &mut Message| message.parent_hash = B256::repeat_byte(1),
            |message: &mut Message| message.kind = Kind::Alive,
            |message: &mut Message| {
                message.payload = [message.payload.as_ref(), &[0]].concat().into();
            },
        ] {
            let mut changed = message.clone();
            change(&mut changed);
            assert_eq!(changed.content(), Err(FeedError::Disagrees));
        }
        let cut = Message { payload: message.payload.slice(..9), ..message };
        assert!(matches!(cut.content(), Err(FeedError::Payload(_))));

        let challenge = B256::repeat_byte(7);
        let challenged = Message::challenge(9, 2, challenge);
        let acknowledged = Message::acknowledged(9, 2, block.id(), challenge);
        for message in [
            Message { payload: challenge[1..].to_vec().into(), ..challenged.clone() },
            Message { number: 1, ..challenged.clone() },
            Message { hash: challenge, ..challenged.clone() },
            Message { parent_hash: challenge, ..challenged },
            Message {
                payload: [challenge.as_slice(), &[0]].concat().into(),
                ..acknowledged.clone()
            },
            Message { parent_hash: challenge, ..acknowledged },
        ] {
            assert_eq!(message.content(), Err(FeedError::Disagrees));
        }
    }

    proptest! {
        /// Whatever a message says, it survives, and only what its kind may say has a content.
        #[test]
        fn any_message_survives(
            kind in 1..=6_u8,
            (chain_id, term, number) in any::<(u64, u64, u64)>(),
            (hash, parent) in any::<([u8; 32], [u8; 32])>(),
            payload in prop::collection::vec(any::<u8>(), 0..80),
            sparse in any::<(bool, bool, bool, bool)>(),
        ) {
            let unless = |zero: bool, bytes: [u8; 32]| if zero { B256::ZERO } else { bytes.into() };
            let mut payload = payload;
            if sparse.3 {
                payload.resize(32, 1);
            }
            let message = Message {
                kind: Kind::from_byte(kind).unwrap(),
                chain_id,
                term,
                number: if sparse.0 { 0 } else { number },
                hash: unless(sparse.1, hash),
                parent_hash: unless(sparse.2, parent),
                payload: payload.into(),
            };
            let key = signer(1);
            let bytes = message.clone().sign(&key).unwrap().encode();
            let decoded = SignedMessage::decode(&bytes).unwrap();
            prop_assert_eq!(decoded.encode(), bytes);
            let decoded = decoded.verify(chain_id, key.address()).unwrap();
            prop_assert_eq!(&decoded, &message);
            let (head, parent) = (message.id(), message.parent_hash);
            let said = match decoded.content() {
                Ok(Content::Challenge(said)) => Message::challenge(chain_id, term, said),
                Ok(Content::Acknowledged(said)) => {
                    Message::acknowledged(chain_id, term, head, said)
                }
                Ok(Content::Alive) => Message::alive(chain_id, term, head, parent),
                Ok(Content::Resigned) => Message::resigned(chain_id, term, head, parent),
                Ok(Content::Sealed(_) | Content::Partial(_)) | Err(_) => message.clone(),
            };
            prop_assert_eq!(said, message);
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [HEAD.as_slice(), &bytes].concat();
            if let Ok(signed) = SignedMessage::decode(&bytes) {
                prop_assert_eq!(signed.encode(), bytes);
            }
        }
    }

    /// The vector that other implementations can be tested with.
    #[test]
    fn the_golden_vector_stands() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../../tests/vectors/feed.json")).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let key: PrivateKeySigner = text(&vector["private_key"]).parse().unwrap();
        assert_eq!(key.address().to_string(), text(&vector["signer"]));
        let cases = vector["messages"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let bytes: Bytes = text(&case["encoded"]).parse().unwrap();
            let signed = SignedMessage::decode(&bytes).unwrap();
            assert_eq!(signed.message.digest().to_string(), text(&case["digest"]));
            assert_eq!(signed.message.hash.to_string(), text(&case["hash"]));
            let message = signed.verify(vector["chain_id"].as_u64().unwrap(), key.address());
            let message = message.unwrap();
            assert_eq!(message.term, case["term"].as_u64().unwrap());
            assert_eq!(message.number, case["number"].as_u64().unwrap());
            message.content().unwrap();
            // RFC 6979: signing again gives the same bytes.
            assert_eq!(message.sign(&key).unwrap().encode(), bytes);
        }
    }
}
