//! Channel decompression: zlib, or brotli behind a byte `0x01`. Bounded, and lenient as the
//! specification is: what was decompressed before an error or the bound counts.

use std::io::{self, Read};

use crate::RLP_BYTES_PER_CHANNEL_MAX;

/// First byte of a brotli channel (Fjord).
pub(crate) const BROTLI: u8 = 1;
/// Low nibbles of the first byte of a zlib stream: its compression method.
const ZLIB_METHODS: [u8; 2] = [8, 15];
const CHUNK: usize = 64 * 1024;

/// Data that is not a compressed channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    #[error("the channel is empty")]
    Empty,
    #[error("the channel begins with {0:#04x}, neither zlib nor brotli")]
    Unknown(u8),
}

/// What a channel holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decompressed {
    pub bytes: Vec<u8>,
    /// The stream ended properly and within the bound.
    pub complete: bool,
}

/// Decompresses a channel to at most [`RLP_BYTES_PER_CHANNEL_MAX`] bytes.
pub fn decompress(channel: &[u8]) -> Result<Decompressed, CompressionError> {
    decompress_bounded(channel, RLP_BYTES_PER_CHANNEL_MAX)
}

fn decompress_bounded(channel: &[u8], limit: usize) -> Result<Decompressed, CompressionError> {
    let (first, rest) = channel.split_first().ok_or(CompressionError::Empty)?;
    if ZLIB_METHODS.contains(&(first & 0x0f)) {
        return Ok(read_bounded(flate2::read::ZlibDecoder::new(channel), limit));
    }
    if *first == BROTLI {
        return Ok(read_bounded(brotli::Decompressor::new(rest, CHUNK), limit));
    }
    Err(CompressionError::Unknown(*first))
}

fn read_bounded(mut reader: impl Read, limit: usize) -> Decompressed {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Decompressed { bytes, complete: true },
            Ok(read) => {
                let room = limit.saturating_sub(bytes.len());
                bytes.extend_from_slice(chunk.get(..read.min(room)).unwrap_or_default());
                if read > room {
                    return Decompressed { bytes, complete: false };
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Decompressed { bytes, complete: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(data: &[u8]) -> Vec<u8> {
        let mut out = vec![BROTLI];
        let mut writer = brotli::CompressorWriter::new(&mut out, CHUNK, 5, 22);
        writer.write_all(data).unwrap();
        drop(writer);
        out
    }

    #[test]
    fn both_forms_are_bounded() {
        let zeros = vec![0; 1_000_000];
        for channel in [zlib(&zeros), brotli(&zeros)] {
            assert!(channel.len() < 2_000);
            let whole = decompress(&channel).unwrap();
            assert!(whole.complete && whole.bytes == zeros);
            let cut = decompress_bounded(&channel, 70_000).unwrap();
            assert_eq!((cut.bytes.len(), cut.complete), (70_000, false));
        }
        assert_eq!(decompress(&[]), Err(CompressionError::Empty));
        assert_eq!(decompress(&[2, 3]), Err(CompressionError::Unknown(2)));
    }

    #[test]
    fn a_cut_stream_gives_what_came_before() {
        let data: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        for channel in [zlib(&data), brotli(&data)] {
            let cut = decompress(&channel[..channel.len() / 2]).unwrap();
            assert!(!cut.complete && !cut.bytes.is_empty());
            assert!(data.starts_with(&cut.bytes));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decompress_or_fail(data in proptest::collection::vec(any::<u8>(), 0..500)) {
            for first in [BROTLI, 0x78] {
                let channel = [&[first][..], &data].concat();
                let _ = decompress_bounded(&channel, 100_000);
            }
        }
    }
}
