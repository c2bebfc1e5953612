//! The feed: what a sequencer seals and executes, signed and told at once to whoever listens, long before
//! L1 has it. Bytes are in `docs/formats/feed.md`.
//!
//! [`server`] serves it on a port of its own, [`client`] listens to one, [`message`] is what is said,
//! [`stand_in`] is who must have each block before anybody else.
//! What a follower makes of it is left to [`crate::unsafe_chain`]; who may sequence, to [`crate::lead`].

pub(crate) mod client;
pub(crate) mod log;
pub mod message;
pub(crate) mod publisher;
pub(crate) mod server;
pub(crate) mod stand_in;

/// The decoders, for the fuzzer.
#[doc(hidden)]
pub mod fuzzing {
    use alloy_primitives::{B256, Bytes, keccak256};
    use alloy_signer_local::PrivateKeySigner;
    use primitives::{Block, BlockBody, Header};

    use super::message::{Content, Message, Part, SignedMessage};

    /// Decodes a message as a follower does.
    pub fn message(bytes: &[u8]) {
        let Ok(signed) = SignedMessage::decode(bytes) else { return };
        assert_eq!(signed.encode().as_ref(), bytes, "two encodings of one message");
        let _ = signed.signer();
        if let Ok(Content::Partial(part)) = signed.message.content() {
            let again = Part::decode(&part.encode());
            assert_eq!(again.as_ref(), Ok(&part));
        }
    }

    /// One message of each kind.
    pub fn messages() -> Vec<Vec<u8>> {
        let header = Header {
            number: 7,
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(alloy_consensus::EMPTY_ROOT_HASH),
            ..Header::default()
        };
        let body = BlockBody::rollup(Vec::new());
        let block = Block { hash: header.hash_slow(), header, body };
        let transactions = vec![Bytes::from_static(&[2, 0xc0]), Bytes::from_static(&[0x7e])];
        let part = Part { first: 1, header: block.header.clone(), transactions };
        let id = block.id();
        let Ok(signer) = PrivateKeySigner::from_bytes(&keccak256("feed")) else {
            return Vec::new();
        };
        [
            Message::sealed(16_120, 3, &block),
            Message::partial(16_120, 3, &part),
            Message::alive(16_120, 3, id, block.header.parent_hash),
            Message::resigned(16_120, 3, id, block.header.parent_hash),
            Message::challenge(16_120, 3, B256::repeat_byte(7)),
            Message::acknowledged(16_120, 3, id, B256::repeat_byte(7)),
        ]
        .into_iter()
        .filter_map(|message| Some(message.sign(&signer).ok()?.encode().to_vec()))
        .collect()
    }
}
