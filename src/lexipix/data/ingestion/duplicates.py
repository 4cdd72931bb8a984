"""Which picture was seen before, in little memory."""

from array import array

_KEY = 16  # bytes of the digest that are kept: two of 10^9 pictures agree in them by chance once in 10^20
_MAX_LOAD = 0.7


class DigestIndex:
    """Remembers digests and the file each was first seen in.

    An open-addressed table in flat arrays: about 40 bytes a picture and its file's name, a quarter of what a
    dict takes, so that the memory hardly grows with the number of pictures.
    """

    def __init__(self) -> None:
        self._allocate(4096)
        self._names = bytearray()
        self._ends = array("Q")

    def __len__(self) -> int:
        return len(self._ends)

    def claim(self, digest: bytes, file: str) -> str | None:
        """Enter a digest (16 bytes or more) under a file, unless it is known.

        Returns:
            The file under which it is known, or None when it is new.
        """
        key = digest[:_KEY]
        slot, number = self._find(key)
        if number:
            start = self._ends[number - 2] if number > 1 else 0
            return self._names[start : self._ends[number - 1]].decode("utf-8", "surrogatepass")
        self._names += file.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._names))
        self._enter(slot, key, len(self._ends))
        if len(self._ends) > _MAX_LOAD * self._n_slots:
            self._grow()
        return None

    def _allocate(self, n_slots: int) -> None:
        self._n_slots = n_slots
        self._keys = bytearray(_KEY * n_slots)
        self._numbers = array("I", bytes(4 * n_slots))  # 0: free, else one more than the picture's position

    def _find(self, key: bytes) -> tuple[int, int]:
        """The slot of a key and its number, or the slot where it belongs and 0."""
        mask = self._n_slots - 1
        slot = int.from_bytes(key[:8], "little") & mask
        while number := self._numbers[slot]:
            if self._keys[_KEY * slot : _KEY * slot + _KEY] == key:
                break
            slot = (slot + 1) & mask
        return slot, number

    def _enter(self, slot: int, key: bytes, number: int) -> None:
        self._keys[_KEY * slot : _KEY * slot + _KEY] = key
        self._numbers[slot] = number

    def _grow(self) -> None:
        keys, numbers = self._keys, self._numbers
        self._allocate(2 * self._n_slots)
        for slot, number in enumerate(numbers):
            if number:
                key = bytes(keys[_KEY * slot : _KEY * slot + _KEY])
                self._enter(self._find(key)[0], key, number)
