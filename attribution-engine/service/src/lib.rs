//! See ARCHITECTURE.md.

pub mod audit;
pub mod chain;
pub mod clusters;
pub mod content;
pub mod epochs;
pub mod evidence;
