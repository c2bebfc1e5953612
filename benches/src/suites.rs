//! What is measured, against the floors and goals of docs/benchmarks.md.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    Load,
    load::{self, Outcome},
    target::{Peer, Target},
    world::{Kind, Signed, TOKEN, World, account},
};

/// How long each kind of call is measured.
const READ_TIME: Duration = Duration::from_secs(2);
/// Connections that send when transactions or calls come at a rate.
const OPEN_LOOP_CONNECTIONS: usize = 64;

/// One line of the table.
pub struct Row {
    what: String,
    floor: &'static str,
    goal: &'static str,
    figure: String,
}

pub fn row(
    what: impl Into<String>,
    floor: &'static str,
    goal: &'static str,
    figure: String,
) -> Row {
    Row { what: what.into(), floor, goal, figure }
}

/// Markdown.
pub fn print(rows: Vec<Row>) {
    println!("\n| Figure | Floor | Goal | Measured |\n| --- | --- | --- | --- |");
    for Row { what, floor, goal, figure } in rows {
        println!("| {what} | {floor} | {goal} | {figure} |");
    }
}

pub fn all(load: &Load) -> Result<()> {
    let mut rows = transfers(load)?;
    let suites: [fn(&Load) -> Result<Vec<Row>>; 7] =
        [erc20, latency, reads, logs, mixed, history, crate::import::import];
    for suite in suites {
        rows.extend(suite(load)?);
    }
    print(rows);
    Ok(())
}

impl Peer {
    /// Floors and goals are against anvil.
    fn bound(&self, bound: &'static str) -> &'static str {
        match self {
            Self::Anvil => bound,
            Self::Ethrex { .. } => "",
        }
    }
}

/// Says how a measurement went, and the sequencer's threads if asked for.
fn tell(target: &Target, what: &str, outcome: &Outcome) {
    eprintln!(
        "{:<10} {what:<28} {:>7.0} included/s, node {:>6.1} µs, load {:>5.1} µs each, RSS {:>5.0} MB",
        target.name,
        outcome.per_second(),
        outcome.node_us,
        outcome.load_us,
        target.rss().unwrap_or(f64::NAN) / 1e6,
    );
}

/// Sends and tells.
fn measure(
    target: &Target,
    world: &World,
    what: &str,
    transactions: &[Signed],
    load: &Load,
    batch: usize,
) -> Result<Outcome> {
    let before = target.cpu_by_thread()?;
    let outcome = load::closed(target, world, transactions, load.connections, batch)?;
    tell(target, what, &outcome);
    if load.threads {
        for (name, seconds) in target.cpu_by_thread()? {
            let spent = seconds - before.get(&name).unwrap_or(&0.0);
            let each = spent * 1e6 / outcome.included as f64;
            if each >= 0.05 {
                eprintln!("           {name:<28} {each:>7.2} µs");
            }
        }
    }
    Ok(outcome)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A few transactions, so that what is measured does not begin cold.
fn warm_up(target: &Target, world: &mut World, kind: Kind, load: &Load) -> Result<()> {
    let transactions = world.sign(kind, load.senders)?;
    load::closed(target, world, &transactions, load.connections, 10).map(|_| ())
}

pub fn transfers(load: &Load) -> Result<Vec<Row>> {
    let peers = load.peers();
    let (mut ours, mut batched) = (Vec::new(), Vec::new());
    let mut theirs = vec![(Vec::new(), Vec::new()); peers.len()];
    for _ in 0..load.runs {
        let mut world = World::new(load.senders, load.accounts)?;
        let target = Target::lone(&world, load)?;
        warm_up(&target, &mut world, Kind::Native, load)?;
        let transactions = world.sign(Kind::Native, load.transactions)?;
        ours.push(measure(&target, &world, "native, single", &transactions, load, 1)?);
        let transactions = world.sign(Kind::Native, load.transactions)?;
        batched.push(measure(&target, &world, "native, batches", &transactions, load, load.batch)?);
        drop(target);
        for (peer, (single, batches)) in peers.iter().zip(&mut theirs) {
            let mut world = World::new(load.senders, load.accounts)?;
            let target = Target::peer(peer, &world, load.gas_limit)?;
            warm_up(&target, &mut world, Kind::Native, load)?;
            let transactions = world.sign(Kind::Native, load.transactions)?;
            single.push(measure(&target, &world, "native, single", &transactions, load, 1)?);
            // Blocks of a million accounts take anvil minutes.
            if load.accounts < 1_000_000 {
                let transactions = world.sign(Kind::Native, load.transactions)?;
                let what = "native, batches";
                batches.push(measure(&target, &world, what, &transactions, load, load.batch)?);
            }
        }
    }
    let cpu = |all: &[Outcome]| median(all.iter().map(|one| one.node_us).collect());
    let rate = |all: &[Outcome]| median(all.iter().map(Outcome::per_second).collect());
    let rss = |all: &[Outcome]| median(all.iter().map(|one| one.rss / 1e6).collect());
    let mut rows = vec![row(
        "node CPU per transfer: native single / batched requests",
        "70 / 60 µs",
        "45 / 41 µs",
        format!("{:.1} / {:.1} µs", cpu(&ours), cpu(&batched)),
    )];
    for (peer, (theirs, in_batches)) in peers.iter().zip(&theirs) {
        let (name, accounts) = (peer.name(), load.accounts);
        if !in_batches.is_empty() {
            // The floor where it was taken, over what anvil took there: 162 and 156 µs.
            rows.push(row(
                format!("the same as shares of {name}'s"),
                peer.bound("0.43 / 0.38"),
                peer.bound("0.28 / 0.26"),
                format!(
                    "{:.2} / {:.2} (of {:.1} / {:.1} µs)",
                    cpu(&ours) / cpu(theirs),
                    cpu(&batched) / cpu(in_batches),
                    cpu(theirs),
                    cpu(in_batches)
                ),
            ));
        }
        rows.push(row(
            format!("included transfers per node CPU second against {name}, {accounts} accounts"),
            peer.bound("2.2 ×"),
            peer.bound("3.6 ×"),
            format!(
                "{:.2} × ({:.1} against {:.1} µs)",
                cpu(theirs) / cpu(&ours),
                cpu(&ours),
                cpu(theirs)
            ),
        ));
        let (floor, goal) =
            if accounts >= 1_000_000 { ("25 ×", "50 ×") } else { ("2.0 ×", "4.0 ×") };
        rows.push(row(
            format!("included transfers per second against {name}, {accounts} accounts"),
            peer.bound(floor),
            peer.bound(goal),
            format!(
                "{:.2} × ({:.0} against {:.0})",
                rate(&ours) / rate(theirs),
                rate(&ours),
                rate(theirs)
            ),
        ));
        rows.push(row(
            format!("resident memory after {} transfers against {name}", load.transactions),
            "",
            "",
            format!("{:.0} against {:.0} MB", rss(&ours), rss(theirs)),
        ));
    }
    Ok(rows)
}

pub fn erc20(load: &Load) -> Result<Vec<Row>> {
    let mut world = World::new(load.senders, load.accounts)?;
    let target = Target::lone(&world, load)?;
    warm_up(&target, &mut world, Kind::Erc20, load)?;
    // In turn: a machine changes within a run as much as the two differ.
    let (mut native, mut token) = (Vec::new(), Vec::new());
    for _ in 0..load.runs {
        let transactions = world.sign(Kind::Native, load.transactions)?;
        native.push(measure(&target, &world, "native, single", &transactions, load, 1)?.node_us);
        let transactions = world.sign(Kind::Erc20, load.transactions)?;
        token.push(measure(&target, &world, "ERC-20, single", &transactions, load, 1)?.node_us);
    }
    let (native, token) = (median(native), median(token));
    Ok(vec![row(
        "ERC-20 over native, node CPU per transfer",
        "1.35 ×",
        "1.12 ×",
        format!("{:.2} × ({token:.1} over {native:.1} µs)", token / native),
    )])
}

pub fn latency(load: &Load) -> Result<Vec<Row>> {
    let mut world = World::new(load.senders, load.accounts)?;
    let target = Target::lone(&world, load)?;
    warm_up(&target, &mut world, Kind::Native, load)?;
    let mut rows = Vec::new();
    for (connections, floor, goal) in
        [(1, "2 / 10 ms", "0.4 / 1.5 ms"), (16, "10 / 50 ms", "1.5 / 8 ms")]
    {
        let transactions = world.sign(Kind::Native, 200 * connections)?;
        let latencies = load::sync_latency(&target, &transactions, connections)?;
        rows.push(row(
            format!("send → receipt by `eth_sendRawTransactionSync`, {connections} connection(s), p50 / p99"),
            floor,
            goal,
            format!("{:.2} / {:.2} ms", latencies.at(50), latencies.at(99)),
        ));
    }
    let transactions = world.sign(Kind::Native, load.transactions)?;
    let saturated = measure(&target, &world, "native, single", &transactions, load, 1)?;
    let rate = saturated.per_second() / 2.0;
    let transactions = world.sign(Kind::Native, (rate * 5.0) as usize)?;
    let latencies = load::open_loop(&target, &transactions, rate, OPEN_LOOP_CONNECTIONS)?;
    rows.push(row(
        "preconfirmation at half of saturation, open loop, p50 / p99",
        "25 / 100 ms",
        "5 / 20 ms",
        format!("{:.2} / {:.2} ms at {rate:.0}/s", latencies.at(50), latencies.at(99)),
    ));
    Ok(rows)
}

/// Calls that ask for many accounts in turn.
fn balances(count: u64) -> Vec<Value> {
    (0..count).map(|index| json!([account(index), "latest"])).collect()
}

fn token_calls(world: &World) -> Vec<Value> {
    let data = |address: alloy_primitives::Address| {
        format!("0x70a08231{}", alloy_primitives::hex::encode(address.into_word()))
    };
    let senders = world.senders.iter().take(500);
    senders.map(|one| json!([{"to": TOKEN, "data": data(one.address())}, "latest"])).collect()
}

pub fn reads(load: &Load) -> Result<Vec<Row>> {
    let world = World::new(load.senders, load.accounts)?;
    let methods = [
        ("eth_blockNumber", vec![json!([])], "14 µs", "7.5 µs"),
        ("eth_getBalance", balances(load.accounts.min(1_000)), "16 µs", "8 µs"),
        ("eth_call", token_calls(&world), "40 µs", "12 µs"),
    ];
    let mut targets = vec![Target::lone(&world, load)?];
    for peer in load.peers() {
        targets.push(Target::peer(&peer, &world, load.gas_limit)?);
    }
    let mut rows = Vec::new();
    for (method, params, floor, goal) in methods {
        let mut figures = Vec::new();
        for target in &targets {
            let single = load::read(target, method, &params, load.connections, 1, READ_TIME)?;
            let batch = load::read(target, method, &params, load.connections, 20, READ_TIME)?;
            eprintln!(
                "{:<10} {method:<16} {:>7.0}/s, node {:>6.2} µs; in batches of 20 {:>7.0}/s, {:>6.2} µs",
                target.name, single.per_second, single.node_us, batch.per_second, batch.node_us
            );
            figures.push(format!(
                "{}{:.1} ({:.1} in batches)",
                if figures.is_empty() { String::new() } else { format!("{}'s ", target.name) },
                single.node_us,
                batch.node_us
            ));
        }
        rows.push(row(
            format!("`{method}`, node CPU per single call"),
            floor,
            goal,
            format!("{} µs", figures.join(" against ")),
        ));
    }
    Ok(rows)
}

pub fn logs(load: &Load) -> Result<Vec<Row>> {
    // A thousand recipients, so that ten of ten thousand logs are one recipient's.
    let load = Load { accounts: 1_000, transactions: 10_000, ..load.clone() };
    let topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let filters: Vec<Value> = (0..100)
        .map(|index| {
            let recipient = account(index).into_word();
            json!([{"fromBlock": "0x0", "toBlock": "latest", "topics": [topic, null, recipient]}])
        })
        .collect();
    let measured = |start: &dyn Fn(&World) -> Result<Target>| {
        let mut world = World::new(load.senders, load.accounts)?;
        let target = start(&world)?;
        let transactions = world.sign(Kind::Erc20, load.transactions)?;
        load::closed(&target, &world, &transactions, load.connections, load.batch)?;
        let found = target.connect()?.call("eth_getLogs", filters[0].clone())?;
        let found = found.as_array().map_or(0, Vec::len);
        let figure = load::read(&target, "eth_getLogs", &filters, 2, 1, READ_TIME)?;
        let batch = load::read(&target, "eth_getLogs", &filters, 2, 20, READ_TIME)?;
        eprintln!(
            "{:<10} eth_getLogs      {:>7.0}/s, node {:>6.1} µs ({:.1} in batches of 20), {found} logs of {}",
            target.name, figure.per_second, figure.node_us, batch.node_us, load.transactions
        );
        anyhow::Ok((figure.node_us, batch.node_us))
    };
    let ours = measured(&|world| Target::lone(world, &load))?;
    let what = "`eth_getLogs`, one recipient, 10,000 logs behind it, node CPU";
    let mut rows = Vec::new();
    // Logs are found through receipts.
    for peer in load.peers().into_iter().filter(|peer| matches!(peer, Peer::Anvil)) {
        let theirs = measured(&|world| Target::peer(&peer, world, load.gas_limit))?;
        rows.push(row(
            format!("{what} against {}", peer.name()),
            peer.bound("10 ×"),
            peer.bound("200 ×"),
            format!(
                "{:.0} × ({:.0} against {:.0} µs); in batches of 20 {:.0} × ({:.0} against {:.0} µs)",
                theirs.0 / ours.0,
                ours.0,
                theirs.0,
                theirs.1 / ours.1,
                ours.1,
                theirs.1
            ),
        ));
    }
    if rows.is_empty() {
        rows.push(row(what, "", "", format!("{:.0} µs ({:.0} in batches)", ours.0, ours.1)));
    }
    Ok(rows)
}

pub fn mixed(load: &Load) -> Result<Vec<Row>> {
    let mut world = World::new(load.senders, load.accounts)?;
    let target = Target::lone(&world, load)?;
    let params = balances(load.accounts.min(1_000));
    warm_up(&target, &mut world, Kind::Native, load)?;
    let method = "eth_getBalance";
    // In turn: a machine changes within a run as much as the two differ.
    let (mut kept, mut alone, mut beside) = (vec![], vec![], vec![]);
    let (mut asked, mut made) = (vec![], vec![]);
    for _ in 0..load.runs {
        let limit = load::read(&target, method, &params, load.connections, 1, READ_TIME)?;
        let rate = limit.per_second / 2.0;
        let transactions = world.sign(Kind::Native, load.transactions)?;
        let one = measure(&target, &world, "transfers alone", &transactions, load, 1)?;
        let transactions = world.sign(Kind::Native, load.transactions)?;
        let measured =
            || measure(&target, &world, "transfers beside reads", &transactions, load, 1);
        let count = OPEN_LOOP_CONNECTIONS;
        let (other, reads) = load::while_reading(&target, method, &params, rate, count, measured)?;
        kept.push(other.per_second() / one.per_second());
        alone.push(one.per_second());
        beside.push(other.per_second());
        asked.push(rate);
        made.push(reads);
    }
    let [alone, beside, asked, made] = [alone, beside, asked, made].map(median);
    Ok(vec![row(
        "throughput kept while reads run at half their limit",
        "60 %",
        "90 %",
        format!(
            "{:.0} % ({beside:.0} of {alone:.0}/s beside {made:.0} of {asked:.0} reads/s)",
            100.0 * median(kept)
        ),
    )])
}

pub fn history(load: &Load) -> Result<Vec<Row>> {
    let mut world = World::new(load.senders, load.accounts)?;
    let target = Target::lone(&world, load)?;
    let mut measured = Vec::new();
    // The first rounds fill caches of fixed size.
    for _ in 0..8 {
        let transactions = world.sign(Kind::Native, load.transactions)?;
        measure(&target, &world, "native, batches", &transactions, load, load.batch)?;
        measured.push((target.rss()?, target.rss_anonymous()?));
    }
    let each = |bytes: f64| bytes / (4 * load.transactions) as f64 / 1e3;
    Ok(vec![row(
        "RSS growth per transaction kept in history",
        "1 KB",
        "0.1 KB",
        format!(
            "{:.2} KB, of which {:.2} KB are its own and the rest pages of the database (from {} to {})",
            each(measured[7].0 - measured[3].0),
            each(measured[7].1 - measured[3].1),
            4 * load.transactions,
            8 * load.transactions
        ),
    )])
}

pub fn growth(load: &Load) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut accounts = 10_000;
    let mut first = None;
    while accounts <= load.accounts {
        let mut world = World::new(load.senders, accounts)?;
        let target = Target::lone(&world, load)?;
        let made = target.started_in;
        let target = target.restart(&world, load)?;
        warm_up(&target, &mut world, Kind::Native, load)?;
        target.catch_up()?;
        let transactions = world.sign(Kind::Native, load.transactions)?;
        let outcome =
            measure(&target, &world, &format!("{accounts} accounts"), &transactions, load, 1)?;
        // What the database does not hold yet is a cost of these transfers, too.
        let written = target.catch_up()? * 1e6 / outcome.included as f64;
        let node_us = outcome.node_us + written;
        let least = *first.get_or_insert(node_us);
        rows.push(row(
            format!("{accounts} accounts: node CPU per transfer; RSS; start from disk; disk"),
            "2 ×; 8 GB; 60 s",
            "1.35 ×; 4 GB; 15 s",
            format!(
                "{node_us:.1} µs, of which {written:.1} after the last block ({:.2} ×); {:.2} GB; {:.1} s, tries loaded after {:.1} s (genesis {:.1} s); {:.2} GB",
                node_us / least,
                target.rss()? / 1e9,
                target.started_in.as_secs_f64(),
                target.loaded_in.as_secs_f64(),
                made.as_secs_f64(),
                target.disk()? as f64 / 1e9
            ),
        ));
        accounts *= 10;
    }
    Ok(rows)
}
