//! Interpreters that wait in cells: that a program runs as the plain interpreter runs its file, and that nothing is left of the
//! wait, of the pool or of another run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use palisade::{
    Interpreters, Pool, Preparation, StartError, prepare,
    spec::{Bytes, Input, LimitKind, Outcome, Output, Program, Report, Request},
};

fn request(language: &str) -> Request {
    Request::new(Program::Interpreter { language: language.to_owned() })
}

fn pool_of(request: &Request, size: usize) -> Interpreters {
    let Preparation::Ready(prepared) = prepare(request, None).unwrap() else { panic!("nothing is compiled") };
    let pool = Interpreters::new(prepared, size).unwrap();
    pool.fill().unwrap();
    pool
}

fn run(pool: &Interpreters, source: &str) -> Report {
    let report = pool.run(source, &[], &[], Input::Empty, Output::Keep, None).unwrap();
    assert!(report.phases_ms.0.iter().any(|(name, _)| *name == "cell"), "{report:?}");
    report
}

/// The same source as a file, in a sandbox that is made for it.
fn cold(name: &str, source: &str, arguments: &[&str]) -> Report {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(name);
    fs::write(&file, source).unwrap();
    let program = Program::Source { file, language: None, siblings: palisade::spec::Siblings::Hidden };
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    palisade::run(Request { arguments, stdin: Input::Empty, output: Output::Keep, ..Request::new(program) }).unwrap()
}

fn out(report: &Report) -> String {
    String::from_utf8(report.stdout.kept.clone()).unwrap()
}

fn said(report: &Report) -> (String, String, Outcome) {
    let err = String::from_utf8(report.stderr.kept.clone()).unwrap();
    (out(report), err, report.outcome.clone())
}

#[test]
fn a_python_program_behaves_as_a_file_does() {
    let pool = pool_of(&request("python"), 1);
    for source in [
        "print(1)",
        "",
        "import sys; print(sys.argv, sys.path[0], sys.orig_argv[1:], __name__, __file__, __doc__, __spec__, __package__)",
        "print(sorted(globals()), __loader__.__class__.__name__, type(__builtins__).__name__)",
        "def f():\n    1 / 0\nf()\n",
        "x = (\n",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('said at the end')",
        "raise KeyboardInterrupt",
        "import atexit, sys\natexit.register(print, 'at exit')\nclass A:\n    def __del__(self): print('gone')\na = A()\nsys.stdout.write('no end')",
        "import sys\ndef f(n): return n and 1 + f(n - 1)\nprint(f(900))\ntry: f(10**6)\nexcept RecursionError: print(len(__import__('inspect').stack()))",
        "from typing import List\nclass A:\n    def __del__(self): print('gone', word)\nword = 'w'\na = A()\nx = List[A]\ny = open('/tmp/y', 'w')",
        "class A:\n    def __del__(self): print('gone', word)\nword = 'w'\na = A()\nraise ValueError",
        "import json\nclass A:\n    def __del__(self): print('gone')\njson.kept = A()",
        "import json, os\njson.kept = open(os.dup(1), 'w')\njson.kept.write('flushed')",
        "import os\nf = open(os.dup(1), 'w')\nf.write('flushed')",
        "import os\nfrom typing import List\nclass A: pass\nx = List[A]\nf = open(os.dup(1), 'w')\nf.write('flushed')",
        "import os, logging, random\nlogging.kept = open(os.dup(1), 'w')\nlogging.kept.write('flushed')\nlogging.warning(1)",
        "import os, re\nclass A:\n    def __del__(self): os.write(1, b'gone')\nre.kept = [{1: (A(),)}]\nprint(re.sub('a', 'b', 'a'))",
        "import threading\nthreading.Thread(target=lambda: print('thread', threading.current_thread().name)).start()",
        "import asyncio\nasync def f(): await asyncio.sleep(0.01); return 3\nprint(asyncio.run(f()))",
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import os; print(sorted(os.environ))'], capture_output=True, text=True))",
        "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n    with m.get_context('spawn').Pool(1) as p: print(p.map(f, [3]))",
        "import sys, warnings\nsys.excepthook = lambda *a: print('hook', a[0])\nwarnings.warn('mind')\nraise ValueError",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import os, sys; print(sorted(os.environ.items()), os.getcwd(), sys.flags, os.umask(0))",
        "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:3], os.listdir('/tmp'), open(__file__).read(), oct(os.stat(__file__).st_mode))",
        "try: open(__file__, 'w')\nexcept OSError as e: print(e)\nimport inspect\ndef f(): pass\nprint(inspect.getsource(f))",
        "import sys; print(repr(sys.stdin.read()), sys.stdin.encoding, sys.stdout.isatty(), 'sitecustomize' in sys.modules)",
        "open('/tmp/x', 'w').write('kept'); f = open('/tmp/y', 'w'); f.write('flushed'); import os; print(os.listdir('/tmp'))",
    ] {
        pool.fill().unwrap();
        assert_eq!(said(&run(&pool, source)), said(&cold("main.py", source, &[])), "{source}");
    }
}

#[test]
fn what_is_done_at_the_end_does_not_show_whatever_a_program_does_to_it() {
    let pool = pool_of(&request("python"), 1);
    for source in [
        "import atexit\natexit._run_exitfuncs()\nimport __main__\nprint(__main__.__name__)",
        "import atexit, _thread\n_thread.start_new_thread(atexit._run_exitfuncs, ())\n\
         while atexit._ncallbacks(): pass\nimport __main__",
        "import sys\nsys.modules = None",
        "import sys\nclass Odd(dict):\n    def get(self, *a): raise ValueError\nsys.modules = Odd(sys.modules)",
        "import gc, os\ngc.callbacks.append(lambda phase, info: os.write(1, phase.encode()))",
        "import gc, sys, weakref\ngc.collect = gc.unfreeze = sys._getframe = weakref.ref = print",
        "import builtins, atexit\nbuiltins.type = builtins.set = builtins.all = print",
        "import sys\nclass Module(type(sys)):\n    @property\n    def __dict__(self): raise ValueError\n\
         sys.modules['__main__'].__class__ = Module",
    ] {
        pool.fill().unwrap();
        assert_eq!(said(&run(&pool, source)), said(&cold("main.py", source, &[])), "{source}");
    }
}

#[test]
fn a_javascript_program_behaves_as_a_file_does() {
    let pool = pool_of(&request("javascript"), 1);
    for source in [
        "console.log(1)",
        "",
        "console.log(process.argv, process.execArgv.length, __filename, require.main === module, module.paths)",
        "console.log(Object.keys(require.cache), module.children.length, module.parent, module.id)",
        "function f() { null.x }\nf()\n",
        "let x = ;",
        "process.exit(7)",
        "process.exitCode = 3; process.on('exit', (c) => console.log('exit', c)); setTimeout(() => console.log('later'), 5)",
        "Promise.reject(new Error('unhandled'))",
        "process.stdin.on('data', (d) => console.log(String(d))).on('end', () => console.log('end'))",
        "console.log(require('fs').readFileSync(0, 'utf8').length, process.cwd(), Object.entries(process.env).sort())",
        "const { Worker, isMainThread } = require('worker_threads'); if (isMainThread) new Worker(__filename); console.log(isMainThread)",
        "const { Worker } = require('worker_threads'); new Worker('console.log(process.execArgv, Object.keys(require.cache))', { eval: true })",
        "const w = require('worker_threads'); if (w.isMainThread) new w.Worker(__filename); else console.log(process.execArgv, Object.keys(require.cache))",
        "const c = require('child_process'); if (process.send) process.send(1); else c.fork(__filename).on('message', (m) => { console.log('child', m); }).on('exit', (e) => console.log(e))",
        "console.log(require('fs').readdirSync('/tmp'), require('fs').readFileSync(__filename, 'utf8').length, typeof palisade)",
        "process.kill(process.pid, 'SIGSEGV')",
        "console.error('err'); throw { not: 'an error' }",
    ] {
        pool.fill().unwrap();
        assert_eq!(said(&run(&pool, source)), said(&cold("main.js", source, &[])), "{source}");
    }
}

#[test]
fn arguments_variables_and_input_are_those_of_the_run() {
    let words = ["a b", "", "ü\n"].map(str::to_owned);
    let own = [("NAME".to_owned(), "x=y\nz".to_owned()), ("TZ".to_owned(), "UTC-3".to_owned())];
    for (language, source, expected) in [
        (
            "python",
            "import os, sys, time\nprint(sys.argv[1:], [os.environ['NAME']], time.tzname[0], len(sys.stdin.read()))",
            "['a b', '', 'ü\\n'] ['x=y\\nz'] UTC 1000000\n",
        ),
        (
            "javascript",
            "console.log(JSON.stringify([...process.argv.slice(2), process.env.NAME]), require('fs').readFileSync(0).length)",
            "[\"a b\",\"\",\"ü\\n\",\"x=y\\nz\"] 1000000\n",
        ),
    ] {
        let pool = pool_of(&request(language), 1);
        let input = Input::Bytes(vec![b'x'; 1_000_000]);
        let report = pool.run(source, &words, &own, input, Output::Keep, None).unwrap();
        assert_eq!(said(&report), (expected.to_owned(), String::new(), Outcome::Exited { code: 0 }));
        // And a source that is longer than a pipe, in a pool that may have nothing ready.
        let long = format!("{source}\n{}", if language == "python" { "# long\n" } else { "// long\n" }.repeat(100_000));
        let report = pool.run(&long, &words, &own, Input::Bytes(vec![b'x'; 1_000_000]), Output::Keep, None).unwrap();
        assert_eq!(out(&report), expected);
    }
}

#[test]
fn two_interpreters_share_no_seed_and_no_address() {
    let source = [
        (
            "python",
            "import random, uuid, tempfile\nprint(hash('a'))\nprint(random.random())\nprint(id(object()))\nprint(uuid.uuid4())",
        ),
        ("javascript", "console.log(Math.random()); console.log(require('crypto').randomUUID())"),
    ];
    for (language, source) in source {
        let pool = pool_of(&request(language), 2);
        let [one, other] = [run(&pool, source), run(&pool, source)].map(|report| out(&report));
        assert!(!one.is_empty());
        for (one, other) in one.lines().zip(other.lines()) {
            assert_ne!(one, other, "{language}");
        }
    }
}

#[test]
fn what_is_left_of_the_wait_are_three_streams() {
    let before = fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&before, rustix::io::FdFlags::empty()).unwrap();
    let pool = pool_of(&request("python"), 2);
    let source = "import os, signal, gc, sys\n\
                  own = os.open('/proc/self/fd', os.O_RDONLY)\n\
                  print([fd for fd in map(int, os.listdir(own)) if fd != own][:4], os.listdir('/tmp'), os.listdir('/dev/shm'))\n\
                  print(signal.getitimer(signal.ITIMER_REAL), signal.pthread_sigmask(0, []), signal.alarm(0))\n\
                  print([n for n in os.environ if 'PYTHON' in n], [p for p in sys.path if 'palisade' in p])\n\
                  open('/tmp/left', 'w'); open('/dev/shm/left', 'w')";
    let reports = [run(&pool, source), run(&pool, source)];
    let expected = "[0, 1, 2, 3] [] []\n(0.0, 0.0) set() 0\n['PYTHONDONTWRITEBYTECODE'] []\n";
    for report in reports {
        let said = out(&report).replace("[0, 1, 2, 4]", "[0, 1, 2, 3]").replace("[0, 1, 2] ", "[0, 1, 2, 3] ");
        assert_eq!(said, expected, "{report:?}");
    }
}

#[test]
fn limits_count_from_the_order_and_hold() {
    let of = |wall, cpu| {
        let mut request = request("python");
        request.policy.limits.wall_time = Some(Duration::from_secs(wall));
        request.policy.limits.cpu_time = Some(Duration::from_secs(cpu));
        request.policy.limits.memory = Some(Bytes(96 << 20));
        request.policy.limits.output = Some(Bytes(1 << 20));
        pool_of(&request, 1)
    };
    // On a slow machine they take their time, and the kernel's own limit of processor time counts their start.
    let (pool, hasty, thrifty) = (of(120, 60), of(2, 60), of(120, 8));
    let report = run(&pool, "print(1)");
    assert_eq!((out(&report).as_str(), &report.outcome), ("1\n", &Outcome::Exited { code: 0 }));
    // What it took the interpreter to start is not the program's.
    let start = run(
        &pool,
        "import resource as r, time\nu = r.getrusage(r.RUSAGE_SELF)\nprint((u.ru_utime + u.ru_stime) * 1000)",
    );
    let whole: f64 = out(&start).trim().parse().unwrap();
    assert!(start.cpu_time_ms < whole, "{} of {whole}", start.cpu_time_ms);
    assert!(start.memory_used_bytes > 4 << 20, "the interpreter is in it: {}", start.memory_used_bytes);
    for (pool, source, limit) in [
        (&hasty, "import time\ntime.sleep(60)", LimitKind::WallTime),
        (&thrifty, "while True: pass", LimitKind::CpuTime),
        (&pool, "x = bytearray(300 << 20)", LimitKind::Memory),
        (
            &pool,
            "import os\nfor n in range(60):\n    if not os.fork(): os.read(os.pipe()[0], 1)\nimport time; time.sleep(60)",
            LimitKind::Processes,
        ),
    ] {
        pool.fill().unwrap();
        let report = run(pool, source);
        let is_threads =
            limit == LimitKind::Processes && report.outcome == Outcome::LimitHit { limit: LimitKind::Threads };
        assert!(is_threads || report.outcome == Outcome::LimitHit { limit }, "{source}: {report:?}");
    }
    pool.fill().unwrap();
    let flood = run(&pool, "import sys\nfor _ in range(100): sys.stdout.write('x' * 100_000)");
    assert!(flood.stdout.cut && flood.stdout.kept.len() == 1 << 20, "{:?}", flood.outcome);
    pool.fill().unwrap();
    let left = run(
        &pool,
        "import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork(): time.sleep(1000)\n    os._exit(0)\nprint('started')",
    );
    assert_eq!((out(&left).as_str(), left.success), ("started\n", true));
}

/// In a process of its own, as every test is under nextest.
#[test]
fn an_interpreter_that_somebody_kills_while_it_waits_is_given_to_no_run() {
    let pool = pool_of(&request("python"), 2);
    let children = |pid: u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        children.collect::<String>().split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    };
    let mut killed = 0;
    for first in children(std::process::id()) {
        for interpreter in children(first) {
            let pid = rustix::process::Pid::from_raw(interpreter.cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            // The first process of its sandbox tells, and then ends.
            while fs::metadata(format!("/proc/{first}/fd")).is_ok() && !children(first).is_empty() {
                std::thread::yield_now();
            }
            killed += 1;
        }
    }
    assert_eq!(killed, 2);
    assert_eq!(out(&pool.run("print('here')", &[], &[], Input::Empty, Output::Keep, None).unwrap()), "here\n");
}

#[test]
fn an_interpreter_that_cannot_begin_to_wait_is_an_error() {
    let mut request = request("python");
    request.environment.push(("PYTHONHOME".to_owned(), "/nowhere".to_owned()));
    let Preparation::Ready(prepared) = prepare(&request, None).unwrap() else { panic!("nothing is compiled") };
    let error = Interpreters::new(prepared, 1).unwrap_err().to_string();
    assert!(error.contains("before it waited") || error.contains("before it waits"), "{error}");
}

#[test]
fn programs_and_interpreters_have_pools_of_their_own() {
    let ready = |request: &Request| match prepare(request, None).unwrap() {
        Preparation::Ready(prepared) => prepared,
        Preparation::Failed(_) => panic!("nothing is compiled"),
    };
    let error = Pool::new(ready(&request("python")), 1).unwrap_err().to_string();
    assert!(error.contains("waits for a source"), "{error}");
    let program = Request::new(Program::Command("true".to_owned()));
    let error = Interpreters::new(ready(&program), 1).unwrap_err().to_string();
    assert!(error.contains("no interpreter"), "{error}");
    let error = ready(&request("python")).run(Input::Empty, Output::Keep, None).unwrap_err();
    assert!(matches!(error, StartError::Value { .. }), "{error}");
    let error = prepare(&request("rust"), None).unwrap_err().to_string();
    assert!(error.contains("before its program"), "{error}");
}
