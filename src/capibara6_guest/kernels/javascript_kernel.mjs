// Runs cells of JavaScript and TypeScript. Requests come on descriptor 3, one JSON object a line:
// {id, code, env, typed} or {interrupt: id}; messages go to descriptor 4 (see process.py);
// javascript_watch.mjs reads 5. On 6, a file in memory, the agent and this process agree when a
// SIGINT may come (see takeLeave).
//
// Cells are evaluated by V8's own console mode (as in a browser's console), which gives top-level
// await, lets a later cell declare a name again, and yields the last expression's value. What a
// cell displays becomes messages; what it prints goes to its stdout and stderr.
//
// How a value shows itself: as text always (a string as it is, all else as util.inspect prints it);
// in further forms through value[Symbol.for('Jupyter.display')](), as in Deno, which returns (a
// promise of) an object {MIME type: data}, or through _toMime(), _toHtml(), _toSvg(), _toPng() and
// _toJpeg(), as in IJavascript. display(value) shows a value at once; display({MIME: data},
// {raw: true}) and $$.html(), .svg(), .png(), .jpeg(), .json(), .text() and .mime() show data.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import inspector from 'node:inspector';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import { promiseHooks } from 'node:v8';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import { rewriteImports } from './javascript_imports.mjs';
import { stripTypes } from './javascript_types.mjs';

const [REQUESTS_FD, MESSAGES_FD, INTERRUPTS_FD, LEAVE_FD] = [3, 4, 5, 6];
const [OPEN, BUSY, SIGNALLED] = [0, 1, 2]; // bytes of the leave; the agent writes the last two
const PAUSE = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)';
const INTERRUPTED = 'ERR_SCRIPT_EXECUTION_INTERRUPTED';
const RESULT_CHARS_MAX = 5_000_000;
const IMPORTER = '__capibara6_import';
const JUPYTER_DISPLAY = Symbol.for('Jupyter.display');
const FIELDS = {
  'text/plain': 'text',
  'text/html': 'html',
  'text/markdown': 'markdown',
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'application/pdf': 'pdf',
  'text/latex': 'latex',
  'application/json': 'json',
  'application/javascript': 'javascript',
};

class Interrupted extends Error {
  name = 'KeyboardInterrupt';
  message = 'the execution was interrupted';
}

class Exit extends Error {
  name = 'SystemExit';
}

// ---- Messages

function send(message) {
  writeAll(MESSAGES_FD, Buffer.from(`${JSON.stringify(message)}\n`));
}

/** Write and wait: a slow reader slows the cell down, and nothing piles up in memory. */
function writeAll(fd, data) {
  while (data.length > 0) {
    try {
      data = data.subarray(fs.writeSync(fd, data));
    } catch (error) {
      // A child that shares the pipe may have made it non-blocking.
      if (error.code !== 'EAGAIN') throw error;
      pause(5);
    }
  }
}

/** Node's own streams on pipes queue what the reader does not take at once; these do not. */
function replaceOutput(name, fd) {
  const stream = new Writable({
    decodeStrings: true,
    write(chunk, encoding, callback) {
      writeAll(fd, chunk);
      callback();
    },
  });
  Object.defineProperty(process, name, { value: Object.assign(stream, { fd }), writable: true });
}

function sendResult(bundle, isMainResult) {
  const event = { type: 'result', extra: {}, is_main_result: isMainResult };
  for (const [mime, data] of Object.entries(bundle)) {
    if (data === undefined || data === null) continue;
    let plain = data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data;
    if (sizeOf(plain) > RESULT_CHARS_MAX) {
      console.error(`capibara6: the ${mime} form of a result is too large to be sent`);
      if (mime !== 'text/plain') continue;
      plain = plain.slice(0, RESULT_CHARS_MAX);
    }
    if (FIELDS[mime]) event[FIELDS[mime]] = plain;
    else event.extra[mime] = plain;
  }
  send(event);
}

function sizeOf(data) {
  return typeof data === 'string' ? data.length : JSON.stringify(data)?.length ?? 0;
}

function sendError(error, location) {
  const isError = util.types.isNativeError(error) || error instanceof Error;
  send({
    type: 'error',
    name: isError ? String(error.name) : typeof error,
    value: isError ? String(error.message) : util.inspect(error),
    traceback: isError ? traceback(error, location) : util.inspect(error),
  });
}

/** The stack down to the cell, without the kernel's own frames. */
function traceback(error, location) {
  const lines = String(error.stack ?? error).split('\n');
  const ours = lines.findIndex((line) => /\(node:inspector:|javascript_kernel\.mjs/.test(line));
  const kept = ours < 0 ? lines : lines.slice(0, ours);
  if (location && error instanceof SyntaxError) kept.push(`    at ${location}`);
  return kept.join('\n');
}

// ---- Forms of a value

async function formsOf(value) {
  const bundle = { 'text/plain': typeof value === 'string' ? value : util.inspect(value) };
  if (value === null || !['object', 'function'].includes(typeof value)) return bundle;
  if (typeof value[JUPYTER_DISPLAY] === 'function') {
    return { ...bundle, ...(await value[JUPYTER_DISPLAY]()) };
  }
  const methods = { _toHtml: 'text/html', _toSvg: 'image/svg+xml' };
  Object.assign(methods, { _toPng: 'image/png', _toJpeg: 'image/jpeg' });
  if (typeof value._toMime === 'function') Object.assign(bundle, await value._toMime());
  for (const [method, mime] of Object.entries(methods)) {
    if (typeof value[method] === 'function') bundle[mime] ??= await value[method]();
  }
  return bundle;
}

const shown = new Set(); // displays that still compute their forms

function display(value, { raw = false } = {}) {
  if (raw) {
    sendResult(value, false);
    return Promise.resolve();
  }
  const showing = formsOf(value).then((bundle) => sendResult(bundle, false));
  shown.add(showing);
  return showing.finally(() => shown.delete(showing));
}

function displayer() {
  const show = (mime) => (data) => sendResult({ [mime]: data }, false);
  return {
    text: show('text/plain'),
    html: show('text/html'),
    svg: show('image/svg+xml'),
    png: show('image/png'),
    jpeg: show('image/jpeg'),
    json: show('application/json'),
    mime: (bundle) => sendResult(bundle, false),
    display: () => displayer(),
  };
}

// ---- Evaluation

const session = new inspector.Session();
session.connect();
process.argv.splice(1);
const post = util.promisify(session.post.bind(session));
let received;

function prepareGlobals() {
  const require = createRequire(path.join(process.cwd(), 'cell.js'));
  const names = { require, module: require.cache && { exports: {} }, display, $$: displayer() };
  names[IMPORTER] = importModule;
  for (const [name, value] of Object.entries(names)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
  process.exit = (code = process.exitCode ?? 0) => {
    const exit = new Exit(`process.exit(${code}) ended the cell; the kernel lives on`);
    current?.fail(exit);
    throw exit;
  };
}

async function importModule(name) {
  const parent = pathToFileURL(path.join(process.cwd(), 'cell.mjs')).href;
  return import(await import.meta.resolve(String(name), parent));
}

async function evaluate(code, number, id) {
  if (MAY_WAIT.test(code)) startWatch();
  const expression = `${rewriteImports(asExpression(code), IMPORTER)}\n//# sourceURL=In[${number}]`;
  const options = { expression, replMode: true, awaitPromise: true, objectGroup: 'cell' };
  let run;
  try {
    run = breakable(() => {
      // From here on, an interrupt is heard.
      send({ type: 'started' });
      return settled(options);
    });
  } finally {
    Atomics.store(waiting, 0, id); // what goes on after an await is stopped by the watch
  }
  const { result, exceptionDetails } = await run;
  Atomics.store(waiting, 0, 0);
  const value = await receive(exceptionDetails?.exception ?? result);
  if (!exceptionDetails) return await value;
  const { lineNumber, columnNumber } = exceptionDetails;
  const inside = lineNumber < code.split('\n').length; // not in the line that names the cell
  throw new Thrown(value, inside && `In[${number}]:${lineNumber + 1}:${columnNumber + 1}`);
}

const unsettled = new Set(); // promises that stand for cells

/**
 * Evaluate, and hold the promise that console mode makes of a cell until it is settled.
 *
 * When V8 collects one that nothing can settle any more, as after a stop, it tells the session,
 * whose JavaScript must not run in that moment: Node.js 24 would end.
 */
function settled(options) {
  return new Promise((resolve, reject) => {
    let cell;
    const unhook = promiseHooks.onInit((first) => {
      unhook();
      unsettled.add((cell = first));
    });
    session.post('Runtime.evaluate', options, (error, answer) => {
      unsettled.delete(cell);
      if (error) reject(error);
      else resolve(answer);
    });
    unhook(); // what is no program makes no promise
  });
}

/**
 * Call `work`, and stop whatever it does on a SIGINT, endless loops too.
 *
 * Node.js changes its handler of the signal before and after, and would end by one that comes in
 * between: the leave to send one is taken for these moments.
 */
function breakable(work) {
  takeLeave();
  globalThis.__capibara6_run = () => {
    delete globalThis.__capibara6_run;
    giveLeave();
    const result = work();
    takeLeave();
    return result;
  };
  let stopped = false;
  try {
    return vm.runInThisContext('__capibara6_run()', { breakOnSigint: true });
  } catch (error) {
    stopped = error?.code === INTERRUPTED;
    throw error;
  } finally {
    takeLeave(); // which what was stopped may have left given
    if (!stopped && hasMark(SIGNALLED)) absorbSignal();
    giveLeave();
  }
}

/**
 * A signal that arrives just when a script ends stays with Node.js's watchdog, which would stop the
 * next script instead; this one has time for it.
 */
function absorbSignal() {
  try {
    vm.runInThisContext(PAUSE, { breakOnSigint: true });
  } catch (error) {
    if (error?.code !== INTERRUPTED) throw error;
  }
}

/**
 * Let no signal come any more, and wait until none is under way, which is never long.
 *
 * Both sides first write their own byte and then read the other's, so at least one sees that it
 * must wait. A stop may come between any two lines of a script: to take the leave again, or to give
 * it again, changes nothing.
 */
function takeLeave() {
  setMark(OPEN, 0);
  while (hasMark(BUSY)) pause(1);
}

/** Let one signal come; whoever gives the leave has taken it. */
function giveLeave() {
  setMark(SIGNALLED, 0);
  setMark(OPEN, 1);
}

function setMark(position, value) {
  fs.writeSync(LEAVE_FD, Buffer.of(value), 0, 1, position);
}

function hasMark(position) {
  const mark = Buffer.of(0);
  fs.readSync(LEAVE_FD, mark, 0, 1, position);
  return mark[0] === 1;
}

function pause(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

const MAY_WAIT = /\b(?:await|import|async|then)\b/;
const waiting = new Int32Array(new SharedArrayBuffer(4)); // the number of the cell that awaits
let watch = null;

/** Start the watch over awaiting cells at the first that may be one: most kernels need none. */
function startWatch() {
  if (watch) return;
  const workerData = { fd: INTERRUPTS_FD, waiting: waiting.buffer };
  watch = new Worker(new URL('javascript_watch.mjs', import.meta.url), { workerData });
  watch.unref();
}

/** What a cell has thrown, which may be anything. */
class Thrown {
  constructor(value, location) {
    Object.assign(this, { value, location });
  }
}

/** A cell that is an object in braces is meant as the object, not as a block. */
function asExpression(code) {
  if (!/^\s*\{/.test(code) || /;\s*$/.test(code)) return code;
  try {
    new vm.Script(`(${code}\n)`);
    return `(${code}\n)`;
  } catch {
    return code;
  }
}

/** Turn V8's remote object into the object; wrapped, lest a promise be awaited too early. */
async function receive(remote) {
  const argument = remote.objectId
    ? { objectId: remote.objectId }
    : 'unserializableValue' in remote
      ? { unserializableValue: remote.unserializableValue }
      : { value: remote.value };
  globalThis.__capibara6_receive = (value) => {
    received = value;
  };
  const options = { functionDeclaration: 'function (v) { __capibara6_receive(v) }' };
  await post('Runtime.callFunctionOn', { ...options, objectId: globalId, arguments: [argument] });
  const value = received;
  received = undefined;
  delete globalThis.__capibara6_receive;
  return value;
}

// ---- Executions

let current = null;
let count = 0;
const { result: globalObject } = await post('Runtime.evaluate', { expression: 'globalThis' });
const globalId = globalObject.objectId;

async function execute({ id, code, env, typed }) {
  const before = Object.keys(env).map((name) => [name, process.env[name]]);
  Object.assign(process.env, env);
  count += 1;
  try {
    await new Promise((resolve, reject) => {
      current = { id, fail: reject };
      runCell(code, count, id, typed).then(resolve, reject);
    });
  } catch (failure) {
    // What an interrupted cell still has to run, it runs now, under the eyes of the watch.
    await new Promise((resolve) => setImmediate(resolve));
    report(failure);
  }
  Atomics.store(waiting, 0, 0);
  current = null;
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await post('Runtime.releaseObjectGroup', { objectGroup: 'cell' });
  await post('Runtime.discardConsoleEntries');
  send({ type: 'done', id });
}

async function runCell(code, number, id, typed) {
  const value = await evaluate(typed ? stripTypes(code) : code, number, id);
  await Promise.all(shown);
  if (value !== undefined) sendResult(await formsOf(value), true);
}

function report(failure) {
  if (failure?.code === INTERRUPTED) sendError(new Interrupted());
  else if (failure instanceof Thrown) sendError(failure.value, failure.location);
  else sendError(failure);
}

// A signal that finds no code running is of no use: the request that comes with it is.
process.on('SIGINT', () => {
  takeLeave();
  giveLeave();
});
giveLeave();

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    if (error instanceof Exit || error?.code === 'ERR_INSPECTOR_COMMAND') return; // told already
    console.error(`Uncaught ${error instanceof Error ? traceback(error) : util.inspect(error)}`);
  });
}

replaceOutput('stdout', 1);
replaceOutput('stderr', 2);
prepareGlobals();
const requests = createInterface({ input: new net.Socket({ fd: REQUESTS_FD, writable: false }) });
requests.on('line', (line) => {
  const request = JSON.parse(line);
  // No chain of promises: V8 drops the waiting jobs of all when it stops a cell. The agent sends a
  // request only when the one before is done.
  if (request.interrupt === undefined) {
    execute(request);
    return;
  }
  if (request.interrupt === current?.id) current.fail(new Interrupted());
});
requests.on('close', () => process.reallyExit(0));
