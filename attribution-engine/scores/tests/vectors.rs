//! Golden bytes. `tests/vectors/economy.json` is shared with the contracts; `attribution.json` is ours:
//! regenerate it with `BLESS=1 cargo test -p attribution-scores --test vectors` and look at the diff, for
//! it changes only when a committed format changes.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use attribution_scores::{
    ContributionId, DatanetId, ModelId, Sequence,
    claims::{Claim, Claims, SumNode},
    cluster::{ClusterInput, ClusterMap},
    document::{Document, DocumentCommitment},
    eip712::{
        ClaimOrder, EpochPost, InferenceReceipt, ModelTotal, PaymentTerms, PoolTotal,
        ReceiveWithAuthorization, Voucher, escrow_domain, settlement_domain, wrapped_open_domain,
    },
    epoch::{EpochInput, SettledReceipt, Split, compute, shares},
    exchange::{
        CanonicalMessage, CanonicalRequest, CanonicalResponse, RetrievedChunk, retrieval_root,
    },
    merkle,
    payments::{Payments, ReceiptPayment},
    record::{AttributionRecord, ClusterWeight, CreditedSpan, PROMPT},
    royalty::{Royalty, Source, owed, pay},
    sketch::Sketch,
    spec::EngineSpec,
    surprise::{SurpriseTable, UnigramCounts, log2_q16},
};
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../tests/vectors")
        .join(name)
}

fn economy() -> Value {
    serde_json::from_slice(&std::fs::read(path("economy.json")).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

fn hash(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

fn address(value: &Value) -> Address {
    text(value).parse().unwrap()
}

fn number<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    match value {
        Value::Number(number) => number.to_string().parse().unwrap(),
        other => text(other).parse().unwrap(),
    }
}

#[test]
fn plain_trees_are_those_of_the_contracts() {
    let vectors = &economy()["merkle"];
    let items: Vec<B256> = vectors["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| merkle::leaf_hash(hash(i).as_slice()))
        .collect();
    for tree in vectors["trees"].as_array().unwrap() {
        let count: usize = number(&tree["count"]);
        let leaves = &items[..count];
        let root = merkle::root(leaves).unwrap_or_default();
        assert_eq!(root, hash(&tree["root"]));
        for (index, proof) in tree["proofs"].as_array().unwrap().iter().enumerate() {
            let expected: Vec<B256> = proof.as_array().unwrap().iter().map(hash).collect();
            assert_eq!(merkle::proof(leaves, index).unwrap(), expected);
            assert!(merkle::verify(root, leaves[index], index as u64, count as u64, &expected));
        }
    }
    let together: Value =
        serde_json::from_slice(&std::fs::read(path("together.json")).unwrap()).unwrap();
    assert_eq!(together["items"], vectors["items"]);
    for case in together["cases"].as_array().unwrap() {
        let leaves = &items[..number(&case["count"])];
        let indices = case["indices"].as_array().unwrap().iter().map(number).collect();
        let expected: Vec<B256> = case["proof"].as_array().unwrap().iter().map(hash).collect();
        assert_eq!(merkle::proof_of(leaves, &indices).unwrap(), expected);
    }
}

#[test]
fn contribution_trees_are_those_of_the_registry() {
    let vectors = &economy()["contributions"];
    let leaves: Vec<B256> = vectors["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leaf| merkle::leaf_hash(hash(&leaf["leaf"]).as_slice()))
        .collect();
    for (count, root) in vectors["roots"].as_array().unwrap().iter().enumerate() {
        assert_eq!(merkle::root(&leaves[..count]).unwrap_or_default(), hash(root));
    }
}

#[test]
fn claims_trees_are_those_of_the_settlement() {
    let vectors = &economy()["merkle_sum"];
    let claims: Vec<Claim> = vectors["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| Claim {
            datanet: DatanetId(number(&claim["datanet_id"])),
            account: address(&claim["account"]),
            cumulative: number(&claim["cumulative"]),
        })
        .collect();
    for tree in vectors["trees"].as_array().unwrap() {
        let count: usize = number(&tree["count"]);
        let some = Claims::new(claims[..count].to_vec()).unwrap();
        let root = SumNode { hash: hash(&tree["root"]), sum: number(&tree["total"]) };
        assert_eq!(some.root().unwrap(), root);
        for (index, proof) in tree["proofs"].as_array().unwrap().iter().enumerate() {
            let ours = some.proof(claims[index].datanet, claims[index].account).unwrap().unwrap();
            let theirs: Vec<SumNode> = proof
                .as_array()
                .unwrap()
                .iter()
                .map(|node| SumNode { hash: hash(&node["hash"]), sum: number(&node["sum"]) })
                .collect();
            assert_eq!(ours.proof, theirs);
            assert_eq!(ours.index, index as u64);
            assert!(ours.verify(root));
        }
    }
}

#[test]
fn royalties_are_those_of_the_registry_and_the_settlement() {
    let vectors = &economy()["royalties"];
    let list = |value: &Value| value.as_array().unwrap().clone();
    let models = list(&vectors["models"]);
    let mut debts: Vec<Vec<Royalty>> = Vec::new();
    for model in &models {
        let sources: Vec<Source<'_>> = list(&model["sources"])
            .iter()
            .zip(list(&model["weights_bps"]))
            .map(|(source, weight)| {
                let id: usize = number(source);
                Source {
                    model: ModelId(id as u64),
                    payee: address(&models[id - 1]["payee"]),
                    weight_bps: number(&weight),
                    royalty_bps: number(&models[id - 1]["royalty_bps"]),
                    royalties: &debts[id - 1],
                }
            })
            .collect();
        let expected: Vec<Royalty> = list(&model["owed_to"])
            .iter()
            .zip(list(&model["owed_bps"]))
            .map(|(to, bps)| {
                let id: usize = number(to);
                let payee = address(&models[id - 1]["payee"]);
                Royalty { model: ModelId(id as u64), payee, bps: number(&bps) }
            })
            .collect();
        let computed = owed(&sources).unwrap();
        assert_eq!(computed, expected);
        debts.push(computed);
    }
    let split = Split {
        model_bps: number(&vectors["model_bps"]),
        contributors_bps: 5_000,
        stakers_bps: 1_000,
    };
    for payment in list(&vectors["payments"]) {
        let shares =
            shares(number(&payment["fees"]), number(&vectors["platform_bps"]), split).unwrap();
        assert_eq!(shares.model, number::<u128>(&payment["share"]));
        let model: usize = number(&payment["model"]);
        let paid = pay(shares.model, &debts[model - 1]).unwrap();
        assert_eq!(paid.own, number::<u128>(&payment["own"]));
        let amounts: Vec<u128> = list(&payment["amounts"]).iter().map(number).collect();
        assert_eq!(paid.royalties, amounts);
    }
}

#[test]
fn digests_are_those_of_the_contracts() {
    let vectors = economy();
    let chain_id = number(&vectors["chain_id"]);
    let escrow = escrow_domain(chain_id, address(&vectors["contracts"]["InferenceEscrow"]));
    let settlement =
        settlement_domain(chain_id, address(&vectors["contracts"]["AttributionSettlement"]));

    let m = &vectors["voucher"]["message"];
    let voucher = Voucher {
        customer: address(&m["customer"]),
        gateway: address(&m["gateway"]),
        nonce: number(&m["nonce"]),
        cumulative: number(&m["cumulative"]),
    };
    assert_eq!(voucher.digest(&escrow), hash(&vectors["voucher"]["digest"]));

    let m = &vectors["receipt"]["message"];
    let receipt = InferenceReceipt {
        number: number(&m["number"]),
        modelId: number(&m["modelId"]),
        customer: address(&m["customer"]),
        gateway: address(&m["gateway"]),
        requestHash: hash(&m["requestHash"]),
        responseHash: hash(&m["responseHash"]),
        tokensIn: number(&m["tokensIn"]),
        tokensOut: number(&m["tokensOut"]),
        fee: number(&m["fee"]),
        timestamp: number(&m["timestamp"]),
        engineSpecHash: hash(&m["engineSpecHash"]),
        adapterSetHash: hash(&m["adapterSetHash"]),
        retrievalRoot: hash(&m["retrievalRoot"]),
    };
    assert_eq!(receipt.receipt_hash(), hash(&vectors["receipt"]["struct_hash"]));
    assert_eq!(receipt.digest(&settlement), hash(&vectors["receipt"]["digest"]));
    let leaf = keccak256(
        (receipt.receipt_hash(), hash(&vectors["receipt"]["attribution_hash"])).abi_encode(),
    );
    assert_eq!(leaf, hash(&vectors["receipt"]["epoch_leaf"]));

    let m = &vectors["epoch"]["message"];
    let list = |name: &str| vectors["epoch"][name].as_array().unwrap().clone();
    let post = EpochPost {
        epochId: number(&m["epochId"]),
        gateway: address(&m["gateway"]),
        engineSpecHash: hash(&m["engineSpecHash"]),
        receiptsRoot: hash(&m["receiptsRoot"]),
        firstReceipt: number(&m["firstReceipt"]),
        receiptCount: number(&m["receiptCount"]),
        claimsRoot: hash(&m["claimsRoot"]),
        claimsTotal: number(&m["claimsTotal"]),
        models: list("models")
            .iter()
            .map(|model| ModelTotal {
                modelId: number(&model["modelId"]),
                fees: number(&model["fees"]),
                attributed: number(&model["attributed"]),
            })
            .collect(),
        pools: list("pools")
            .iter()
            .map(|pool| PoolTotal {
                datanetId: number(&pool["datanetId"]),
                amount: number(&pool["amount"]),
            })
            .collect(),
    };
    assert_eq!(post.digest(&settlement), hash(&vectors["epoch"]["digest"]));
}

#[test]
fn orders_and_payments_per_request_are_those_of_the_contracts() {
    let vectors = economy();
    let chain_id = number(&vectors["chain_id"]);
    let settlement =
        settlement_domain(chain_id, address(&vectors["contracts"]["AttributionSettlement"]));
    let m = &vectors["claim_order"]["message"];
    let order = ClaimOrder {
        datanetId: number(&m["datanetId"]),
        account: address(&m["account"]),
        cumulative: number(&m["cumulative"]),
        to: address(&m["to"]),
        fee: number(&m["fee"]),
        deadline: number(&m["deadline"]),
    };
    assert_eq!(order.digest(&settlement), hash(&vectors["claim_order"]["digest"]));

    let x402 = &vectors["x402"];
    let t = &x402["terms"];
    let terms = PaymentTerms {
        payer: address(&t["payer"]),
        gateway: address(&t["gateway"]),
        model_id: number(&t["modelId"]),
        request_hash: hash(&t["requestHash"]),
        salt: hash(&t["salt"]),
    };
    let payments = address(&x402["payments"]);
    let nonce = terms.id(chain_id, payments);
    assert_eq!(nonce, hash(&x402["payment_id"]));
    let a = &x402["authorization"];
    let authorization = ReceiveWithAuthorization {
        from: terms.payer,
        to: payments,
        value: number(&a["amount"]),
        validAfter: number(&a["valid_after"]),
        validBefore: number(&a["valid_before"]),
        nonce,
    };
    let token = wrapped_open_domain(chain_id, address(&x402["wopen"]));
    assert_eq!(authorization.digest(&token), hash(&x402["digest"]));
}

#[test]
fn payments_trees_are_those_of_the_contracts() {
    let vectors = economy();
    let leaves = vectors["payments"]["leaves"].as_array().unwrap();
    let payments = leaves.iter().map(|leaf| ReceiptPayment {
        datanet: DatanetId(number(&leaf["datanet_id"])),
        account: address(&leaf["account"]),
        receipt: number(&leaf["receipt"]),
        amount: number(&leaf["amount"]),
    });
    let payments = Payments::new(payments.collect()).unwrap();
    let root = payments.root().unwrap();
    assert_eq!(root.hash, hash(&vectors["payments"]["root"]));
    assert_eq!(root.sum, number::<u128>(&vectors["payments"]["total"]));
    assert_eq!(u64::from(payments.depth()), vectors["payments"]["depth"].as_u64().unwrap());
}

const ORIGINAL: &str = "\u{feff}Write-ahead logging\r\n\r\nReaders do not block writers and a writer does not block readers. \
    Reading and writing can proceed concurrently.  \nChanges are appended to the log first; a checkpoint moves them into \
    the database. \u{6570}\u{636e}\u{5e93} na\u{ef}ve caf\u{e9}.\n";
const REWORDED: &str = "Write-ahead logging, in short. Readers do not block writers and a writer does not block readers. \
    Reading and writing may proceed concurrently. Changes are appended to the log first.";
const UNRELATED: &str =
    "A table declared strict checks the type of each value that is put into it.";

/// A document of a batch is shown by its item and path; records name it by its id, and weigh it with its batch.
#[test]
fn batches_and_records_over_them_are_those_of_the_contracts() {
    let golden = economy();
    let batch = &golden["batch"];
    let documents = batch["documents"].as_array().unwrap();
    let list: Vec<DocumentCommitment> = documents
        .iter()
        .map(|document| DocumentCommitment {
            content_hash: hash(&document["content_hash"]),
            chunk_root: hash(&document["chunk_root"]),
            chunk_count: number(&document["chunk_count"]),
            byte_length: number(&document["byte_length"]),
            sketch_hash: hash(&document["sketch_hash"]),
        })
        .collect();
    let revealed = DocumentCommitment::of_batch(&list).unwrap();
    assert!(revealed.is_batch());
    let expected = DocumentCommitment {
        content_hash: hash(&batch["content_hash"]),
        chunk_root: hash(&batch["chunk_root"]),
        chunk_count: number(&batch["chunk_count"]),
        byte_length: number(&batch["byte_length"]),
        sketch_hash: hash(&batch["content_hash"]),
    };
    assert_eq!(revealed, expected);
    let contribution = ContributionId(number::<u64>(&batch["contribution_id"]));
    let leaves: Vec<B256> =
        list.iter().map(|document| merkle::leaf_hash(document.item().as_slice())).collect();
    for (index, document) in (0_u32..).zip(documents) {
        let proof: Vec<B256> = document["proof"].as_array().unwrap().iter().map(hash).collect();
        assert_eq!(list[index as usize].item(), hash(&document["item"]));
        assert_eq!(merkle::proof(&leaves, index as usize).unwrap(), proof);
        assert_eq!(contribution.document(index).unwrap().0, number::<u64>(&document["id"]));
    }
    for case in batch["records"].as_array().unwrap() {
        let name = &case["name"];
        let record: AttributionRecord = serde_json::from_value(case["message"].clone()).unwrap();
        let bytes: Bytes = serde_json::from_value(case["bytes"].clone()).unwrap();
        assert_eq!(record.canonical_bytes(), bytes, "{name}");
        assert_eq!(record.hash(), hash(&case["hash"]), "{name}");
        let consistent = record.is_consistent(number(&batch["weight_max"]));
        assert_eq!(json!(consistent), case["consistent"], "{name}");
    }
}

#[test]
fn what_records_leave_out_is_what_the_contracts_say() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(path("omissions.json")).unwrap()).unwrap();
    let tokens_min = number(&golden["match_tokens_min"]);
    for case in golden["records"].as_array().unwrap() {
        let record: AttributionRecord = serde_json::from_value(case["message"].clone()).unwrap();
        let column = |name: &str| case[name].as_array().unwrap().clone();
        let (from, to, holders) = (column("from"), column("to"), column("holder"));
        for (index, omitted) in column("omitted").iter().enumerate() {
            let run = number(&from[index])..number(&to[index]);
            let (span, holder) = (number(&case["span"][index]), number(&holders[index]));
            let found = record.omits(span, &run, ContributionId(holder), tokens_min);
            assert_eq!(json!(found), *omitted, "{}: {span} {run:?} {holder}", case["name"]);
        }
    }
}

#[test]
fn surprises_of_a_corpus_are_opened_as_for_the_contracts() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(path("surprise.json")).unwrap()).unwrap();
    let mut counts = UnigramCounts::default();
    for (token, count) in golden["counts"].as_object().unwrap() {
        counts.add_many(token.parse().unwrap(), number(count));
    }
    let table = SurpriseTable::new(&counts);
    let margin = number(&golden["floor_margin_q16"]);
    assert_eq!(table.floor(margin), number::<u64>(&golden["floor_q16"]));
    let tree = table.tree(margin);
    assert_eq!(tree.root().unwrap(), hash(&golden["root"]));
    for run in golden["runs"].as_array().unwrap() {
        let tokens: Vec<u16> = run["tokens"].as_array().unwrap().iter().map(number).collect();
        let sum: u64 = table.of_all(&tokens).iter().sum();
        assert_eq!(sum, number::<u64>(&run["surprise_q16"]));
        let shown: std::collections::BTreeSet<u16> = tokens.iter().copied().collect();
        let values: Vec<u64> = shown.iter().map(|token| table.of(*token)).collect();
        assert_eq!(json!(values), run["values"]);
        let proof: Vec<B256> = run["proof"].as_array().unwrap().iter().map(hash).collect();
        assert_eq!(tree.proof(&tokens).unwrap(), proof);
    }
}

/// Everything that `attribution.json` holds, computed.
fn attribution() -> Value {
    let long: String = (0..300).map(|i| format!("Sentence number {i} of a long line. ")).collect();
    let texts = [ORIGINAL, REWORDED, UNRELATED, &long];
    let documents: Vec<Document> =
        texts.iter().map(|text| Document::normalise(text.as_bytes()).unwrap()).collect();
    let inputs: Vec<ClusterInput<'_>> = documents
        .iter()
        .zip(1_u64..)
        .map(|(document, id)| ClusterInput {
            contribution: ContributionId(id),
            sequence: Sequence(id),
            datanet: DatanetId(1),
            contributor: Address::repeat_byte(id as u8),
            text: document.text(),
        })
        .collect();
    let spec = EngineSpec {
        tokenizer_hash: B256::repeat_byte(0x11),
        model_hash: B256::repeat_byte(0x22),
        ..EngineSpec::default()
    };
    let clusters = ClusterMap::build(&inputs, spec.cluster).unwrap();
    let request = CanonicalRequest {
        version: 1,
        modelId: U256::from(1),
        messages: vec![CanonicalMessage {
            role: "user".into(),
            content: "What is a checkpoint?".into(),
        }],
        maxTokens: 64,
        temperatureMillionths: 700_000,
        topPMillionths: 950_000,
        seed: 42,
        stop: vec!["\n\n".into()],
    };
    let response = CanonicalResponse {
        version: 1,
        tokens: vec![1, 2, 3, 49_151],
        text: "It moves them.".into(),
        finishReason: "stop".into(),
    };
    let retrieved = [
        RetrievedChunk { contribution: ContributionId(1), chunk: 0, hash: B256::repeat_byte(3) },
        RetrievedChunk { contribution: ContributionId(3), chunk: 2, hash: B256::repeat_byte(4) },
    ];
    let receipt = InferenceReceipt {
        number: 0,
        modelId: U256::from(1),
        customer: Address::repeat_byte(0xc1),
        gateway: Address::repeat_byte(0x9a),
        requestHash: request.hash(),
        responseHash: response.hash(),
        tokensIn: 300,
        tokensOut: 4,
        fee: 3_100_000_000_000_007,
        timestamp: 1_790_000_000,
        engineSpecHash: spec.hash().unwrap(),
        adapterSetHash: B256::ZERO,
        retrievalRoot: retrieval_root(&retrieved).unwrap(),
    };
    let record = AttributionRecord {
        version: 4,
        receipt_hash: receipt.receipt_hash(),
        engine_spec_hash: spec.hash().unwrap(),
        answer_tokens: 4,
        prompt_tokens: 1,
        total_surprise_q16: 4_000_000,
        floor_q16: 100_000,
        spans: vec![
            CreditedSpan {
                start: 0,
                end: 1,
                contribution: PROMPT,
                cluster: PROMPT,
                offset: 0,
                surprise_q16: 700_000,
                credit_q16: 0,
            },
            CreditedSpan {
                start: 1,
                end: 3,
                contribution: ContributionId(2),
                cluster: ContributionId(1),
                offset: 17,
                surprise_q16: 900_001,
                credit_q16: 800_001,
            },
        ],
        weights: vec![ClusterWeight {
            cluster: ContributionId(1),
            datanet: DatanetId(1),
            payee: Address::repeat_byte(1),
            credit_q16: 800_001,
            weight: 200_000_250,
        }],
        residual: 799_999_750,
    };
    let settled = [SettledReceipt { receipt: receipt.clone(), record: record.clone() }];
    let split = Split { model_bps: 4_000, contributors_bps: 5_000, stakers_bps: 1_000 };
    let epoch = compute(&EpochInput {
        epoch_id: 1,
        gateway: receipt.gateway,
        engine_spec_hash: spec.hash().unwrap(),
        receipts: &settled,
        splits: &BTreeMap::from([(ModelId(1), split)]),
        platform_bps: 500,
        previous: &Claims::default(),
    })
    .unwrap();
    let logarithms = [1_u64, 3, 10, 88_123, u64::MAX].map(|x| (x.to_string(), log2_q16(x)));
    json!({
        "documents": texts.iter().zip(&documents).map(|(input, document)| json!({
            "input": Bytes::copy_from_slice(input.as_bytes()),
            "normal": Bytes::copy_from_slice(document.text().as_bytes()),
            "chunkLengths": document.chunks().iter().map(|chunk| chunk.len()).collect::<Vec<_>>(),
            "commitment": DocumentCommitment::of(document).unwrap(),
            "sketch": Bytes::from(Sketch::of(document.text()).to_bytes()),
        })).collect::<Vec<_>>(),
        "clusters": {
            "members": clusters.members().map(|m| (m.contribution.0, m.cluster.0)).collect::<Vec<_>>(),
            "root": clusters.root(),
        },
        "engineSpec": { "json": spec.canonical_json().unwrap(), "hash": spec.hash().unwrap() },
        "log2Q16": logarithms,
        "request": { "bytes": Bytes::from(request.abi_encode()), "hash": request.hash() },
        "response": { "bytes": Bytes::from(response.abi_encode()), "hash": response.hash() },
        "retrieval": { "chunks": retrieved, "root": retrieval_root(&retrieved).unwrap() },
        "receipt": { "message": receipt, "hash": receipt.receipt_hash() },
        "record": {
            "message": record,
            "bytes": Bytes::from(record.canonical_bytes()),
            "hash": record.hash(),
        },
        "epoch": { "post": epoch.post, "claims": epoch.claims },
    })
}

#[test]
fn attribution_bytes_are_golden() {
    let computed = serde_json::to_string_pretty(&attribution()).unwrap() + "\n";
    let path = path("attribution.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &computed).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let (golden, computed): (Value, Value) =
        (serde_json::from_str(&golden).unwrap(), serde_json::from_str(&computed).unwrap());
    for (name, value) in golden.as_object().unwrap() {
        assert_eq!(value, &computed[name], "{name} changed");
    }
    assert_eq!(golden, computed);
}

#[test]
fn json_forms_read_back() {
    let golden = attribution();
    let receipt: InferenceReceipt =
        serde_json::from_value(golden["receipt"]["message"].clone()).unwrap();
    assert_eq!(receipt.receipt_hash(), hash(&golden["receipt"]["hash"]));
    let record: AttributionRecord =
        serde_json::from_value(golden["record"]["message"].clone()).unwrap();
    assert_eq!(record.hash(), hash(&golden["record"]["hash"]));
    let post: EpochPost = serde_json::from_value(golden["epoch"]["post"].clone()).unwrap();
    let claims: Claims = serde_json::from_value(golden["epoch"]["claims"].clone()).unwrap();
    assert_eq!(claims.root().unwrap().hash, post.claimsRoot);
    // Amounts beyond 64 bits survive JSON.
    let voucher = Voucher {
        customer: Address::ZERO,
        gateway: Address::ZERO,
        nonce: 1,
        cumulative: u128::MAX,
    };
    let json = serde_json::to_string(&voucher).unwrap();
    assert_eq!(serde_json::from_str::<Voucher>(&json).unwrap(), voucher);
}
