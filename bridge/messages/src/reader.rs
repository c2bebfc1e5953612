//! A cursor over big-endian, packed bytes.

use alloy_primitives::{B256, U256};

use crate::MessageError;

/// Reads fields from the front of `rest`.
pub(crate) struct Reader<'a> {
    what: &'static str,
    length: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// `what` names the bytes in errors.
    pub(crate) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, length: bytes.len(), rest: bytes }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(MessageError::Truncated { what: self.what, found: self.length })?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u256(&mut self) -> Result<U256, MessageError> {
        self.array::<32>().map(U256::from_be_bytes)
    }

    pub(crate) fn b256(&mut self) -> Result<B256, MessageError> {
        self.array().map(B256::new)
    }

    /// What has not been read.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }
}
