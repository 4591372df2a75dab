import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CommandExitError } from 'e2b'

import { ROOT, until, withSandbox } from './sandboxes.mjs'

const encode = (text) => new TextEncoder().encode(text)

/** What a terminal shows, growing as it comes. */
class Screen {
  text = ''
  #decoder = new TextDecoder()
  show = (data) => {
    this.text += this.#decoder.decode(data, { stream: true })
  }
}

test('a terminal runs what is typed', () =>
  withSandbox(async ({ pty }) => {
    const screen = new Screen()
    const terminal = await pty.create({
      cols: 80,
      rows: 24,
      onData: screen.show,
      envs: { GREETING: 'hello' },
      cwd: '/tmp',
    })
    await pty.sendInput(terminal.pid, encode('echo "$GREETING from $PWD"; echo $TERM; exit\n'))
    await terminal.wait()
    assert.equal(terminal.exitCode, 0)
    assert.match(screen.text, /hello from \/tmp\r\n/)
    assert.match(screen.text, /xterm-256color/)
  }))

test('a terminal is resized', () =>
  withSandbox(async ({ pty }) => {
    const screen = new Screen()
    const terminal = await pty.create({ cols: 80, rows: 24, onData: screen.show })
    await pty.resize(terminal.pid, { cols: 111, rows: 55 })
    await pty.sendInput(terminal.pid, encode('stty size; exit\n'))
    await terminal.wait()
    assert.match(screen.text, /55 111/)
  }))

test('a terminal is followed by another client', () =>
  withSandbox(async ({ pty }) => {
    const first = await pty.create({ cols: 80, rows: 24, onData: () => {}, user: 'root' })
    await first.disconnect()
    const screen = new Screen()
    const second = await pty.connect(first.pid, { onData: screen.show })
    await pty.sendInput(first.pid, encode('whoami; exit 5\n'))
    await assert.rejects(second.wait(), ({ exitCode }) => exitCode === 5)
    assert.match(screen.text, new RegExp(ROOT))
  }))

test('a terminal is killed', () =>
  withSandbox(async ({ pty }) => {
    const screen = new Screen()
    const terminal = await pty.create({ cols: 80, rows: 24, onData: screen.show })
    await until(() => screen.text.length > 0)
    assert.equal(await pty.kill(terminal.pid), true)
    await assert.rejects(terminal.wait(), CommandExitError)
    assert.equal(await pty.kill(terminal.pid), false)
  }))
