"""Compression: smaller and faster variants of the generators and the captioner, and the choice among them.

===========================================  ==========================================================
:mod:`.export`, :mod:`.onnx_graphs`          trained networks as ONNX graphs, verified on real input
:mod:`.quantization`                         static int8 quantization of the convolutions
:mod:`.students`, :mod:`.distillation`       smaller networks, trained by the chosen generator
:mod:`.runtimes`                             networks in torch, ONNX Runtime and OpenVINO
:mod:`.variants`                             speed, memory and size of the variants of a model
:mod:`.generator_variants`                   all variants of the generators: ``speed.*``
:mod:`.captioner_variants`                   all variants of the captioner: ``captioner_speed.*``
:mod:`.quality`                              quality of generators on validation captions
:mod:`.champion`                             the choice of the family and of the variant
===========================================  ==========================================================

A *variant* is a network and a runtime, such as ``small_onnx_int8``; the *baseline* is the uncompressed
network in ``onnx_fp32``.
"""
