//! Arithmetic of the forward pass: 8-bit matrices in blocks of 32 with one scale each (GGML's Q8_0 layout, split into two
//! arrays), and the few `f32` loops of attention.
//!
//! Everything runs on the calling thread: with a busy second core, spin barriers make two threads slower than one. AVX2
//! is chosen at run time. A token's result does not depend on how many other tokens are computed in the same call,
//! bit for bit; it may differ in the last bits between machines with and without AVX2, which is why nothing that
//! reaches the chain is computed from logits.

/// Elements that share a scale.
pub const BLOCK: usize = 32;

/// Tokens that a weight row is multiplied with at a time.
const TILE: usize = 4;

/// A block's elements.
type Quants = [i8; BLOCK];

/// Activations of several tokens. Whole tiles of [`TILE`] tokens are stored block by block, the tokens of a tile side by
/// side; the tokens that fill no tile follow one by one.
#[derive(Default)]
pub struct QuantRows {
    blocks: usize,
    rows: usize,
    quants: Vec<Quants>,
    scales: Vec<f32>,
}

impl QuantRows {
    /// Replaces the content with `values`, rows of `cols` elements. `cols` must be a multiple of [`BLOCK`].
    pub fn fill(&mut self, cols: usize, values: &[f32]) {
        debug_assert!(cols.is_multiple_of(BLOCK) && values.len().is_multiple_of(cols));
        self.blocks = cols / BLOCK;
        self.rows = values.len() / cols;
        self.quants.clear();
        self.scales.clear();
        let (blocks, _) = values.as_chunks::<BLOCK>();
        let tiled = self.rows / TILE * TILE;
        for tile in (0..tiled).step_by(TILE) {
            for block in 0..self.blocks {
                for token in tile..tile + TILE {
                    self.push(&blocks[token * self.blocks + block]);
                }
            }
        }
        for block in &blocks[tiled * self.blocks..] {
            self.push(block);
        }
    }

    fn push(&mut self, values: &[f32; BLOCK]) {
        let (quants, scale) = quantise(values);
        self.quants.push(quants);
        self.scales.push(scale);
    }

    /// Calls `f` with the first token and the blocks of every tile and every single token.
    #[inline(always)]
    fn each_group(&self, mut f: impl FnMut(usize, &[Quants], &[f32])) {
        let tiled = self.rows / TILE * TILE;
        let mut token = 0;
        while token < self.rows {
            let tokens = if token < tiled { TILE } else { 1 };
            let range = token * self.blocks..(token + tokens) * self.blocks;
            f(token, &self.quants[range.clone()], &self.scales[range]);
            token += tokens;
        }
    }
}

/// A weight matrix of `rows` outputs.
pub struct QuantMatrix {
    rows: usize,
    /// Blocks of a row.
    blocks: usize,
    quants: Vec<Quants>,
    scales: Vec<f32>,
}

impl QuantMatrix {
    /// Quantises row-major `values`. Returns `None` if the shape does not fit.
    pub fn from_f32(rows: usize, cols: usize, values: &[f32]) -> Option<Self> {
        if cols == 0 || !cols.is_multiple_of(BLOCK) || values.len() != rows.checked_mul(cols)? {
            return None;
        }
        let (quants, scales) = values.as_chunks::<BLOCK>().0.iter().map(quantise).unzip();
        Some(Self { rows, blocks: cols / BLOCK, quants, scales })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.quants.len() * BLOCK + self.scales.len() * 4
    }

    /// Writes one row, dequantised: an embedding look-up.
    pub fn row_f32(&self, row: usize, out: &mut [f32]) {
        let (quants, scales) = self.row(row);
        for ((out, quants), scale) in out.chunks_exact_mut(BLOCK).zip(quants).zip(scales) {
            for (out, quant) in out.iter_mut().zip(quants) {
                *out = f32::from(*quant) * scale;
            }
        }
    }

    /// `out[token][row] = Σ weights[row] · x[token]`, with `out` resized to fit.
    pub fn matmul(&self, x: &QuantRows, out: &mut Vec<f32>) {
        debug_assert_eq!(x.blocks, self.blocks);
        out.clear();
        out.resize(x.rows * self.rows, 0.0);
        #[cfg(target_arch = "x86_64")]
        if avx2::available() {
            // SAFETY: the CPU has AVX2 and FMA, as was just checked.
            unsafe { avx2::matmul(self, x, out) };
            return;
        }
        self.matmul_portable(x, out);
    }

    fn matmul_portable(&self, x: &QuantRows, out: &mut [f32]) {
        for row in 0..self.rows {
            let (weights, weight_scales) = self.row(row);
            x.each_group(|token, quants, scales| {
                let tokens = quants.len() / self.blocks;
                for i in 0..tokens {
                    let blocks = (0..self.blocks).map(|block| {
                        let at = block * tokens + i;
                        let products = weights[block]
                            .iter()
                            .zip(&quants[at])
                            .map(|(a, b)| i32::from(*a) * i32::from(*b));
                        products.sum::<i32>() as f32 * (weight_scales[block] * scales[at])
                    });
                    out[(token + i) * self.rows + row] = blocks.sum();
                }
            });
        }
    }

    fn row(&self, row: usize) -> (&[Quants], &[f32]) {
        let range = row * self.blocks..(row + 1) * self.blocks;
        (&self.quants[range.clone()], &self.scales[range])
    }
}

/// Σ a·b.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if avx2::available() {
        // SAFETY: the CPU has AVX2 and FMA, as was just checked.
        return unsafe { avx2::dot(a, b) };
    }
    dot_lanes(a, b)
}

/// One head's attention over the positions held in `keys` and `values`, rows of `stride` floats of which the first
/// `query.len()` belong to this head. `scores` is scratch.
pub fn attend(
    query: &[f32],
    keys: &[f32],
    values: &[f32],
    stride: usize,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if avx2::available() {
        // SAFETY: the CPU has AVX2 and FMA, as was just checked.
        unsafe { avx2::attend(query, keys, values, stride, scores, out) };
        return;
    }
    let scale = 1.0 / (query.len() as f32).sqrt();
    scores.clear();
    scores.extend(keys.chunks(stride).map(|key| dot_lanes(query, &key[..query.len()]) * scale));
    softmax(scores);
    out.fill(0.0);
    for (weight, value) in scores.iter().zip(values.chunks(stride)) {
        for (out, value) in out.iter_mut().zip(value) {
            *out += weight * value;
        }
    }
}

/// Root-mean-square normalisation of one row.
pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mean = dot(x, x) / x.len() as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

/// Softmax in place. An empty row stays empty.
pub fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    let inverse = 1.0 / sum;
    for x in row.iter_mut() {
        *x *= inverse;
    }
}

/// gate = silu(gate) · up.
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
}

/// A block as signed bytes and the scale that gives the values back. The bytes are within ±127, so the sum of two
/// products fits 16 bits, which the AVX2 kernel relies on.
fn quantise(values: &[f32; BLOCK]) -> (Quants, f32) {
    let peak = values.iter().fold(0f32, |peak, x| peak.max(x.abs()));
    let scale = peak / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    (values.map(|x| (x * inverse).round().clamp(-127.0, 127.0) as i8), scale)
}

fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    //! The same loops for CPUs with AVX2 and FMA.

    use core::arch::x86_64::*;

    use super::{QuantMatrix, QuantRows, Quants, TILE};

    pub(super) fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn matmul(matrix: &QuantMatrix, x: &QuantRows, out: &mut [f32]) {
        let stride = matrix.rows;
        for row in 0..matrix.rows {
            let (weights, weight_scales) = matrix.row(row);
            x.each_group(|token, quants, scales| match quants.len() == matrix.blocks {
                true => {
                    let [sum] = dots::<1>(weights, weight_scales, quants, scales);
                    out[token * stride + row] = sum;
                }
                false => {
                    let sums = dots::<TILE>(weights, weight_scales, quants, scales);
                    for (i, sum) in sums.into_iter().enumerate() {
                        out[(token + i) * stride + row] = sum;
                    }
                }
            });
        }
    }

    /// One weight row by a group of `N` tokens. Each token's operations are the same for every `N`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn dots<const N: usize>(
        weights: &[Quants],
        weight_scales: &[f32],
        quants: &[Quants],
        scales: &[f32],
    ) -> [f32; N] {
        let blocks = weights.len();
        let weight_scales = &weight_scales[..blocks];
        let quants = &quants.as_chunks::<N>().0[..blocks];
        let scales = &scales.as_chunks::<N>().0[..blocks];
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_ps(); N];
        for block in 0..blocks {
            let weight = load(&weights[block]);
            let magnitude = _mm256_abs_epi8(weight);
            for i in 0..N {
                let signed = _mm256_sign_epi8(load(&quants[block][i]), weight);
                let pairs = _mm256_maddubs_epi16(magnitude, signed);
                let products = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
                let scale = _mm256_set1_ps(weight_scales[block] * scales[block][i]);
                sums[i] = _mm256_fmadd_ps(products, scale, sums[i]);
            }
        }
        sums.map(|sum| horizontal(sum))
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn load(quants: &Quants) -> __m256i {
        // SAFETY: the reference is to 32 bytes.
        unsafe { _mm256_loadu_si256(quants.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let (a_chunks, a_rest) = a.as_chunks::<8>();
        let (b_chunks, b_rest) = b.as_chunks::<8>();
        let mut sum = _mm256_setzero_ps();
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            // SAFETY: both point to eight floats.
            let (a, b) = unsafe { (_mm256_loadu_ps(a.as_ptr()), _mm256_loadu_ps(b.as_ptr())) };
            sum = _mm256_fmadd_ps(a, b, sum);
        }
        horizontal(sum) + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn attend(
        query: &[f32],
        keys: &[f32],
        values: &[f32],
        stride: usize,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let scale = 1.0 / (query.len() as f32).sqrt();
        scores.clear();
        for key in keys.chunks(stride) {
            scores.push(dot(query, &key[..query.len()]) * scale);
        }
        super::softmax(scores);
        out.fill(0.0);
        for (weight, value) in scores.iter().zip(values.chunks(stride)) {
            for (out, value) in out.iter_mut().zip(value) {
                *out = weight.mul_add(*value, *out);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn horizontal(x: __m256) -> f32 {
        let halves = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
        _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible values in ±1.
    fn noise(count: usize, mut state: u64) -> Vec<f32> {
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 40) as f32) / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn quantised_product_is_close_to_the_exact_one() {
        let (rows, cols, tokens) = (24, 96, 7);
        let weights = noise(rows * cols, 1);
        let input = noise(tokens * cols, 2);
        let matrix = QuantMatrix::from_f32(rows, cols, &weights).unwrap();
        let mut x = QuantRows::default();
        x.fill(cols, &input);
        let mut out = Vec::new();
        matrix.matmul(&x, &mut out);
        let mut portable = vec![0.0; tokens * rows];
        matrix.matmul_portable(&x, &mut portable);
        for token in 0..tokens {
            for row in 0..rows {
                let exact: f32 = weights[row * cols..][..cols]
                    .iter()
                    .zip(&input[token * cols..][..cols])
                    .map(|(a, b)| a * b)
                    .sum();
                let got = out[token * rows + row];
                assert!((got - exact).abs() < 0.1, "{got} for {exact}");
                assert!((got - portable[token * rows + row]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_token_does_not_depend_on_its_batch() {
        let (rows, cols, tokens) = (40, 64, 9);
        let matrix = QuantMatrix::from_f32(rows, cols, &noise(rows * cols, 3)).unwrap();
        let input = noise(tokens * cols, 4);
        let mut x = QuantRows::default();
        let mut together = Vec::new();
        x.fill(cols, &input);
        matrix.matmul(&x, &mut together);
        let mut alone = Vec::new();
        for token in 0..tokens {
            x.fill(cols, &input[token * cols..][..cols]);
            matrix.matmul(&x, &mut alone);
            assert_eq!(alone, together[token * rows..][..rows]);
        }
    }

    #[test]
    fn shapes_are_checked() {
        assert!(QuantMatrix::from_f32(1, 31, &[0.0; 31]).is_none());
        assert!(QuantMatrix::from_f32(2, 32, &[0.0; 32]).is_none());
        assert!(QuantMatrix::from_f32(1, 0, &[]).is_none());
    }

    #[test]
    fn zero_blocks_stay_zero() {
        let matrix = QuantMatrix::from_f32(1, 32, &[0.0; 32]).unwrap();
        let mut row = [1.0; 32];
        matrix.row_f32(0, &mut row);
        assert_eq!(row, [0.0; 32]);
    }

    #[test]
    fn softmax_sums_to_one() {
        let mut row = noise(100, 5);
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
