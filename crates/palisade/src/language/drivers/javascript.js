// Holds an interactive session: reads lines of JSON, evaluates what they say, answers behind the mark that they give.
// Started as `node -e`, with the program that compiles TypeScript as an argument if the inputs are in that.
//
// The main thread evaluates, by V8's own inspector: it keeps `let` and `const`, and knows a top-level `await`. A worker
// reads, answers, and interrupts: an endless loop keeps the main thread from doing anything. What it is told and answers:
// docs/repl.md.
(() => {
  const { Worker } = require("node:worker_threads");
  const { Session } = require("node:inspector");
  const { inspect } = require("node:util");
  const { Script } = require("node:vm");
  const compiler = process.argv.splice(1)[0];

  const session = new Session();
  session.connect();

  // Where inputs cannot replace them.
  const plain = (text, most) => {
    text = Buffer.from(String(text).slice(0, most + 1)).toString();
    return [text.slice(0, most), text.length > most];
  };
  const ours = /^\s+at (Session\.post \(node:inspector|.*\[eval\]|Worker\.emit \(node:|.*MessagePort|\[nodejs\.internal)/;
  const shown = {
    value(value, most) {
      globalThis._ = value;
      const [text, truncated] = plain(inspect(value), most);
      return { value: text, error: null, truncated };
    },
    error(error, most) {
      const is = Error.prototype.isPrototypeOf(error);
      const all = inspect(error).split("\n").filter((line) => !ours.test(line)).join("\n");
      const parts = { name: is ? error.name : "", message: is ? error.message : all, trace: `Uncaught ${all}` };
      const cut = Object.entries(parts).map(([key, text]) => [key, ...plain(text, most)]);
      return {
        value: null,
        error: Object.fromEntries(cut.map(([key, text]) => [key, text])),
        truncated: cut.some(([, , more]) => more),
      };
    },
  };
  const handles = {};
  for (const name of ["value", "error"]) {
    globalThis.palisade = shown[name];
    session.post("Runtime.evaluate", { expression: "palisade" }, (_, found) => (handles[name] = found.result.objectId));
  }
  delete globalThis.palisade;

  // Calls one of `shown` with a value that only the inspector has.
  const show = (name, found, most, done) => {
    const { objectId, unserializableValue, value } = found;
    const argument = objectId ? { objectId } : unserializableValue ? { unserializableValue } : { value };
    const call = {
      objectId: handles[name],
      functionDeclaration: "function(value, most) { return this(value, most); }",
      arguments: [argument, { value: most }],
      returnByValue: true,
    };
    session.post("Runtime.callFunctionOn", call, (failed, told) => {
      if (failed) return done({ stopped: true });
      if (!told.exceptionDetails) return done(told.result.value);
      const message = "it cannot be shown: its own code for that has failed";
      done({ value: null, error: { name: "", message, trace: message }, truncated: false });
    });
  };

  const compiles = (code) => {
    try {
      return new Script(code) !== undefined;
    } catch {
      return false;
    }
  };

  const evaluate = (code, number, most, done) => {
    const expression = `${code}\n//# sourceURL=input-${number}`;
    session.post("Runtime.evaluate", { expression, replMode: true, awaitPromise: true }, (failed, found) => {
      if (failed) return done({ stopped: true });
      if (found.exceptionDetails) return show("error", found.exceptionDetails.exception ?? {}, most, done);
      if (found.result.type === "undefined") return done({ value: null, error: null, truncated: false });
      show("value", found.result, most, done);
    });
  };

  const worker = new Worker(`(${work})()`, { eval: true, workerData: { compiler }, stdin: false });
  worker.on("message", (told) => {
    if (told.ping) return worker.postMessage({ pong: told.ping });
    if (told.end) process.exit();
    const done = (answer) => worker.postMessage({ number: told.number, answer });
    const { code, number, most } = told;
    // As at Node's own prompt: `{ a: 1 }` is meant as an object.
    const object = /^\s*\{/.test(code) && !/;\s*$/.test(code) && compiles(`(${code}\n)`);
    evaluate(object ? `(${code}\n)` : code, number, most, done);
  });
  worker.on("error", (error) => {
    console.error(error);
    process.exit(70);
  });
  worker.on("exit", (status) => process.exit(status));
  process.on("uncaughtException", (error) => console.error("Uncaught", error));

  function work() {
    const fs = require("node:fs");
    const vm = require("node:vm");
    const { Session } = require("node:inspector");
    const { Socket } = require("node:net");
    const { spawnSync } = require("node:child_process");
    const { parentPort, workerData } = require("node:worker_threads");
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const write = (fd, data) => {
      while (data.length > 0) {
        try {
          data = data.subarray(fs.writeSync(fd, data));
        } catch (error) {
          if (error.code !== "EAGAIN") {
            const said = `palisade: an input has closed the session's own way out: ${error.message}\n`;
            if (fd !== 2) fs.writeSync(2, said);
            process.exit(71);
          }
          Atomics.wait(pause, 0, 0, 2);
        }
      }
    };
    const piece = (mark, sign, data) =>
      Buffer.concat([Buffer.from(mark + sign + data.length.toString(16).padStart(4, "0")), data]);
    const reply = (mark, answer) => {
      let data = Buffer.from(JSON.stringify(answer));
      for (; data.length > 3072; data = data.subarray(3072)) write(1, piece(mark, "+", data.subarray(0, 3072)));
      write(1, piece(mark, ".", data));
      write(2, piece(mark, ".", Buffer.alloc(0)));
    };

    // TypeScript without its types, or what is wrong with it.
    const compiled = (code) => {
      if (!workerData.compiler) return { code };
      const ran = spawnSync(workerData.compiler, ["internal-typescript", "-", "-"], { input: code, maxBuffer: 1 << 28 });
      if (ran.status === 0) return { code: ran.stdout.toString().replace(/^export \{\};$/m, "") };
      const message = ran.error ? String(ran.error) : ran.stderr.toString().trimEnd();
      return { error: { name: "SyntaxError", message, trace: message } };
    };

    // Whether what is wrong with an input is that it ends.
    const mayGoOn = (code) => {
      const lines = code.split("\n").length;
      if (workerData.compiler) {
        const { error } = compiled(`${code}\n`);
        if (error === undefined) return false;
        const line = Number(/^[^:]*:(\d+):/.exec(error.message)?.[1]);
        const inTemplate = /Unterminated string/.test(error.message) && code.split("`").length % 2 === 0;
        return line > lines || inTemplate || /Unterminated multiline comment/.test(error.message);
      }
      try {
        new vm.Script(`(async () => {${code}\n})`, { filename: "input" });
        return false;
      } catch (error) {
        const line = Number(/^input:(\d+)/.exec(error.stack)?.[1]);
        return line > lines || /^Unterminated template/.test(error.message);
      }
    };

    let current; // the input that is evaluated
    let number = 0;
    // Processes that inputs have started get what a terminal would send them.
    const interruptOthers = () => {
      const parents = new Map();
      for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        try {
          const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
          parents.set(Number(pid), Number(stat.split(") ").pop().split(" ")[1]));
        } catch {}
      }
      const isOurs = (pid) => parents.has(pid) && (parents.get(pid) === process.pid || isOurs(parents.get(pid)));
      for (const pid of parents.keys()) {
        try {
          if (isOurs(pid)) process.kill(pid, "SIGINT");
        } catch {}
      }
    };
    const finish = (answer) => {
      const { mark } = current;
      current = undefined;
      reply(mark, answer);
    };
    const stopped = { value: null, error: { name: "", message: "interrupted", trace: "interrupted" }, truncated: false };

    const told = ({ do: what, mark, code = "", most }) => {
      if (what === "check") return reply(mark, { incomplete: mayGoOn(code) });
      if (what === "interrupt") {
        if (current?.mark !== mark) return;
        interruptOthers();
        // What runs is ended. What waits is given up, once the main thread is there again. Only as long as that takes are
        // we its debugger: a process that ends waits for them.
        const control = new Session();
        control.connectToMainThread();
        control.post("Runtime.terminateExecution", () => control.disconnect());
        parentPort.postMessage({ ping: current.number });
        return;
      }
      current = { mark, number: number++ };
      const made = compiled(code);
      if (made.error) return finish({ value: null, error: made.error, truncated: false });
      parentPort.postMessage({ code: made.code, number: current.number, most });
    };
    parentPort.on("message", ({ pong, number, answer }) => {
      if (current === undefined || (pong ?? number) !== current.number) return;
      finish(pong !== undefined || answer.stopped ? stopped : answer);
    });

    let pending = "";
    const input = new Socket({ fd: 0, readable: true, writable: false });
    input.setEncoding("utf8");
    input.on("data", (text) => {
      pending += text;
      for (let at; (at = pending.indexOf("\n")) >= 0; pending = pending.slice(at + 1)) {
        told(JSON.parse(pending.slice(0, at)));
      }
    });
    input.on("end", () => parentPort.postMessage({ end: true }));
  }
})();
