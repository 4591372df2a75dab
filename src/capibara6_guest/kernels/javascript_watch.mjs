// A worker thread that stops a cell which no longer returns to the event loop after an await, where
// no signal reaches it. It reads the numbers of the cells to be stopped, one a line.

import inspector from 'node:inspector';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { workerData } from 'node:worker_threads';

const session = new inspector.Session();
session.connectToMainThread();
const waiting = new Int32Array(workerData.waiting);
const input = new net.Socket({ fd: workerData.fd, writable: false });
createInterface({ input }).on('line', (line) => {
  // Only while the main thread is in that cell's own code: the kernel's must not be stopped.
  if (Number(line) === Atomics.load(waiting, 0)) session.post('Runtime.terminateExecution');
});
