//! The Llama architecture: grouped-query attention with rotary positions, RMS norms, SwiGLU, over 8-bit weights.
//!
//! Weights come from a GGUF file through candle's reader and are re-quantised to Q8_0 whatever the file holds: Q4_1, in
//! which the default model is stored, has no fast kernel anywhere in Rust, and 135 MB of Q8_0 stay within what one core
//! reads per token.

use std::io::{Read, Seek};

use candle_core::{
    Device,
    quantized::gguf_file::{Content, Value},
};

use crate::{
    error::ModelError,
    kernels::{BLOCK, QuantMatrix, QuantRows, attend, rms_norm, silu_mul},
    tokenizer::{TokenId, integer},
};

/// Dimensions of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    pub head_width: usize,
    pub feed_forward: usize,
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    pub rope_base: f32,
    pub norm_epsilon: f32,
}

impl LlamaConfig {
    fn from_gguf(content: &Content) -> Result<Self, ModelError> {
        let architecture = value(content, "general.architecture")?.to_string()?;
        if architecture != "llama" {
            return Err(ModelError::Format(format!(
                "its architecture is {architecture:?}, only \"llama\" is supported"
            )));
        }
        let heads = size(content, "llama.attention.head_count")?;
        let width = size(content, "llama.embedding_length")?;
        let embedding = content.tensor_infos.get("token_embd.weight");
        let vocabulary = embedding.and_then(|info| info.shape.dims().first().copied()).unwrap_or(0);
        let config = Self {
            layers: size(content, "llama.block_count")?,
            width,
            heads,
            kv_heads: size(content, "llama.attention.head_count_kv")?,
            head_width: width.checked_div(heads).unwrap_or(0),
            feed_forward: size(content, "llama.feed_forward_length")?,
            vocabulary,
            context: size(content, "llama.context_length")?,
            rope_base: float(content, "llama.rope.freq_base")?,
            norm_epsilon: float(content, "llama.attention.layer_norm_rms_epsilon")?,
        };
        let rope_width = size(content, "llama.rope.dimension_count")?;
        if rope_width != config.head_width {
            return Err(ModelError::Format(format!(
                "its rotary width {rope_width} is not the head width {}",
                config.head_width
            )));
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ModelError> {
        let fits = self.layers > 0
            && self.kv_heads > 0
            && self.heads.is_multiple_of(self.kv_heads)
            && self.heads * self.head_width == self.width
            && self.head_width.is_multiple_of(2)
            && self.width.is_multiple_of(BLOCK)
            && self.feed_forward.is_multiple_of(BLOCK)
            && (1..=usize::from(TokenId::MAX) + 1).contains(&self.vocabulary)
            && self.context > 0;
        fits.then_some(()).ok_or_else(|| {
            ModelError::Format(format!("its dimensions do not fit together: {self:?}"))
        })
    }

    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }
}

/// Weights of one block.
struct Layer {
    attention_norm: Vec<f32>,
    query: QuantMatrix,
    key: QuantMatrix,
    value: QuantMatrix,
    output: QuantMatrix,
    feed_forward_norm: Vec<f32>,
    gate: QuantMatrix,
    up: QuantMatrix,
    down: QuantMatrix,
}

/// A loaded model. It holds no state of a conversation; that is [`KvCache`].
pub struct Llama {
    config: LlamaConfig,
    embedding: QuantMatrix,
    /// `None` where the embedding serves as output projection too.
    output: Option<QuantMatrix>,
    output_norm: Vec<f32>,
    layers: Vec<Layer>,
    /// Angle per position of each pair of a head.
    frequencies: Vec<f32>,
}

/// Keys and values of the tokens seen so far, and which tokens they were.
#[derive(Default)]
pub struct KvCache {
    tokens: Vec<TokenId>,
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

impl KvCache {
    /// Tokens whose keys and values are held.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Forgets everything from position `length` on.
    pub fn truncate(&mut self, length: usize) {
        if length >= self.tokens.len() {
            return;
        }
        for (keys, values) in &mut self.layers {
            let width = keys.len() / self.tokens.len();
            keys.truncate(length * width);
            values.truncate(length * width);
        }
        self.tokens.truncate(length);
    }

    /// Forgets everything and returns the memory.
    pub fn release(&mut self) {
        *self = Self::default();
    }
}

/// Buffers of the forward pass, kept between calls.
#[derive(Default)]
pub struct Scratch {
    hidden: Vec<f32>,
    normed: Vec<f32>,
    quantised: QuantRows,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attended: Vec<f32>,
    projected: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    rotation: Vec<(f32, f32)>,
}

impl Llama {
    /// Reads the weights of an open GGUF file.
    pub fn from_gguf<R: Read + Seek>(
        content: &Content,
        reader: &mut R,
    ) -> Result<Self, ModelError> {
        let config = LlamaConfig::from_gguf(content)?;
        let mut tensors = |name: &str| -> Result<Vec<f32>, ModelError> {
            Ok(content
                .tensor(reader, name, &Device::Cpu)?
                .dequantize(&Device::Cpu)?
                .flatten_all()?
                .to_vec1()?)
        };
        let tied = !content.tensor_infos.contains_key("output.weight");
        Self::build(config, tied, &mut tensors)
    }

    /// Builds a model from tensors by their GGUF names. `tied`: the output projection is the embedding.
    pub fn build(
        config: LlamaConfig,
        tied: bool,
        tensors: &mut dyn FnMut(&str) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Self, ModelError> {
        config.check()?;
        let misfit = |name: &str| {
            ModelError::Format(format!(
                "its tensor {name} has another shape than its dimensions say"
            ))
        };
        let (width, kv_width, feed_forward) =
            (config.width, config.kv_width(), config.feed_forward);
        let mut matrix = |name: String, rows: usize, cols: usize| {
            QuantMatrix::from_f32(rows, cols, &tensors(&name)?).ok_or_else(|| misfit(&name))
        };
        let embedding = matrix("token_embd.weight".into(), config.vocabulary, width)?;
        let output = match tied {
            true => None,
            false => Some(matrix("output.weight".into(), config.vocabulary, width)?),
        };
        let mut matrices = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            matrices.push([
                matrix(format!("blk.{i}.attn_q.weight"), width, width)?,
                matrix(format!("blk.{i}.attn_k.weight"), kv_width, width)?,
                matrix(format!("blk.{i}.attn_v.weight"), kv_width, width)?,
                matrix(format!("blk.{i}.attn_output.weight"), width, width)?,
                matrix(format!("blk.{i}.ffn_gate.weight"), feed_forward, width)?,
                matrix(format!("blk.{i}.ffn_up.weight"), feed_forward, width)?,
                matrix(format!("blk.{i}.ffn_down.weight"), width, feed_forward)?,
            ]);
        }
        let mut norm = |name: String| {
            let weight = tensors(&name)?;
            if weight.len() == width { Ok(weight) } else { Err(misfit(&name)) }
        };
        let mut layers = Vec::with_capacity(config.layers);
        for (i, [query, key, value, output, gate, up, down]) in matrices.into_iter().enumerate() {
            let attention_norm = norm(format!("blk.{i}.attn_norm.weight"))?;
            let feed_forward_norm = norm(format!("blk.{i}.ffn_norm.weight"))?;
            layers.push(Layer {
                attention_norm,
                query,
                key,
                value,
                output,
                feed_forward_norm,
                gate,
                up,
                down,
            });
        }
        let output_norm = norm("output_norm.weight".into())?;
        let pairs = config.head_width / 2;
        let frequencies =
            (0..pairs).map(|i| config.rope_base.powf(-(i as f32) / pairs as f32)).collect();
        Ok(Self { config, embedding, output, output_norm, layers, frequencies })
    }

    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Bytes of the weights in memory.
    pub fn bytes(&self) -> usize {
        let layers = self
            .layers
            .iter()
            .flat_map(|l| [&l.query, &l.key, &l.value, &l.output, &l.gate, &l.up, &l.down]);
        layers.chain([&self.embedding]).chain(&self.output).map(QuantMatrix::bytes).sum()
    }

    /// Runs `tokens` at the positions after those in `cache`, which grows by them, and leaves the logits of what follows
    /// the last one in `logits`. Tokens beyond the vocabulary and positions beyond the context are errors.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        tokens: &[TokenId],
        scratch: &mut Scratch,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let first = cache.tokens.len();
        if tokens.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        if first + tokens.len() > self.config.context {
            let context = self.config.context;
            return Err(ModelError::ContextExceeded {
                prompt: first + tokens.len(),
                completion: 0,
                context,
            });
        }
        if let Some(id) = tokens.iter().find(|id| usize::from(**id) >= self.config.vocabulary) {
            return Err(ModelError::Tokenizer(format!(
                "token {id} is not in the model's vocabulary"
            )));
        }
        let width = self.config.width;
        scratch.hidden.resize(tokens.len() * width, 0.0);
        for (id, row) in tokens.iter().zip(scratch.hidden.chunks_exact_mut(width)) {
            self.embedding.row_f32(usize::from(*id), row);
        }
        scratch.rotation.clear();
        for position in first..first + tokens.len() {
            let angles = self.frequencies.iter().map(|frequency| position as f32 * frequency);
            scratch.rotation.extend(angles.map(|angle| (angle.cos(), angle.sin())));
        }
        cache.layers.resize_with(self.layers.len(), Default::default);
        for (layer, (keys, values)) in self.layers.iter().zip(&mut cache.layers) {
            self.attention(layer, first, keys, values, scratch);
            self.feed_forward(layer, scratch);
        }
        cache.tokens.extend_from_slice(tokens);

        let last = &scratch.hidden[(tokens.len() - 1) * width..];
        scratch.normed.resize(width, 0.0);
        rms_norm(last, &self.output_norm, self.config.norm_epsilon, &mut scratch.normed);
        scratch.quantised.fill(width, &scratch.normed);
        self.output.as_ref().unwrap_or(&self.embedding).matmul(&scratch.quantised, logits);
        Ok(())
    }

    fn attention(
        &self,
        layer: &Layer,
        first: usize,
        keys: &mut Vec<f32>,
        values: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let config = &self.config;
        let (width, head_width, kv_width) = (config.width, config.head_width, config.kv_width());
        self.norm_and_quantise(&layer.attention_norm, scratch);
        layer.query.matmul(&scratch.quantised, &mut scratch.query);
        layer.key.matmul(&scratch.quantised, &mut scratch.key);
        layer.value.matmul(&scratch.quantised, &mut scratch.value);
        rotate(&mut scratch.query, width, &scratch.rotation, head_width);
        rotate(&mut scratch.key, kv_width, &scratch.rotation, head_width);
        keys.extend_from_slice(&scratch.key);
        values.extend_from_slice(&scratch.value);

        let group = config.heads / config.kv_heads;
        scratch.attended.resize(scratch.query.len(), 0.0);
        let rows = scratch.query.chunks_exact(width).zip(scratch.attended.chunks_exact_mut(width));
        for (token, (query, attended)) in rows.enumerate() {
            // A token sees itself and what came before it.
            let visible = (first + token + 1) * kv_width;
            let heads = query.chunks_exact(head_width).zip(attended.chunks_exact_mut(head_width));
            for (head, (query, out)) in heads.enumerate() {
                let at = head / group * head_width;
                attend(
                    query,
                    &keys[at..visible],
                    &values[at..visible],
                    kv_width,
                    &mut scratch.scores,
                    out,
                );
            }
        }
        scratch.quantised.fill(width, &scratch.attended);
        layer.output.matmul(&scratch.quantised, &mut scratch.projected);
        add(&mut scratch.hidden, &scratch.projected);
    }

    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch) {
        self.norm_and_quantise(&layer.feed_forward_norm, scratch);
        layer.gate.matmul(&scratch.quantised, &mut scratch.gate);
        layer.up.matmul(&scratch.quantised, &mut scratch.up);
        silu_mul(&mut scratch.gate, &scratch.up);
        scratch.quantised.fill(self.config.feed_forward, &scratch.gate);
        layer.down.matmul(&scratch.quantised, &mut scratch.projected);
        add(&mut scratch.hidden, &scratch.projected);
    }

    fn norm_and_quantise(&self, weight: &[f32], scratch: &mut Scratch) {
        let width = self.config.width;
        scratch.normed.resize(scratch.hidden.len(), 0.0);
        for (x, out) in
            scratch.hidden.chunks_exact(width).zip(scratch.normed.chunks_exact_mut(width))
        {
            rms_norm(x, weight, self.config.norm_epsilon, out);
        }
        scratch.quantised.fill(width, &scratch.normed);
    }
}

/// Rotates neighbouring pairs of each head (the order in which GGUF stores Llama's weights). `rotation` holds, token by
/// token, cosine and sine of each pair.
fn rotate(rows: &mut [f32], width: usize, rotation: &[(f32, f32)], head_width: usize) {
    for (row, rotation) in rows.chunks_exact_mut(width).zip(rotation.chunks_exact(head_width / 2)) {
        for head in row.chunks_exact_mut(head_width) {
            for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(rotation) {
                let (a, b) = (pair[0], pair[1]);
                pair[0] = a * cos - b * sin;
                pair[1] = a * sin + b * cos;
            }
        }
    }
}

fn add(acc: &mut [f32], x: &[f32]) {
    for (acc, x) in acc.iter_mut().zip(x) {
        *acc += x;
    }
}

fn value<'a>(content: &'a Content, key: &str) -> Result<&'a Value, ModelError> {
    content.metadata.get(key).ok_or_else(|| ModelError::Format(format!("it has no {key}")))
}

fn size(content: &Content, key: &str) -> Result<usize, ModelError> {
    let size = integer(value(content, key)?).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| ModelError::Format(format!("its {key} is not a size")))
}

fn float(content: &Content, key: &str) -> Result<f32, ModelError> {
    Ok(value(content, key)?.to_f32()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A model of random weights.
    pub(crate) fn tiny(vocabulary: usize, context: usize) -> Llama {
        let config = LlamaConfig {
            layers: 2,
            width: 64,
            heads: 4,
            kv_heads: 2,
            head_width: 16,
            feed_forward: 96,
            vocabulary,
            context,
            rope_base: 10_000.0,
            norm_epsilon: 1e-5,
        };
        let mut state = 42u64;
        let sizes = |name: &str| match name {
            "token_embd.weight" => vocabulary * 64,
            _ if name.contains("norm") => 64,
            _ if name.contains("attn_k") || name.contains("attn_v") => 32 * 64,
            _ if name.contains("ffn") => 96 * 64,
            _ => 64 * 64,
        };
        let mut random = |name: &str| {
            let values = (0..sizes(name)).map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 40) as f32 / 8_388_608.0 - 1.0) * 0.3
            });
            Ok(values.collect())
        };
        Llama::build(config, true, &mut random).unwrap()
    }

    fn logits(model: &Llama, cache: &mut KvCache, tokens: &[TokenId]) -> Vec<f32> {
        let mut out = Vec::new();
        model.forward(cache, tokens, &mut Scratch::default(), &mut out).unwrap();
        out
    }

    #[test]
    fn one_by_one_equals_all_at_once() {
        let model = tiny(100, 64);
        let tokens: Vec<TokenId> = (0..23).map(|i| (i * 7 + 3) % 100).collect();
        let whole = logits(&model, &mut KvCache::default(), &tokens);
        let mut cache = KvCache::default();
        let stepped = tokens.iter().map(|id| logits(&model, &mut cache, &[*id])).last().unwrap();
        assert_eq!(whole, stepped);
        let mut cache = KvCache::default();
        logits(&model, &mut cache, &tokens[..5]);
        assert_eq!(whole, logits(&model, &mut cache, &tokens[5..]));
    }

    #[test]
    fn a_truncated_cache_forgets() {
        let model = tiny(100, 64);
        let mut cache = KvCache::default();
        logits(&model, &mut cache, &[1, 2, 3, 4, 5, 6]);
        cache.truncate(3);
        assert_eq!(cache.tokens(), [1, 2, 3]);
        let again = logits(&model, &mut cache, &[9]);
        assert_eq!(again, logits(&model, &mut KvCache::default(), &[1, 2, 3, 9]));
    }

    #[test]
    fn order_matters() {
        let model = tiny(100, 64);
        let forth = logits(&model, &mut KvCache::default(), &[1, 2, 3]);
        let back = logits(&model, &mut KvCache::default(), &[2, 1, 3]);
        assert_ne!(forth, back);
    }

    #[test]
    fn bounds_are_errors() {
        let model = tiny(100, 8);
        let run = |tokens: &[TokenId]| {
            model.forward(&mut KvCache::default(), tokens, &mut Scratch::default(), &mut Vec::new())
        };
        assert!(matches!(run(&[]), Err(ModelError::EmptyPrompt)));
        assert!(matches!(
            run(&[1; 9]),
            Err(ModelError::ContextExceeded { prompt: 9, context: 8, .. })
        ));
        assert!(matches!(run(&[100]), Err(ModelError::Tokenizer(_))));
        assert!(run(&[1; 8]).is_ok());
    }

    #[test]
    fn a_tensor_of_another_shape_is_refused() {
        let config = tiny(100, 8).config().clone();
        let mut wrong = |_: &str| Ok(vec![0.0; 64]);
        assert!(matches!(Llama::build(config, true, &mut wrong), Err(ModelError::Format(_))));
    }
}
