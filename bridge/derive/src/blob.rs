//! Data in EIP-4844 blobs, in the form of the OP Stack's version 0: four field elements carry 127 bytes,
//! since the two highest bits of each must be zero.
//!
//! The first byte of an element holds 6 bits; of four elements' first bytes 24 bits make three bytes,
//! the other 31 bytes are data as they are. Byte 1 of the blob is the version, bytes 2 to 4 the length
//! of the data (big-endian).

use crate::BlobError;

/// Bytes of a blob: 4,096 field elements of 32 bytes.
pub const BLOB_SIZE: usize = 4_096 * 32;
/// Bytes of data that a blob can carry.
pub const BLOB_DATA_MAX: usize = (4 * 31 + 3) * ROUNDS - 4;

const VERSION: u8 = 0;
/// Groups of four field elements.
const ROUNDS: usize = 1_024;
const ELEMENT: usize = 32;
const GROUP: usize = 4 * ELEMENT;
/// Bytes of data in a group.
const GROUP_DATA: usize = 4 * 31 + 3;
/// Version and length, which stand before the data in the first group.
const HEAD: usize = 4;

/// The data of a blob (`ToData` of the OP Stack).
pub fn decode_blob(blob: &[u8]) -> Result<Vec<u8>, BlobError> {
    if blob.len() != BLOB_SIZE {
        return Err(BlobError::Size(blob.len()));
    }
    let head = blob.first_chunk::<5>().copied().unwrap_or_default();
    let [_, version, high, middle, low] = head;
    if version != VERSION {
        return Err(BlobError::Version(version));
    }
    let declared = u32::from_be_bytes([0, high, middle, low]);
    let length = usize::try_from(declared).map_err(|_| BlobError::Length(declared))?;
    if length > BLOB_DATA_MAX {
        return Err(BlobError::Length(declared));
    }
    // With the head, which is cut off at the end.
    let needed = length.saturating_add(HEAD);
    let mut data = Vec::with_capacity(needed.saturating_add(GROUP_DATA));
    let mut groups = blob.chunks_exact(GROUP);
    // The first group is read even if nothing is in it.
    for (index, group) in groups.by_ref().enumerate() {
        decode_group(index, group, &mut data)?;
        if data.len() >= needed {
            break;
        }
    }
    let unused = groups.flatten().any(|byte| *byte != 0);
    if unused || data.get(needed..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
        return Err(BlobError::Extraneous);
    }
    data.truncate(needed);
    data.drain(..HEAD.min(data.len()));
    Ok(data)
}

/// A blob with `data` (`FromData` of the OP Stack). `None` if that is more than [`BLOB_DATA_MAX`].
pub fn encode_blob(data: &[u8]) -> Option<Vec<u8>> {
    let [_, high, middle, low] = u32::try_from(data.len()).ok()?.to_be_bytes();
    if data.len() > BLOB_DATA_MAX {
        return None;
    }
    let mut blob = Vec::with_capacity(BLOB_SIZE);
    if !data.is_empty() {
        let mut stream = vec![VERSION, high, middle, low];
        stream.extend_from_slice(data);
        for group in stream.chunks(GROUP_DATA) {
            encode_group(group, &mut blob);
        }
    }
    blob.resize(BLOB_SIZE, 0);
    Some(blob)
}

/// Appends the 127 bytes of four field elements.
fn decode_group(index: usize, group: &[u8], data: &mut Vec<u8>) -> Result<(), BlobError> {
    let mut firsts = [0; 4];
    let mut rests: [&[u8]; 4] = [&[]; 4];
    let elements = group.chunks_exact(ELEMENT);
    for (position, ((element, first), rest)) in
        elements.zip(&mut firsts).zip(&mut rests).enumerate()
    {
        let (byte, tail) = element.split_first().ok_or(BlobError::Size(0))?;
        // The OP Stack does not look at the high bits of the very first element.
        if byte & 0b1100_0000 != 0 && (index, position) != (0, 0) {
            return Err(BlobError::FieldElement);
        }
        *first = *byte;
        *rest = tail;
    }
    let [a, b, c, d] = firsts;
    let between = [
        (a & 0b0011_1111) | ((b & 0b0011_0000) << 2),
        (b & 0b0000_1111) | ((d & 0b0000_1111) << 4),
        (c & 0b0011_1111) | ((d & 0b0011_0000) << 2),
    ];
    for (position, rest) in rests.into_iter().enumerate() {
        data.extend_from_slice(rest);
        data.extend(between.get(position));
    }
    Ok(())
}

/// Appends four field elements that carry up to 127 bytes.
fn encode_group(data: &[u8], blob: &mut Vec<u8>) {
    let mut padded = [0; GROUP_DATA];
    for (to, from) in padded.iter_mut().zip(data) {
        *to = *from;
    }
    let at = |index: usize| padded.get(index).copied().unwrap_or_default();
    // Bytes 31, 63 and 95 are spread over the first bytes of the elements.
    let (x, y, z) = (at(31), at(63), at(95));
    let firsts = [
        x & 0b0011_1111,
        (y & 0b0000_1111) | ((x & 0b1100_0000) >> 2),
        z & 0b0011_1111,
        ((z & 0b1100_0000) >> 2) | ((y & 0b1111_0000) >> 4),
    ];
    for (first, rest) in firsts.into_iter().zip(padded.chunks(ELEMENT)) {
        blob.push(first);
        blob.extend_from_slice(rest.get(..31).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A second decoder: the blob as bits, from the specification's drawing.
    fn decode_by_bits(blob: &[u8], length: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for group in blob.chunks(128) {
            let six = |element: usize| group[element * 32] & 63;
            let bits = (0..4).map(six).collect::<Vec<_>>();
            let spread = [
                bits[0] | (bits[1] >> 4) << 6,
                (bits[1] & 15) | (bits[3] & 15) << 4,
                bits[2] | (bits[3] >> 4) << 6,
            ];
            for element in 0..4 {
                stream.extend(&group[element * 32 + 1..element * 32 + 32]);
                stream.extend(spread.get(element));
            }
        }
        stream[4..4 + length].to_vec()
    }

    #[test]
    fn layout() {
        let data: Vec<u8> = (1..=200).collect();
        let blob = encode_blob(&data).unwrap();
        // Version 0, length 200, 27 bytes of data; byte 28 is spread.
        assert_eq!(blob[..6], [28 & 63, 0, 0, 0, 200, 1]);
        assert_eq!(blob[31], 27);
        // The second element: bytes 29 to 59.
        assert_eq!((blob[33], blob[63]), (29, 59));
        // Byte 60 gives its low four bits to the second element and its high four to the fourth.
        assert_eq!(blob[32], (60 & 15) | ((28 & 0xc0) >> 2));
        assert_eq!(blob[96], ((92 & 0xc0) >> 2) | (60 >> 4));
        assert!(blob.chunks(32).all(|element| element[0] & 0xc0 == 0));
    }

    #[test]
    fn sizes_at_the_borders_come_back() {
        for length in [0, 1, 27, 28, 31, 122, 123, 124, 127, 250, BLOB_DATA_MAX - 1, BLOB_DATA_MAX]
        {
            let data: Vec<u8> = (0..length).map(|index| (index * 7 + 1) as u8).collect();
            let blob = encode_blob(&data).unwrap();
            assert_eq!(blob.len(), BLOB_SIZE);
            assert_eq!(decode_blob(&blob).unwrap(), data, "{length}");
            assert_eq!(decode_by_bits(&blob, length), data, "{length}");
        }
        assert_eq!(encode_blob(&vec![0; BLOB_DATA_MAX + 1]), None);
    }

    #[test]
    fn what_is_no_blob_of_ours_is_named() {
        let blob = encode_blob(b"some data").unwrap();
        let changed = |index: usize, byte: u8| {
            let mut blob = blob.clone();
            blob[index] = byte;
            decode_blob(&blob)
        };
        assert_eq!(decode_blob(&blob[1..]), Err(BlobError::Size(BLOB_SIZE - 1)));
        assert_eq!(changed(1, 1), Err(BlobError::Version(1)));
        assert_eq!(changed(2, 2), Err(BlobError::Length(2 << 16 | 9)));
        assert_eq!(changed(32, 0x40), Err(BlobError::FieldElement));
        // Behind the data, in its group and in a later one.
        assert_eq!(changed(20, 1), Err(BlobError::Extraneous));
        assert_eq!(changed(4_000, 1), Err(BlobError::Extraneous));
        assert_eq!(changed(BLOB_SIZE - 1, 1), Err(BlobError::Extraneous));
        // As the OP Stack: of the first element only six bits are looked at.
        assert_eq!(changed(0, 0x40).unwrap(), b"some data");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            data in proptest::collection::vec(any::<u8>(), 0..2_000),
        ) {
            let blob = encode_blob(&data).unwrap();
            prop_assert!(blob.chunks(32).all(|element| element[0] & 0xc0 == 0));
            prop_assert_eq!(&decode_by_bits(&blob, data.len()), &data);
            prop_assert_eq!(decode_blob(&blob), Ok(data));
        }

        #[test]
        fn a_changed_blob_decodes_to_what_encodes_to_it_or_fails(
            data in proptest::collection::vec(any::<u8>(), 0..600),
            changes in proptest::collection::vec((0_usize..800, any::<u8>()), 0..4),
        ) {
            let mut blob = encode_blob(&data).unwrap();
            for (index, byte) in changes {
                blob[index] = byte;
            }
            if let Ok(data) = decode_blob(&blob) {
                blob[0] &= 63;
                prop_assert_eq!(encode_blob(&data).unwrap(), blob);
            }
        }
    }
}
