// An anvil of a script's own, on a port that the system picks while it listens.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : 'arm64'}`;
const program = fileURLToPath(new URL(`../node_modules/@foundry-rs/anvil-${platform}/bin/anvil`, import.meta.url));

/** Starts anvil with `args`: the process, which the caller ends, and its URL once it listens. */
export async function startAnvil(args) {
  const child = spawn(program, ['--host', '127.0.0.1', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`anvil ended with ${code} before it listened`)));
    // Every line is read, also those after this one, or anvil would block on a full pipe.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const listening = /^Listening on (\S+)/.exec(line);
      if (listening) resolve(`http://${listening[1]}`);
    });
  });
  return { child, url };
}
