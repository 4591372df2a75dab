// Notes which methods of the SDK and commands of the CLI each test calls with success, not those
// which they call within; writes them to E2B_TEST_CALLS when the process ends.
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import childProcess from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { beforeEach } from 'node:test'

import { Sandbox, Secret, SecretPaginator, TemplateBase, Volume } from '@e2b/code-interpreter'

// Classes that are not exported, by what users call them.
const LABELS = {
  Commands: 'Sandbox.commands',
  CommandHandle: 'CommandHandle',
  Filesystem: 'Sandbox.files',
  Git: 'Sandbox.git',
  Pty: 'Sandbox.pty',
  SandboxPaginator: 'SandboxPaginator',
  SnapshotPaginator: 'SnapshotPaginator',
  WatchHandle: 'WatchHandle',
}
const calls = {}
const within = new AsyncLocalStorage()
const wrapped = new WeakSet()
let current

beforeEach(({ name }) => {
  current = calls[name] ??= []
})
process.on('exit', () => writeFileSync(process.env.E2B_TEST_CALLS, JSON.stringify(calls)))

const note = (name) => current?.includes(name) || current?.push(name)

/** The name of a class without what a bundler adds to it. */
const plain = (value) => value?.constructor?.name?.replace(/[$\d]+$/, '')

/** Wrap the classes that are not exported when an object of theirs turns up. */
function look(value) {
  if (value === null || typeof value !== 'object') return
  for (const found of [value, value.commands, value.files, value.pty, value.git]) {
    const label = LABELS[plain(found)]
    if (label) wrap(Object.getPrototypeOf(found), label)
  }
}

function wrap(holder, label) {
  if (wrapped.has(holder)) return
  wrapped.add(holder)
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
    if (typeof value !== 'function' || name === 'constructor') continue
    const told = /^Template\.to/.test(`${label}.${name}`) ? `Template().${name}` : `${label}.${name}`
    holder[name] = function (...given) {
      if (within.getStore()) return value.apply(this, given)
      const own = given.map((one) => (typeof one === 'function' ? outside(one) : one))
      return noted(within.run(true, () => value.apply(this, own)), told)
    }
  }
}

/** Let what a test passes for the SDK to call be the test's own again. */
const outside = (callback) => AsyncResource.bind(callback)

function noted(result, name) {
  if (typeof result?.then !== 'function') {
    note(name)
    look(result)
    return result
  }
  return result.then((value) => {
    note(name)
    look(value)
    return value
  })
}

for (let kind = Sandbox; kind !== Function.prototype; kind = Object.getPrototypeOf(kind)) {
  wrap(kind, 'Sandbox')
  wrap(kind.prototype, 'Sandbox')
}
for (const kind of [Secret, SecretPaginator, Volume]) {
  wrap(kind, kind.name)
  wrap(kind.prototype, kind.name)
}
wrap(TemplateBase, 'Template')
wrap(TemplateBase.prototype, 'Template()')

const { execFile } = childProcess
childProcess.execFile = (file, given, options, done) =>
  execFile(file, given, options, (failure, ...output) => {
    const command = given.slice(given.findIndex((one) => one.includes('@e2b/cli')) + 1).join(' ')
    if (!failure) note(`e2b ${command}`)
    done(failure, ...output)
  })
syncBuiltinESMExports()
