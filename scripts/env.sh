# `. scripts/env.sh` puts forge, cast and anvil on PATH: the real binaries, since npm's wrappers lose the exit status.
_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
_os=$(uname -s | tr '[:upper:]' '[:lower:]')
case "$(uname -m)" in x86_64 | amd64) _arch=amd64 ;; *) _arch=arm64 ;; esac
for _tool in forge cast anvil; do
  _bin="$_root/node_modules/@foundry-rs/$_tool-$_os-$_arch/bin"
  [ -d "$_bin" ] && PATH="$_bin:$PATH"
done
export PATH FOUNDRY_DISABLE_NIGHTLY_WARNING=1
unset _root _os _arch _tool _bin
