"""Several workflows go through one scheduler: what they share, in which order they start, and what stops them all."""

from __future__ import annotations

import pytest

from flowbuilder import Status
from flowbuilder.testing import FlowTester, Outcome

from .conftest import error_of

HOLDERS = """
    from flowbuilder import step, workflow

    @step(resources={"db": 1})
    def load() -> int:
        return 1

    @workflow
    def report(load: int) -> int:
        return load

    @workflow(priority=2, resources={"gpu": 1})
    def train(): pass

    @workflow(priority=1, resources={"gpu": 1})
    def tune(): pass
"""
TOLD = """
    from flowbuilder import hookimpl

    @hookimpl
    def flowbuilder_run_start(run): print("start", run.workflow)

    @hookimpl
    def flowbuilder_run_finish(run): print("finish", run.workflow)
"""
MEETING = """
    import threading
    from flowbuilder import ParallelConfig, step, workflow

    together = threading.Barrier({many}, timeout=20)

    def meet() -> None:
        together.wait()
"""


def statuses(outcome: Outcome) -> dict[str, str]:
    return {run.workflow: str(run.status) for run in outcome.recorder.runs}


def meeting(tester: FlowTester, many: int, text: str) -> None:
    """Write a flow file whose steps only go on when ``many`` of them run at once."""
    tester.write("flow_meeting.py", MEETING.replace("{many}", str(many)) + text)


TWO_MEET = """
    workflow(name="one")(lambda: meet())
    workflow(name="other")(lambda: meet())
"""


@pytest.mark.parametrize("words", [(), ("-n", "2"), ("--backend", "trio")])
def test_workflows_run_at_once(flowtester: FlowTester, words: tuple[str, ...]) -> None:
    meeting(flowtester, 2, TWO_MEET)
    outcome = flowtester.run("run", "--all", *words)
    assert (outcome.exit_code, statuses(outcome)) == (0, {"one": "success", "other": "success"})


def test_n_bounds_all_workflows_together(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_a.py",
        """
        import threading, time
        from flowbuilder import ParallelConfig, workflow

        running, peak = threading.Semaphore(2), []

        def body():
            peak.append(running.acquire(blocking=False))
            time.sleep(0.02)
            running.release()
            return all(peak)

        for name in "abcdef":
            workflow(name=name, config=ParallelConfig(max_concurrency=5))(lambda: body())
        """,
    )
    outcome = flowtester.run("run", "--all", "-n", "2")
    assert [run.value for run in outcome.recorder.runs] == [True] * 6


MAPPED = """
    @step(each={{"n": list(range({many}))}})
    def item(n: int) -> None: meet()

    @workflow(config=ParallelConfig(max_concurrency={limit}))
    def wide(item: list[None]) -> None: pass
"""


def test_what_a_workflow_says_for_itself_is_what_it_has_where_nobody_says_more(flowtester: FlowTester) -> None:
    meeting(flowtester, 40, MAPPED.format(many=40, limit=40))
    assert flowtester.run("run").exit_code == 0


def test_a_setting_is_no_tighter_than_what_a_workflow_says_for_itself(flowtester: FlowTester) -> None:
    flowtester.write("pyproject.toml", "[tool.flowbuilder]\nmax-concurrency = 1\n")
    meeting(flowtester, 3, MAPPED.format(many=3, limit=3))
    assert flowtester.run("run").exit_code == 0


def test_a_workflow_s_own_limit_holds_for_itself_beside_others(flowtester: FlowTester) -> None:
    meeting(
        flowtester,
        3,
        """
    alone = threading.Lock()

    @step(each={"n": list(range(4))})
    def item(n: int) -> None:
        if not alone.acquire(blocking=False):
            raise RuntimeError("not alone")
        alone.release()

    @workflow(config=ParallelConfig(max_concurrency=1))
    def narrow(item: list[None]) -> None: pass

    @step(each={"n": list(range(3))})
    def met(n: int) -> None: meet()

    @workflow
    def wide(met: list[None]) -> None: pass
    """,
    )
    assert flowtester.run("run", "--all").exit_code == 0


def test_who_holds_a_resource_keeps_others_waiting_and_higher_priority_has_it_first(flowtester: FlowTester) -> None:
    flowtester.write("flow_holders.py", HOLDERS)
    flowtester.write("flowconf.py", TOLD)
    outcome = flowtester.run("run", "-k", "train or tune", "--resource", "gpu=1", "-q")
    assert outcome.stdout.splitlines()[:4] == ["start train", "finish train", "start tune", "finish tune"]


def test_results_come_in_the_order_of_submission(flowtester: FlowTester) -> None:
    flowtester.write("flow_holders.py", HOLDERS)
    outcome = flowtester.run("run", "--all", "--resource", "gpu=1", "--resource", "db=1")
    tail = [line.partition(":")[0] for line in outcome.stdout.splitlines() if " succeeded in " in line]
    assert tail[:3] == ["train", "tune", "report"]


# Resources.


def test_a_resource_that_nobody_said_there_is_stops_everything_and_says_what_to_type(flowtester: FlowTester) -> None:
    flowtester.write("flow_holders.py", HOLDERS)
    outcome = flowtester.run("run", "--all", "--resource", "db=2")
    assert error_of(outcome) == (
        "there is no resource named 'gpu' (flow_holders.py:12)\n  allowed: db\n"
        "  hint: say how much there is: --resource gpu=1, or resources={'gpu': 1} from code"
    )
    assert statuses(outcome) == {}


def test_more_than_there_is_stops_everything(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_a.py", "from flowbuilder import workflow\n@workflow(resources={'gpu': 2})\ndef train(): pass\n"
    )
    assert error_of(flowtester.run("run", "--resource", "gpu=1")) == (
        "'train' needs more of 'gpu' than there is (flow_a.py:2)\n  got: 2\n  allowed: 1 to 1"
    )


OWN = """
    from flowbuilder import ParallelConfig, workflow

    @workflow(resources={"gpu": 2}, config=ParallelConfig(resources={"gpu": 2}))
    def train(): pass
"""


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        ("", [], 0),
        ("[tool.flowbuilder.resources]\ngpu = 1\n", [], 0),
        ("[tool.flowbuilder.resources]\ngpu = 9\n", ["--resource", "gpu=1"], 4),
    ],
)
def test_the_command_line_goes_over_a_workflow_s_own_resources_over_pyproject(
    flowtester: FlowTester, text: str, words: list[str], code: int
) -> None:
    flowtester.write("pyproject.toml", text)
    flowtester.write("flow_own.py", OWN)
    assert flowtester.run("run", *words).exit_code == code


def test_pyproject_says_what_the_command_line_leaves_out(flowtester: FlowTester) -> None:
    flowtester.write("pyproject.toml", "[tool.flowbuilder.resources]\ngpu = 1\ndb = 1\n")
    flowtester.write("flow_holders.py", HOLDERS)
    assert flowtester.run("run", "--all", "--resource", "db=3").exit_code == 0


def test_workflows_that_differ_in_how_much_there_is_are_refused_unless_the_command_line_decides(
    flowtester: FlowTester,
) -> None:
    flowtester.write("flow_own.py", OWN)
    flowtester.write("flow_more.py", OWN.replace('"gpu": 2}))', '"gpu": 4}))').replace("train", "tune"))
    assert error_of(flowtester.run("run", "--all")) == (
        "workflows that run together differ in how much 'gpu' there is\n"
        "  got: 4 (tune), 2 (train)\n  hint: --resource gpu=4"
    )
    assert flowtester.run("run", "--all", "--resource", "gpu=4").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["db"], "'db' is no NAME=AMOUNT, such as db=4"),
        (["=4"], "'=4' is no NAME=AMOUNT, such as db=4"),
        (["a b=4"], "'a b=4' is no NAME=AMOUNT, such as db=4"),
        (["db=0"], "'0' is no whole number from 1 to 1000000"),
        (["db="], "'' is no whole number from 1 to 1000000"),
        (["db=1.5"], "'1.5' is no whole number from 1 to 1000000"),
        (["db=1", "db=1"], "'db' is given twice; keep one"),
    ],
)
def test_a_wrong_amount_is_refused(tester: FlowTester, words: list[str], message: str) -> None:
    given = [part for word in words for part in ("--resource", word)]
    expected = f"Invalid value for '--resource': {message}\n  hint: flowbuilder run --help"
    assert error_of(tester.run("run", *given)) == expected


def test_a_plan_shows_priority_resources_and_time_out(flowtester: FlowTester) -> None:
    flowtester.write("flow_holders.py", HOLDERS.replace("priority=2", "priority=2, timeout=60"))
    text = flowtester.run("plan").stdout
    assert "workflow train: 1 step\n  (priority 2, holds 1 gpu, timeout 60 s)\n" in text
    assert "  load  (needs 1 db)\n" in text


# Policies.

TURNS = """
    from flowbuilder import step, workflow

    @step(each={"n": [1, 2, 3]})
    def first(n: int) -> None: print("a", end="")

    @step(each={"n": [1, 2, 3]})
    def second(n: int) -> None: print("b", end="")

    @workflow(priority=1)
    def a(first: list[None]) -> None: pass

    @workflow
    def b(second: list[None]) -> None: pass
"""
REVERSED = """
    from flowbuilder import hookimpl

    class LastComeFirst:
        def key(self, waiting): return -waiting.run
        def started(self, key): pass

    @hookimpl
    def flowbuilder_policies(): return {"last-come-first": LastComeFirst}
"""


@pytest.mark.parametrize(
    ("words", "order"), [([], "aaabbb"), (["--policy", "fair"], "ababab"), (["--policy", "last-come-first"], "bbbaaa")]
)
def test_the_policy_decides_which_waiting_step_starts_first(
    flowtester: FlowTester, words: list[str], order: str
) -> None:
    flowtester.write("flow_turns.py", TURNS)
    flowtester.write("flowconf.py", REVERSED)
    assert order in flowtester.run("run", "--all", "-n", "1", "-s", "-q", *words).stdout.replace("\n", "")


def test_an_unknown_policy_is_refused_with_the_nearest_and_those_of_plugins(tester: FlowTester) -> None:
    tester.write("flowconf.py", REVERSED)
    assert error_of(tester.run("run", "--policy", "fare")) == (
        "there is no policy named 'fare'\n"
        "  allowed: priority, fifo, fair, shortest, critical-path, last-come-first\n"
        "  hint: did you mean 'fair'?"
    )


def test_an_unknown_policy_of_pyproject_is_refused_with_its_line(tester: FlowTester) -> None:
    tester.write("pyproject.toml", '[tool.flowbuilder]\npolicy = "fare"\n')
    assert error_of(tester.run("run")) == (
        "tool.flowbuilder.policy cannot be used (pyproject.toml:2)\n  got: 'fare'\n"
        "  allowed: priority, fifo, fair, shortest, critical-path\n  hint: did you mean 'fair'?"
    )


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("3", "flowbuilder_policies of the plugin 'flowconf.py' returns no policies\n  got: 3"),
        ("{'fifo': dict}", "the plugin 'flowconf.py' offers the policy 'fifo', which FlowBuilder itself has already"),
    ],
)
def test_a_plugin_with_wrong_policies_is_refused(tester: FlowTester, returned: str, message: str) -> None:
    tester.write(
        "flowconf.py",
        f"from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_policies(): return {returned}\n",
    )
    assert error_of(tester.run("run")).startswith(message)


# What stops them.

STOPPED = """
    import threading
    import anyio
    from flowbuilder import step, workflow

    all_run = threading.Barrier(3, timeout=20)

    @step
    def broken() -> None:
        all_run.wait()
        raise ValueError("broken")

    @workflow
    def failing(broken: None) -> None: pass

    @workflow
    async def long() -> None:
        await anyio.to_thread.run_sync(all_run.wait)
        await anyio.sleep(60)

    @workflow(resources={"gpu": 1}, priority=-1)
    def kept() -> None: pass

    @workflow(resources={"gpu": 1}, priority=1)
    async def keeps() -> None:
        await anyio.to_thread.run_sync(all_run.wait)
        await anyio.sleep(60)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_failure_in_one_workflow_stops_the_others_with_x_and_the_exit_code_is_1(
    flowtester: FlowTester, backend: str
) -> None:
    flowtester.write("flow_stopped.py", STOPPED)
    outcome = flowtester.run("run", "--all", "-x", "--resource", "gpu=1", "--backend", backend)
    assert outcome.exit_code == 1, outcome
    assert statuses(outcome) == {
        "failing": "failed", "long": "cancelled", "kept": "cancelled", "keeps": "cancelled",
    }  # fmt: skip
    assert "stopped by a failure; not run: kept\n" in outcome.stdout
    assert "= stopped: " in outcome.stdout


def test_one_workflow_that_stops_at_its_first_failure_has_failed(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_one.py",
        """
        from flowbuilder import step, workflow

        @step(each={"n": [0, 1, 2]})
        def broken(n: int) -> None: raise ValueError(n)

        @workflow
        def failing(broken: list[None]) -> None: pass
        """,
    )
    outcome = flowtester.run("run", "-x", "-n", "1")
    assert (outcome.exit_code, statuses(outcome)) == (1, {"failing": "failed"})
    assert outcome.status_of("broken") is Status.FAILED


@pytest.mark.parametrize("words", [(), ("-k", "late")])
def test_a_workflow_that_overran_is_exit_code_1(flowtester: FlowTester, words: tuple[str, ...]) -> None:
    flowtester.write(
        "flow_late.py",
        """
        import anyio
        from flowbuilder import workflow

        @workflow(timeout=0.05)
        async def late(): await anyio.sleep(60)

        @workflow
        def fine(): pass
        """,
    )
    outcome = flowtester.run("run", "flow_late.py", *words)
    assert outcome.exit_code == 1
    assert statuses(outcome)["late"] == "timed_out"


def test_an_internal_error_is_shown_and_ends_all(tester: FlowTester) -> None:
    tester.write(
        "flowconf.py",
        """
        from flowbuilder import hookimpl

        def broken(limit): raise RuntimeError("no lane")

        @hookimpl
        def flowbuilder_executors(): return {"broken": broken}
        """,
    )
    outcome = tester.run("run", "--executor", "broken")
    assert outcome.exit_code == 3
    assert "RuntimeError: no lane" in outcome.stderr


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (
            "dsk=1",
            "warning: --resource dsk: no workflow and no step that was found needs it\n  hint: did you mean 'disk'?\n",
        ),
        ("x=1", "warning: --resource x: no workflow and no step that was found needs it\n"),
        ("gpu=1", ""),
    ],
)
def test_a_resource_that_nothing_needs_is_warned_of(
    flowtester: FlowTester, command: str, given: str, warning: str
) -> None:
    flowtester.write(
        "flow_a.py",
        """
        from flowbuilder import ParallelConfig, step, workflow

        @step(resources={"gpu": 1})
        def inner(): ...

        @workflow(resources={"disk": 1}, config=ParallelConfig(resources={"disk": 1}))
        def save(): ...
        """,
    )
    outcome = flowtester.run(command, "--resource", given)
    assert (outcome.exit_code, outcome.stderr) == (0, warning)
