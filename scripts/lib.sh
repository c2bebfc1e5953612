# Shared by the scripts beside it. Source it; it changes into the repository root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Downloads and builds are kept outside the clone, so that a second clone starts warm. Nothing depends on it being there.
export OPENLEDGER_CACHE="${OPENLEDGER_CACHE:-$HOME/.cache/openledger}"
mkdir -p "$OPENLEDGER_CACHE/models"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$OPENLEDGER_CACHE/target}"
export OPENLEDGER_MODEL="${OPENLEDGER_MODEL:-$OPENLEDGER_CACHE/models/SmolLM2-135M-Instruct.Q4_1.gguf}"
[ -f scripts/env.sh ] && . scripts/env.sh
