"""Ruff's fixes: those that are admitted, and why no others are."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dagger_agents.code_review import improve_until, review_source
from dagger_agents.code_review.fixes import ADMITTED
from dagger_agents.code_review.ruff import LEFT_OUT, RULES
from dagger_agents.code_review.transformations.ruff_fixes import with_ruff_fixes


def fixed(text: str, file: str = "source.py") -> str:
    """A text with the fixes that are admitted."""
    text = dedent(text)
    return with_ruff_fixes(text, review_source(text, file))


DONE = {
    "B009": ("x = getattr(str, 'join')\n", "x = str.join\n"),
    "B014": (
        "try:\n    a()\nexcept (OSError, OSError):\n    b()\n",
        "try:\n    a()\nexcept OSError:\n    b()\n",
    ),
    "B033": ("x = {1, True, 2}\n", "x = {1, 2}\n"),
    "C413": ("x = list(sorted('ba'))\n", "x = sorted('ba')\n"),
    "E401": ("import os, sys\nos, sys\n", "import os\nimport sys\nos, sys\n"),
    "E703": ("x = 1;\n", "x = 1\n"),
    "E713": ("x = not a in b\n", "x = a not in b\n"),
    "E714": ("x = not a is b\n", "x = a is not b\n"),
    "F401": ("import os\nx = 1\n", "x = 1\n"),
    "F541": ("x = f'{{a}}'\n", "x = '{a}'\n"),
    "PIE790": ("def f():\n    pass\n    a()\n", "def f():\n    a()\n"),
    "PIE800": ("x = {**{'a': 1}, **b}\n", "x = {'a': 1, **b}\n"),
    "RET501": ("def f():\n    a()\n    return None\n", "def f():\n    a()\n    return\n"),
    "RET502": (
        "def f():\n    if a:\n        return\n    return 1\n",
        "def f():\n    if a:\n        return None\n    return 1\n",
    ),
    "RET505": (
        "def f():\n    if a:\n        return 1\n    else:\n        return '''\n  2'''\n",
        "def f():\n    if a:\n        return 1\n    return '''\n  2'''\n",
    ),
    "RET506": (
        "def f():\n    if a:\n        raise b\n    elif c:\n        d()\n",
        "def f():\n    if a:\n        raise b\n    if c:\n        d()\n",
    ),
    "RET507": (
        "def f():\n  for a in b:\n    if c:\n      continue\n    else:\n      d()\n",
        "def f():\n  for a in b:\n    if c:\n      continue\n    d()\n",
    ),
    "RET508": (
        "def f():\n  for a in b:\n    if c:\n      break\n    else:\n      d()\n",
        "def f():\n  for a in b:\n    if c:\n      break\n    d()\n",
    ),
    "SIM114": (
        "if a if b else c:\n    d()\nelif (e := b):\n    d()\n",
        "if (a if b else c) or (e := b):\n    d()\n",
    ),
    "SIM117": (
        "with a() as b:\n    with b.c():\n        d()\n",
        "with a() as b, b.c():\n    d()\n",
    ),
    "UP004": ("class A(object):\n    x = 1\n", "class A:\n    x = 1\n"),
    "UP034": ("print((1))\n", "print(1)\n"),
}
"""By rule, a text before and after."""


@pytest.mark.parametrize("code", ADMITTED)
def test_what_is_admitted_is_done(code: str) -> None:
    """Each rule is one of those that are looked for, and says that it can be mended."""
    before, after = DONE[code]
    found = [each for each in review_source(before).issues if each.code == code]
    assert found
    assert all(each.is_fixable for each in found)
    assert fixed(before) == after


LEFT = {
    "B010": "setattr(a(), 'b', c())\n",
    "B013": "try:\n    a()\nexcept (b,):\n    c()\n",
    "C420": "x = {a: b for a in c}\n",
    "F504": "x = '%(a)s' % {'a': 1, 'b': c.d}\n",
    "F522": "x = '{x}'.format(x=1, y=a())\n",
    "F523": "x = '{}'.format(1, a())\n",
    "F632": "x = a is 'str'\n",
    "F811": "from a import b\ndef b(): pass\n",
    "F841": "def f(e):\n  try:\n    a()\n  except OSError as e:\n    b()\n  return e\n",
    "F901": "def f():\n    raise NotImplemented\n",
    "PERF101": "x = y = [1]\nfor a in list(x):\n    del y[0]\n",
    "PIE804": "class A:\n    x = dict(**{'__a': 1})\n",
    "PIE807": "x = lambda: []\n",
    "PIE808": "x = range(0, *a)\n",
    "SIM118": "def f(a: dict):\n    return 1 in a.keys()\n",
    "SIM300": "x = 1 < a\n",
    "SIM910": "def f(a: dict):\n    return a.get(1, None)\n",
    "UP008": "class A(B):\n    def f(self):\n        return super(A, self).f()\n",
    "UP018": "def f():\n    str('text')\n",
    "UP032": "x = '{1}{0}'.format(a, b)\n",
}
"""By rule, a text that its fix would change in meaning, or one much like it."""


@pytest.mark.parametrize("code", LEFT)
def test_what_is_not_admitted_is_told_and_left(code: str) -> None:
    """The issue is there, and says nothing of a fix; the text stays as it is."""
    text = LEFT[code]
    found = [each for each in review_source(text).issues if each.code == code]
    assert found
    assert not any(each.is_fixable for each in found)
    assert fixed(text) == text


def test_every_rule_that_is_admitted_is_looked_for() -> None:
    """And there is a text for each of them."""
    assert {*DONE} == {*ADMITTED}
    assert not {*ADMITTED} & {*LEFT_OUT}
    assert all(each.startswith(RULES) for each in ADMITTED)
    assert all("".join(why.split()) for why in ADMITTED.values())


@pytest.mark.parametrize(
    "text",
    [
        "class A(B, object):\n    x = 1\n",
        "class A(object, metaclass=M):\n    x = 1\n",
    ],
)
def test_a_class_whose_bases_could_be_counted_keeps_them(text: str) -> None:
    """A metaclass is given them as they stand there."""
    assert fixed(text) == text
    assert not any(each.is_fixable for each in review_source(text).issues)


EFFECTS = """
    seen = []
    def effect(value):
        seen.append(value)
        return value
    def told(a):
        x = "{x}".format(x=1, y=effect(2)) + "%(a)s" % {"a": 1, "b": effect(3)}
        y = "{1}{0}".format(effect(4), effect(5)) + f"abc"
        if not a in [effect(6)]:
            return x
        else:
            return y
    class Base:
        def say(self):
            return ["base"]
    def rebuilt(cls):
        return type("New" + cls.__name__, (Base,), dict(cls.__dict__))
    class Kid(Base, object):
        def say(self):
            return super(Kid, self).say()
    @rebuilt
    class Other(Base, object):
        def say(self):
            try:
                return super(Other, self).say()
            except (TypeError, TypeError):
                return None
    class Keys(dict):
        def keys(self):
            return ["special"]
    def known(keys: dict):
        if "special" in keys.keys():
            return 1
        elif effect(7):
            return 1
        else:
            return 2
    def either(a, b):
        if effect(a):
            return effect("same")
        elif effect(b):
            return effect("same")
        else:
            with open(__file__) as c:
                with c:
                    return range(0, *[a + 3, 2]), getattr(c, "closed")
    seen += [told(6), told(7), Kid().say(), Other().say(), known(Keys())]
    seen += [either(0, 1), either(0, 0)]
    seen += [{1, True}, {**{"a": effect(8)}, **{"b": effect(9)}}]
"""


def test_code_with_effects_has_the_same_ones_afterwards() -> None:
    """All that it does is done again, in the same order."""
    before = dedent(EFFECTS)
    after, review = improve_until(before, review_source(before), 10)
    assert (len(after) < len(before), review.problems) == (True, ())
    assert _seen(after) == _seen(before)


def _seen(text: str) -> list[str]:
    names: dict[str, object] = {"__file__": __file__, "__name__": "effects"}
    exec(compile(text, "effects.py", "exec"), names)
    seen = names["seen"]
    assert isinstance(seen, list)
    return [repr(each) for each in seen]
