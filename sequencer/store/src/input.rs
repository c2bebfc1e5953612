//! Integers and sections as our records have them.

use alloy_primitives::{B256, U256};

/// Number of bytes u8, then the bytes without leading zeros.
pub(crate) fn integer(out: &mut Vec<u8>, value: U256) {
    let bytes = value.to_be_bytes_trimmed_vec();
    out.push(bytes.len() as u8);
    out.extend_from_slice(&bytes);
}

/// Bytes that are read from the front; `None` when there are too few.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn word(&mut self) -> Option<B256> {
        self.take::<32>().map(B256::from)
    }

    pub(crate) fn section(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(*self.take::<4>()?);
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn integer(&mut self) -> Option<U256> {
        let [length] = *self.take::<1>()?;
        let (taken, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        U256::try_from_be_slice(taken)
    }
}
