// A worker thread that stops a cell which no longer returns to the event loop after an await, where
// no signal reaches it. It reads the numbers of the cells to be stopped, one a line.

import inspector from 'node:inspector';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { workerData } from 'node:worker_threads';

// A cell that returns to the event loop ends by itself well before this.
const STUCK_AFTER_MS = 300;

const session = new inspector.Session();
session.connectToMainThread();
const waiting = new Int32Array(workerData.waiting);
const input = new net.Socket({ fd: workerData.fd, writable: false });
createInterface({ input }).on('line', (line) => setTimeout(stop, STUCK_AFTER_MS, Number(line)));

/** Stop the cell if it still is the one that runs: the kernel's own code must not be stopped. */
function stop(number) {
  if (number === Atomics.load(waiting, 0)) session.post('Runtime.terminateExecution');
}
