//! The plain parts of a span batch's columns, read and written: fixed bytes, variable-length integers, bits.

use crate::BatchError;

/// Bytes of the longest 64-bit integer in seven-bit groups.
const UVARINT_BYTES_MAX: usize = 10;

/// Reads columns one after the other.
pub(crate) struct Columns<'a> {
    rest: &'a [u8],
}

impl<'a> Columns<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read.
    pub(crate) const fn rest(&mut self) -> &mut &'a [u8] {
        &mut self.rest
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], BatchError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(BatchError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Nothing may be left.
    pub(crate) const fn finish(&self) -> Result<(), BatchError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(BatchError::Trailing(left)),
        }
    }

    /// Seven bits a byte, lowest first; the highest bit says that more follow (Go's `binary.Uvarint`).
    pub(crate) fn uvarint(&mut self) -> Result<u64, BatchError> {
        let mut value = 0_u64;
        for index in 0..UVARINT_BYTES_MAX {
            let [byte] = self.take::<1>()?;
            let bits = u64::from(byte & 0x7f);
            let shift = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(7);
            let shifted = bits.checked_shl(shift).unwrap_or_default();
            // Of the tenth byte only one bit fits.
            if shifted.checked_shr(shift) != Some(bits) {
                return Err(BatchError::Overflow);
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BatchError::Overflow)
    }

    /// `count` elements, each of at least a byte.
    pub(crate) fn many<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, BatchError>,
    ) -> Result<Vec<T>, BatchError> {
        // So that a count alone reserves no memory.
        if count > self.rest.len() {
            return Err(BatchError::Truncated);
        }
        (0..count).map(|_| read(self)).collect()
    }

    pub(crate) fn uvarints(&mut self, count: usize) -> Result<Vec<u64>, BatchError> {
        self.many(count, Self::uvarint)
    }

    /// `count` bits as one big-endian number in whole bytes: the first is the lowest. Bits above the
    /// last must be zero.
    pub(crate) fn bits(&mut self, count: usize) -> Result<Vec<bool>, BatchError> {
        let (bytes, rest) =
            self.rest.split_at_checked(count.div_ceil(8)).ok_or(BatchError::Truncated)?;
        self.rest = rest;
        let mut bits: Vec<bool> = bytes
            .iter()
            .rev()
            .flat_map(|byte| (0..8_u32).map(move |bit| byte.checked_shr(bit).unwrap_or(0) & 1 == 1))
            .collect();
        if bits.split_off(count.min(bits.len())).contains(&true) {
            return Err(BatchError::Overflow);
        }
        Ok(bits)
    }
}

/// Appends what [`Columns::uvarint`] reads.
pub(crate) fn put_uvarint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Appends what [`Columns::bits`] reads.
pub(crate) fn put_bits(bits: &[bool], out: &mut Vec<u8>) {
    let byte = |eight: &[bool]| {
        eight.iter().rev().fold(0_u8, |byte, bit| byte.wrapping_shl(1) | u8::from(*bit))
    };
    out.extend(bits.chunks(8).rev().map(byte));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_gos() {
        let read = |bytes: &[u8]| {
            let mut columns = Columns::new(bytes);
            columns.uvarint().and_then(|value| columns.finish().map(|()| value))
        };
        assert_eq!(read(&[0x7f]), Ok(127));
        assert_eq!(read(&[0x80, 0x01]), Ok(128));
        assert_eq!(read(&[0xac, 0x02]), Ok(300));
        // Longer than needed is allowed.
        assert_eq!(read(&[0x80, 0x00]), Ok(0));
        let largest = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(read(&largest), Ok(u64::MAX));
        assert_eq!(read(&[&[0xff; 9][..], &[2]].concat()), Err(BatchError::Overflow));
        assert_eq!(read(&[0x80; 11]), Err(BatchError::Overflow));
        assert_eq!(read(&[0x80]), Err(BatchError::Truncated));
    }

    #[test]
    fn the_first_bit_is_the_lowest_of_the_last_byte() {
        let bits = |bytes: &[u8], count| Columns::new(bytes).bits(count);
        assert_eq!(bits(&[0b101], 3), Ok(vec![true, false, true]));
        let nine = bits(&[1, 2], 9).unwrap();
        assert_eq!(nine.iter().filter(|bit| **bit).count(), 2);
        assert!(nine[1] && nine[8]);
        assert_eq!(bits(&[2, 0], 9), Err(BatchError::Overflow));
        assert_eq!(bits(&[], 1), Err(BatchError::Truncated));
        assert_eq!(bits(&[], 0), Ok(Vec::new()));
    }

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_uvarint(value, &mut bytes);
            let mut columns = Columns::new(&bytes);
            assert_eq!(columns.uvarint(), Ok(value));
            assert_eq!(columns.finish(), Ok(()));
        }
        for count in 0..40_usize {
            let values: Vec<bool> = (0..count).map(|index| index % 3 == 1).collect();
            let mut bytes = Vec::new();
            put_bits(&values, &mut bytes);
            let mut columns = Columns::new(&bytes);
            assert_eq!(columns.bits(count), Ok(values));
            assert_eq!(columns.finish(), Ok(()));
        }
    }
}
