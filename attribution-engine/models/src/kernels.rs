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

/// Activations of several tokens, quantised row by row.
#[derive(Default)]
pub struct QuantRows {
    cols: usize,
    rows: usize,
    quants: Vec<i8>,
    scales: Vec<f32>,
}

impl QuantRows {
    /// Replaces the content with `values`, rows of `cols` elements. `cols` must be a multiple of [`BLOCK`].
    pub fn fill(&mut self, cols: usize, values: &[f32]) {
        debug_assert!(cols.is_multiple_of(BLOCK) && values.len().is_multiple_of(cols));
        self.cols = cols;
        self.rows = values.len() / cols;
        self.quants.clear();
        self.scales.clear();
        quantise(values, &mut self.quants, &mut self.scales);
    }

    fn row(&self, row: usize) -> (&[i8], &[f32]) {
        let blocks = self.cols / BLOCK;
        (&self.quants[row * self.cols..(row + 1) * self.cols], &self.scales[row * blocks..(row + 1) * blocks])
    }
}

/// A weight matrix of `rows` outputs by `cols` inputs.
pub struct QuantMatrix {
    rows: usize,
    cols: usize,
    quants: Vec<i8>,
    scales: Vec<f32>,
}

impl QuantMatrix {
    /// Quantises row-major `values`. Returns `None` if the shape does not fit.
    pub fn from_f32(rows: usize, cols: usize, values: &[f32]) -> Option<Self> {
        if cols == 0 || !cols.is_multiple_of(BLOCK) || values.len() != rows.checked_mul(cols)? {
            return None;
        }
        let mut quants = Vec::with_capacity(values.len());
        let mut scales = Vec::with_capacity(values.len() / BLOCK);
        quantise(values, &mut quants, &mut scales);
        Some(Self { rows, cols, quants, scales })
    }


    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.quants.len() + self.scales.len() * 4
    }

    /// Writes one row, dequantised: an embedding look-up.
    pub fn row_f32(&self, row: usize, out: &mut [f32]) {
        let (quants, scales) = self.row(row);
        for ((out, quants), scale) in out.chunks_exact_mut(BLOCK).zip(quants.chunks_exact(BLOCK)).zip(scales) {
            for (out, quant) in out.iter_mut().zip(quants) {
                *out = f32::from(*quant) * scale;
            }
        }
    }

    /// `out[token][row] = Σ weights[row] · x[token]`, with `out` resized to fit.
    pub fn matmul(&self, x: &QuantRows, out: &mut Vec<f32>) {
        debug_assert_eq!(x.cols, self.cols);
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
            for token in 0..x.rows {
                let (quants, scales) = x.row(token);
                out[token * self.rows + row] = dot_portable(weights, weight_scales, quants, scales);
            }
        }
    }

    fn row(&self, row: usize) -> (&[i8], &[f32]) {
        let blocks = self.cols / BLOCK;
        (&self.quants[row * self.cols..(row + 1) * self.cols], &self.scales[row * blocks..(row + 1) * blocks])
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
pub fn attend(query: &[f32], keys: &[f32], values: &[f32], stride: usize, scores: &mut Vec<f32>, out: &mut [f32]) {
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

/// Appends `values`, whose length is a multiple of [`BLOCK`], as signed bytes and scales. Values are within ±127, so the
/// sum of two products fits 16 bits, which the AVX2 kernel relies on.
fn quantise(values: &[f32], quants: &mut Vec<i8>, scales: &mut Vec<f32>) {
    for block in values.chunks_exact(BLOCK) {
        let peak = block.iter().fold(0f32, |peak, x| peak.max(x.abs()));
        let scale = peak / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        scales.push(scale);
        quants.extend(block.iter().map(|x| (x * inverse).round().clamp(-127.0, 127.0) as i8));
    }
}

fn dot_portable(a: &[i8], a_scales: &[f32], b: &[i8], b_scales: &[f32]) -> f32 {
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let scales = a_scales.iter().zip(b_scales);
    blocks.zip(scales).fold(0.0, |sum, ((a, b), (a_scale, b_scale))| {
        let product: i32 = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        sum + product as f32 * (a_scale * b_scale)
    })
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

    use super::{BLOCK, QuantMatrix, QuantRows, TILE};

    pub(super) fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn matmul(matrix: &QuantMatrix, x: &QuantRows, out: &mut [f32]) {
        let stride = matrix.rows;
        for row in 0..matrix.rows {
            let (weights, weight_scales) = matrix.row(row);
            let mut token = 0;
            while token + TILE <= x.rows {
                let tile: [_; TILE] = std::array::from_fn(|i| x.row(token + i));
                let sums = dots(weights, weight_scales, tile);
                for (i, sum) in sums.into_iter().enumerate() {
                    out[(token + i) * stride + row] = sum;
                }
                token += TILE;
            }
            while token < x.rows {
                let [sum] = dots(weights, weight_scales, [x.row(token)]);
                out[token * stride + row] = sum;
                token += 1;
            }
        }
    }

    /// One weight row by `N` tokens. Each token's operations are the same for every `N`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn dots<const N: usize>(weights: &[i8], weight_scales: &[f32], tokens: [(&[i8], &[f32]); N]) -> [f32; N] {
        let blocks = weight_scales.len();
        assert!(weights.len() == blocks * BLOCK);
        for (quants, scales) in tokens {
            assert!(quants.len() == weights.len() && scales.len() == blocks);
        }
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_ps(); N];
        for (block, weight_scale) in weight_scales.iter().enumerate() {
            // SAFETY: `block` is below the number of blocks, and the slice holds `BLOCK` bytes for each.
            let weight = unsafe { _mm256_loadu_si256(weights.as_ptr().add(block * BLOCK).cast()) };
            let magnitude = _mm256_sign_epi8(weight, weight);
            for (sum, (quants, scales)) in sums.iter_mut().zip(tokens) {
                // SAFETY: as above; lengths were compared before the loop.
                let quant = unsafe { _mm256_loadu_si256(quants.as_ptr().add(block * BLOCK).cast()) };
                let signed = _mm256_sign_epi8(quant, weight);
                let pairs = _mm256_maddubs_epi16(magnitude, signed);
                let products = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
                // SAFETY: `block` is below the number of scales, compared before the loop.
                let scale = unsafe { scales.get_unchecked(block) };
                *sum = _mm256_fmadd_ps(products, _mm256_set1_ps(weight_scale * scale), *sum);
            }
        }
        sums.map(|sum| horizontal(sum))
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
    pub(super) fn attend(query: &[f32], keys: &[f32], values: &[f32], stride: usize, scores: &mut Vec<f32>, out: &mut [f32]) {
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
                let exact: f32 =
                    weights[row * cols..][..cols].iter().zip(&input[token * cols..][..cols]).map(|(a, b)| a * b).sum();
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
