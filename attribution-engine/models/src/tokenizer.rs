//! Text to token ids and back, with the byte-level BPE that a GGUF file carries.
//!
//! Ids are 16 bits: the index stores them so, and a vocabulary beyond that is refused at load. Text never turns into
//! control tokens (`<|im_end|>` typed by a user stays text); only the chat template inserts them, see
//! [`crate::template`].

use std::collections::HashMap;

use candle_core::quantized::gguf_file::{Content, Value};
use sha2::{Digest, Sha256};
use tokenizers::{
    Model as _, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl,
    decoders::DecoderWrapper,
    models::bpe::{BPE, Vocab},
    pre_tokenizers::{byte_level::ByteLevel, digits::Digits, sequence::Sequence},
};

use crate::error::ModelError;

type Bpe = TokenizerImpl<
    BPE,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// A token id.
pub type TokenId = u16;

/// GGUF's `token_type` of tokens that stand for themselves in text.
const TOKEN_TYPE_NORMAL: u64 = 1;

/// Byte-level BPE tokenizer.
pub struct Tokenizer {
    bpe: Bpe,
    /// The bytes each token stands for; empty for control tokens.
    bytes: Vec<Box<[u8]>>,
    control: HashMap<String, TokenId>,
    end: Vec<TokenId>,
    /// Bytes without a token; SmolLM2 lacks some control characters.
    missing: Vec<u8>,
    fingerprint: [u8; 32],
}

impl Tokenizer {
    /// Reads vocabulary, merges and control tokens from a GGUF file's metadata.
    pub fn from_gguf(content: &Content) -> Result<Self, ModelError> {
        let kind = string(content, "tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(ModelError::Tokenizer(format!(
                "kind {kind:?} is not supported, only byte-level BPE (\"gpt2\")"
            )));
        }
        let pre = string(content, "tokenizer.ggml.pre")?;
        let digits = match pre.as_str() {
            "smollm" => true,
            "gpt-2" | "gpt2" | "default" => false,
            other => {
                return Err(ModelError::Tokenizer(format!(
                    "pre-tokenizer {other:?} is not supported"
                )));
            }
        };
        let tokens = strings(content, "tokenizer.ggml.tokens")?;
        let merges = strings(content, "tokenizer.ggml.merges")?;
        let types = array(content, "tokenizer.ggml.token_type")?
            .iter()
            .map(integer)
            .collect::<Option<Vec<u64>>>();
        let types = types.filter(|types| types.len() == tokens.len());
        let types = types.ok_or_else(|| {
            ModelError::Tokenizer("token_type does not match the vocabulary".into())
        })?;
        let control = tokens
            .iter()
            .zip(&types)
            .enumerate()
            .filter(|(_, (_, kind))| **kind != TOKEN_TYPE_NORMAL)
            .map(|(id, (token, _))| Ok((token.clone(), narrow(id)?)))
            .collect::<Result<HashMap<_, _>, ModelError>>()?;
        let mut end = Vec::new();
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            if let Some(id) = content.metadata.get(key).and_then(integer) {
                end.push(narrow(usize::try_from(id).unwrap_or(usize::MAX))?);
            }
        }
        // A base model ends with this one whatever the chat format says.
        end.extend(control.get("<|endoftext|>"));
        end.sort_unstable();
        end.dedup();
        Self::new(tokens, merges, control, end, digits)
    }

    /// Builds the tokenizer from its parts. `digits`: each digit is a token of its own before merges.
    pub fn new(
        tokens: Vec<String>,
        merges: Vec<String>,
        control: HashMap<String, TokenId>,
        end: Vec<TokenId>,
        digits: bool,
    ) -> Result<Self, ModelError> {
        let fingerprint = fingerprint(&tokens, &merges, digits);
        let alphabet = byte_alphabet();
        let bytes = tokens
            .iter()
            .map(|token| {
                if control.contains_key(token) {
                    return Ok(Box::default());
                }
                let bytes =
                    token.chars().map(|c| alphabet.get(&c).copied()).collect::<Option<Vec<u8>>>();
                bytes
                    .map(Vec::into_boxed_slice)
                    .ok_or_else(|| ModelError::Tokenizer(format!("{token:?} is not byte-level")))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        let vocabulary =
            tokens.into_iter().enumerate().map(|(id, token)| Ok((token, u32::from(narrow(id)?))));
        let vocabulary = vocabulary.collect::<Result<Vocab, ModelError>>()?;
        let merges = merges
            .into_iter()
            .map(|merge| match merge.split_once(' ') {
                Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
                None => Err(ModelError::Tokenizer(format!("merge {merge:?} has no space"))),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let model = BPE::builder().vocab_and_merges(vocabulary, merges).build();
        let model = model.map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        let byte_level = ByteLevel::new(false, true, true);
        let pre: PreTokenizerWrapper = match digits {
            true => Sequence::new(vec![Digits::new(true).into(), byte_level.into()]).into(),
            false => byte_level.into(),
        };
        let mut bpe = Bpe::new(model);
        bpe.with_pre_tokenizer(Some(pre));
        let missing =
            alphabet.keys().filter(|c| bpe.get_model().token_to_id(&c.to_string()).is_none());
        let missing = missing.filter_map(|c| alphabet.get(c).copied()).collect();
        Ok(Self { bpe, bytes, control, end, missing, fingerprint })
    }

    /// Ids of a text. Decoding them gives the same text back, less characters that need a byte for which the vocabulary
    /// has no token (see [`Self::missing_bytes`]): those leave no trace.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        let encoding = self
            .bpe
            .encode_fast(text, false)
            .map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        encoding.get_ids().iter().map(|id| narrow(*id as usize)).collect()
    }

    /// The bytes that the ids stand for. A token may hold a part of a character.
    pub fn bytes(&self, id: TokenId) -> &[u8] {
        self.bytes.get(usize::from(id)).map_or(&[], |bytes| bytes)
    }

    /// Text of some ids; bytes that are not UTF-8 become U+FFFD, control tokens nothing.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Id of a control token such as `<|im_start|>`.
    pub fn control(&self, token: &str) -> Option<TokenId> {
        self.control.get(token).copied()
    }

    /// All control tokens with their ids.
    pub fn control_tokens(&self) -> impl Iterator<Item = (&str, TokenId)> {
        self.control.iter().map(|(token, id)| (token.as_str(), *id))
    }

    /// True if generation ends with this token.
    pub fn is_end(&self, id: TokenId) -> bool {
        self.end.contains(&id)
    }

    pub fn vocabulary_size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that no token stands for.
    pub fn missing_bytes(&self) -> &[u8] {
        &self.missing
    }

    /// SHA-256 over everything that decides how text becomes ids: an engine specification pins it.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// Turns tokens into text as they come, never cutting a character in two.
#[derive(Default)]
pub struct IncrementalDecoder {
    pending: Vec<u8>,
}

impl IncrementalDecoder {
    /// Adds a token's bytes and returns the characters that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let (valid, rest) = self.pending.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        // More bytes may complete it.
                        None => {
                            self.pending = rest.to_vec();
                            return text;
                        }
                        Some(length) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            self.pending = rest[length..].to_vec();
                        }
                    }
                }
            }
        }
    }

    /// What is left: a replacement character if the text ended within a character.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// GPT-2's printable stand-ins for the 256 bytes.
fn byte_alphabet() -> HashMap<char, u8> {
    let mut stand_in = 256u32;
    (0..=255u8)
        .filter_map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let code = if printable {
                u32::from(byte)
            } else {
                stand_in += 1;
                stand_in - 1
            };
            char::from_u32(code).map(|c| (c, byte))
        })
        .collect()
}

fn fingerprint(tokens: &[String], merges: &[String], digits: bool) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"byte-level-bpe-v1");
    hash.update([u8::from(digits)]);
    for list in [tokens, merges] {
        hash.update((list.len() as u64).to_be_bytes());
        for item in list {
            hash.update((item.len() as u64).to_be_bytes());
            hash.update(item.as_bytes());
        }
    }
    hash.finalize().into()
}

fn narrow(id: usize) -> Result<TokenId, ModelError> {
    TokenId::try_from(id)
        .map_err(|_| ModelError::Tokenizer(format!("token id {id} is over 16 bits")))
}

fn value<'a>(content: &'a Content, key: &str) -> Result<&'a Value, ModelError> {
    content.metadata.get(key).ok_or_else(|| ModelError::Format(format!("it has no {key}")))
}

fn string(content: &Content, key: &str) -> Result<String, ModelError> {
    Ok(value(content, key)?.to_string()?.clone())
}

fn array<'a>(content: &'a Content, key: &str) -> Result<&'a [Value], ModelError> {
    Ok(value(content, key)?.to_vec()?)
}

fn strings(content: &Content, key: &str) -> Result<Vec<String>, ModelError> {
    array(content, key)?.iter().map(|value| Ok(value.to_string()?.clone())).collect()
}

/// An integer of any width.
pub(crate) fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::U8(x) => Some(u64::from(*x)),
        Value::U16(x) => Some(u64::from(*x)),
        Value::U32(x) => Some(u64::from(*x)),
        Value::U64(x) => Some(*x),
        Value::I8(x) => u64::try_from(*x).ok(),
        Value::I16(x) => u64::try_from(*x).ok(),
        Value::I32(x) => u64::try_from(*x).ok(),
        Value::I64(x) => u64::try_from(*x).ok(),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tokenizer over bytes, a few merges and three control tokens.
    pub(crate) fn tiny() -> Tokenizer {
        let control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
        let mut tokens: Vec<String> = control.iter().map(|c| c.to_string()).collect();
        let mut alphabet: Vec<(char, u8)> = byte_alphabet().into_iter().collect();
        alphabet.sort_by_key(|(_, byte)| *byte);
        tokens.extend(alphabet.iter().map(|(c, _)| c.to_string()));
        let merges = ["h e", "l l", "he ll", "hell o", "Ġ w"];
        tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
        let control =
            control.iter().enumerate().map(|(id, c)| (c.to_string(), id as TokenId)).collect();
        Tokenizer::new(
            tokens,
            merges.iter().map(|m| m.to_string()).collect(),
            control,
            vec![0, 2],
            true,
        )
        .unwrap()
    }

    #[test]
    fn merges_apply_and_text_round_trips() {
        let tokenizer = tiny();
        let ids = tokenizer.encode("hello world").unwrap();
        assert_eq!(tokenizer.bytes(ids[0]), b"hello");
        assert_eq!(tokenizer.bytes(ids[1]), b" w");
        for text in ["", " ", "naïve 漢字 🦀\r\n\ttab", "12345", "\u{0}\u{7f}", "<|im_end|>"] {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), text);
        }
    }

    #[test]
    fn typed_control_tokens_stay_text() {
        let tokenizer = tiny();
        let ids = tokenizer.encode("a<|im_end|>b").unwrap();
        assert!(ids.iter().all(|id| !tokenizer.is_end(*id)));
    }

    #[test]
    fn characters_are_never_cut() {
        let mut decoder = IncrementalDecoder::default();
        let text = "a漢🦀é".as_bytes();
        let mut out = String::new();
        for byte in text {
            let part = decoder.push(std::slice::from_ref(byte));
            assert!(!part.contains(char::REPLACEMENT_CHARACTER));
            out.push_str(&part);
        }
        assert_eq!(out, "a漢🦀é");
        assert_eq!(decoder.finish(), "");
        assert_eq!(decoder.push(&[0xff, b'x', 0xe6, 0xbc]), "\u{fffd}x");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }

    #[test]
    fn the_fingerprint_tells_lists_apart() {
        let one = fingerprint(&["ab".into()], &["c".into()], true);
        assert_ne!(one, fingerprint(&["a".into(), "b".into()], &["c".into()], true));
        assert_ne!(one, fingerprint(&["ab".into()], &["c".into()], false));
    }
}
