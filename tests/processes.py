"""pytest plugin: run the tests in several processes, two at a time, and report them as one run.

XLA keeps all that it has compiled until its process ends, in memory maps. Linux allows 65,530 maps
per process, fewer than the whole suite needs: in one process it ends in a segmentation fault.

The session that the user starts only collects the tests and selects among them (-k, -m, --lf). Its
run loop starts a child process for each group of test files. A child sends its reports through a
pipe, and the session passes them to its own plugins. Therefore -x, --lf, --sw, --durations,
--junitxml, --cov and the summary work as they do in one process. A child stops before its memory
maps run out, and the rest of its group runs in a new process. If a test kills its process, that
test is reported as failed, and the rest of the group also runs in a new process.

The first groups are large, because each process has to import TensorFlow. The last groups are
small, so that all processes end at about the same time. The run stays in one process if it is
short, with --processes 0, or with --pdb.
"""

import collections
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading

import pytest

from tests.memory_maps import TESTS_PER_COUNT, count_memory_maps

SECONDS_PER_PROCESS = 20  # minimum of a group; a process needs 5 seconds or more to start
UNKNOWN_SECONDS = 2.0, 0.1  # expected of a file that has not run before, and of each of its tests
MAX_MEMORY_MAPS = 45_000  # of 65,530; conftest.py frees those of JAX at fewer maps
CHILD = "KERAS_ATTENTION_TEST_CHILD"  # environment variable: the pipe and the file of node ids
# Key in pytest's cache: {file: seconds}, for each backend, because their times differ widely.
DURATIONS = f"processes/seconds-{os.environ.get('KERAS_BACKEND', 'tensorflow')}"


def pytest_addoption(parser):
    parser.addoption(
        "--processes",
        type=int,
        default=min(2, os.cpu_count() or 1) if os.name == "posix" else 0,
        help="how many processes run at a time; 0: run all tests in this process (default: 2, or 1 "
        "on a single core)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Turn this process into a child if a parent has started it."""
    if CHILD not in os.environ:
        return
    pipe, selection = os.environ.pop(CHILD).split(",", 1)  # tests may start pytest themselves
    # pytest's plugins recognize a worker of pytest-xdist by this attribute, and write no files in
    # it. pytest-cov checks its value instead, and measures as usual if the value is None.
    config.workerinput = None
    coverage = config.pluginmanager.get_plugin("_cov")
    if coverage:
        coverage.options.cov_report, coverage.options.cov_fail_under = {}, None
    config.pluginmanager.register(Child(config, int(pipe), selection))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the collected tests in child processes, if they take long."""
    option = session.config.option
    is_worker = hasattr(session.config, "workerinput")  # a child, or a worker of pytest-xdist
    if is_worker or not option.processes or option.collectonly or option.usepdb:
        return None
    groups = split(session.items, load_seconds(session.config), option.processes)
    if len(groups) < 2:
        return None
    if session.testsfailed and not option.continue_on_collection_errors:
        return None  # pytest's own loop reports that the collection failed
    Parent(session, option.processes).run(groups)
    return True


def load_seconds(config):
    """Return {file: seconds of its tests in the last run}, empty if pytest's cache has none."""
    cache = getattr(config, "cache", None)  # absent with -p no:cacheprovider
    return cache.get(DURATIONS, {}) if cache else {}


def get_file(nodeid):
    """Return the test file of a node id."""
    return nodeid.split("::")[0]


def split(items, seconds, processes):
    """Return lists of tests, one list per process, in the order in which they start.

    The files that take longest are first. Each list takes two thirds of an equal share of the
    remaining time, but at least `SECONDS_PER_PROCESS`.

    Args:
        items: The selected tests, in order.
        seconds: As `load_seconds` returns it.
        processes: How many processes run at a time.
    """
    files = collections.defaultdict(list)
    for item in items:
        files[get_file(item.nodeid)].append(item)
    per_file, per_test = UNKNOWN_SECONDS
    expected = {
        file: seconds.get(file, per_file + per_test * len(tests)) for file, tests in files.items()
    }
    remaining = sum(expected.values())
    groups, free = [], 0.0  # `free`: seconds that the last group can still take
    for file in sorted(files, key=lambda file: -expected[file]):
        if free <= 0:
            groups.append([])
            free = max(SECONDS_PER_PROCESS, 2 * remaining / (3 * processes))
        groups[-1] += files[file]
        free -= expected[file]
        remaining -= expected[file]
    return groups


class Child:
    """The plugin of a process that runs a group of tests and sends their reports.

    Args:
        config: pytest's.
        pipe: File descriptor to write pickled events to.
        selection: File of the pickled node ids to run, in order.
    """

    def __init__(self, config, pipe, selection):
        self.config = config
        os.set_inheritable(pipe, False)
        self.events = os.fdopen(pipe, "wb")
        with open(selection, "rb") as file:
            self.order = {nodeid: number for number, nodeid in enumerate(pickle.load(file))}
        self.session, self.finished = None, 0  # `finished`: number of finished tests

    def send(self, *event):
        pickle.dump(event, self.events)
        self.events.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session, items):
        self.session = session
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logstart(self, nodeid, location):
        self.send("start", nodeid, location)

    def pytest_runtest_logreport(self, report):
        hook = self.config.hook.pytest_report_to_serializable
        self.send("report", report.nodeid, hook(config=self.config, report=report))

    def pytest_runtest_logfinish(self, nodeid, location):
        self.send("finish", nodeid, location)
        self.finished += 1
        if self.finished % TESTS_PER_COUNT == 0 and count_memory_maps() > MAX_MEMORY_MAPS:
            self.session.shouldstop = "The memory maps of this process are about to run out"

    def pytest_unconfigure(self):
        # The pipe may stay open in processes that tests started, so its end is marked explicitly.
        pickle.dump(None, self.events)
        self.events.close()


class Process:
    """A child process and the events that it has sent about its current file."""

    def __init__(self, number, items, config, events):
        self.items = {item.nodeid: item for item in items}  # tests that are not finished
        self.current, self.waiting = None, []  # node id of the running test; events to report
        self.finished = 0  # number of finished tests
        self.output = tempfile.TemporaryFile("w+", errors="replace")
        with tempfile.NamedTemporaryFile(delete=False) as self.selection:
            pickle.dump(list(self.items), self.selection)
        reader, writer = os.pipe()
        paths = config.option.file_or_dir
        options = [arg for arg in config.invocation_params.args if arg not in paths]
        files = list(dict.fromkeys(str(item.path) for item in items))
        environment = {**os.environ, CHILD: f"{writer},{self.selection.name}"}
        if config.pluginmanager.has_plugin(
            "_cov"
        ):  # it combines all files with this prefix at the end
            data = os.environ.get("COVERAGE_FILE", ".coverage")
            environment["COVERAGE_FILE"] = f"{data}.process-{os.getpid()}-{number}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *files],
            env=environment,
            cwd=config.invocation_params.dir,
            pass_fds=[writer],
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        os.close(writer)
        threading.Thread(target=self.read, args=(reader, events), daemon=True).start()

    def read(self, reader, events):
        """Put the child's events into a queue, then None when it has ended."""
        with os.fdopen(reader, "rb") as file:
            try:
                while True:
                    event = pickle.load(file)
                    if event is None:
                        break
                    events.put((self, event))
            except (EOFError, pickle.UnpicklingError):
                pass
        self.process.wait()
        events.put((self, None))

    def read_output(self):
        """Return the end of what the process printed."""
        self.output.seek(0)
        return self.output.read()[-4000:]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.output.close()
        os.unlink(self.selection.name)


class Parent:
    """The session that starts the processes and reports what they send."""

    def __init__(self, session, count):
        self.session, self.config, self.count = session, session.config, count
        self.events, self.running, self.started = queue.Queue(), set(), 0
        self.seconds = collections.Counter()  # {file: seconds of its tests}

    def run(self, groups):
        groups = collections.deque(groups)
        try:
            while groups or self.running:
                while groups and len(self.running) < self.count:
                    self.start(groups.popleft())
                process, event = self.events.get()
                if event is not None:
                    self.receive(process, *event)
                    continue
                self.report(process)
                remaining = self.finish(process)
                if remaining:
                    groups.appendleft(remaining)
        finally:
            for process in self.running:
                process.close()
            if hasattr(self.config, "cache"):
                seconds = {**load_seconds(self.config), **self.seconds}
                self.config.cache.set(DURATIONS, seconds)

    def start(self, items):
        self.started += 1
        self.running.add(Process(self.started, items, self.config, self.events))

    def receive(self, process, kind, nodeid, content):
        """Keep the events of a file together: two processes would mix their lines."""
        if kind == "start":
            if process.waiting and get_file(process.waiting[0][1]) != get_file(nodeid):
                self.report(process)
            process.current = nodeid
        if kind == "finish":
            process.current = None
            process.finished += 1
            process.items.pop(nodeid, None)
        process.waiting.append((kind, nodeid, content))

    def report(self, process):
        """Pass the events of a file on to pytest's plugins."""
        events, process.waiting = process.waiting, []
        for kind, nodeid, content in events:
            if kind == "report":
                report = self.config.hook.pytest_report_from_serializable(
                    config=self.config, data=content
                )
                self.seconds[get_file(nodeid)] += report.duration
                self.config.hook.pytest_runtest_logreport(report=report)
            else:
                log = getattr(self.config.hook, f"pytest_runtest_log{kind}")
                log(nodeid=nodeid, location=content)
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)

    def finish(self, process):
        """Close a process; return the tests not run because it stopped or was killed."""
        self.running.remove(process)
        status = process.process.returncode
        output = process.read_output()
        process.close()
        has_completed = status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if has_completed and not process.items:
            return []
        if status == pytest.ExitCode.INTERRUPTED and process.finished:
            return list(process.items.values())  # its memory maps were about to run out
        if has_completed:
            raise RuntimeError(
                "Expected the same node ids in every process; give parameters `ids` that do not "
                f"depend on the process. Received: not collected again: {list(process.items)}"
            )
        died = f"The process ended with status {status}"
        if process.current is None:
            raise RuntimeError(f"{died} outside any test. It printed:\n{output}")
        item = process.items.pop(process.current)
        report = pytest.TestReport(
            item.nodeid,
            item.location,
            {},
            "failed",
            f"{died} during this test.",
            "call",
            sections=[("Captured output of the process", output)],
        )
        self.config.hook.pytest_runtest_logreport(report=report)
        self.config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return list(process.items.values())
