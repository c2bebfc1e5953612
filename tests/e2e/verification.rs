//! Source verification with the calls that `forge verify-contract` makes. The command itself first fetches a list of
//! compilers from the web; its requests are repeated here field by field.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::harness::{Dev, rpc, wait_for};

/// A contract of a Foundry project, as its artifact describes it.
pub struct Built {
    path: String,
    name: String,
    abi: Value,
    compiler: String,
    input: Value,
}

impl Built {
    /// Reads `out/` of a built project.
    pub fn read(project: &Path, name: &str) -> Result<Self> {
        let file = project.join(format!("out/{name}.sol/{name}.json"));
        let artifact: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let metadata = &artifact["metadata"];
        let mut sources = json!({});
        for path in metadata["sources"].as_object().context("sources")?.keys() {
            let content = std::fs::read_to_string(project.join(path))?;
            sources[path] = json!({ "content": content });
        }
        // What forge writes into its standard JSON beside the settings in the metadata.
        let mut settings = metadata["settings"].clone();
        let fields = settings.as_object_mut().context("settings")?;
        fields.remove("compilationTarget");
        fields.insert("outputSelection".into(), json!({"*": {"*": ["abi"], "": ["ast"]}}));
        settings["metadata"]["useLiteralContent"] = false.into();
        settings["metadata"]["appendCBOR"] = true.into();
        settings["viaIR"] = false.into();
        Ok(Self {
            path: format!("src/{name}.sol"),
            name: name.to_owned(),
            abi: artifact["abi"].clone(),
            compiler: format!(
                "v{}",
                metadata["compiler"]["version"].as_str().context("compiler version")?
            ),
            input: json!({"language": "Solidity", "sources": sources, "settings": settings}),
        })
    }

    fn changed(&self, from: &str, to: &str) -> Result<Value> {
        let mut input = self.input.clone();
        let content = &mut input["sources"][&self.path]["content"];
        let source = content.as_str().context("content")?;
        ensure!(source.contains(from), "{} does not contain {from}", self.path);
        *content = source.replace(from, to).into();
        Ok(input)
    }
}

/// The API as forge's client calls it.
struct Api {
    url: String,
    http: reqwest::Client,
}

impl Api {
    async fn get(&self, query: &str) -> Result<Value> {
        let url = format!("{}?apikey=none&module=contract&{query}", self.url);
        Ok(self.http.get(url).send().await?.json().await?)
    }

    async fn post(&self, action: &str, fields: &[(&str, &str)]) -> Result<Value> {
        let mut all = vec![("apikey", "none"), ("module", "contract"), ("action", action)];
        all.extend(fields);
        let encode =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let body: Vec<String> =
            all.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        Ok(request.send().await?.json().await?)
    }

    async fn submit(
        &self,
        address: &str,
        built: &Built,
        input: &Value,
        arguments: &str,
    ) -> Result<Value> {
        self.post(
            "verifysourcecode",
            &[
                ("contractaddress", address),
                ("sourceCode", &input.to_string()),
                ("codeformat", "solidity-standard-json-input"),
                ("contractname", &format!("{}:{}", built.path, built.name)),
                ("compilerversion", &built.compiler),
                ("constructorArguements", arguments),
                ("constructorArguments", arguments),
            ],
        )
        .await
    }

    /// Waits as forge does with `--watch`.
    async fn outcome(&self, submitted: &Value) -> Result<String> {
        ensure!(submitted["status"] == "1" && submitted["message"] == "OK", "refused: {submitted}");
        let guid = submitted["result"].as_str().context("guid")?;
        wait_for("a verification", 120, || async {
            let answer = self.post("checkverifystatus", &[("guid", guid)]).await?;
            match answer["result"].as_str() {
                Some("Pending in queue") => Ok(None),
                Some(result) => Ok(Some(result.to_owned())),
                None => bail!("no result: {answer}"),
            }
        })
        .await
    }
}

/// Verifies `probe` at its address, with its constructor arguments in hex, and a `Box` in several ways.
pub async fn sources_are_verified(
    dev: &Dev,
    project: &Path,
    (probe_at, creation, arguments): (&str, &str, &str),
    box_at: &str,
) -> Result<()> {
    let api = Api { url: format!("{}/api", dev.ready.l2_rpc), http: reqwest::Client::new() };
    let probe = Built::read(project, "Probe")?;

    let unverified = api.get(&format!("action=getabi&address={probe_at}")).await?;
    ensure!(unverified["result"] == "Contract source code not verified", "{unverified}");

    // Sources with another constant, and these sources with other arguments, are not this contract's.
    let wrong = probe.changed("want > total", "want >= total")?;
    let submitted = api.submit(probe_at, &probe, &wrong, arguments).await?;
    ensure!(api.outcome(&submitted).await? == "Fail - Unable to verify");
    let submitted =
        api.submit(probe_at, &probe, &probe.input, &arguments.replace('7', "8")).await?;
    ensure!(api.outcome(&submitted).await? == "Fail - Unable to verify");
    // A file of this machine is no source.
    let import = probe.changed("contract Probe", "import \"/etc/hostname\";\ncontract Probe")?;
    let submitted = api.submit(probe_at, &probe, &import, arguments).await?;
    ensure!(api.outcome(&submitted).await? == "Fail - Unable to verify");

    let submitted = api.submit(probe_at, &probe, &probe.input, arguments).await?;
    ensure!(api.outcome(&submitted).await? == "Pass - Verified");
    let again = api.submit(probe_at, &probe, &probe.input, arguments).await?;
    ensure!(again["result"] == "Contract source code already verified", "{again}");

    let abi = api.get(&format!("action=getabi&address={probe_at}")).await?;
    let abi: Value = serde_json::from_str(abi["result"].as_str().context("abi")?)?;
    // Forge sorts the entries its own way.
    let (abi, expected) = (abi.as_array().context("abi")?, probe.abi.as_array().context("abi")?);
    let same = abi.len() == expected.len() && abi.iter().all(|entry| expected.contains(entry));
    ensure!(same && !abi.is_empty(), "the ABI is not forge's: {abi:?}");
    let answer = api.get(&format!("action=getsourcecode&address={probe_at}")).await?;
    let source = &answer["result"][0];
    ensure!(source["ContractName"] == "Probe" && source["Match"] == "full", "{source}");
    ensure!(source["CompilerVersion"] == probe.compiler.as_str(), "{source}");
    ensure!(source["ConstructorArguments"] == arguments, "{source}");
    let code = source["SourceCode"].as_str().context("SourceCode")?;
    let inner = code.strip_prefix('{').and_then(|code| code.strip_suffix('}')).context("braces")?;
    let inner: Value = serde_json::from_str(inner)?;
    ensure!(inner["sources"] == probe.input["sources"], "{inner}");

    let created =
        api.get(&format!("action=getcontractcreation&contractaddresses={probe_at}")).await?;
    ensure!(created["result"][0]["txHash"] == creation, "{created}");

    // As one file without its path: the code fits, its metadata does not.
    let boxed = Built::read(project, "Box")?;
    let content = boxed.input["sources"][&boxed.path]["content"].as_str().context("content")?;
    let settings = &boxed.input["settings"];
    let optimizer = &settings["optimizer"];
    let runs = optimizer["runs"].to_string();
    let submitted = api
        .post(
            "verifysourcecode",
            &[
                ("contractaddress", box_at),
                ("sourceCode", content),
                ("codeformat", "solidity-single-file"),
                ("contractname", "Box"),
                ("compilerversion", &boxed.compiler),
                ("optimizationUsed", if optimizer["enabled"] == true { "1" } else { "0" }),
                ("runs", &runs),
                ("evmversion", settings["evmVersion"].as_str().context("evmVersion")?),
            ],
        )
        .await?;
    ensure!(api.outcome(&submitted).await? == "Pass - Verified");
    let answer = api.get(&format!("action=getsourcecode&address={box_at}")).await?;
    ensure!(answer["result"][0]["Match"] == "partial", "{answer}");
    ensure!(answer["result"][0]["SourceCode"] == content, "{answer}");

    let nobody = "0x00000000000000000000000000000000000000ff";
    ensure!(rpc(&dev.ready.l2_rpc, "eth_getCode", json!([nobody, "latest"])).await? == "0x");
    let nothing = api.submit(nobody, &probe, &probe.input, "").await?;
    let text = nothing["result"].as_str().unwrap_or_default();
    ensure!(text.starts_with("Unable to locate ContractCode at"), "{nothing}");
    println!("verification: sources verified and refused as forge asks");
    Ok(())
}
