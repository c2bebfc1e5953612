//! Frames: the pieces of a channel that fit into L1 transactions, and the batcher transactions that
//! carry them.

use alloy_primitives::{B128, Bytes};

use crate::{FRAME_DATA_MAX, FrameError};

/// Names a channel; chosen by the batcher.
pub type ChannelId = B128;

/// Bytes of a frame beside its data: id 16, number 2, length 4, last flag 1.
pub const FRAME_OVERHEAD: usize = 23;

/// First byte of batcher transactions that carry frames.
const VERSION: u8 = 0;

/// A piece of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub id: ChannelId,
    /// Position within the channel.
    pub number: u16,
    pub data: Bytes,
    pub is_last: bool,
}

impl Frame {
    /// Appends `id | number u16 | length u32 | data | is_last u8`. Data beyond the 32-bit length is
    /// cut; the encoder never makes any.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(self.id.as_slice());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.data);
        out.push(u8::from(self.is_last));
    }

    /// Takes one frame off the front of `rest`, which must lie in `data`.
    fn decode(data: &Bytes, rest: &mut &[u8]) -> Result<Self, FrameError> {
        let id = ChannelId::new(take(rest)?);
        let number = u16::from_be_bytes(take(rest)?);
        let length = u32::from_be_bytes(take(rest)?);
        let size = usize::try_from(length).map_err(|_| FrameError::TooLong(length))?;
        if size > FRAME_DATA_MAX {
            return Err(FrameError::TooLong(length));
        }
        let (payload, after) = rest.split_at_checked(size).ok_or(FrameError::Truncated)?;
        *rest = after;
        let is_last = match take::<1>(rest)? {
            [0] => false,
            [1] => true,
            [flag] => return Err(FrameError::LastFlag(flag)),
        };
        Ok(Self { id, number, data: data.slice_ref(payload), is_last })
    }
}

/// The frames of a batcher transaction. One malformed frame invalidates all of them.
pub fn decode_batcher_transaction(data: &Bytes) -> Result<Vec<Frame>, FrameError> {
    let (version, mut rest) = data.split_first().ok_or(FrameError::Empty)?;
    if *version != VERSION {
        return Err(FrameError::Version(*version));
    }
    if rest.is_empty() {
        return Err(FrameError::Empty);
    }
    let mut frames = Vec::new();
    while !rest.is_empty() {
        frames.push(Frame::decode(data, &mut rest)?);
    }
    Ok(frames)
}

/// The call data of a batcher transaction with these frames.
pub fn encode_batcher_transaction<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Bytes {
    let mut out = vec![VERSION];
    for frame in frames {
        frame.encode(&mut out);
    }
    out.into()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FrameError> {
    let (field, after) = rest.split_first_chunk::<N>().ok_or(FrameError::Truncated)?;
    *rest = after;
    Ok(*field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        (
            any::<[u8; 16]>(),
            any::<u16>(),
            any::<bool>(),
            proptest::collection::vec(any::<u8>(), 0..99),
        )
            .prop_map(|(id, number, is_last, data)| Frame {
                id: id.into(),
                number,
                data: data.into(),
                is_last,
            })
    }

    #[test]
    fn layout() {
        let frame = Frame {
            id: ChannelId::repeat_byte(0xaa),
            number: 0x0102,
            data: Bytes::from_static(&[9, 8, 7]),
            is_last: true,
        };
        let expected = [&[0][..], &[0xaa; 16], &[1, 2], &[0, 0, 0, 3], &[9, 8, 7], &[1]].concat();
        assert_eq!(encode_batcher_transaction([&frame]).to_vec(), expected);
        assert_eq!(expected.len(), 1 + FRAME_OVERHEAD + 3);
    }

    #[track_caller]
    fn check(data: &[u8], expected: FrameError) {
        assert_eq!(decode_batcher_transaction(&Bytes::copy_from_slice(data)), Err(expected));
    }

    #[test]
    fn malformed_data_is_named() {
        check(&[], FrameError::Empty);
        check(&[0], FrameError::Empty);
        check(&[1, 2], FrameError::Version(1));
        check(&[0, 2], FrameError::Truncated);
        let mut long = vec![0; 19];
        long.extend(1_000_001_u32.to_be_bytes());
        check(&long, FrameError::TooLong(1_000_001));
        let mut flag = vec![0; 23];
        flag.push(2);
        check(&flag, FrameError::LastFlag(2));
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(frames in proptest::collection::vec(frame(), 1..5)) {
            let data = encode_batcher_transaction(&frames);
            prop_assert_eq!(decode_batcher_transaction(&data), Ok(frames));
        }

        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let data = Bytes::from([vec![0], data].concat());
            if let Ok(frames) = decode_batcher_transaction(&data) {
                prop_assert_eq!(encode_batcher_transaction(&frames), data);
            }
        }
    }
}
