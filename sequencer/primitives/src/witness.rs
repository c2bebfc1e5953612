//! What a block needs of its parent's state to be executed again by somebody who has no state: trie
//! nodes, codes and the headers of ancestors. Everything in it is named by its own hash, so a witness
//! is trusted in nothing; `stf::execute_stateless` runs a block from it.
//!
//! Bytes: `docs/formats/witness.md`. One witness has one encoding.

use alloc::vec::Vec;

use alloy_consensus::Header;
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable};

/// First byte of the encoding.
pub const WITNESS_VERSION: u8 = 1;
/// Bytes of an encoded witness, at most.
pub const WITNESS_BYTES_MAX: usize = 512 << 20;
/// Bytes of a trie node, at least: shorter ones stand inside their parents (yellow paper, appendix D).
pub const WITNESS_NODE_BYTES_MIN: usize = 32;
/// Bytes of a trie node, at most. A branch has 532; leaves of accounts and slots are shorter.
pub const WITNESS_NODE_BYTES_MAX: usize = 1_024;
/// Codes, at most; loading a cold one costs 2,600 gas (EIP-2929).
pub const WITNESS_CODES_MAX: usize = 1 << 20;
/// Bytes of a code, at most. Above the 24,576 that can be deployed (EIP-170): a genesis may hold more.
pub const WITNESS_CODE_BYTES_MAX: usize = 1 << 20;
/// Headers, at most: `BLOCKHASH` reaches 256 blocks back.
pub const WITNESS_HEADERS_MAX: usize = 256;

/// Everything of the state before a block that executing it reads or that the roots after it need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// RLP of nodes of the account trie and of storage tries, ascending, each once.
    pub nodes: Vec<Bytes>,
    /// Codes that ran or were read, ascending, each once.
    pub codes: Vec<Bytes>,
    /// The parent last; before it as many ancestors as `BLOCKHASH` asked for, without gaps.
    pub headers: Vec<Header>,
}

/// Bytes that are no witness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessDecodeError {
    #[error("a witness of {0} bytes, at most {WITNESS_BYTES_MAX} are read")]
    TooLong(usize),
    #[error("a witness of version {0:?}, this one reads {WITNESS_VERSION}")]
    Version(Option<u8>),
    #[error("the witness is no RLP of its form: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("{list} {index} of the witness has {length} bytes, {min} to {max} are allowed")]
    Length { list: &'static str, index: usize, length: usize, min: usize, max: usize },
    #[error("{list} {index} of the witness is not above the one before it")]
    Order { list: &'static str, index: usize },
    #[error("the witness has more than {max} {list}s")]
    TooMany { list: &'static str, max: usize },
    #[error("header {0} of the witness is not encoded as it should be")]
    Header(usize),
}

impl Witness {
    /// From parts in any order, with repetitions.
    pub fn new(mut nodes: Vec<Bytes>, mut codes: Vec<Bytes>, mut headers: Vec<Header>) -> Self {
        nodes.sort_unstable();
        nodes.dedup();
        codes.sort_unstable();
        codes.dedup();
        headers.sort_by_key(|header| header.number);
        headers.dedup();
        Self { nodes, codes, headers }
    }

    /// Bytes of nodes and codes together.
    pub fn payload_bytes(&self) -> usize {
        self.nodes.iter().chain(&self.codes).map(|item| item.len()).sum()
    }

    /// The version byte, then RLP of the three lists.
    pub fn encode(&self) -> Vec<u8> {
        let lists: [&dyn Encodable; 3] = [&self.nodes, &self.codes, &self.headers];
        let payload_length = lists.iter().map(|list| list.length()).sum();
        let header = alloy_rlp::Header { list: true, payload_length };
        let mut out = Vec::with_capacity(header.length_with_payload().saturating_add(1));
        out.push(WITNESS_VERSION);
        header.encode(&mut out);
        lists.iter().for_each(|list| list.encode(&mut out));
        out
    }

    /// Reads an encoding; nodes and codes share its memory.
    pub fn decode(encoded: &Bytes) -> Result<Self, WitnessDecodeError> {
        if encoded.len() > WITNESS_BYTES_MAX {
            return Err(WitnessDecodeError::TooLong(encoded.len()));
        }
        let Some((&WITNESS_VERSION, rlp)) = encoded.split_first() else {
            return Err(WitnessDecodeError::Version(encoded.first().copied()));
        };
        let mut rest = rlp;
        let mut lists = alloy_rlp::Header::decode_bytes(&mut rest, true)?;
        if !rest.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength.into());
        }
        let nodes = ascending(encoded, &mut lists, &NODES)?;
        let codes = ascending(encoded, &mut lists, &CODES)?;
        let headers = headers(&mut lists)?;
        if !lists.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength.into());
        }
        Ok(Self { nodes, codes, headers })
    }
}

/// What one list of strings may hold.
struct Bounds {
    list: &'static str,
    bytes_min: usize,
    bytes_max: usize,
    items_max: usize,
}

const NODES: Bounds = Bounds {
    list: "node",
    bytes_min: WITNESS_NODE_BYTES_MIN,
    bytes_max: WITNESS_NODE_BYTES_MAX,
    items_max: WITNESS_BYTES_MAX / WITNESS_NODE_BYTES_MIN,
};
const CODES: Bounds = Bounds {
    list: "code",
    bytes_min: 1,
    bytes_max: WITNESS_CODE_BYTES_MAX,
    items_max: WITNESS_CODES_MAX,
};

/// A list of strings in strict order.
fn ascending(
    encoded: &Bytes,
    lists: &mut &[u8],
    bounds: &Bounds,
) -> Result<Vec<Bytes>, WitnessDecodeError> {
    let &Bounds { list, bytes_min: min, bytes_max: max, items_max } = bounds;
    let mut payload = alloy_rlp::Header::decode_bytes(lists, true)?;
    let mut items: Vec<Bytes> = Vec::new();
    while !payload.is_empty() {
        let index = items.len();
        if index >= items_max {
            return Err(WitnessDecodeError::TooMany { list, max: items_max });
        }
        let item = alloy_rlp::Header::decode_bytes(&mut payload, false)?;
        if !(min..=max).contains(&item.len()) {
            return Err(WitnessDecodeError::Length { list, index, length: item.len(), min, max });
        }
        if items.last().is_some_and(|last| last.as_ref() >= item) {
            return Err(WitnessDecodeError::Order { list, index });
        }
        items.push(encoded.slice_ref(item));
    }
    Ok(items)
}

fn headers(lists: &mut &[u8]) -> Result<Vec<Header>, WitnessDecodeError> {
    let mut payload = alloy_rlp::Header::decode_bytes(lists, true)?;
    let mut headers: Vec<Header> = Vec::new();
    while !payload.is_empty() {
        let index = headers.len();
        if index >= WITNESS_HEADERS_MAX {
            return Err(WitnessDecodeError::TooMany { list: "header", max: WITNESS_HEADERS_MAX });
        }
        let before = payload;
        let header = Header::decode(&mut payload)?;
        // Optional fields leave more than one way to write some headers.
        if !before.starts_with(&alloy_rlp::encode(&header)) {
            return Err(WitnessDecodeError::Header(index));
        }
        if headers.last().is_some_and(|last| last.number >= header.number) {
            return Err(WitnessDecodeError::Order { list: "header", index });
        }
        headers.push(header);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn witness() -> Witness {
        let header = |number| Header { number, base_fee_per_gas: Some(7), ..Default::default() };
        Witness::new(
            vec![Bytes::from(vec![9; 40]), Bytes::from(vec![3; 532]), Bytes::from(vec![9; 40])],
            vec![Bytes::from(vec![0x60; 24_576]), Bytes::from_static(&[1])],
            vec![header(5), header(4)],
        )
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for witness in [witness(), Witness::default()] {
            let encoded = Bytes::from(witness.encode());
            assert_eq!(Witness::decode(&encoded), Ok(witness));
        }
    }

    #[test]
    fn a_second_encoding_is_refused() {
        let sound = witness();
        let refused = |change: fn(&mut Witness)| {
            let mut other = sound.clone();
            change(&mut other);
            Witness::decode(&other.encode().into()).unwrap_err()
        };
        let order = |list, index| WitnessDecodeError::Order { list, index };
        assert_eq!(refused(|w| w.nodes.reverse()), order("node", 1));
        assert_eq!(refused(|w| w.codes.push(w.codes[1].clone())), order("code", 2));
        assert_eq!(refused(|w| w.headers.reverse()), order("header", 1));
        assert!(matches!(
            refused(|w| w.nodes.push(vec![0xff; WITNESS_NODE_BYTES_MAX + 1].into())),
            WitnessDecodeError::Length { list: "node", index: 2, .. }
        ));
        assert!(matches!(
            refused(|w| w.codes.insert(0, Bytes::new())),
            WitnessDecodeError::Length { list: "code", index: 0, length: 0, .. }
        ));
        assert_eq!(
            refused(|w| w.headers =
                (0..257).map(|number| Header { number, ..Default::default() }).collect()),
            WitnessDecodeError::TooMany { list: "header", max: 256 }
        );
        let mut longer = sound.encode();
        longer.push(0);
        assert!(matches!(Witness::decode(&longer.into()), Err(WitnessDecodeError::Rlp(_))));
        let mut newer = sound.encode();
        newer[0] = 2;
        assert_eq!(Witness::decode(&newer.into()), Err(WitnessDecodeError::Version(Some(2))));
        assert_eq!(Witness::decode(&Bytes::new()), Err(WitnessDecodeError::Version(None)));
    }
}
