"""Compression: smaller and faster variants of the generators and the captioner, and the choice among them.

A *variant* is a network and a runtime, such as ``small_onnx_int8``; the *baseline* is the uncompressed
network in ``onnx_fp32``.
"""
