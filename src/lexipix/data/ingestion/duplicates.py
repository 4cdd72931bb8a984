"""Finds duplicate images with little memory."""

from array import array

_KEY = 16  # bytes of the digest that are kept: a collision among 10^9 images has a probability of 10^-20
_MAX_LOAD = 0.7


class DigestIndex:
    """Maps digests to the file with which each was added first.

    It is an open-addressed hash table in flat arrays: it takes about 40 bytes and the file's name per image,
    a quarter of a dict.
    """

    def __init__(self) -> None:
        self._allocate(4096)
        self._names = bytearray()
        self._ends = array("Q")

    def __len__(self) -> int:
        return len(self._ends)

    def claim(self, digest: bytes, file: str) -> str | None:
        """Add a digest (16 bytes or more) with its file, unless the digest is known.

        Returns:
            The file with which the digest was added first, or None if it is new.
        """
        key = digest[:_KEY]
        slot, number = self._find(key)
        if number:
            start = self._ends[number - 2] if number > 1 else 0
            return self._names[start : self._ends[number - 1]].decode("utf-8", "surrogatepass")
        self._names += file.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._names))
        self._set(slot, key, len(self._ends))
        if len(self._ends) > _MAX_LOAD * self._n_slots:
            self._grow()
        return None

    def _allocate(self, n_slots: int) -> None:
        self._n_slots = n_slots
        self._keys = bytearray(_KEY * n_slots)
        self._numbers = array("I", bytes(4 * n_slots))  # 0: free; else 1 + position of the image

    def _find(self, key: bytes) -> tuple[int, int]:
        """Slot and number of a key; for a new key, its future slot and 0."""
        mask = self._n_slots - 1
        slot = int.from_bytes(key[:8], "little") & mask
        while number := self._numbers[slot]:
            if self._keys[_KEY * slot : _KEY * slot + _KEY] == key:
                break
            slot = (slot + 1) & mask
        return slot, number

    def _set(self, slot: int, key: bytes, number: int) -> None:
        self._keys[_KEY * slot : _KEY * slot + _KEY] = key
        self._numbers[slot] = number

    def _grow(self) -> None:
        keys, numbers = self._keys, self._numbers
        self._allocate(2 * self._n_slots)
        for slot, number in enumerate(numbers):
            if number:
                key = bytes(keys[_KEY * slot : _KEY * slot + _KEY])
                self._set(self._find(key)[0], key, number)
