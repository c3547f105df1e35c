'use strict';
// Built-ins only: these scripts run before anything is installed.

const { spawn } = require('node:child_process');
const { constants, setPriority } = require('node:os');
const { basename, join } = require('node:path');
const { clearInterval, setInterval } = require('node:timers');

const root = join(__dirname, '..');

/** How often we look whether the process that started us is still there. */
const PARENT_EVERY_MS = 500;

/**
 * Ctrl-C reaches the whole process group: the child ends first, then we do. Other signals reach us
 * alone and are passed on. npm starts scripts in a shell, which can end by a signal without passing
 * it on: then the child ends, too.
 */
function holdSignals(child, onInterrupt = () => {}) {
  const passed = ['SIGTERM', 'SIGHUP'];
  const onSignal = (signal) => child.kill(signal);
  process.on('SIGINT', onInterrupt);
  for (const signal of passed) process.on(signal, onSignal);
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM');
  }, PARENT_EVERY_MS).unref();
  return () => {
    clearInterval(watch);
    process.off('SIGINT', onInterrupt);
    for (const signal of passed) process.off(signal, onSignal);
  };
}

/**
 * Runs a command on this terminal.
 * @returns {Promise<number>} exit code; 128 + signal number after a signal; 127 if it did not start
 */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    const release = holdSignals(child);
    child.on('error', (error) => {
      release();
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      release();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/**
 * Runs a command and captures its output.
 * @param {{ env?: NodeJS.ProcessEnv, timeoutMs?: number, isPatient?: boolean }} options
 *   isPatient: low priority
 * @returns {Promise<{ code: number, output: string, timedOut: boolean, missing: boolean }>}
 */
function capture(command, args, { env = process.env, timeoutMs = 0, isPatient = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let interrupted = false;
    const release = holdSignals(child, () => (interrupted = true));
    // It has started nothing yet: what it starts is as patient.
    if (isPatient && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    let output = '';
    let timedOut = false;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const timer =
      timeoutMs > 0 &&
      setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
        // A process that it has started may still hold them open.
        child.stdout.destroy();
        child.stderr.destroy();
      }, timeoutMs);
    const end = (code, missing) => {
      release();
      clearTimeout(timer);
      if (interrupted) process.exit(130);
      resolve({ code, output, timedOut, missing });
    };
    child.on('error', (error) => end(127, error.code === 'ENOENT'));
    child.on('close', (code) => end(code ?? 1, false));
  });
}

/**
 * npm as arguments of `run`: the running one, or that of the PATH (on Windows a .cmd, in a shell).
 */
function npm(...args) {
  const cli = process.env.npm_execpath;
  if (cli && basename(cli) === 'npm-cli.js') return [process.execPath, [cli, ...args]];
  return ['npm', args, { shell: process.platform === 'win32' }];
}

module.exports = { root, run, capture, npm };
