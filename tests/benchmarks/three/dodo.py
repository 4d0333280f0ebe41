"""Three steps with doit."""

from typing import Any

values: dict[str, Any] = {}


def numbers() -> None:
    values["numbers"] = list(range(10))


def doubled() -> None:
    values["doubled"] = [2 * number for number in values["numbers"]]


def half() -> None:
    print(sum(values["doubled"]) // 2)


def task_numbers() -> dict[str, Any]:
    return {"actions": [numbers]}


def task_doubled() -> dict[str, Any]:
    return {"actions": [doubled], "task_dep": ["numbers"]}


def task_half() -> dict[str, Any]:
    return {"actions": [half], "task_dep": ["doubled"], "verbosity": 2}
