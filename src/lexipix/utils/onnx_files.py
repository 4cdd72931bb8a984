"""Whether an ONNX file refers to other files, found without the package onnx, which a service lacks."""

# The fields of ONNX's messages that lead to tensors, by number (onnx/onnx.proto)
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}  # fmt: skip
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # how a field is stored


def has_external_data(content: bytes) -> bool:
    """Whether a tensor of a model lies in another file on the disk; a ValueError if it is no ONNX model."""
    waiting = [("model", 0, len(content))]
    while waiting:
        message, place, end = waiting.pop()
        while place < end:
            tag, place = _varint(content, place)
            field, storage = tag >> 3, tag & 7
            value = 0
            if storage in (_VARINT, _BYTES):
                value, place = _varint(content, place)
            if message == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value)):
                return True
            if storage == _BYTES:
                if field in _MESSAGES[message]:
                    waiting.append((_MESSAGES[message][field], place, place + value))
                place += value
            elif storage in (_FIXED_32, _FIXED_64):
                place += 4 if storage == _FIXED_32 else 8
            elif storage != _VARINT:
                raise ValueError("it is no ONNX model")
            if place > end:
                raise ValueError("it is no ONNX model, or cut short")
    return False


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """The number at a place, of which each byte has seven bits, and the place after it."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        number |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return number & (2**64 - 1), place
    raise ValueError("it is no ONNX model, or cut short")
