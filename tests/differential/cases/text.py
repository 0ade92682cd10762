"""Strings, n-grams."""
import numpy as np

import values
from draw import Skip, operator


@operator("StringSplit")
def string_split(g):
    x = g.wild("T1", g.shape(0, 3))
    return {"delimiter": g.pick(None, "", ",", "a", "ab", " ", "l"), "maxsplit": g.maybe(g.int(0, 3))}, [x], 2


@operator("StringNormalizer")
def normalizer(g):
    shape = g.pick((g.int(1, 6),), (1, g.int(1, 6)))
    words = [g.pick(*[w for w in values.WORDS if w and w != "İ"]) for _ in range(int(np.prod(shape)))]
    return {"case_change_action": g.pick(None, "NONE", "UPPER", "LOWER"), "is_case_sensitive": g.pick(None, 0, 1),
            "stopwords": g.maybe(["abc", "Tuesday", "ä"])}, [np.array(words, object).reshape(shape)], 1


@operator("RegexFullMatch")
def regex(g):
    return {"pattern": g.pick(".*", "[a-z]+", "a|abc", r"\d+", r"\w+ \w+", "(?i)abc", ".", r"[^,]*,.*", r"\p{L}+", "")}, [g.wild("T1", g.shape(0, 3))], 1


@operator("TfIdfVectorizer")
def tf_idf(g):
    words = g.type("T") == "string"
    n = g.int(1, 3)
    counts, pool, at = [0], [], 0
    for size in range(1, n + 1):
        for _ in range(g.int(1, 3)):
            pool += [g.int(0, 3) for _ in range(size)]
        counts.append(len(pool))
    starts = counts[:-1]
    grams = sum(((starts + [len(pool)])[i + 1] - starts[i]) // (i + 1) for i in range(n))
    order = [int(i) for i in g.r.permutation(grams)]
    low = g.int(1, n)
    shape = g.pick((g.int(1, 8),), (g.int(1, 3), g.int(1, 6)))
    x = g.mild("int64", shape, 0, 4)
    x = np.array([f"w{i}" for i in x.ravel()], object).reshape(shape) if words else x.astype(values.NUMPY[g.type("T")])
    pools = {"pool_strings": [f"w{i}" for i in pool]} if words else {"pool_int64s": pool}
    keys = set()
    for i in range(n):
        part = pool[starts[i]:(starts + [len(pool)])[i + 1]]
        for k in range(0, len(part), i + 1):
            gram = tuple(part[k:k + i + 1])
            if gram in keys:
                raise Skip
            keys.add(gram)
    mode = g.pick("TF", "IDF", "TFIDF")
    return {"mode": mode, "min_gram_length": low, "max_gram_length": g.int(low, n), "max_skip_count": g.int(0, 2), "ngram_counts": starts,
            "ngram_indexes": order, **pools, "weights": g.maybe([g.real(0.1, 2) for _ in range(grams)])}, [x], 1
