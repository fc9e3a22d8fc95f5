# SPDX-License-Identifier: MIT
# Whether a file is in Prometheus' text form 0.0.4: each family with HELP and TYPE before its
# samples, samples of a family together, names and labels well formed, no sample twice, histograms
# that grow and end in +Inf.
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?(?:[0-9.]+(?:e[+-]?[0-9]+)?|Inf)|NaN|\+Inf)$")


def check(text):
    assert text.endswith("\n"), "the last line has no end"
    types, helped, closed, seen, family, buckets = {}, set(), set(), set(), None, {}
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}: {line}"
        if line.startswith("# "):
            match = re.match(rf"# (HELP|TYPE) ({NAME}) (.+)$", line)
            assert match, where
            name = match[2]
            if name != family:
                assert name not in closed, "family twice: " + where
                closed.add(family)
                family = name
            if match[1] == "HELP":
                assert name not in helped, where
                helped.add(name)
            else:
                assert match[3] in ("counter", "gauge", "histogram", "summary", "untyped"), where
                assert name not in types, where
                types[name] = match[3]
            continue
        match = SAMPLE.match(line)
        assert match, where
        name, labels = match[1], match[2] or ""
        base = name
        if types.get(family) == "histogram":
            base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert base == family and family in types and family in helped, "outside its family: " + where
        assert (name, labels) not in seen, "twice: " + where
        seen.add((name, labels))
        if types[family] == "counter":
            assert name.endswith("_total"), "counter not _total: " + where
        if name.endswith("_bucket") and types[family] == "histogram":
            key = (base, re.sub(r'le="[^"]*",?', "", labels).replace(",}", "}"))
            bound = re.search(r'le="([^"]*)"', labels)[1]
            buckets.setdefault(key, []).append((float(bound.replace("+Inf", "inf")), float(match[3])))
    for key, rows in buckets.items():
        assert rows == sorted(rows) and rows[-1][0] == float("inf"), f"buckets of {key}: {rows}"
        assert all(a[1] <= b[1] for a, b in zip(rows, rows[1:])), f"buckets of {key} fall"


check(open(sys.argv[1], encoding="utf-8").read())
