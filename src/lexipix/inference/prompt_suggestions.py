"""Captions that fit what somebody has typed so far."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence

from lexipix.metrics.text import tokens

MAX_CAPTIONS = 50_000  # different ones that are searched
_FREQUENT = 5_000  # words of more captions, such as "a", find none: counting them would take milliseconds


class PromptSuggestions:
    """Finds captions of a training set for an incomplete prompt, in a millisecond.

    Example:
        >>> suggest = PromptSuggestions(["a red heart", "a blue star"])
        >>> suggest("a blue")
        ['a blue star']
    """

    def __init__(self, captions: Sequence[str]) -> None:
        """Of more than ``MAX_CAPTIONS`` different captions, evenly spaced ones are searched."""
        different = list(dict.fromkeys(captions))
        step = -(-len(different) // MAX_CAPTIONS) or 1
        self.captions = different[::step]
        self._owners: dict[str, list[int]] = defaultdict(list)  # of each word
        for row, caption in enumerate(self.captions):
            for word in dict.fromkeys(tokens(caption)):
                self._owners[word].append(row)
        self._sorted = sorted((caption.lower(), row) for row, caption in enumerate(self.captions))

    def __call__(self, prompt: str, n: int = 4) -> list[str]:
        """At most ``n`` captions: those that continue the prompt, then those that share most of its words.

        A caption that says what the prompt says is none of them. For an empty prompt they are evenly spaced.
        """
        if not prompt.strip():
            return self.captions[:: max(1, len(self.captions) // n)][:n]
        found = [*self._continuing(prompt, n), *self._sharing(prompt, n)]
        same = " ".join(prompt.lower().split())
        different = (self.captions[row] for row in dict.fromkeys(found))
        return [caption for caption in different if caption.lower() != same][:n]

    def _continuing(self, prompt: str, n: int) -> list[int]:
        """Captions that begin with the prompt, one in each stretch of them so that they differ."""
        start = " ".join(prompt.lower().split()) + (" " if prompt[-1].isspace() else "")
        first = bisect_left(self._sorted, (start, -1))
        last = bisect_left(self._sorted, (start + "\U0010ffff", -1))
        return [row for _, row in self._sorted[first : last : max(1, (last - first) // (n + 1))]][: n + 1]

    def _sharing(self, prompt: str, n: int) -> list[int]:
        """Captions by the number of the prompt's words that they have; the last word may be incomplete."""
        words, counts = list(dict.fromkeys(tokens(prompt))), Counter[int]()
        for word in words:
            owners = self._owners.get(word, [])
            if len(owners) <= _FREQUENT:
                counts.update(owners)
        if words and words[-1] not in self._owners and not prompt[-1].isspace():
            begun = (owners for word, owners in self._owners.items() if word.startswith(words[-1]))
            counts.update({row for owners in begun for row in owners})
        return [row for row, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: n + 1]]
