"""typist.py STEPS PROGRAM...: runs a program on a terminal of its own (24 rows, 100 columns) and types what STEPS (JSON) says.
A step is {"expect": text} (waits for it, from where the last one was found), {"type": text}, {"signal": name} (with "pid":
to another process), {"resize": [rows, columns]}.
Prints JSON: what was on the terminal, the exit status, and whether the terminal was left as it was."""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

steps, program = json.loads(sys.argv[1]), sys.argv[2:]
LIMIT = float(os.environ.get("TYPIST_LIMIT", "20"))


def resize(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, terminal = pty.fork()
if pid == 0:
    time.sleep(0.05)
    os.environ["TERM"] = "xterm"
    os.execvp(program[0], program)
resize(24, 100)
before = termios.tcgetattr(terminal)
output, found = b"", 0


def read(end):
    """False: the program has closed the terminal, or it is too late."""
    global output
    if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
        return False
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        return False
    output += chunk
    return chunk != b""


failed = None
for step in steps:
    if "expect" in step:
        wanted, end = step["expect"].encode(), time.monotonic() + LIMIT
        while (at := output.find(wanted, found)) < 0:
            if not read(end):
                failed = step["expect"]
                break
        if failed is not None:
            break
        found = at + len(wanted)
    elif "type" in step:
        os.write(terminal, step["type"].encode())
    elif "signal" in step:
        os.kill(step.get("pid", pid), getattr(signal, "SIG" + step["signal"]))
    else:
        resize(*step["resize"])
end = time.monotonic() + (LIMIT if failed is None else 0)
while read(end):
    pass
try:
    after = termios.tcgetattr(terminal)
except termios.error:
    after = before
ended, status = os.waitpid(pid, os.WNOHANG)
if ended == 0 and failed is None:
    while ended == 0 and time.monotonic() < end:
        time.sleep(0.01)
        ended, status = os.waitpid(pid, os.WNOHANG)
if ended == 0:
    os.kill(pid, signal.SIGKILL)
    ended, status = os.waitpid(pid, 0)
print(json.dumps({
    "output": output.decode("utf8", "replace"),
    "status": os.waitstatus_to_exitcode(status),
    "same": before[:4] == after[:4],
    "missing": failed,
}))
