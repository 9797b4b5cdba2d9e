"""Finds places where a C++ source can be changed, and writes them into it as mutant schemata.

A schema holds the original and the change, and chooses at run time: `a < b` becomes `(::tapegrad_mutant<7>() ? (a <= b) : (a < b))`.
So one build has all mutants. Places are found in the tokens, with the spaces that clang-format puts around a binary operator
and nowhere else (`a < b`, but `Pack<T>`; `a * b`, but `T* a`). What does not compile with its change is dropped by mutate.py.
"""

import hashlib
import re
from dataclasses import dataclass

OTHER_OPERATORS = {
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["*"], "<": ["<=", ">"], "<=": ["<"], ">": [">=", "<"], ">=": [">"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"], "&": ["|"], "|": ["&"],
    "+=": ["=", "-="], "-=": ["=", "+="], "*=": ["=", "/="], "/=": ["=", "*="],
}
BINDS = {operator: level for level, operators in enumerate(
    ["= += -= *= /= %= &= |= ^= <<= >>= ? :", "||", "&&", "|", "^", "&", "== !=", "<=>", "< <= > >=", "<< >>", "+ -", "* / %"])
    for operator in operators.split()}
TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*) |
    (?P<text>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]*)\(.*?\)(?P=mark)"|(?:u8|[uUL])?"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])+') |
    (?P<number>\.?\d(?:[eEpP][-+]|'?[\w.])*) |
    (?P<word>[^\W\d]\w*) |
    (?P<sign><=>|<<=|>>=|\.\.\.|->\*|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
    """, re.X | re.S | re.M)
OPENING, CLOSING = {"(": ")", "[": "]", "{": "}"}, {")": "(", "]": "[", "}": "{"}
NO_OPERAND = {"return", "throw", "case", "else", "do", "if", "while", "for", "switch", "constexpr", "co_return", "new", "delete"}
NO_STATEMENT = NO_OPERAND | {"using", "typedef", "static_assert", "static", "const", "constexpr", "auto", "struct", "class", "enum",
                             "template", "public", "private", "friend", "default", "try", "catch", "goto"}


@dataclass(frozen=True)
class Mutant:
    file: str      # from the top of the repository
    start: int     # where the original is
    end: int
    kind: str
    original: str
    change: str
    nth: int = 0   # among the same changes of the same text

    def key(self):
        """Does not change with lines that are added elsewhere."""
        return "\t".join([self.file, self.kind, self.original, self.change, str(self.nth)])

    def rank(self, seed):
        """Mutants in the order of this are in a random order, in which a new one moves no other."""
        return hashlib.sha256(f"{seed}\t{self.key()}".encode()).hexdigest()


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int
    apart: bool = False  # blanks on both sides


def tokens_of(source):
    tokens = []
    for match in TOKEN.finditer(source):
        if match.lastgroup != "skip" and not match.group("skip"):
            kind = "text" if match.group("text") else match.lastgroup
            tokens.append(Token(kind, match.group(), match.start(), match.end()))
    for before, token, after in zip(tokens, tokens[1:], tokens[2:]):
        token.apart = before.end < token.start and token.end < after.start
    return tokens


class Finder:
    """Finds the mutants of one file."""

    def __init__(self, file, source):
        self.file, self.source = file, source
        self.tokens = tokens_of(source)
        self.partner = self.partners()
        self.active = [False] * len(self.tokens)  # in a function, not in what the compiler evaluates
        self.member = [False] * len(self.tokens)  # in a class, where members have their first values
        self.mark_scopes()
        self.mark_unevaluated()
        self.found = []

    def text(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def partners(self):
        """The other bracket of each bracket, with those of template arguments."""
        partner, stack = {}, []
        for i, token in enumerate(self.tokens):
            after_template = i > 0 and self.tokens[i - 1].text == "template"
            if token.text in OPENING:
                stack.append(i)
            elif token.text == "<" and (not token.apart or after_template):
                stack.append(i)
            elif token.text in CLOSING:
                while stack and self.tokens[stack[-1]].text == "<":
                    stack.pop()
                if stack:
                    partner[i] = stack[-1]
                    partner[stack.pop()] = i
            elif token.text in (">", ">>") and not token.apart:
                for _ in token.text:
                    if stack and self.tokens[stack[-1]].text == "<":
                        partner[i] = stack[-1]
                        partner[stack.pop()] = i
        return partner

    def mark_scopes(self):
        stack, begin = ["space"], 0
        for i, token in enumerate(self.tokens):
            if token.text == "{":
                stack.append(self.scope(begin, i, stack[-1]))
                begin = i + 1
            elif token.text == "}":
                if len(stack) > 1:
                    stack.pop()
                begin = i + 1
            elif token.text == ";":
                begin = i + 1
            self.active[i] = stack[-1] == "function"
            self.member[i] = stack[-1] == "class"

    def scope(self, begin, end, outer):
        """What a brace opens that follows these tokens."""
        words, i = [], begin
        while i < end:
            if self.text(i) == "template" and self.text(i + 1) == "<":
                i = self.partner.get(i + 1, i)
            else:
                words.append(self.text(i))
            i += 1
        if "namespace" in words:
            return "space"
        if "enum" in words:
            return "list"
        if "(" in words:
            return "function"
        if {"struct", "class", "union"} & set(words):
            return "class"
        return "function" if outer == "function" else "list"

    def mark_unevaluated(self):
        def off(first, last):
            for i in range(first, last + 1):
                self.active[i] = self.member[i] = False

        for i, token in enumerate(self.tokens):
            if token.text == "<" and i in self.partner:
                off(i, self.partner[i])
            elif token.text in ("sizeof", "alignof", "decltype", "noexcept", "static_assert", "requires", "alignas") or (
                    token.text.startswith("TAPEGRAD_")):
                if self.text(i + 1) == "(" and i + 1 in self.partner:
                    off(i, self.partner[i + 1])
            elif token.text == "case":
                end = i
                while self.text(end) not in (":", ""):
                    end += 1
                off(i, min(end, len(self.tokens) - 1))
            elif token.text == "constexpr" and self.text(i - 1) == "if":
                off(i, self.partner[i + 1])
            elif token.text in ("constexpr", "using", "constinit"):
                self.constant(i, off)
            elif token.text == "[" and (self.text(i + 1) == "[" or not self.is_operand(i - 1)):
                off(i, self.partner.get(i, i))

    def constant(self, i, off):
        """A constant (not a function that can be one) is not mutated: what computes it has run before the program starts."""
        end, call = i, False
        while end < len(self.tokens) and self.text(end) not in (";", "=", "{"):
            call = call or self.text(end) == "("
            end = self.partner[end] if self.text(end) in ("(", "[", "<") and end in self.partner else end
            end += 1
        if self.text(end) == "{" and call:
            return
        while end < len(self.tokens) and self.text(end) != ";":
            end = self.partner.get(end, end) if self.text(end) in OPENING else end
            end += 1
        off(i, min(end, len(self.tokens) - 1))

    def is_operand(self, i):
        if i < 0:
            return False
        token = self.tokens[i]
        if token.text in (")", "]"):
            return True
        return token.kind in ("word", "number", "text") and token.text not in NO_OPERAND

    def is_control(self, i):
        """Whether this bracket closes the condition of an if, for, while or switch."""
        if self.text(i) != ")" or i not in self.partner:
            return False
        return self.text(self.partner[i] - 1) in ("if", "for", "while", "switch", "constexpr")

    def ends(self, i, level, step):
        """How far the operand beside an operator of this level reaches: the index of its last token in that direction."""
        brackets = CLOSING if step < 0 else OPENING
        at, stop = i, i + step
        while 0 <= stop < len(self.tokens):
            token = self.tokens[stop]
            if token.text in brackets or (stop in self.partner and (self.partner[stop] - stop) * step > 0):
                if stop not in self.partner or self.is_control(stop) or (token.text in "{}" and step < 0 and
                                                                          self.text(self.partner[stop] - 1) in (")", ";", "{", "}")):
                    break
                stop = self.partner[stop]
            elif token.text in OPENING or token.text in CLOSING or token.text in (",", ";", "?", ":") or token.text in NO_OPERAND:
                break
            elif token.apart and token.text in BINDS and (BINDS[token.text] < level or (step > 0 and BINDS[token.text] == level)):
                break
            at, stop = stop, stop + step
        return at

    def add(self, first, last, kind, change):
        if first > last or not all(self.active[i] or self.member[i] or self.text(i) in "<>" or self.in_brackets(i, first, last)
                                   for i in (first, last)):
            return
        start, end = self.tokens[first].start, self.tokens[last].end
        original = one_line(self.source[start:end])
        change = one_line(change)
        if original and original != change:
            self.found.append(Mutant(self.file, start, end, kind, original, change))

    def in_brackets(self, i, first, last):
        return i in self.partner and first <= self.partner[i] <= last

    def piece(self, first, last):
        return self.source[self.tokens[first].start:self.tokens[last].end] if first <= last else ""

    def find(self):
        for i, token in enumerate(self.tokens):
            if not self.active[i] and not self.member[i]:
                continue
            if token.kind == "number":
                self.constants(i)
            elif token.text in ("true", "false"):
                self.add(i, i, "constant", "false" if token.text == "true" else "true")
            elif self.active[i]:
                if token.apart and token.text in OTHER_OPERATORS and self.is_operand(i - 1):
                    self.operators(i)
                elif token.text in ("!", "-") and not self.is_operand(i - 1) and self.tokens[i + 1].start == token.end:
                    self.signs(i)
                elif token.text in ("if", "while") and self.text(i + 1) == "(":
                    self.condition(i + 2, self.partner[i + 1] - 1, token.text == "if")
                elif token.text == "?":
                    self.condition(self.ends(i, BINDS["||"], -1), i - 1, False)
                elif token.text == "(" and i in self.partner:
                    self.arguments(i)
                self.statement(i)
        seen, result = {}, []
        for mutant in sorted(set(self.found), key=lambda m: (m.start, -m.end, m.change)):
            nth = seen[mutant.key()] = seen.get(mutant.key(), -1) + 1
            result.append(Mutant(mutant.file, mutant.start, mutant.end, mutant.kind, mutant.original, mutant.change, nth))
        return result

    def constants(self, i):
        text = self.text(i)
        if self.member[i] and self.text(i - 1) == "=" and self.text(i - 2) in (")", "const", "noexcept", "override"):
            return  # a pure function
        if match := re.fullmatch(r"(0x[\da-fA-F']+|[\d']+)([uUlL]*)", text):
            value = int(match[1].replace("'", ""), 0 if match[1].startswith("0x") else 10)
            self.add(i, i, "constant", f"{value + 1}{match[2]}")
            if value == 1:
                self.add(i, i, "constant", f"0{match[2]}")
        elif re.fullmatch(r"[\d.]+(e[-+]?\d+)?[fF]?", text):
            self.add(i, i, "constant", f"{text} * 1.01" if float(text.rstrip("fF")) else f"{text} + 1")

    def operators(self, i):
        if "text" in (self.tokens[i - 1].kind, self.tokens[i + 1].kind):
            return  # of strings
        level = BINDS[self.text(i)]
        first, last = self.ends(i, level, -1), self.ends(i, level, +1)
        if self.text(i).endswith("=") and level == 0:
            last = self.ends(i, 0, +1)
            while self.text(last + 1) in ("?", ":"):
                last = self.ends(last + 1, 0, +1)
        for other in OTHER_OPERATORS[self.text(i)]:
            self.add(first, last, "operator", f"{self.piece(first, i - 1)} {other} {self.piece(i + 1, last)}")

    def signs(self, i):
        last = self.ends(i, len(BINDS), +1)
        for j in range(i + 1, last + 1):  # binds tighter than every binary operator
            if self.tokens[j].apart and self.text(j) in BINDS:
                return
        self.add(i, last, "sign", self.piece(i + 1, last))

    def condition(self, first, last, can_skip):
        inner = range(first, last + 1)
        if first > last or any(self.text(j) == ";" or (self.text(j) == "=" and self.tokens[j].apart) for j in inner):
            return
        self.add(first, last, "condition", f"!({self.piece(first, last)})")
        if can_skip:
            self.add(first, last, "condition", "false")

    def chain(self, i):
        """The first token of what is called with the bracket i: std::max<T>(, a.b->c(. Its own index if nothing is."""
        first = j = i
        while j > 0:
            before = self.text(j - 1)
            if before == ">" and j - 1 in self.partner:
                j = self.partner[j - 1]
            elif self.tokens[j - 1].kind == "word" and before not in NO_OPERAND:
                first = j = j - 1
                if self.text(j - 1) not in ("::", ".", "->"):
                    break
                j -= 1
                if self.text(j) == "::" and not self.is_operand(j - 1) and self.text(j - 1) != ">":
                    break
            elif before in (")", "]") and j - 1 in self.partner and not self.is_control(j - 1) and j < i:
                first = j = self.partner[j - 1]
            else:
                break
        return first

    def arguments(self, i):
        first, end = self.chain(i), self.partner[i]
        if first == i or self.is_operand(first - 1) or self.text(first - 1) in (">", "&", "*", "~", ":", ",") and not (
                self.text(first - 1) == "," or self.tokens[first - 1].apart):
            return
        if self.text(end + 1) in ("{", "const", "->", "mutable") or self.text(first) + self.text(first + 1) + self.text(first + 2) in (
                "std::min", "std::max", "std::swap", "std::hypot"):  # the same in either order
            return
        commas, j = [i], i + 1
        while j < end:
            if self.text(j) in OPENING or (self.text(j) == "<" and j in self.partner):
                j = self.partner[j]
            elif self.text(j) == ",":
                commas.append(j)
            j += 1
        commas.append(end)
        for a, b, c in zip(commas, commas[1:], commas[2:]):
            one, two = self.piece(a + 1, b - 1), self.piece(b + 1, c - 1)
            if not re.search(r'["{]', one + two):
                self.add(first, end, "arguments", self.piece(first, a) + two + ", " + one + self.source[self.tokens[c].start:
                                                                                                  self.tokens[end].end])

    def statement(self, i):
        """Drops an expression that is a statement, a break or a continue."""
        before = self.text(i - 1)
        if before not in (";", "{", "}", "else") and not self.is_control(i - 1):
            return
        if self.tokens[i].kind != "word" and self.text(i) not in ("++", "--", "*", "("):
            return
        if before == "}" and self.text(i) == "(":
            return  # calls the lambda before it
        if self.text(i) in NO_STATEMENT:
            return
        end = i
        while end < len(self.tokens) and self.text(end) != ";":
            if self.text(end) in OPENING:
                end = self.partner.get(end, end)
            elif self.text(end) in CLOSING:
                return
            end += 1
        call = re.match(r"(break|continue)\s*;|(\+\+|--|\*|\()|[\w:.]+(<[^;<>]*>)?(->|\.|::|\(|\[|\s*([-+*/|&^]|<<|>>)?=\s|\+\+|--)",
                        self.source[self.tokens[i].start:])
        if call and not re.match(r"[\w:]+(<[^;]*>)?[&*]* \w+( =|\(|\{|;)", self.source[self.tokens[i].start:]):
            self.add(i, end, "statement", "")


def one_line(text):
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def find(file, source):
    return Finder(file, source).find()


def schema(number, mutant, original):
    """The original, with its schemata inside, and the change; on the lines of the original."""
    chosen = f"::tapegrad_mutant<{number}>()"
    if mutant.kind == "statement":
        return f"{{ if ({chosen}) {{ {mutant.change} }} else {{ {original} }} }}"
    if mutant.kind == "condition" or mutant.original.startswith("!"):  # `x` and `!x` may be of two types, as of an optional
        return f"({chosen} ? bool({mutant.change}) : bool({original}))"
    return f"({chosen} ? ({mutant.change}) : ({original}))"


def insert(source, numbered, start=0, end=None):
    """The source with these (number, mutant) as schemata. Of two that cross each other the later one is left out."""
    end = len(source) if end is None else end
    rest = sorted(numbered, key=lambda pair: (pair[1].start, -pair[1].end))
    out, at = [], start
    while rest:
        first = rest[0][1]
        same = [pair for pair in rest if (pair[1].start, pair[1].end) == (first.start, first.end)]
        inner = [pair for pair in rest[len(same):] if pair[1].end <= first.end]
        rest = [pair for pair in rest[len(same):] if pair[1].start >= first.end]
        text = insert(source, inner, first.start, first.end)
        for number, mutant in same:
            text = schema(number, mutant, text)
        out += [source[at:first.start], text]
        at = first.end
    return "".join(out) + source[at:end]
