"""Rules for names, comments and docstrings: verbs for functions, plain words for everything."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import keras_attention

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "keras_attention").rglob("*.py"))

# A function name is a verb, not a participle or an adjective, which describe the result.
ED_VERBS = set("embed exceed feed need proceed seed shed speed".split())
IRREGULAR_PARTICIPLES = set(
    """begun bent bought bred broken brought built caught chosen cut dealt done drawn driven fallen
    fed felt flown forgotten found frozen given gone grown heard held hidden kept known laid led
    lent lost made meant met paid risen said seen sent shaken shown shrunk sought spent spoken
    stolen struck stuck sunk sworn swept taken taught thrown told torn understood undone won worn
    woven written""".split()
)
# Participles that are banned alone but allowed as the start of a term such as "hidden state".
TERMS = set("colored fixed fused hidden masked nested saved weighted".split())
ADJECTIVES = set("alone each flat plain precise sight unit visible waiting whole".split())
THIRD_PERSON = set(
    """allows asks avoids becomes belongs comes contains covers differs exceeds fits fuses gives
    goes hides ignores keeps knows lacks lasts learns lets looks makes matches owns reads refuses
    remains requires runs says sees shows stands stays takes tells uses varies wants
    writes""".split()
)
# Banned names of variables, arguments and attributes.
PRO_WORDS = set("asked following found given known made others said told wanted".split())
MASK_WORDS = set("blind seen sees sight unseen".split())
SUPERLATIVES = set(
    """BIGGEST FARTHEST FEW FEWEST HIGHEST LARGEST LEAST LONGEST LOWEST MANY MORE MOST SHORTEST
    SMALLEST""".split()
)
# A gradient is `grad_query`, not `of_query`.
BANNED_PREFIX = "of_"
# Public names are exempt.
PUBLIC = {"covers", "hide", "masked", "visited"}

RIDDLE = re.compile(r"(How|That|Those|What|When|Where|Whether|Which|Who|Whose|Why)\b")
MASK_WORD = re.compile(r"\b(blind|seen|sees|sight)\b", re.IGNORECASE)


def is_banned_function(name):
    """Return True if a function name is a participle, an adjective or a statement."""
    if name in PUBLIC or name.startswith("__"):
        return False
    bare = name.strip("_")
    words = bare.split("_")
    is_participle = words[0] in IRREGULAR_PARTICIPLES or (
        words[0].endswith("ed") and words[0] not in ED_VERBS
    )
    is_term = words[0] in TERMS and len(words) > 1
    return (
        (is_participle and not is_term)
        or bare in ADJECTIVES | PRO_WORDS
        or words[0] in THIRD_PERSON
        or bool(MASK_WORDS & set(words))
        or bare.startswith(BANNED_PREFIX)
    )


def is_banned_variable(name):
    """Return True if a variable name does not say what the variable holds."""
    bare = name.strip("_")
    words = set(bare.split("_"))
    if bare in PRO_WORDS or bare.startswith(BANNED_PREFIX) or words & MASK_WORDS:
        return True
    return bare.isupper() and bool(words & SUPERLATIVES)


def _is_property(node):
    return any(ast.unparse(d).split(".")[-1].endswith("property") for d in node.decorator_list)


def find_banned_names(source):
    """Return a message for each banned name that Python source code defines."""
    messages = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if _is_property(node):
                    is_banned = is_banned_variable(name)
                else:
                    is_banned = is_banned_function(name)
                kind = "function"
            case ast.arg(arg=name):
                is_banned, kind = is_banned_variable(name), "argument"
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                is_banned, kind = is_banned_variable(name), "variable"
            case _:
                continue
        if is_banned:
            messages.append(f"line {node.lineno}: {kind} {name}")
    return messages


def find_riddles(source):
    """Return a message for each docstring that begins with an indirect question."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [
        f"line {node.body[0].lineno}: docstring {docstring.splitlines()[0]!r}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented)
        and (docstring := ast.get_docstring(node))
        and RIDDLE.match(docstring)
    ]


def find_mask_words(source):
    """Return a message for each comment or string that says "seen" for "visible", or the like."""
    comments = (
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )
    strings = (
        (node.lineno + number, line)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number, line in enumerate(node.value.splitlines())
    )
    return [
        f"line {line}: {text.strip()!r}"
        for line, text in (*comments, *strings)
        if MASK_WORD.search(text)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("find", [find_banned_names, find_riddles, find_mask_words])
def test_package_follows_the_rules(path, find):
    messages = find(path.read_text(encoding="utf-8"))
    assert not messages, "\n".join(messages)


@pytest.mark.parametrize(
    "name",
    """dropped _kept hidden of_query reads_dots checked_cache drawn_dropout blind_query covers_all
    visible told""".split(),
)
def test_banned_function_name_is_recognized(name):
    assert is_banned_function(name)


@pytest.mark.parametrize(
    "name",
    """apply_dropout masked covers visited hide hidden_state keep_mask is_dot has_mask needs_table
    visible_keys read embed seed __getitem__""".split(),
)
def test_verb_or_predicate_is_accepted(name):
    assert not is_banned_function(name)


@pytest.mark.parametrize(
    "source, message",
    [
        ("def joined(x): ...", "line 1: function joined"),
        ("async def joined(x): ...", "line 1: function joined"),
        ("class A:\n  def _sees(self): ...", "line 2: function _sees"),
        ("def join(found): ...", "line 1: argument found"),
        ("lambda given: 0", "line 1: argument given"),
        ("of_key = 1", "line 1: variable of_key"),
        ("a, (b, told) = x", "line 1: variable told"),
        ("self.of_keys = 1", "line 1: variable of_keys"),
        ("for sight in x: ...", "line 1: variable sight"),
        ("_LARGEST_BLOCK = 3", "line 1: variable _LARGEST_BLOCK"),
    ],
)
def test_banned_names_are_found(source, message):
    assert find_banned_names(source) == [message]


def test_properties_may_be_adjectives():
    source = "class A:\n  @functools.cached_property\n  def visible(self): ..."
    assert not find_banned_names(source)
    assert not find_banned_names("class A:\n  @property\n  def masked_keys(self): ...")


@pytest.mark.parametrize("word", ["What", "Whether", "How", "Which"])
def test_riddles_are_found(word):
    assert find_riddles(f'"""{word} is made of it."""')
    assert find_riddles(f'def f():\n  """{word} is made of it."""')
    assert not find_riddles(f'"""The mask.\n\n{word} is made of it."""')


@pytest.mark.parametrize("word", ["seen", "sees", "sight", "blind"])
def test_mask_words_are_found(word):
    assert find_mask_words(f"x = 1  # {word}") == [f"line 1: '# {word}'"]
    assert find_mask_words(f'"""First.\n\nA {word} query."""') == [f"line 3: 'A {word} query.'"]
    assert find_mask_words(f'raise ValueError(f"Not {word}: {{x}}")')
    assert not find_mask_words('"""A visible key. See `hide`."""  # for oversight')


def test_exceptions_are_public_names():
    public = {*keras_attention.mask.__all__, *keras_attention.normalize.__all__}
    assert PUBLIC <= public | set(dir(keras_attention.score.Score))
