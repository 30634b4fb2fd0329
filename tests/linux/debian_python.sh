# SPDX-License-Identifier: MIT
# Debian's python3 with the modules of python3-minimal.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C PYTHONDONTWRITEBYTECODE=1
cat > script.py <<'END'
import collections, errno, functools, io, itertools, math, os, re, select, signal, stat, struct, subprocess, sys, tempfile, threading, time, zlib
print(sys.version_info[0], sys.platform, os.name, sys.byteorder, sys.maxsize)
print(6 * 7, 2 ** 200, math.factorial(25), round(math.pi, 12), 0.1 + 0.2, divmod(-7, 3), 10 ** 20 // 7)
print(sorted({len(w): w for w in "the quick brown fox".split()}.items()), [x * x for x in range(10) if x % 3], {1, 2} | {3})
print(f"{3.14159:.2f} {255:#x} {'left':<8}| {1234567:,} {'ü'.encode()!r}", "%-5s|%5d" % ("a", 42), "ß".upper(), len("☺ab"))
class Shape:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"{type(self).__name__}({self.n})"
    def __lt__(self, o): return self.n < o.n
class Square(Shape):
    @property
    def area(self): return self.n ** 2
print(sorted([Square(3), Square(1)]), Square(4).area, isinstance(Square(1), Shape))
def numbers():
    for i in itertools.count():
        if (yield i * i) == "stop": return
g = numbers(); print([next(g) for _ in range(5)])
try: g.send("stop")
except StopIteration: print("stopped")
try: {}["x"]
except KeyError as e: print("KeyError", e)
try: open("nowhere")
except OSError as e: print(type(e).__name__, e.errno == errno.ENOENT, os.strerror(e.errno))
print(re.sub(r"(\w+)@(\w+)", r"\2 at \1", "user@host"), re.findall(r"\d+", "a1b22c333"), collections.Counter("mississippi").most_common(2))
with open("data", "w") as f: f.writelines(f"row {i}\n" for i in range(1000))
with open("data", "rb") as f: f.seek(-8, 2); print(f.read(), os.fstat(f.fileno()).st_size, stat.filemode(os.stat("data").st_mode))
print(zlib.crc32(open("data", "rb").read()), len(zlib.compress(b"a" * 10000)), struct.pack("<IHb", 1, 2, -3).hex())
os.mkdir("d"); os.symlink("../data", "d/l"); print(sorted(os.listdir(".")), os.readlink("d/l"), [e.name for e in os.scandir("d") if e.is_symlink()]); os.unlink("d/l"); os.rmdir("d"); os.truncate("data", 5); print(os.path.getsize("data")); os.utime("data", (1, 2)); print(os.stat("data").st_mtime); os.remove("data")
p = subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input="to the child\n", capture_output=True, text=True); print(p)
print(subprocess.check_output("echo $((6*7)) | tr 4 5", shell=True)); print(subprocess.Popen(["sleep", "9"]).send_signal(15) if False else subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
try: subprocess.run(["sleep", "9"], timeout=0.1)
except subprocess.TimeoutExpired: print("timed out")
try: subprocess.run(["./no-such-program"])
except FileNotFoundError: print("not found")
total = 0; lock = threading.Lock()
def work(n):
    global total
    for _ in range(200):
        with lock: total += n
ts = [threading.Thread(target=work, args=(i,)) for i in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]; print(total)
e = threading.Event(); threading.Timer(0.02, e.set).start(); print(e.wait(5), e.wait(0)); local = threading.local(); local.x = 1; print(local.x)
c = threading.Condition(); items = []
def producer():
    with c: items.append("item"); c.notify()
t = threading.Thread(target=producer)
with c: t.start(); c.wait_for(lambda: items, 5); print(items)
t.join()
r, w = os.pipe(); pid = os.fork()
if pid == 0: os.write(w, b"from the child"); os._exit(9)
os.close(w); print(os.read(r, 100), os.read(r, 1), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); os.close(r)
caught = []; signal.signal(signal.SIGUSR1, lambda s, f: caught.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print(caught == [signal.SIGUSR1])
signal.signal(signal.SIGALRM, lambda s, f: caught.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.02); time.sleep(0.1); print(caught[1:])
r, w = os.pipe(); print(select.select([r], [w], [], 0)[0], len(select.select([r], [w], [], 0)[1])); p = select.epoll(); p.register(r, select.EPOLLIN); os.write(w, b"x"); print(p.poll(1)[0][1]); p.close()
with tempfile.NamedTemporaryFile(dir=".") as f: f.write(b"abc"); f.flush(); print(os.path.getsize(f.name))
a = time.monotonic(); time.sleep(0.01); print(time.monotonic() - a >= 0.01, time.time() > 1.6e9, time.strftime("%Y-%m-%d", time.gmtime(86400)), time.perf_counter() >= a)
print(os.cpu_count() > 0, len(os.sched_getaffinity(0)) > 0, os.getpid() == os.getpid(), os.uname().sysname, len(os.urandom(16)), os.get_terminal_size.__name__)
fd = os.memfd_create("m"); os.write(fd, b"memory"); os.lseek(fd, 0, 0); print(os.read(fd, 10)); print(os.posix_spawn("/bin/true", ["true"], {}) > 0, os.wait()[1])
@functools.lru_cache(None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(90), functools.reduce(lambda a, b: a * b, range(1, 11)), list(itertools.permutations("abc", 2))[:3], sum(i * i % 7 for i in range(20000)))
b = bytearray(1 << 20); b[::4096] = b"x" * 256; print(b.count(b"x"), len(bytes(b)), max(map(len, io.StringIO("a\nbcd\n"))))
print("to stderr", file=sys.stderr); sys.exit(4)
END
python3 -X utf8 -I -S script.py; echo "status $?"
python3 -X utf8 -I -S -c 'print(6*7)'; echo 'print(sum(range(10)))' | python3 -X utf8 -I -S -; python3 -X utf8 -I -S -c 'raise SystemExit(5)'; echo $?; python3 -X utf8 -I -S -c 'import os; os._exit(134)'; echo $?; python3 -X utf8 -I -S -c '1/0' 2>&1 | tail -n 1; python3 -X utf8 -I -S -c 'def f(): f()
f()' 2>&1 | tail -n 1
rm script.py
