//! Senders of many transactions at once: eight signatures in the lanes of AVX-512 registers, for a third or
//! less of what one after another costs.
//!
//! Nothing is decided here. An address that is given is the one every other way of recovery gives; where this
//! way does not apply (another processor, too few signatures, a signature that is not valid, or one of the
//! few for which its formulas do not hold) there is none, and the caller recovers as it would without.

#[cfg(target_arch = "x86_64")]
mod field;
#[cfg(target_arch = "x86_64")]
mod group;
mod scalars;

use alloy_primitives::{Address, B256, U256};

/// What was signed and the signature.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    pub hash: B256,
    pub r: U256,
    pub s: U256,
    pub y_odd: bool,
}

/// Signatures from which on a group is worth its while: it costs the same with fewer.
const LEAST: usize = 3;

/// Whether this processor can do it.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Who signed each, as far as it is found here. High values of `s` are not (EIP-2).
pub fn recover(signed: &[Signed]) -> Vec<Option<Address>> {
    let mut found = vec![None; signed.len()];
    if signed.len() < LEAST || !available() {
        return found;
    }
    #[cfg(target_arch = "x86_64")]
    {
        let jobs = scalars::jobs(signed);
        for jobs in jobs.chunks(group::LANES) {
            if jobs.len() < LEAST {
                break;
            }
            for (job, address) in jobs.iter().zip(group::recover(jobs)) {
                found[job.index] = address;
            }
        }
    }
    found
}
