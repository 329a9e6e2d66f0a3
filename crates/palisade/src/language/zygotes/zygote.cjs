// Waits in a sandbox until it is known what to run. Node loads this before it looks for its program, and goes on with that as
// it always does. What it is told: `zygote.rs`.
"use strict";
// As if it had never been here. A worker loads it again, with what its process was started with; a forked process would.
delete require.cache[__filename];
process.execArgv = process.execArgv.filter((word) => word !== `--require=${__filename}`);

if (require("node:worker_threads").isMainThread) {
  const fs = require("node:fs");
  const wanted = ["assert", "async_hooks", "buffer", "child_process", "crypto", "events", "fs/promises", "module", "os", "path"];
  const more = ["perf_hooks", "querystring", "readline", "stream", "stream/promises", "string_decoder", "timers/promises"];
  for (const name of [...wanted, ...more, "url", "util", "vm", "zlib"]) require(`node:${name}`);
  // Loaded when they are first asked for.
  void [globalThis.fetch, globalThis.crypto, globalThis.performance, process.stdout.isTTY, process.stderr.isTTY];

  const read = (count) => {
    const data = Buffer.alloc(count);
    for (let have = 0; have < count; ) {
      const more = fs.readSync(0, data, have, count - have, null);
      if (more === 0) process.reallyExit(0); // nobody wants it any more
      have += more;
    }
    return data;
  };

  fs.writeSync(1, "\0");
  // One byte at a time: what stands behind the order is the program's.
  let length = "";
  while (!length.endsWith("\n")) length += read(1).toString("latin1");
  const strings = read(Number(length)).toString().split("\0").slice(0, -1);
  const count = Number(strings.shift());
  process.argv.push(...strings.slice(0, count));
  for (const variable of strings.slice(count)) {
    const at = variable.indexOf("=");
    process.env[variable.slice(0, at)] = variable.slice(at + 1);
  }
}
