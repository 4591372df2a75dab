// Sandboxes for the scripts beside this one. The SDK finds the server by E2B's own variables.
import { Sandbox } from '@e2b/code-interpreter'

const LIFE_MS = 60_000

/** Whom a sandbox's root is: of a server without ranges of ids, its one user. */
export const ROOT = process.getuid() === 0 ? 'root' : 'user'

/** Run `use` with a sandbox of its own, and end the sandbox whatever happens. */
export async function withSandbox(use, options = {}) {
  const sandbox = await Sandbox.create({ timeoutMs: LIFE_MS, ...options })
  try {
    return await use(sandbox)
  } finally {
    await sandbox.kill()
  }
}

/** Poll until `holds()` is true; reject after ten seconds. */
export async function until(holds) {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it did not come true in time: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A shell line that goes on when the file /tmp/gate appears. */
export const AT_GATE = 'until [ -e /tmp/gate ]; do sleep 0.01; done'
