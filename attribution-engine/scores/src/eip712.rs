//! What is signed: vouchers of customers, receipts of gateways, epoch posts of engines. Each is EIP-712
//! with the chain id and the contract's address in the domain (`docs/formats/economy.md`).

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};

mod json;

sol! {
    /// A customer owes a gateway `cumulative` wei in total under authorisation `nonce`.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(from = "json::Voucher", into = "json::Voucher")]
    struct Voucher {
        address customer;
        address gateway;
        uint64 nonce;
        uint128 cumulative;
    }

    /// A gateway's statement of one answered call; `number` is strictly consecutive per gateway.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(from = "json::InferenceReceipt", into = "json::InferenceReceipt")]
    struct InferenceReceipt {
        uint64 number;
        uint256 modelId;
        address customer;
        address gateway;
        bytes32 requestHash;
        bytes32 responseHash;
        uint32 tokensIn;
        uint32 tokensOut;
        uint128 fee;
        uint64 timestamp;
        bytes32 engineSpecHash;
        bytes32 adapterSetHash;
        bytes32 retrievalRoot;
    }

    /// A contributor's order to claim for it and to pay whoever brings the order `fee` wei out of the claim;
    /// `deadline` in Unix seconds.
    #[derive(Debug, PartialEq, Eq)]
    struct ClaimOrder {
        uint256 datanetId;
        address account;
        uint128 cumulative;
        address to;
        uint128 fee;
        uint64 deadline;
    }

    /// EIP-3009: `to` alone may bring this, so that it does with the payment what the payer was told.
    #[derive(Debug, PartialEq, Eq)]
    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// EIP-3009: whoever brings this moves the amount to `to`, which is all that it can do.
    #[derive(Debug, PartialEq, Eq)]
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// Fees of one model in an epoch and the part of its contributors' share that weights assign.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(from = "json::ModelTotal", into = "json::ModelTotal")]
    struct ModelTotal {
        uint256 modelId;
        uint128 fees;
        uint128 attributed;
    }

    /// What one Datanet's pool receives in an epoch.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(from = "json::PoolTotal", into = "json::PoolTotal")]
    struct PoolTotal {
        uint256 datanetId;
        uint128 amount;
    }

    /// `IAttributionSettlement.EpochPost`, field by field.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(from = "json::EpochPost", into = "json::EpochPost")]
    struct EpochPost {
        uint64 epochId;
        address gateway;
        bytes32 engineSpecHash;
        bytes32 receiptsRoot;
        uint64 firstReceipt;
        uint32 receiptCount;
        bytes32 claimsRoot;
        uint128 claimsTotal;
        ModelTotal[] models;
        PoolTotal[] pools;
    }
}

/// What engines sign for an [`EpochPost`]: the arrays enter by hash.
mod signed {
    alloy_sol_types::sol! {
        struct EpochPost {
            uint64 epochId;
            address gateway;
            bytes32 engineSpecHash;
            bytes32 receiptsRoot;
            uint64 firstReceipt;
            uint32 receiptCount;
            bytes32 claimsRoot;
            uint128 claimsTotal;
            bytes32 modelsHash;
            bytes32 poolsHash;
        }
    }
}

/// Domain of `InferenceEscrow`: vouchers.
pub fn escrow_domain(chain_id: u64, escrow: Address) -> Eip712Domain {
    domain("InferenceEscrow", chain_id, escrow)
}

/// Domain of `AttributionSettlement`: receipts and epoch posts.
pub fn settlement_domain(chain_id: u64, settlement: Address) -> Eip712Domain {
    domain("AttributionSettlement", chain_id, settlement)
}

/// Domain of wrapped OPEN: EIP-2612 permits and EIP-3009 authorisations.
pub fn wrapped_open_domain(chain_id: u64, wopen: Address) -> Eip712Domain {
    domain("Wrapped OPEN", chain_id, wopen)
}

fn domain(name: &'static str, chain_id: u64, contract: Address) -> Eip712Domain {
    Eip712Domain::new(
        Some(name.into()),
        Some("1".into()),
        Some(U256::from(chain_id)),
        Some(contract),
        None,
    )
}

impl Voucher {
    /// What the authorised signer signs; `InferenceEscrow.hashVoucher`.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

impl ClaimOrder {
    /// What the account signs; `AttributionSettlement.hashOrder`.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

impl ReceiveWithAuthorization {
    /// What the payer signs, under the token's domain.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

impl TransferWithAuthorization {
    /// What the payer signs, under the token's domain.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

/// What a payment per request is good for; `IInferencePayments.Terms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentTerms {
    pub payer: Address,
    pub gateway: Address,
    pub model_id: U256,
    /// Hash of the canonical request, as in its receipt.
    pub request_hash: B256,
    pub salt: B256,
}

impl PaymentTerms {
    /// The payment's id and the nonce that its payer signs; `InferencePayments.paymentIdOf`.
    pub fn id(&self, chain_id: u64, payments: Address) -> B256 {
        let kind = keccak256(
            "Payment(uint256 chainId,address payments,address payer,address gateway,uint256 modelId,\
             bytes32 requestHash,bytes32 salt)",
        );
        let terms = (self.payer, self.gateway, self.model_id, self.request_hash, self.salt);
        keccak256((kind, U256::from(chain_id), payments, terms).abi_encode())
    }
}

impl InferenceReceipt {
    /// The receipt's identity: its EIP-712 struct hash, which no domain enters.
    pub fn receipt_hash(&self) -> B256 {
        self.eip712_hash_struct()
    }

    /// What the gateway signs.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }
}

impl EpochPost {
    /// What each engine signs; `AttributionSettlement.hashPost`.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        signed::EpochPost {
            epochId: self.epochId,
            gateway: self.gateway,
            engineSpecHash: self.engineSpecHash,
            receiptsRoot: self.receiptsRoot,
            firstReceipt: self.firstReceipt,
            receiptCount: self.receiptCount,
            claimsRoot: self.claimsRoot,
            claimsTotal: self.claimsTotal,
            modelsHash: keccak256(self.models.abi_encode()),
            poolsHash: keccak256(self.pools.abi_encode()),
        }
        .eip712_signing_hash(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_strings_are_those_of_the_contracts() {
        assert_eq!(
            Voucher::eip712_encode_type(),
            "Voucher(address customer,address gateway,uint64 nonce,uint128 cumulative)"
        );
        assert_eq!(
            InferenceReceipt::eip712_encode_type(),
            "InferenceReceipt(uint64 number,uint256 modelId,address customer,address gateway,\
             bytes32 requestHash,bytes32 responseHash,uint32 tokensIn,uint32 tokensOut,uint128 fee,\
             uint64 timestamp,bytes32 engineSpecHash,bytes32 adapterSetHash,bytes32 retrievalRoot)"
        );
        assert_eq!(
            signed::EpochPost::eip712_encode_type(),
            "EpochPost(uint64 epochId,address gateway,bytes32 engineSpecHash,bytes32 receiptsRoot,\
             uint64 firstReceipt,uint32 receiptCount,bytes32 claimsRoot,uint128 claimsTotal,\
             bytes32 modelsHash,bytes32 poolsHash)"
        );
    }

    #[test]
    fn another_chain_or_contract_is_another_digest() {
        let voucher = Voucher {
            customer: Address::repeat_byte(1),
            gateway: Address::repeat_byte(2),
            nonce: 1,
            cumulative: 5,
        };
        let here = voucher.digest(&escrow_domain(1, Address::repeat_byte(3)));
        assert_ne!(here, voucher.digest(&escrow_domain(2, Address::repeat_byte(3))));
        assert_ne!(here, voucher.digest(&escrow_domain(1, Address::repeat_byte(4))));
        assert_ne!(here, voucher.digest(&settlement_domain(1, Address::repeat_byte(3))));
    }
}
