//! Compiled code against code on the chain.
//!
//! The chain's code differs from the compiler's output in what the constructor wrote: immutables, and
//! the library's own address in a library. Those bytes are left out. What then differs only in the
//! metadata at the end (CBOR with a hash over sources and settings) still does the same: a partial
//! match. A full match needs a metadata hash, since that is what ties comments and names to the code.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, hex};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::request::Target;
use crate::error::VerificationError;

/// How well the sources fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Match {
    /// The metadata hash agrees: these very sources.
    Full,
    /// The code agrees without its metadata.
    Partial,
}

/// What the compiler made of the contract.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    creation: Bytes,
    runtime: Bytes,
    /// Start and length of what the constructor writes into the runtime code.
    immutables: Vec<(usize, usize)>,
    /// JSON.
    pub abi: String,
}

/// Most bytes of the compiler's errors that are passed on.
const DIAGNOSTICS_MAX: usize = 2_000;

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(default)]
    errors: Vec<Diagnostic>,
    #[serde(default, borrow)]
    contracts: BTreeMap<String, BTreeMap<String, ContractOutput<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Diagnostic {
    severity: String,
    #[serde(default)]
    message: String,
    formatted_message: Option<String>,
}

#[derive(Deserialize)]
struct ContractOutput<'a> {
    #[serde(borrow)]
    abi: Option<&'a RawValue>,
    evm: EvmOutput,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvmOutput {
    bytecode: CodeOutput,
    deployed_bytecode: CodeOutput,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodeOutput {
    object: String,
    #[serde(default)]
    immutable_references: BTreeMap<String, Vec<Reference>>,
}

#[derive(Deserialize)]
struct Reference {
    start: usize,
    length: usize,
}

impl Compiled {
    /// Finds the target in the standard JSON output.
    pub(super) fn from_output(output: &[u8], target: &Target) -> Result<Self, VerificationError> {
        let output: Output<'_> = serde_json::from_slice(output).map_err(|error| {
            VerificationError::Compiler(format!("its output is not standard JSON: {error}"))
        })?;
        let errors: Vec<&str> = output
            .errors
            .iter()
            .filter(|error| error.severity == "error")
            .map(|error| error.formatted_message.as_deref().unwrap_or(&error.message))
            .collect();
        if !errors.is_empty() {
            let mut text = errors.join("\n");
            text.truncate(text.floor_char_boundary(DIAGNOSTICS_MAX));
            return Err(VerificationError::Sources(text));
        }
        let mut found = output
            .contracts
            .iter()
            .filter(|(path, _)| target.path.as_ref().is_none_or(|wanted| wanted == *path))
            .filter_map(|(_, contracts)| contracts.get(&target.name));
        let contract = match (found.next(), found.next()) {
            (Some(contract), None) => contract,
            (None, _) => return Err(VerificationError::NoContract(target.to_string())),
            (Some(_), Some(_)) => return Err(VerificationError::Ambiguous(target.name.clone())),
        };
        let bytes = |code: &CodeOutput| {
            // Names of libraries stand where their addresses belong.
            hex::decode(&code.object).map(Bytes::from).map_err(|_| VerificationError::Unlinked)
        };
        let runtime = bytes(&contract.evm.deployed_bytecode)?;
        let references = contract.evm.deployed_bytecode.immutable_references.values().flatten();
        let immutables: Vec<(usize, usize)> =
            references.map(|reference| (reference.start, reference.length)).collect();
        let outside = |&(start, length): &(usize, usize)| {
            start.checked_add(length).is_none_or(|end| end > runtime.len())
        };
        if immutables.iter().any(outside) {
            return Err(VerificationError::Compiler("immutables outside of the code".into()));
        }
        Ok(Self {
            creation: bytes(&contract.evm.bytecode)?,
            runtime,
            immutables,
            abi: contract.abi.map_or_else(|| "[]".to_owned(), |abi| abi.get().to_owned()),
        })
    }

    /// How the code at `address` fits; `None` if it does not.
    pub(super) fn matches(&self, deployed: &[u8], address: Address) -> Option<Match> {
        if self.runtime.is_empty() {
            return None; // an interface or abstract contract
        }
        let mut expected = self.runtime.to_vec();
        let mut deployed = deployed.to_vec();
        for &(start, length) in &self.immutables {
            // Absent in shorter code, which cannot match anyhow.
            deployed.get_mut(start..start + length)?.fill(0);
            expected[start..start + length].fill(0);
        }
        // A library begins with PUSH20 of its own address, zero in the compiler's output.
        if let Some((0x73, rest)) = expected.split_first_mut()
            && let Some(own) = rest.first_chunk_mut::<20>()
            && *own == [0; 20]
        {
            *own = address.into_array();
        }
        if deployed == expected && has_source_hash(metadata(&expected)) {
            return Some(Match::Full);
        }
        let code = |all: &[u8]| all[..all.len() - metadata(all).len()].to_vec();
        (code(&deployed) == code(&expected)).then_some(Match::Partial)
    }

    /// What follows the creation code in `init_code`; `None` if that begins otherwise. Metadata in the
    /// creation code is left out, as in a partial match.
    pub(super) fn constructor_arguments(&self, init_code: &[u8]) -> Option<Bytes> {
        let (created, arguments) = init_code.split_at_checked(self.creation.len())?;
        let (mut created, mut expected) = (created.to_vec(), self.creation.to_vec());
        let metadata = metadata(&self.runtime);
        if !metadata.is_empty() {
            let places: Vec<usize> = expected
                .windows(metadata.len())
                .enumerate()
                .filter_map(|(start, window)| (window == metadata).then_some(start))
                .collect();
            for start in places {
                created[start..start + metadata.len()].fill(0);
                expected[start..start + metadata.len()].fill(0);
            }
        }
        (created == expected).then(|| Bytes::copy_from_slice(arguments))
    }
}

/// The CBOR map at the end of code with its two bytes of length; empty if there is none.
fn metadata(code: &[u8]) -> &[u8] {
    let Some((rest, length)) = code.split_last_chunk::<2>() else { return &[] };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some(start) = rest.len().checked_sub(length) else { return &[] };
    // A CBOR map of one to four entries: that is all compilers write.
    match rest.get(start) {
        Some(0xa1..=0xa4) => &code[start..],
        _ => &[],
    }
}

fn has_source_hash(metadata: &[u8]) -> bool {
    // CBOR text strings: a length byte, then the key.
    [b"\x64ipfs".as_slice(), b"\x65bzzr0", b"\x65bzzr1"]
        .iter()
        .any(|key| metadata.windows(key.len()).any(|window| window == *key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address::repeat_byte(0x42);

    /// `{"ipfs": <hash>}` and its length.
    fn with_metadata(code: &[u8], hash: u8) -> Vec<u8> {
        let mut map = vec![0xa1, 0x64];
        map.extend(b"ipfs");
        map.extend([0x42, hash, hash]);
        let length = map.len() as u16;
        [code, &map, &length.to_be_bytes()].concat()
    }

    fn compiled(code: &[u8], immutables: &[(usize, usize)]) -> Compiled {
        Compiled {
            creation: [&[0xfe, 0xfe], code].concat().into(),
            runtime: code.to_vec().into(),
            immutables: immutables.to_vec(),
            abi: "[]".into(),
        }
    }

    #[test]
    fn metadata_decides_between_full_and_partial() {
        let own = compiled(&with_metadata(&[1, 2, 3, 4], 7), &[]);
        assert_eq!(own.matches(&with_metadata(&[1, 2, 3, 4], 7), ADDRESS), Some(Match::Full));
        assert_eq!(own.matches(&with_metadata(&[1, 2, 3, 4], 8), ADDRESS), Some(Match::Partial));
        assert_eq!(own.matches(&with_metadata(&[1, 2, 3, 5], 7), ADDRESS), None);
        assert_eq!(own.matches(&[1, 2, 3, 4], ADDRESS), Some(Match::Partial));
        assert_eq!(own.matches(&[], ADDRESS), None);
        // Without a hash nothing ties the sources' text to the code.
        assert_eq!(
            compiled(&[1, 2, 3, 4], &[]).matches(&[1, 2, 3, 4], ADDRESS),
            Some(Match::Partial)
        );
    }

    #[test]
    fn immutables_are_left_out() {
        let own = compiled(&with_metadata(&[1, 0, 0, 4], 7), &[(1, 2)]);
        assert_eq!(own.matches(&with_metadata(&[1, 9, 9, 4], 7), ADDRESS), Some(Match::Full));
        assert_eq!(own.matches(&with_metadata(&[9, 9, 9, 4], 7), ADDRESS), None);
        assert_eq!(own.matches(&[1], ADDRESS), None);
    }

    #[test]
    fn a_library_knows_its_address() {
        let library = |address: [u8; 20]| [&[0x73], address.as_slice(), &[0x30, 0x14]].concat();
        let own = compiled(&with_metadata(&library([0; 20]), 7), &[]);
        let at = with_metadata(&library([0x42; 20]), 7);
        assert_eq!(own.matches(&at, ADDRESS), Some(Match::Full));
        assert_eq!(own.matches(&at, Address::repeat_byte(0x43)), None);
    }

    #[test]
    fn an_interface_matches_nothing() {
        assert_eq!(compiled(&[], &[]).matches(&[], ADDRESS), None);
    }

    #[test]
    fn arguments_follow_the_creation_code() {
        let own = compiled(&with_metadata(&[1, 2], 7), &[]);
        let init =
            |hash, tail: &[u8]| [&[0xfe, 0xfe], &*with_metadata(&[1, 2], hash), tail].concat();
        assert_eq!(own.constructor_arguments(&init(7, &[5, 6])), Some(Bytes::from(vec![5, 6])));
        assert_eq!(own.constructor_arguments(&init(8, &[])), Some(Bytes::new()));
        assert_eq!(own.constructor_arguments(&[0xfe]), None);
        assert_eq!(own.constructor_arguments(&[0; 64]), None);
    }

    #[test]
    fn output_is_read() {
        let target = Target { path: Some("a.sol".into()), name: "A".into() };
        let output = br#"{"errors":[{"severity":"warning","message":"w"}],"contracts":{"a.sol":{"A":{
            "abi":[{"type":"fallback"}],
            "evm":{"bytecode":{"object":"fe00"},"deployedBytecode":{"object":"0000","immutableReferences":
            {"3":[{"start":1,"length":1}]}}}}}}}"#;
        let compiled = Compiled::from_output(output, &target).unwrap();
        assert_eq!(compiled.immutables, [(1, 1)]);
        assert_eq!(compiled.abi, r#"[{"type":"fallback"}]"#);

        let fails = |output: &str, target: &Target| {
            Compiled::from_output(output.as_bytes(), target).unwrap_err()
        };
        let text = std::str::from_utf8(output).unwrap();
        let outside = text.replace("\"start\":1", "\"start\":2");
        assert!(matches!(fails(&outside, &target), VerificationError::Compiler(_)));
        let unlinked = text.replace("fe00", "fe__$0123$__");
        assert!(matches!(fails(&unlinked, &target), VerificationError::Unlinked));
        let missing = Target { path: None, name: "B".into() };
        assert!(matches!(fails(text, &missing), VerificationError::NoContract(_)));
        let error = r#"{"errors":[{"severity":"error","formattedMessage":"ParserError: x"}]}"#;
        let VerificationError::Sources(reason) = fails(error, &target) else { panic!() };
        assert_eq!(reason, "ParserError: x");
        assert!(matches!(fails("oops", &target), VerificationError::Compiler(_)));
    }
}
