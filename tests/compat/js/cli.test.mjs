import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Sandbox } from 'e2b'

import { ROOT, withSandbox } from './sandboxes.mjs'

const CLI = fileURLToPath(new URL('./node_modules/@e2b/cli/dist/index.js', import.meta.url))

/** Run E2B's CLI; answers with its exit status and output, and feeds it `input`. */
const e2b = (args, input = '') => run(process.execPath, [CLI, ...args], input)

/** The same in a terminal of its own. */
const inTerminal = (args, input) =>
  run('python3', ['-c', 'import pty, sys; pty.spawn(sys.argv[1:])', process.execPath, CLI, ...args], input)

function run(program, args, input) {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 60_000 }, (failure, stdout, stderr) =>
      resolve({ status: failure ? failure.code : 0, stdout, stderr }),
    )
    child.stdin.end(input)
  })
}

test('list', () =>
  withSandbox(
    async ({ sandboxId }) => {
      const filter = ['--metadata', `by=${process.pid}`, '--format', 'json']
      const { status, stdout } = await e2b(['sandbox', 'list', ...filter])
      assert.equal(status, 0)
      assert.deepEqual(JSON.parse(stdout).map((sandbox) => sandbox.sandboxId), [sandboxId])
    },
    { metadata: { by: `${process.pid}` } },
  ))

test('info', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'info', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).sandboxId, sandboxId)
  }))

test('exec', () =>
  withSandbox(async ({ sandboxId }) => {
    const options = ['--cwd', '/tmp', '--user', 'root', '--env', 'A=b']
    const command = ['sh', '-c', 'echo "$A $PWD"; whoami; echo err >&2; exit 3']
    const { status, stdout, stderr } = await e2b(['sandbox', 'exec', ...options, sandboxId, ...command])
    assert.deepEqual([status, stdout], [3, `b /tmp\n${ROOT}\n`])
    assert.match(stderr, /err/)
  }))

test('exec with input', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'exec', sandboxId, 'wc', '-c'], 'twelve bytes')
    assert.deepEqual([status, stdout.trim()], [0, '12'])
  }))

test('exec in the background', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    const { status } = await e2b(['sandbox', 'exec', '--background', sandboxId, 'sleep', '100'])
    assert.equal(status, 0)
    assert.equal((await commands.list()).length, 1)
  }))

test('metrics', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await e2b(['sandbox', 'metrics', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    assert.match(stdout, /cpuUsedPct/)
  }))

test('logs', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    await commands.run('echo told')
    const { status, stdout } = await e2b(['sandbox', 'logs', '--format', 'json', sandboxId])
    assert.equal(status, 0)
    const entries = stdout.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(entries[0].message, 'Sandbox created')
    const started = entries.find(({ event_type }) => event_type === 'process_start')
    assert.match(started.command, /echo told/)
    assert.ok(entries.some(({ event_type, exit_code }) => event_type === 'process_end' && exit_code === 0))
  }))

test('logs of one logger', () =>
  withSandbox(async ({ sandboxId, commands }) => {
    await commands.run('true')
    const { stdout } = await e2b(['sandbox', 'logs', '--loggers', 'process', '--format', 'json', sandboxId])
    const loggers = stdout.trim().split('\n').map((line) => JSON.parse(line).logger)
    assert.deepEqual([...new Set(loggers)], ['process'])
  }))

test('logs that are followed until the sandbox is closed', () =>
  withSandbox(async (sandbox) => {
    const following = e2b(['sandbox', 'logs', '--follow', sandbox.sandboxId])
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    await sandbox.commands.run('echo later')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await sandbox.kill()
    const { status, stdout } = await following
    assert.equal(status, 0)
    assert.match(stdout, /echo later/)
    assert.match(stdout, /closed/)
  }))

test('kill', async () => {
  const { sandboxId } = await Sandbox.create({ timeoutMs: 60_000 })
  assert.equal((await e2b(['sandbox', 'kill', sandboxId])).status, 0)
  assert.equal(await Sandbox.kill(sandboxId), false)
})

test('kill of an unknown sandbox', async () => {
  const { stdout, stderr } = await e2b(['sandbox', 'kill', 'nosuchsandbox'])
  assert.match(stdout + stderr, /wasn't found|not found/i)
})

test('create detached', async () => {
  const { status, stdout } = await e2b(['sandbox', 'create', '--detach', 'base'])
  assert.equal(status, 0)
  const [sandbox] = await Sandbox.list().nextItems()
  assert.match(stdout, new RegExp(sandbox.sandboxId))
  await Sandbox.kill(sandbox.sandboxId)
})

test('pause and resume', () =>
  withSandbox(async ({ sandboxId }) => {
    assert.equal((await e2b(['sandbox', 'pause', sandboxId])).status, 0)
    assert.equal((await Sandbox.getInfo(sandboxId)).state, 'paused')
    assert.equal((await e2b(['sandbox', 'resume', sandboxId])).status, 0)
    assert.equal((await Sandbox.getInfo(sandboxId)).state, 'running')
  }))

test('template list', async () => {
  const { status, stdout, stderr } = await e2b(['template', 'list', '--format', 'json'])
  assert.equal(status, 0, stderr)
  assert.ok(JSON.parse(stdout).some(({ aliases }) => aliases.includes('base')))
})

test('snapshots are made listed and deleted', () =>
  withSandbox(async ({ sandboxId }) => {
    const made = await e2b(['sandbox', 'snapshot', 'create', sandboxId])
    assert.equal(made.status, 0, made.stderr)
    const snapshotId = made.stdout.match(/Created snapshot (\S+) /)[1]
    const ids = async () => {
      const { stdout } = await e2b(['sandbox', 'snapshot', 'list', '--format', 'json'])
      return JSON.parse(stdout).map((snapshot) => snapshot.snapshotId)
    }
    assert.ok((await ids()).includes(snapshotId))
    assert.equal((await e2b(['sandbox', 'snapshot', 'delete', snapshotId])).status, 0)
    assert.ok(!(await ids()).includes(snapshotId))
  }))

test('a terminal is connected', () =>
  withSandbox(async ({ sandboxId }) => {
    const { status, stdout } = await inTerminal(
      ['sandbox', 'connect', sandboxId],
      'echo $((6 * 7)) told\nexit\n',
    )
    assert.equal(status, 0)
    assert.match(stdout, /42 told/)
  }))

test('files of a template are made and migrated', async () => {
  const options = ['--name', 'made', '--language', 'python-sync']
  assert.equal((await e2b(['template', 'init', ...options])).status, 0)
  assert.match(await readFile('made/template.py', 'utf8'), /Template/)
  await writeFile('e2b.Dockerfile', 'FROM e2bdev/base\nRUN true\n')
  assert.equal((await e2b(['template', 'migrate', ...options])).status, 0)
  assert.match(await readFile('template.py', 'utf8'), /run_cmd/)
})

test('nobody is logged in and nobody has to be', async () => {
  assert.match((await e2b(['auth', 'info'])).stdout, /Not logged in/)
  assert.equal((await e2b(['auth', 'logout'])).status, 0)
})

test('a template of a Dockerfile is made published and deleted', async () => {
  const name = `cli-${process.pid}`
  await writeFile('Dockerfile', 'FROM e2bdev/base\nRUN echo built > /home/user/built\n')
  const made = await e2b(['template', 'create', name])
  assert.equal(made.status, 0, made.stderr + made.stdout)
  const sandbox = await Sandbox.create(name, { timeoutMs: 60_000 })
  assert.equal(await sandbox.files.read('/home/user/built'), 'built\n')
  await sandbox.kill()
  assert.equal((await e2b(['template', 'publish', '--yes', name])).status, 0)
  assert.equal((await e2b(['template', 'unpublish', '--yes', name])).status, 0)
  const gone = await e2b(['template', 'delete', '--yes', name])
  assert.equal(gone.status, 0, gone.stderr + gone.stdout)
})
