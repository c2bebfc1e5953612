//! Contracts of admission and content, from their artifacts.

#![allow(missing_docs, clippy::too_many_arguments)]

pub(super) use crate::genesis::economy::{CONTENT_CHALLENGES, CONTRIBUTION_REVIEW, REVIEWER_POOL};

pub(super) mod challenges {
    alloy_sol_types::sol!(
        #[sol(rpc, all_derives)]
        ContentChallenges,
        "../../contracts/artifacts/ContentChallenges.json"
    );
}

pub(super) mod review {
    alloy_sol_types::sol!(
        #[sol(rpc, all_derives)]
        ContributionReview,
        "../../contracts/artifacts/ContributionReview.json"
    );
}

pub(super) mod reviewers {
    alloy_sol_types::sol!(
        #[sol(rpc, all_derives)]
        ReviewerPool,
        "../../contracts/artifacts/ReviewerPool.json"
    );
}
