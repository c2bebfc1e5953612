"""web3.py as a black box: HTTP and WebSocket, transactions, events, filters, overrides, proofs, raw errors.

Expected values are computed here, from the keys, the contract's source and the raw answers; account and storage
proofs are verified against the header's state root by the small trie walk below.
argv[1]: {"rpc","ws","chainId","privateKey","abi","bytecode"} (contract: tests/data/contracts/Probe.sol)
"""

import asyncio
import json
import sys
import time

import rlp
from eth_account import Account
from eth_utils import keccak, to_checksum_address
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    TransactionNotFound,
    Web3RPCError,
)

INPUT = json.loads(sys.argv[1])
w3 = Web3(Web3.HTTPProvider(INPUT["rpc"]))
account = Account.from_key(INPUT["privateKey"])
done = []


def check(body):
    """Runs a check and reports its name, which is the function's."""
    name = body.__name__.replace("_", " ")
    try:
        body()
    except BaseException:
        print(f"FAILED: {name}", file=sys.stderr)
        raise
    done.append(name)
    print(f"ok: {name}", flush=True)


def equal(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, expected {want!r}"


def fails(kind, body, test=lambda error: True):
    try:
        body()
    except kind as error:
        assert test(error), f"not the expected {kind.__name__}: {error!r}"
        return
    raise AssertionError(f"no {kind.__name__}")


def receipt_of(tx_hash):
    return w3.eth.wait_for_transaction_receipt(tx_hash, timeout=30, poll_latency=0.2)


def send(fields):
    """Signs with eth-account, sends the raw bytes, waits for the receipt."""
    signed = account.sign_transaction({"chainId": INPUT["chainId"], "nonce": nonce(), **fields})
    tx_hash = w3.eth.send_raw_transaction(signed.raw_transaction)
    equal(tx_hash, keccak(signed.raw_transaction), "transaction hash")
    return receipt_of(tx_hash)


def nonce():
    return w3.eth.get_transaction_count(account.address)


def transact(call, **fields):
    fields = {"from": account.address, **fees(), **fields}
    built = call.build_transaction({**fields, "nonce": nonce()})
    built.pop("from", None)
    return send(built)


def fees():
    tip = w3.eth.max_priority_fee
    return {"maxFeePerGas": 2 * w3.eth.get_block("latest").baseFeePerGas + tip, "maxPriorityFeePerGas": tip}


def fresh():
    return Account.create().address


def prove(root, key, nodes):
    """The value a Merkle-Patricia proof gives for a key, or None if it proves absence (yellow paper, appendix D)."""
    nibbles = "".join(f"{byte:02x}" for byte in keccak(key))
    want, nodes = root, list(nodes)
    node = None
    while True:
        if isinstance(want, bytes) and len(want) == 32:
            data = nodes.pop(0)
            equal(keccak(data), want, "hash of a proof's node")
            node = rlp.decode(data)
        else:
            node = want  # a node shorter than 32 bytes stands in its parent
        if len(node) == 17:
            if not nibbles:
                value = node[16]
                break
            want, nibbles = node[int(nibbles[0], 16)], nibbles[1:]
            if want == b"":
                value = b""
                break
            continue
        path = node[0].hex()
        odd, leaf = int(path[0], 16) & 1, int(path[0], 16) & 2
        path = path[1:] if odd else path[2:]
        if leaf:
            value = node[1] if path == nibbles else b""
            break
        if not nibbles.startswith(path):
            value = b""
            break
        want, nibbles = node[1], nibbles[len(path):]
    equal(nodes, [], "surplus nodes of a proof")
    return value or None


def rpc(method, params):
    """A raw call, past web3.py's formatters."""
    return w3.provider.make_request(method, params)


PROBE = {}


@check
def connection_and_blocks():
    assert w3.is_connected()
    equal(w3.eth.chain_id, INPUT["chainId"])
    equal(w3.net.version, str(INPUT["chainId"]))
    latest = w3.eth.get_block("latest", full_transactions=True)
    # No extra-data middleware: the header is that of a chain after the merge.
    header = bytes.fromhex(rpc("debug_getRawHeader", [hex(latest.number)])["result"][2:])
    equal(keccak(header), bytes(latest.hash))
    fields = rlp.decode(header)
    equal(bytes(latest.parentHash), fields[0])
    equal(bytes(latest.stateRoot), fields[3])
    equal(latest.gasLimit, int.from_bytes(fields[9], "big"))
    equal(latest.timestamp, int.from_bytes(fields[11], "big"))
    equal(latest.baseFeePerGas, int.from_bytes(fields[15], "big"))
    equal(w3.eth.get_block(latest.number - 1).hash, latest.parentHash)
    equal(latest.transactions[0]["to"], "0x4200000000000000000000000000000000000015")
    fails(BlockNotFound, lambda: w3.eth.get_block(latest.number + 1_000_000))
    fails(TransactionNotFound, lambda: w3.eth.get_transaction(keccak(text="none")))
    equal(w3.eth.syncing, False)
    assert "openledger" in w3.client_version.lower(), w3.client_version


@check
def transactions_of_types_0_1_and_2():
    price = 2 * w3.eth.gas_price
    slot = "0x" + "00" * 31 + "01"
    kinds = [
        (0, {"gasPrice": price, "gas": 21000}, 21000),
        (1, {"type": 1, "gasPrice": price, "gas": 30000,
             "accessList": [{"address": "0x" + "00" * 20, "storageKeys": [slot]}]}, 21000 + 2400 + 1900),
        (2, {"type": 2, "gas": 21000, **fees()}, 21000),
    ]
    for kind, fields, gas in kinds:
        to, value = fresh(), 10**17 + kind
        receipt = send({"to": to, "value": value, **fields})
        equal((receipt.status, receipt.type, receipt.gasUsed), (1, kind, gas))
        block = w3.eth.get_block(receipt.blockNumber)
        paid = fields.get("gasPrice") or min(
            fields["maxFeePerGas"], block.baseFeePerGas + fields["maxPriorityFeePerGas"])
        equal(receipt.effectiveGasPrice, paid, "price")
        l1_fee = int(rpc("eth_getTransactionReceipt", [receipt.transactionHash.to_0x_hex()])["result"]["l1Fee"], 16)
        assert l1_fee > 0
        spent = w3.eth.get_balance(account.address, receipt.blockNumber - 1) - w3.eth.get_balance(
            account.address, receipt.blockNumber)
        equal(spent, value + gas * paid + l1_fee, "spent")
        equal(w3.eth.get_balance(to), value)
        tx = w3.eth.get_transaction(receipt.transactionHash)
        equal((tx["from"], tx.to, tx.value, tx.type), (account.address, to, value, kind))
        raw = w3.eth.get_raw_transaction(receipt.transactionHash)
        equal(keccak(raw), bytes(receipt.transactionHash))
        equal(Account.recover_transaction(raw), account.address)
        equal(w3.eth.get_transaction_by_block(receipt.blockHash, receipt.transactionIndex).hash, tx.hash)


@check
def contract_deployment():
    factory = w3.eth.contract(abi=INPUT["abi"], bytecode=INPUT["bytecode"])
    before = nonce()
    receipt = transact(factory.constructor(5, 200), value=99)
    expected = to_checksum_address(keccak(rlp.encode([bytes.fromhex(account.address[2:]), before]))[12:])
    equal(receipt.contractAddress, expected)
    contract = w3.eth.contract(address=expected, abi=INPUT["abi"])
    PROBE.update(contract=contract, born=receipt.blockNumber)
    equal(contract.functions.owner().call(), account.address)
    equal(contract.functions.scale().call(), 5)
    equal(contract.functions.total().call(), 200)
    equal(w3.eth.get_balance(expected), 99)
    equal(bytes(w3.eth.get_code(expected, receipt.blockNumber - 1)), b"")
    assert len(w3.eth.get_code(expected)) > 500


@check
def gas_estimation_and_access_lists():
    contract = PROBE["contract"]
    equal(w3.eth.estimate_gas({"from": account.address, "to": fresh(), "value": 1}), 21000)
    call = contract.functions.ticks(8)
    estimate = call.estimate_gas({"from": account.address})
    receipt = transact(call, gas=estimate)
    equal((receipt.status, len(receipt.logs)), (1, 8))
    assert receipt.gasUsed <= estimate <= receipt.gasUsed * 1.3, (estimate, receipt.gasUsed)
    listed = w3.eth.create_access_list({
        "from": account.address, "to": contract.address, "data": contract.encode_abi("total")})
    slots = {e["address"].lower(): [int(k, 16) for k in e["storageKeys"]] for e in listed["accessList"]}
    equal(slots, {contract.address.lower(): [0]})


@check
def events_get_logs_and_filters():
    contract, born = PROBE["contract"], PROBE["born"]
    by_filter = contract.events.Moved.create_filter(from_block="latest", argument_filters={"id": 4})
    heads = w3.eth.filter("latest")
    waiting = w3.eth.filter("pending")
    equal(by_filter.get_new_entries(), [])
    notes = [(3, 1, "three"), (4, 2, "four"), (3, 4, "again")]
    receipts = [transact(contract.functions.move(*note)) for note in notes]
    logs = contract.events.Moved.get_logs(from_block=born)
    equal([(e.args.id, e.args.amount, e.args.note) for e in logs], notes)
    equal([e["from"] for e in (log.args for log in logs)], [account.address] * 3)
    some = contract.events.Moved.get_logs(from_block=born, argument_filters={"id": 3})
    equal([e.transactionHash for e in some], [receipts[0].transactionHash, receipts[2].transactionHash])
    one = contract.events.Moved.get_logs(block_hash=receipts[1].blockHash)
    equal([e.args.note for e in one], ["four"])
    equal(contract.events.Moved.get_logs(from_block=0, to_block=born - 1), [])
    equal([e.args.amount for e in contract.events.Moved().process_receipt(receipts[2])], [4])
    fresh_entries = by_filter.get_new_entries()
    equal([(e.args.note, e.transactionHash) for e in fresh_entries], [("four", receipts[1].transactionHash)])
    equal(by_filter.get_new_entries(), [], "entries come once")
    since = contract.events.Moved.create_filter(from_block=born, argument_filters={"id": [3, 5]})
    equal([e.args.note for e in since.get_all_entries()], ["three", "again"])
    heard = [bytes(h) for h in heads.get_new_entries()]
    for receipt in receipts:
        assert bytes(receipt.blockHash) in heard, "a block is missing from the block filter"
    pending = [bytes(h) for h in waiting.get_new_entries()]
    for receipt in receipts:
        assert bytes(receipt.transactionHash) in pending, "a transaction is missing from the pending filter"
    assert w3.eth.uninstall_filter(by_filter.filter_id)
    fails(Web3RPCError, by_filter.get_new_entries, lambda e: "filter not found" in str(e))


@check
def calls_with_overrides_and_at_blocks():
    contract, born = PROBE["contract"], PROBE["born"]
    total = 200 + 5 * (1 + 2 + 4)
    call = contract.functions.total()
    for block in ["latest", "pending"]:
        equal(call.call(block_identifier=block), total, block)
    equal(call.call(block_identifier=born), 200)
    word = "0x" + (4242).to_bytes(32, "big").hex()
    slot = "0x" + "00" * 32
    equal(call.call(state_override={contract.address: {"stateDiff": {slot: word}}}), 4242)
    equal(contract.functions.stored(3).call(state_override={contract.address: {"state": {slot: word}}}), 0)
    poor = Account.create().address
    rich = {poor: {"balance": hex(10**20)}}
    moved = contract.functions.move(1, 1, "")
    fails(Web3RPCError, lambda: moved.call({"from": poor, "value": 10**18}), lambda e: "insufficient" in str(e))
    equal(moved.call({"from": poor, "value": 10**18}, state_override=rich), total + 5)
    # Code of our own: it returns block.number (NUMBER, MSTORE, RETURN).
    elsewhere = fresh()
    answer = w3.eth.call({"to": elsewhere}, born, {elsewhere: {"code": "0x4360005260206000f3"}})
    equal(int(answer.hex(), 16), born)
    chain, number, _, sender, balance = contract.functions.context().call({"from": poor}, block_identifier=born)
    equal((chain, number, sender, balance), (INPUT["chainId"], born, poor, 99))


@check
def proofs_verified_against_the_header():
    contract, born = PROBE["contract"], PROBE["born"]
    key = int.from_bytes(keccak((3).to_bytes(32, "big") + (1).to_bytes(32, "big")), "big")
    for number in [w3.eth.block_number, born]:
        root = rlp.decode(bytes.fromhex(rpc("debug_getRawHeader", [hex(number)])["result"][2:]))[3]
        proof = w3.eth.get_proof(contract.address, [0, key, 77], number)
        leaf = prove(root, bytes.fromhex(contract.address[2:]), [bytes(n) for n in proof.accountProof])
        fields = rlp.decode(leaf)
        equal([int.from_bytes(f, "big") for f in fields[:2]], [proof.nonce, proof.balance])
        equal(fields[2:], [bytes(proof.storageHash), bytes(proof.codeHash)])
        equal(keccak(w3.eth.get_code(contract.address, number)), fields[3])
        expected = {
            0: contract.functions.total().call(block_identifier=number),
            key: contract.functions.stored(3).call(block_identifier=number),
            77: 0,
        }
        for entry, (slot, want) in zip(proof.storageProof, expected.items()):
            got = prove(fields[2], slot.to_bytes(32, "big"), [bytes(n) for n in entry.proof])
            equal(int.from_bytes(rlp.decode(got), "big") if got else 0, want, f"slot {slot} at {number}")
            equal(int.from_bytes(entry.value, "big"), want)
        nobody = fresh()
        absent = w3.eth.get_proof(nobody, [], number)
        equal(prove(root, bytes.fromhex(nobody[2:]), [bytes(n) for n in absent.accountProof]), None, "absence")


@check
def errors():
    contract = PROBE["contract"]
    total = contract.functions.total().call()
    from eth_abi import decode
    fails(ContractCustomError, lambda: contract.functions.demand(total + 1).call({"from": account.address}),
          lambda e: decode(["address", "uint256", "uint256"], bytes.fromhex(e.data[10:]))
          == (account.address.lower(), total, total + 1)
          and e.data[2:10] == keccak(text="Insufficient(address,uint256,uint256)")[:4].hex())
    fails(ContractLogicError, lambda: contract.functions.refuse().call(), lambda e: "not today" in str(e))
    fails(ContractPanicError, lambda: contract.functions.divide(1, 0).call(), lambda e: "0x12" in str(e) or "zero" in str(e))
    fails(ContractLogicError, lambda: contract.functions.refuse().estimate_gas(), lambda e: "not today" in str(e))
    refused = transact(contract.functions.refuse(), gas=60000)
    equal((refused.status, refused.logs), (0, []))
    raw = rpc("eth_call", [{"to": contract.address, "data": contract.encode_abi("refuse")}, "latest"])["error"]
    words = (32).to_bytes(32, "big") + (9).to_bytes(32, "big") + b"not today".ljust(32, b"\0")
    equal((raw["code"], raw["data"]), (3, "0x08c379a0" + words.hex()))
    equal(rpc("eth_nothing", [])["error"]["code"], -32601)
    equal(rpc("eth_getBalance", ["0x1234", "latest"])["error"]["code"], -32602)
    equal(rpc("eth_getBlockByHash", ["0x12", False])["error"]["code"], -32602)
    stale = account.sign_transaction({"chainId": INPUT["chainId"], "nonce": 0, "to": fresh(), "gas": 21000, **fees()})
    fails(Web3RPCError, lambda: w3.eth.send_raw_transaction(stale.raw_transaction), lambda e: "nonce too low" in str(e))
    foreign = account.sign_transaction({"chainId": 1, "nonce": nonce(), "to": fresh(), "gas": 21000, **fees()})
    fails(Web3RPCError, lambda: w3.eth.send_raw_transaction(foreign.raw_transaction), lambda e: "chain" in str(e).lower())
    stranger = Account.create().sign_transaction(
        {"chainId": INPUT["chainId"], "nonce": 0, "to": fresh(), "gas": 21000, **fees()})
    fails(Web3RPCError, lambda: w3.eth.send_raw_transaction(stranger.raw_transaction),
          lambda e: "insufficient funds" in str(e))


@check
def fee_history():
    newest = w3.eth.block_number
    history = w3.eth.fee_history(4, newest, [10, 90])
    equal(history.oldestBlock, newest - 3)
    for i in range(4):
        block = w3.eth.get_block(newest - 3 + i)
        equal(history.baseFeePerGas[i], block.baseFeePerGas)
        assert abs(history.gasUsedRatio[i] - block.gasUsed / block.gasLimit) < 1e-9
    equal((len(history.baseFeePerGas), len(history.reward), len(history.reward[0])), (5, 4, 2))


@check
def batched_requests():
    with w3.batch_requests() as batch:
        for n in range(20):
            batch.add(PROBE["contract"].functions.divide(n * 9, 3))
        equal(batch.execute(), [n * 3 for n in range(20)])


async def over_websocket():
    contract = PROBE["contract"]
    async with AsyncWeb3(WebSocketProvider(INPUT["ws"])) as ws:
        equal(await ws.eth.chain_id, INPUT["chainId"])
        heads = await ws.eth.subscribe("newHeads")
        logs = await ws.eth.subscribe("logs", {"address": contract.address})
        loop = asyncio.get_running_loop()
        sent = loop.run_in_executor(None, lambda: transact(contract.functions.move(6, 10, "pushed")))
        seen, event = [], None
        deadline = time.monotonic() + 40
        async for message in ws.socket.process_subscriptions():
            assert time.monotonic() < deadline, "nothing heard over the WebSocket"
            if message["subscription"] == heads:
                seen.append(message["result"])
            elif message["subscription"] == logs:
                event = contract.events.Moved().process_log(message["result"])
            if event is not None and len(seen) >= 3:
                break
        receipt = await sent
        equal((event.args.id, event.args.amount, event.args.note), (6, 10, "pushed"))
        equal((event.transactionHash, event.blockHash), (receipt.transactionHash, receipt.blockHash))
        for parent, child in zip(seen, seen[1:]):
            equal((child.number, child.parentHash), (parent.number + 1, parent.hash), "heads in a chain")
        equal((await ws.eth.get_block(seen[0].number)).hash, seen[0].hash)
        assert await ws.eth.unsubscribe(heads)
        assert await ws.eth.unsubscribe(logs)


@check
def websocket_subscriptions():
    asyncio.run(over_websocket())


print(f"web3.py: {len(done)} checks passed")
