# Waits in a sandbox until it is known what to run. The interpreter imports this where a site's own module of that name
# would be, before it opens its program, and goes on with that as it always does: no frame of this file is left below it.
# What it is told: `zygote.rs`.


def _palisade():
    import _thread, atexit, gc, os, sys

    main, waited = None, []
    # A program may replace these.
    modules, frame, thread, kind, callbacks = sys.modules, sys._getframe, _thread.get_ident, type, gc.callbacks
    collect, unfreeze, get_debug, get_objects = gc.collect, gc.unfreeze, gc.get_debug, gc.get_objects
    first = thread()

    # The last of all that is done at the end, since it is the first that is registered. To end modules takes longer than what
    # most programs do, and changes nothing that anybody could see, unless something of the program's own is in them.
    def leave():
        try:
            # A program that runs by itself what is registered goes on after it: with a frame below, or in another thread.
            is_end = frame().f_back is None and thread() == first
            is_watched = callbacks or get_debug()
            if not is_end or is_watched or main is None or modules.get("__main__") is not main():
                return unfreeze()
            # What is the program's own goes first, as it always does, by a collection that finds nothing else.
            mark = {None}
            modules.pop("__main__").__dict__["palisade"] = mark
            mark = ref(mark)
            collect()
            if mark() is not None:
                # Something has got hold of it, a traceback or a thread perhaps: all go the usual way.
                return unfreeze()
            for left in get_objects():
                if kind(left) not in harmless:
                    return
            for name in waited:
                modules.pop(name, None)
        except BaseException:
            # Nobody has to know.
            unfreeze()

    atexit.register(leave)

    # What short programs import. Whatever else they want, they import themselves.
    import abc, argparse, base64, bisect, collections.abc, contextlib, copy, csv, dataclasses, datetime, decimal, enum
    import fractions, functools, hashlib, heapq, inspect, io, itertools, json, math, operator, pathlib, pprint, queue
    import random, re, shutil, signal, statistics, string, struct, subprocess, tempfile, textwrap, threading, time
    import traceback, types, typing, uuid, warnings, weakref

    # As if it had never been here: what led to this file, and the site's own module of the same name.
    place = os.path.dirname(__file__)
    sys.path[:] = [path for path in sys.path if path != place]
    sys.path_importer_cache.pop(place, None)
    rest = [path for path in os.environ.pop("PYTHONPATH", "").split(":") if path != place]
    if any(rest):
        os.environ["PYTHONPATH"] = ":".join(rest)
    own = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize

        found = True
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        # The import system looks for this one when it has been run.
        sys.modules["sitecustomize"] = own
        found = False

    # What does nothing when it goes, and what is in it is looked at too.
    ref = weakref.ref
    harmless = {dict, frozenset, list, re.Pattern, set, tuple, types.CellType, types.FunctionType, ref}
    # Modules that wait are looked at by no collection, least of all by the last one. The program's own is none of them.
    waited += [name for name in sys.modules if name not in ("__main__", "builtins", "sys")]
    kept = list(sys.modules.values())
    kept.append(kept)
    gc.collect()
    gc.freeze()
    own = types.ModuleType("__main__")
    own.__dict__.clear()
    own.__dict__.update(sys.modules["__main__"].__dict__)
    if "__annotations__" in own.__dict__:
        own.__dict__["__annotations__"] = {}
    sys.modules["__main__"] = own
    main = ref(own)
    del own

    def read(count):
        data = b""
        while len(data) < count:
            more = os.read(0, count - len(data))
            if not more:
                os._exit(0)  # nobody wants it any more
            data += more
        return data

    os.write(1, b"\0")
    # One byte at a time: what stands behind the order is the program's.
    length = b""
    while not length.endswith(b"\n"):
        length += read(1)
    strings = read(int(length)).split(b"\0")[:-1]
    count = int(strings.pop(0))
    arguments = [os.fsdecode(string) for string in strings[:count]]
    sys.argv += arguments
    getattr(sys, "orig_argv", []).extend(arguments)
    for variable in strings[count:]:
        name, value = variable.split(b"=", 1)
        os.environb[name] = value
    if strings[count:]:
        time.tzset()
    return found


if not _palisade():
    # As the interpreter finds where there is none, and then forgets it.
    raise ImportError(name="sitecustomize")
