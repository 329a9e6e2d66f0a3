# Holds an interactive session: reads lines of JSON, evaluates what they say, answers behind the mark that they give.
# Started as `python3 -c`. Nothing of it is in the namespace that inputs see. What it is told and answers: docs/repl.md.


def _palisade():
    import ast, builtins, codeop, fcntl, json, linecache, os, select, signal, sys, traceback, types
    import __future__

    # The program's own standard input is empty; the one of the session, and both ways out, have other numbers.
    inputs, out, err = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (0, 1, 2))
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.reconfigure(line_buffering=True)
    own = os.getpid()
    try:
        os.setpgid(0, 0)
    except OSError:
        pass

    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.argv[:] = [""]
    space = main.__dict__

    running = False

    def interrupted(*_):
        if running:
            raise KeyboardInterrupt

    # While an input is evaluated, the kernel sends SIGINT to its process group when something arrives: as a terminal does.
    def listen(on):
        flags = fcntl.fcntl(inputs, fcntl.F_GETFL)
        flags = flags | os.O_ASYNC if on else flags & ~os.O_ASYNC
        fcntl.fcntl(inputs, fcntl.F_SETFL, flags)

    group = os.getpgrp()
    try:
        fcntl.fcntl(inputs, fcntl.F_SETOWN, -group if group == own else own)
        fcntl.fcntl(inputs, fcntl.F_SETSIG, signal.SIGINT)
    except OSError:
        listen = lambda on: None

    def write(fd, data):
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                select.select([], [fd], [])

    def answer(mark, said):
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()
            except BaseException:
                pass
        text, mark = json.dumps(said).encode(), mark.encode()
        while len(text) > 3072:
            write(out, mark + b"+%04x" % 3072 + text[:3072])
            text = text[3072:]
        write(out, mark + b".%04x" % len(text) + text)
        write(err, mark + b".0000")

    def plain(text, most):
        text = text[: most + 1].encode("utf-8", "backslashreplace").decode()
        return text[:most], len(text) > most

    # The modules of `from __future__ import` hold for the inputs that follow.
    features = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
    allow_await = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)
    flags = allow_await
    loop = None

    def evaluate(part):
        nonlocal flags, loop
        kind = "eval" if isinstance(part, ast.Expression) else "exec"
        code = compile(part, name, kind, flags, True)
        for flag in features:
            flags |= code.co_flags & flag
        if not code.co_flags & 0x80:  # CO_COROUTINE: it awaits something
            return eval(code, space)
        if loop is None:
            import asyncio

            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
        return loop.run_until_complete(eval(code, space))

    def run(code, most):
        said = {"value": None, "error": None, "truncated": False}
        text = None
        try:
            tree = compile(code, name, "exec", flags | ast.PyCF_ONLY_AST, True)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            if tree.body:
                evaluate(tree)
            if last is not None:
                value = evaluate(ast.Expression(last.value))
                if value is not None:
                    text, builtins._ = repr(value), value
        except SystemExit:
            raise
        except BaseException as error:
            said["error"], said["truncated"] = told(error, most)
        if text is not None:
            said["value"], said["truncated"] = plain(text, most)
        return said

    def told(error, most):
        kind = type(error)
        try:
            message = str(error)
        except BaseException:
            message = ""
        try:
            # Without the frames of this file.
            trace = error.__traceback__
            while trace and trace.tb_frame.f_code.co_filename == "<string>":
                trace = trace.tb_next
            whole = traceback.TracebackException(kind, error, trace)
            ours = lambda frame: (frame.filename, frame.name) == ("<string>", "interrupted")
            whole.stack = traceback.StackSummary.from_list([frame for frame in whole.stack if not ours(frame)])
            trace = "".join(whole.format())
        except BaseException:
            trace = kind.__name__
        parts = {"name": kind.__name__, "message": message, "trace": trace.rstrip()}
        cut = {key: plain(text, most) for key, text in parts.items()}
        return {key: text for key, (text, _) in cut.items()}, any(more for _, more in cut.values())

    looks = codeop.CommandCompiler()
    looks.compiler.flags |= allow_await

    def may_go_on(code):
        try:
            if looks(code, "<input>", "exec") is None:
                return True
        except (SyntaxError, ValueError, OverflowError):
            return False
        # A block may have more lines, until one is empty.
        last = code.rsplit("\n", 1)[-1]
        return last[:1] in (" ", "\t") and bool(last.strip())

    pending = b""
    number = 0
    while True:
        while b"\n" not in pending:
            chunk = os.read(inputs, 1 << 16)
            if not chunk:
                sys.exit(0)
            pending += chunk
        line, pending = pending.split(b"\n", 1)
        told_to = json.loads(line)
        mark, code, what = told_to["mark"], told_to.get("code", ""), told_to["do"]
        if what == "check":
            answer(mark, {"incomplete": may_go_on(code)})
        elif what == "run":
            said = {"error": None}
            number += 1
            name = f"<input {number - 1}>"
            linecache.cache[name] = (len(code), None, code.splitlines(True), name)
            try:
                try:
                    signal.signal(signal.SIGINT, interrupted)
                    running = True
                    listen(True)
                    # What came before the kernel was asked to tell of it.
                    if pending or select.select([inputs], [], [], 0)[0]:
                        raise KeyboardInterrupt
                    said = run(code, told_to["most"])
                finally:
                    running = False
                    listen(False)
            except KeyboardInterrupt as error:
                said["error"], _ = told(error, told_to["most"])
            if os.getpid() != own:
                # An input has forked: its child has nothing to answer.
                sys.stdout.flush()
                os._exit(0)
            answer(mark, said)


_palisade()
