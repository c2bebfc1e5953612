//! What keeps withdrawals honest without an operator: everybody's own verification of L2, proposals of
//! its outputs on L1, attestations, challenges, and the settlement of games and bonds.
//!
//! ```text
//! L1 blocks -> derive::Pipeline -> attributes --+
//! any L2 node -> blocks and witnesses ----------+-> stf::RangeVerifier -> Verified -> proposer
//!                                                                            |  +---> attestor
//!                                                                            +------> challenger
//! ```
//!
//! A proposer, an attestor and a challenger decide by the same function, [`Verified::judge`]. The node
//! that gives blocks and witnesses is not believed: it can delay a role, never mislead it.

mod ancestors;
mod attestor;
mod beginnings;
mod challenger;
mod checker;
mod derivation;
mod error;
mod games;
mod journal;
mod outputs;
mod proposer;
mod role;
mod source;
mod told;
mod transactions;

pub use attestor::{
    Attestation, Attestor, AttestorConfig, attestation_digest, attestation_typed_data,
};
pub use beginnings::Beginnings;
pub use challenger::{Challenger, ChallengerConfig};
pub use checker::Checker;
pub use derivation::{Beginning, Derivation, Fit, fit};
pub use error::{CheckError, RoleError, SendError};
pub use games::{Claim, Game, Games, extra_data};
pub use journal::RecordDir;
pub use outputs::{Judgement, Output, Outputs, Verified, Wrong};
pub use proposer::{Proposer, ProposerConfig};
pub use source::L2Source;
pub use transactions::{Receipt, Sender, SenderConfig};
